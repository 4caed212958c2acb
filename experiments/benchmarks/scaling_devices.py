"""A step on 1, 2, 4, 8 forced host devices, and in 1 and 2 processes: time, memory, messages.

    strong    N examples in a minibatch, however many devices there are
    weak      N examples on each device

| network | N | an example |
|---|---|---|
| [784, 100, 10] | 128 | 784 numbers |
| LSTM 64 | 64 | 50 steps of 32 numbers, an answer at each |

Devices hold the examples in memory; processes stream them, each the rows of its own devices, in the order of one
process in memory. The parameters of strong runs are compared with those of the first count.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

import fnnets as fn
from experiments.benchmarks.agreement import TOLERANCE
from experiments.benchmarks.scaling_setting import (
    DESCENT,
    Answer,
    Options,
    Part,
    Table,
    ask,
    dense,
    difference,
    peak,
    timed,
)
from experiments.benchmarks.timing import Contestant, interleave, summary
from fnnets.core.shares import DATA
from fnnets.data import sources
from fnnets.training import program
from fnnets.training.distributed import sharding

STEPS, FEATURES, CELLS, CLASSES = 50, 32, 64, 10  # of the LSTM
SIZES = {"784-100-10": 128, "LSTM 64": 64}
REPEATED = 20  # all-reduces in a sample
KINDS = ("strong", "weak")
PROCESSES = (1, 2)
COLLECTIVES = r"\b(all-reduce|all-gather|collective-permute|all-to-all|reduce-scatter)(?:-start)?\("
COLUMNS = (
    "network", "scaling", "{of}", "minibatch", "median ms/step", "min", "max", "per example, to {first}",
    "all-reduce ms", "before MB", "peak MB", "temporaries MB", "messages",
)  # fmt: skip
DEVICES_TEXT = (
    "The forced devices share the machine's cores, so these rows show what partitioning and the all-reduce cost, and "
    "that the programs are right; they cannot show what more machines give. What a row gains can come only from cores "
    "that one device leaves idle, and from shares that fit the caches better. \"Before\" is the process without "
    "examples, \"peak\" includes compilation and a copy of the examples for each device; \"temporaries\" are those "
    "of an epoch on one device, by the compiler's analysis; \"messages\" are the collectives in the compiled step, and "
    "\"all-reduce\" is the time of one of its size alone."
)  # fmt: skip
PROCESSES_TEXT = (
    "Each process has one device and as many threads as there are cores, so two of them compete for the cores. The "
    "all-reduce goes through Gloo on loopback and is waited for in each step; \"all-reduce\" is the time of one alone, "
    "and what a step takes beyond it and its share of the work goes into processes that wait for each other on shared "
    "cores. Memory is that of the larger process."
)  # fmt: skip


def network(name: str) -> fn.Network:
    """The network of a row."""
    if name.startswith("LSTM"):
        return fn.recurrent([FEATURES, CELLS, CLASSES], "lstm", objective=fn.objectives.softmax_log_likelihood)
    return dense()


def examples(name: str, count: int) -> fn.Batch:
    """Uniform inputs and random labels, NumPy arrays.

    >>> examples("LSTM 64", 3).inputs.shape, examples("784-100-10", 3).inputs.shape
    ((50, 3, 32), (3, 784))
    """
    random = np.random.default_rng(0)
    shape = (STEPS, count) if name.startswith("LSTM") else (count,)
    features = FEATURES if name.startswith("LSTM") else 784
    inputs: Any = random.random((*shape, features), np.float32)
    return fn.Batch(inputs, random.integers(0, CLASSES, shape, np.int32))  # type: ignore[arg-type]


def job(name: str, streamed: bool, steps: int, more: int, rounds: int) -> Answer:
    """In a process with some devices: both kinds of scaling, and the parameters that the strong one ends with.

    The weak one comes second, as it needs more memory and a peak is never forgotten.
    """
    found: dict[str, Any] = {"process": {"before": peak()}}
    arrays: list[np.ndarray] = []
    for kind in KINDS[: min(2, jax.device_count())]:  # which are the same on one
        size = SIZES[name] * (jax.device_count() if kind == "weak" else 1)
        found[kind], params = measured(name, streamed, size, steps, more, rounds)
        arrays = arrays or [np.asarray(leaf) for leaf in jax.tree.leaves(jax.device_get(params))]
    found.setdefault("weak", found["strong"])
    if jax.device_count() > 1:
        found["process"]["all_reduce"] = all_reduce(network(name), rounds)
    return Answer(found, arrays)


def measured(name: str, streamed: bool, size: int, steps: int, more: int, rounds: int) -> tuple[dict[str, Any], Any]:
    """Seconds of a step in each round, bytes, messages of the compiled step; and the parameters after an epoch."""
    net, given = network(name), examples(name, steps * size)
    pool = -(-steps * size // sources.BLOCK)  # one pool of all, so that the order is that in memory
    train = fn.data.stream(given.inputs, given.targets, pool=pool) if streamed else given

    def run(epochs):
        return fn.fit(
            net, DESCENT, train, key=jax.random.key(0), epochs=epochs, batch_size=size, evaluate_training=False,
            mesh=Mesh(np.array(jax.devices()), (DATA,)), progress=False,
        ).params  # fmt: skip

    params = run(1)
    seconds = timed({"fit": run}, more, rounds)["fit"]["epoch"]
    found = {"size": size, "peak": peak(), "step": [t / steps for t in seconds]}
    return found | ({} if streamed else analysed(net, given, size)), params


def analysed(net: fn.Network, train: fn.Batch, size: int) -> dict[str, Any]:
    """The compiler's analysis of an epoch, in whose loop one step stands."""
    placed: Any = sharding.placement(None, "all")
    state = fn.training.start(net, DESCENT, key=jax.random.key(0))
    state = sharding.place(placed, state, sharding.of_state(placed, state))
    config = program.Config(net, DESCENT, "explicit", size, "cost", placed)
    train = train._replace(dataset_size=train.targets.shape[-1])
    compiled: Any = program.compiled_epoch(config, ()).lower(state, sharding.everywhere(placed, train), {}).compile()
    return {
        "temporaries": compiled.memory_analysis().temp_size_in_bytes,
        "messages": messages(compiled.as_text()),
    }


def all_reduce(net: fn.Network, rounds: int) -> list[float]:
    """Seconds of an all-reduce of the network's gradients between all devices, and of nothing else, in each round."""
    size = sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(net.init, jax.random.key(0))))
    mesh = Mesh(np.array(jax.devices()), (DATA,))

    def repeated(x):
        return jax.lax.scan(lambda x, _: (jax.lax.pmean(x, DATA), None), x, length=REPEATED)[0]

    run = jax.jit(jax.shard_map(repeated, mesh=mesh, in_specs=P(DATA), out_specs=P(DATA), check_vma=False))
    x = jax.make_array_from_callback(
        (mesh.size, size), NamedSharding(mesh, P(DATA)), lambda index: np.ones((1, size), np.float32)
    )
    return list(interleave([Contestant("all-reduce", lambda: run(x), units=REPEATED)], rounds)["all-reduce"])


def messages(text: str) -> dict[str, int]:
    """The collectives in the text of a compiled program.

    >>> messages("%a = f32[3] all-reduce(%b), channel_id=1")
    {'all-reduce': 1}
    """
    return dict(Counter(re.findall(COLLECTIVES, text)))


def measure_devices(options: Options) -> dict[str, Any]:
    """The part devices."""
    rows = []
    for name in SIZES:
        base: list[np.ndarray] = []
        for count in options.counts:
            (answer,) = ask("devices", _given(name, False, options), devices=count)
            base = base or answer.arrays
            rows += _rows_of(name, count, answer.found, difference(answer.arrays, base))
    return {"of": "devices", "rows": rows}


def measure_processes(options: Options) -> dict[str, Any]:
    """The part processes: the dense network."""
    name, rows = next(iter(SIZES)), []
    base: list[np.ndarray] = []
    for count in PROCESSES:
        answers = ask("devices", _given(name, True, options), count=count)
        base = base or answers[0].arrays
        far = max(difference(answer.arrays, base) for answer in answers)
        larger = max((answer.found for answer in answers), key=lambda found: found["weak"]["peak"])
        rows += _rows_of(name, count, larger, far)
    return {"of": "processes", "rows": rows}


def _given(name: str, streamed: bool, options: Options) -> dict[str, Any]:
    tenth = name.startswith("LSTM")  # whose step takes so much longer
    return {
        "name": name, "streamed": streamed, "rounds": options.rounds,
        "steps": max(1, options.steps // 10) if tenth else options.steps,
        "more": max(1, options.epochs // 2) if tenth else options.epochs,
    }  # fmt: skip


def _rows_of(name, count, found, far) -> list[dict[str, Any]]:
    return [
        {"network": name, "scaling": kind, "count": count, **found[kind]}
        | ({"difference": far, **found["process"]} if kind == "strong" else {})
        for kind in KINDS
    ]


def rows(part: Mapping[str, Any]) -> Table:
    """The table as text, the header first."""
    first = part["rows"][0]["count"]
    base = {(row["network"], row["scaling"]): _per_example(row) for row in part["rows"] if row["count"] == first}
    table: Table = [tuple(column.format(of=part["of"], first=first) for column in COLUMNS)]
    for row in part["rows"]:
        median, low, high = summary(row["step"])
        ratio = _per_example(row) / base[row["network"], row["scaling"]]
        alone = f"{1e3 * summary(row['all_reduce']).median:.2f}" if "all_reduce" in row else ""
        temporaries = f"{1e-6 * row['temporaries']:.1f}" if "temporaries" in row else ""
        said = ", ".join(f"{count} {name}" for name, count in row.get("messages", {}).items())
        table.append((
            row["network"], row["scaling"], str(row["count"]), str(row["size"]),
            f"{1e3 * median:.2f}", f"{1e3 * low:.2f}", f"{1e3 * high:.2f}", f"{ratio:.2f}", alone,
            f"{1e-6 * row['before']:.0f}" if "before" in row else "", f"{1e-6 * row['peak']:.0f}", temporaries, said,
        ))  # fmt: skip
    return table


def _per_example(row) -> float:
    return summary(row["step"]).median / row["size"]


def wrong(part: Mapping[str, Any]) -> list[str]:
    """Faults that make the rows worthless: other parameters, or other messages than one all-reduce a step."""
    found = []
    for row in part["rows"]:
        name = f"{row['network']} on {row['count']} {part['of']}, {row['scaling']}"
        if not row.get("difference", 0.0) <= TOLERANCE:
            found.append(f"{name}: arrives at other parameters, {row['difference']:.1e} from the first")
        if row["count"] > 1 and "messages" in row and row["messages"] != {"all-reduce": 1}:
            found.append(f"{name}: has the messages {row['messages']}, expected one all-reduce a step")
    return found


DEVICES = Part("Forced host devices", DEVICES_TEXT, measure_devices, rows, wrong)
IN_PROCESSES = Part("Processes", PROCESSES_TEXT, measure_processes, rows, wrong)
