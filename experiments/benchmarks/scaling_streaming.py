"""Examples a second where they stream, against arrays in memory: [784, 100, 10], minibatches of 128.

| fed from | what is read |
|---|---|
| memory | arrays on the device; an epoch is one scan |
| arrays | `fn.data.stream` of NumPy arrays |
| .npy | the same of a memory-mapped file of float32 |
| IDX | the same of a memory-mapped file of bytes, scaled on the device |
| batches | a list of minibatches, as a loader gives them that costs nothing |

Pixels are multiples of 1/255, one pool holds all examples, and the batches have the order of the first epoch, so that
all end that epoch with the same parameters. The files have just been written and lie in the system's cache: it is the
way from there that is timed, and no disk.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import fnnets as fn
from experiments.benchmarks import report
from experiments.benchmarks.agreement import TOLERANCE
from experiments.benchmarks.scaling_setting import (
    DESCENT,
    Options,
    Part,
    Table,
    dense,
    difference,
    epoch_ratio,
    timed,
)
from experiments.benchmarks.timing import summary
from fnnets.data import sources
from fnnets.training import epoch, shuffle

SIZE, LOW = 128, 0.8
MEMORY, ARRAYS, NPY, IDX, BATCHES = "memory", "arrays", ".npy, float32", "IDX, bytes", "batches"
TEXT = (
    "A stream copies each example once more than arrays in memory do: rows are gathered in random order "
    "while the chunk before trains, and takes its share of the cores. Bytes are a quarter of what is copied, and are "
    "scaled on the device. Ready batches are checked and stacked into chunks."
)


def scaled(batch: fn.Batch) -> fn.Batch:
    """Bytes as numbers from 0 to 1.

    >>> scaled(fn.Batch(np.array([[0, 255]], np.uint8))).inputs.tolist()
    [[0.0, 1.0]]
    """
    return batch._replace(inputs=jnp.asarray(batch.inputs).astype(jnp.float32) / 255)


def write_idx(path: Path, array: np.ndarray) -> Path:
    """Bytes as a plain IDX file."""
    with path.open("wb") as file:
        file.write(header(array.shape))
        file.write(np.ascontiguousarray(array, np.uint8).data)
    return path


def header(shape: tuple[int, ...]) -> bytes:
    """The beginning of an IDX file of bytes.

    >>> header((2, 3)).hex()
    '000008020000000200000003'
    """
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


def feeds(pixels: np.ndarray, labels: np.ndarray, folder: Path, key: Any) -> dict[str, Any]:
    """Data for `fit`, by name; memory first."""
    inputs = pixels.astype(np.float32) / np.float32(255)
    np.save(folder / "inputs.npy", inputs)
    write_idx(folder / "inputs", pixels)
    pool = -(-len(pixels) // sources.BLOCK)
    order = _first_order(key, len(pixels))
    batches = [(inputs[rows], labels[rows]) for rows in np.split(order, range(SIZE, len(order), SIZE))]
    return {
        MEMORY: fn.Batch(jnp.asarray(inputs), jnp.asarray(labels)),
        ARRAYS: fn.data.stream(inputs, labels, pool=pool),
        NPY: fn.data.stream(folder / "inputs.npy", labels, pool=pool),
        IDX: fn.data.stream(folder / "inputs", labels, pool=pool, transform=scaled),
        BATCHES: batches,
    }


def _first_order(key, n: int) -> np.ndarray:
    state = epoch.start(dense(), DESCENT, key=key)
    return np.asarray(shuffle.shuffle(epoch.keys(state)[0], n))


def measure(options: Options) -> dict[str, Any]:
    """All feeds, the parameters after one epoch compared first."""
    random, key = np.random.default_rng(0), jax.random.key(0)
    pixels = random.integers(0, 256, (options.examples, 784), np.uint8)
    labels = random.integers(0, 10, options.examples, np.int32)
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        runs = {name: _run(train, key) for name, train in feeds(pixels, labels, Path(folder), key).items()}
        ended = {name: run(1) for name, run in runs.items()}
        found = timed(runs, options.epochs, options.rounds)
    far = {name: difference(params, ended[MEMORY]) for name, params in ended.items()}
    return {"examples": options.examples, "differences": far, "runs": found}


def _run(train, key) -> Callable[[int], Any]:
    net, size = dense(), None if isinstance(train, list) else SIZE

    def run(epochs):
        return fn.fit(
            net, DESCENT, train, key=key, epochs=epochs, batch_size=size, evaluate_training=False, progress=False
        ).params

    return run


def rows(part: Mapping[str, Any]) -> Table:
    """The table as text, the header first."""
    table: Table = [("fed from", "epoch s", "min", "max", "examples/s", "of memory", "difference")]
    for name, run in part["runs"].items():
        median, low, high = summary(run["epoch"])
        rate, share = part["examples"] / median, 1 / epoch_ratio(part["runs"], name, MEMORY)
        cells = f"{median:.3f}", f"{low:.3f}", f"{high:.3f}", f"{rate:.0f}", f"{share:.2f}"
        table.append((name, *cells, f"{part['differences'][name]:.0e}"))
    return table


def bars(part: Mapping[str, Any]) -> list[report.Bar]:
    """At least 0.8 of the throughput in memory from a memory-mapped file of numbers."""
    share = 1 / epoch_ratio(part["runs"], NPY, MEMORY)
    return [report.Bar("examples a second, .npy / memory", f"784-100-10:{SIZE}", share, low=LOW)]


def wrong(part: Mapping[str, Any]) -> list[str]:
    """All must end the first epoch with the same parameters, to rounding."""
    far = part["differences"].items()
    return [f"streaming: {name} arrives {value:.1e} away" for name, value in far if not value <= TOLERANCE]


STREAMING = Part("Streams", TEXT, measure, rows, wrong, bars)
