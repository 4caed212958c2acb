"""A plugin of pytest for `experiments.benchmarks.gpu`: the contract's float32 checks, until a deadline.

    python -m pytest tests/contract -p experiments.benchmarks.gpu_contract

Checks run in an order that is drawn once and for all, so that those that a deadline leaves are a sample of all. XLA's
optimisations, which the suite switches off, are on, as the kernels run with them. FNNETS_GPU_CONTRACT holds, as JSON,
the seconds, the share of the checks that is taken, and the file of the answer.
"""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import Any

VARIABLE = "FNNETS_GPU_CONTRACT"
NEVER_BOTH = "float64"  # in the name of a check of the other precision
ANSWER: dict[str, Any] = {"selected": 0, "passed": 0, "failed": [], "skipped": 0, "backend": ""}
BEGAN = time.monotonic()


def request() -> dict[str, Any]:
    """What the benchmark asks for."""
    return json.loads(os.environ[VARIABLE])


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    """Keep float32 checks, in an order drawn from a fixed seed, and switch XLA's optimisations on."""
    import jax

    jax.config.update("jax_disable_most_optimizations", False)
    ANSWER["backend"] = jax.default_backend()
    items[:] = chosen(items, request()["share"])
    ANSWER["selected"] = len(items)


def chosen(items: list[Any], share: float) -> list[Any]:
    """Those of single precision, or of none, in the drawn order; of a share of them at least one.

    >>> class Item:
    ...     def __init__(self, nodeid): self.nodeid = nodeid
    >>> [item.nodeid for item in chosen([Item("a[float32]"), Item("a[float64]")], 0.1)]
    ['a[float32]']
    """
    found = [item for item in items if NEVER_BOTH not in item.nodeid]
    random.Random(0).shuffle(found)
    return found[: max(1, round(share * len(found)))]


def pytest_runtest_setup(item: Any) -> None:
    """Stop at the deadline; the running check is the last."""
    if time.monotonic() - BEGAN > request()["seconds"]:
        item.session.shouldstop = "the time is over"


def pytest_runtest_logreport(report: Any) -> None:
    """Count."""
    if report.failed:
        ANSWER["failed"].append(report.nodeid)
    elif report.skipped:
        ANSWER["skipped"] += 1
    elif report.when == "call":
        ANSWER["passed"] += 1


def pytest_sessionfinish(session: Any, exitstatus: Any) -> None:
    """Leave the answer."""
    ANSWER["seconds"] = round(time.monotonic() - BEGAN, 1)
    Path(request()["answer"]).write_text(json.dumps(ANSWER), encoding="utf-8")
