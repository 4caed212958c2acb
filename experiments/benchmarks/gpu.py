"""A GPU in one command, eight minutes: the contract's float32 checks, training against its peers, paths, memory.

    python -m experiments.benchmarks gpu [--minutes 8] [--rows vgg-32 …]

    contract      tests/contract in float32, products in full precision, for a third of the time (`gpu_contract`)
    TF32 on       jax.default_matmul_precision("tensorfloat32"); PyTorch's allow_tf32 of products and of cuDNN
    TF32 off      jax.default_matmul_precision("highest"); both switched off
    paths         what `fnnets.kernels.paths` decided while a row was traced
    memory        device.memory_stats(), where the device has it; its peak is never forgotten

On a CPU it runs in a small form, which shows that all works: a few checks, small rows, and no TF32, which no CPU has.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax

from experiments.benchmarks import command, gpu_contract, gpu_page, report, training
from experiments.benchmarks import training_page as page
from experiments.benchmarks import training_rows as table
from experiments.benchmarks.against import ROOT
from experiments.benchmarks.peers import has_torch
from experiments.benchmarks.training_field import missing
from experiments.benchmarks.training_rows import Amount
from fnnets.core import validate
from fnnets.kernels import paths

ROWS = (
    "784-512-512-10:128", "nielsen-128", "vgg-32", "simple-100-32-64-128-10", "lstm-100-32-64-256-65",
    "cd-784-500:100", "autoencoder-784-1000-500-250-30:100", "nielsen-10", "lstm-784-64-1-100-10",
)  # fmt: skip
SMALL_ROWS = ("9-6-4:8", "lstm-5-8-3-6-4", "cd-9-6:8")
PRECISIONS = {"TF32 on": "tensorfloat32", "TF32 off": "highest"}
COARSE = 0.1  # of the way that parameters went, in products of ten bits
ENDED = (0, 1, 2)  # pytest's: all passed, some failed, stopped
CONTRACT_SHARE, SMALL_SHARE = 1 / 3, 0.002


@dataclass(frozen=True)
class Options:
    """Check the contract on an accelerator, then time training there.

    Attributes:
        rows: names of rows, as those of the benchmark of training; a small form of them on a CPU.
        minutes: after which nothing more is begun.
        rounds: samples of each contestant.
        contract: the folder or file of the checks; the empty string leaves them out.
        out: folder for the results.
    """

    rows: tuple[str, ...] = ROWS
    minutes: float = 8.0
    rounds: int = 5
    contract: str = "tests/contract"
    out: Path = Path("results/benchmarks")


def contract(folder: str, seconds: float, share: float = 1.0) -> dict[str, Any]:
    """Run the contract's float32 checks in a process of its own, which takes the device that JAX chooses.

    Returns:
        how many were selected, passed and skipped, which failed, seconds, the backend.

    Raises:
        RuntimeError: the process ended without an answer; the message has its last line.
    """
    with tempfile.TemporaryDirectory() as scratch:
        answer = Path(scratch) / "answer.json"
        asked = json.dumps({"seconds": seconds, "share": share, "answer": str(answer)})
        environment = {name: value for name, value in os.environ.items() if name != "JAX_PLATFORMS"}
        environment |= {gpu_contract.VARIABLE: asked, "JAX_DEFAULT_MATMUL_PRECISION": "highest"}
        words = [sys.executable, "-m", "pytest", folder, "-q", "-n", "0", "-p", gpu_contract.__name__, "--no-header"]
        ended = subprocess.run(
            words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if ended.returncode not in ENDED or not answer.exists():
            last = (ended.stdout.strip().splitlines() or ["it printed nothing"])[-1]
            raise RuntimeError(f"the contract ended with status {ended.returncode} and without an answer: {last}")
        return json.loads(answer.read_text("utf-8"))


@contextmanager
def precision(name: str) -> Iterator[None]:
    """One precision of matrix products for JAX and PyTorch."""
    if has_torch():
        import torch

        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = name == "TF32 on"
    with jax.default_matmul_precision(PRECISIONS[name]):
        yield


@contextmanager
def decisions() -> Iterator[dict[str, list[str]]]:
    """What the functions of `fnnets.kernels.paths` answer to what is traced within."""
    found: dict[str, list[str]] = {}
    functions = {name: each for name, each in vars(paths).items() if _decides(each)}

    def noted(name, function):
        @functools.wraps(function)
        def call(*args, **kwargs):
            answer = function(*args, **kwargs)
            if str(answer) not in found.setdefault(name, []):
                found[name].append(str(answer))
            return answer

        return call

    for name, function in functions.items():
        setattr(paths, name, noted(name, function))
    try:
        yield found
    finally:
        for name, function in functions.items():
            setattr(paths, name, function)


def _decides(each: Any) -> bool:
    return callable(each) and getattr(each, "__module__", "") == paths.__name__ and not isinstance(each, type)


def chosen_paths(name: str, amount: Amount) -> tuple[table.Row, dict[str, list[str]]]:
    """The row of that name, and what was decided for its network, cost and gradient.

    A layer that was made before in this process is kept (`fnnets.core.construction`), and is not decided again.
    """
    with decisions() as found:
        row = table.row(name, amount)
        if not isinstance(row.model, table.Boltzmann):
            batch = training.minibatch(row)
            jax.eval_shape(lambda params: row.net.cost_and_gradient(params, batch), row.params)
    return row, found


def memory() -> dict[str, int] | None:
    """The device's statistics, in bytes; None where it keeps none."""
    stats = jax.devices()[0].memory_stats()
    names = ("peak_bytes_in_use", "bytes_in_use", "bytes_limit")
    return {name: int(stats[name]) for name in names if name in stats} if stats else None


def measured(options: Options, names: Sequence[str], until: float, is_small: bool) -> tuple[list[Any], list[str]]:
    """Each row in each precision, and the names of those that were not begun in time."""
    rows, left = [], []
    device = "cpu" if is_small else _torch_device()
    for name in names:
        if time.monotonic() > until:
            left.append(name)
            continue
        row, decided = chosen_paths(name, Amount(seconds=0.0 if is_small else float("inf")))
        for setting in PRECISIONS if not is_small else ("TF32 off",):
            print(f"{name}, {setting}", flush=True)
            with precision(setting):
                found = training.measure(row, options.rounds, compiles=False, device=device)
            rows.append({**found, "precision": setting, "paths": decided, "memory": memory()})
            print("\n".join([report.aligned(page.rows(found)), *page.notes(found), ""]), flush=True)
    return rows, left


def _torch_device() -> str:
    if not has_torch():
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def run(options: Options) -> int:
    """Check, measure, print and write; 1 where a check fails or a contestant arrives at other parameters."""
    began = time.monotonic()
    validate.count(options.rounds, "rounds", "give the number of samples")
    if not options.minutes > 0:
        raise ValueError(f"minutes is {options.minutes}, expected more than 0; eight are enough")
    names = training.chosen(training.Options(rows=options.rows))
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # PyTorch needs its share of the device
    checked = None
    if options.contract:
        seconds = 60 * options.minutes * CONTRACT_SHARE
        checked = contract(options.contract, seconds, SMALL_SHARE if _has_no_accelerator() else 1.0)
        print(gpu_page.checks(checked), flush=True)
    is_small = jax.default_backend() == "cpu"
    if is_small:
        options, names = replace(options, rounds=2), names if options.rows != ROWS else list(SMALL_ROWS)
    for name in missing():
        print(f"{name}: skipped, it is not installed")
    rows, left = measured(options, names, began + 60 * options.minutes, is_small)
    content = {
        "settings": {"rounds": options.rounds, "minutes": options.minutes, "precisions": PRECISIONS},
        "is_small": is_small, "backend": jax.default_backend(), "contract": checked, "missing": missing(),
        "torch_device": "cpu" if is_small else _torch_device(), "rows": rows, "left": left,
        "seconds": round(time.monotonic() - began),
    }  # fmt: skip
    print(gpu_page.text(content))
    exact, coarse = ([row for row in rows if (row["precision"] == "TF32 on") is on] for on in (False, True))
    wrong = [*training.wrong(exact), *training.wrong(coarse, COARSE)]
    wrong += [f"the contract's {name} fails" for name in (checked or {}).get("failed", ())]
    return command.finish("gpu", options.out, content, wrong, training.versions())


def _has_no_accelerator() -> bool:
    """Known without starting JAX here, whose process would hold the device's memory: asked in another one."""
    words = [sys.executable, "-c", "import jax; print(jax.default_backend())"]
    environment = {name: value for name, value in os.environ.items() if name != "JAX_PLATFORMS"}
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    return ended.stdout.strip() in ("cpu", "")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    return command.main(run, Options, "gpu", arguments)
