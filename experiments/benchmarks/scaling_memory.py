"""A file larger than memory: one epoch through 20 GB of bytes, and the most memory that it took.

    25 000 000 images of 800 pixels       an IDX file that only its header takes room of: all pixels are 0
    [800, 10], minibatches of 1024        a network so small that reading is most of the work

Holes are read as pages of zeros through the system's cache, like any file's; no disk is waited for. The process maps
the file, trains through all of it, and reports the most that it had in memory, pages of the map included.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

import fnnets as fn
from experiments.benchmarks import report
from experiments.benchmarks.scaling_setting import DESCENT, Answer, Options, Part, Table, ask, peak
from experiments.benchmarks.scaling_streaming import header, scaled

PIXELS, SIZE, HIGH = 800, 1024, 2.0
TEXT = (
    "\"Before\" is the process with JAX and the mapped files, \"peak\" the most it had, compilation and pages of the "
    "map included. Pages are given back after each pool of blocks, so the peak depends on block, pool and chunk, and "
    "not on the size of the file. Time goes into page faults, the gathering of rows and the scaling of bytes."
)  # fmt: skip


def job(images: str, labels: str) -> Answer:
    """One epoch over the files, in this process."""
    source = fn.data.stream(images, labels, transform=scaled)
    net = fn.feedforward([source.inputs.shape[1], 10], objective=fn.objectives.softmax_log_likelihood)
    jax.block_until_ready(net.init(jax.random.key(0)))
    before, begin = peak(), time.perf_counter()
    result = fn.fit(
        net, DESCENT, source, key=jax.random.key(0), epochs=1, batch_size=min(SIZE, len(source.inputs)),
        progress=False,
    )  # fmt: skip
    seconds = time.perf_counter() - begin
    found = {"seconds": seconds, "before": before, "peak": peak(), "epochs": int(result.state.epoch)}
    return Answer(found | {"bytes": source.inputs.nbytes, "examples": len(source.inputs)}, [])


def measure(options: Options) -> dict[str, Any]:
    """Make the files and have a process train on them; {"skipped": why} where the file system has no room for holes."""
    count = max(1, round(1e9 * options.gigabytes / PIXELS))
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        images, labels = Path(folder) / "images", Path(folder) / "labels"
        try:
            sparse(images, (count, PIXELS))
            sparse(labels, (count,))
        except OSError as error:
            return {"skipped": f"a sparse file of {options.gigabytes:g} GB cannot be made ({error.strerror})"}
        (answer,) = ask("memory", {"images": str(images), "labels": str(labels)})
    return answer.found


def sparse(path: Path, shape: tuple[int, ...]) -> None:
    """An IDX file of zeros that takes no room on disk."""
    begin, size = header(shape), 1
    for length in shape:
        size *= length
    with path.open("wb") as file:
        file.write(begin)
        file.truncate(len(begin) + size)


def rows(part: Mapping[str, Any]) -> Table:
    """The table as text, the header first."""
    gigabytes = [f"{1e-9 * part[name]:.2f}" for name in ("bytes", "before", "peak")]
    size, before, most = gigabytes
    rate = f"{1e-9 * part['bytes'] / part['seconds']:.2f}"
    return [
        ("examples", "GB read", "s", "GB/s", "before GB", "peak GB"),
        (str(part["examples"]), size, f"{part['seconds']:.0f}", rate, before, most),
    ]


def bars(part: Mapping[str, Any]) -> list[report.Bar]:
    """Less than 2 GB in memory."""
    return [report.Bar("peak GB in memory", f"{1e-9 * part['bytes']:.3g} GB read", 1e-9 * part["peak"], high=HIGH)]


def wrong(part: Mapping[str, Any]) -> list[str]:
    """The epoch must have come to its end."""
    return [] if part["epochs"] == 1 else [f"memory: {part['epochs']} epochs were finished, expected 1"]


MEMORY = Part("A file larger than memory", TEXT, measure, rows, wrong, bars)
