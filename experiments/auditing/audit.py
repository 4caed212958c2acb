"""`python -m experiments audit`: the derivative rules of public libraries, audited at ordinary and at special points.

    ordinary    each call of the catalogue, at its own arguments
    special     the same with `sweep=True`, where the first took less than `--patience` seconds
    settled     each verdict that is not "agrees" was looked at by hand; `settled.py` has what was found

A library that is not installed is left out, and said so. Results go to results/audit/NAME.json; `--write` takes them
over into experiments/auditing/measured and writes the page anew.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

import fnnets as fn
from experiments.auditing import faults, page
from experiments.auditing.libraries import LIBRARIES, Call
from experiments.harness import results
from experiments.harness.options import Common, OptionError
from fnnets.storage.progress import progress
from fnnets.verify import AuditReport, AuditRow

HERE = Path(__file__).parent
ENDLESS = ("pinv", "svd", "matrix_rank")
"""Calls that do not return for an infinite number, as LAPACK's decomposition into singular values does not."""
SHOWN = ("agrees", "not differentiated")


@dataclass(frozen=True)
class Options(Common):
    """Audit the derivative rules of public libraries.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: whether to show the progress on standard error.
        libraries: modules of the catalogue, such as jax_special, optax, tfp_math; without it all.
        sweep: at special points too.
        patience: seconds that a call may take at its ordinary point to be looked at at special points.
        write: take the results over into experiments/auditing, and write its page.
    """

    libraries: tuple[str, ...] = ()
    sweep: bool = True
    patience: float = 4.0
    write: bool = False


def run(options: Options) -> int:
    """Audit each library; 0 unless there is none."""
    known = dict(LIBRARIES)
    for name in options.libraries:
        if name not in known:
            raise OptionError(f"audit: libraries has {name!r}, expected some of {', '.join(known)}")
    folder = options.out / "audit"
    done = 0
    for name in options.libraries or known:
        try:
            calls = importlib.import_module(f"experiments.auditing.libraries.{name}").calls()
        except ImportError as error:
            print(f"{name}: left out, {known[name]} is not installed ({error})")
            continue
        content = library(name, known[name], calls, options)
        results.save_json(content, folder / f"{name}.json")
        print(page.line(content))
        done += 1
    results.save_json(faults.content(), folder / "faults.json")
    if options.write:
        page.write(folder, HERE)
        print(f"written: {HERE.name}/README.md")
    return 0 if done else 1


def library(name: str, distribution: str, calls: list[Call], options: Options) -> dict[str, Any]:
    """What is found in the calls of one library."""
    begin, found = time.perf_counter(), []
    with progress(options.progress, len(calls), f"audit {name}") as step:  # type: ignore[arg-type]
        for call in calls:
            found.append(audited(call, options))
            step(call.name)
    versions = {each: importlib.metadata.version(each) for each in ("jax", distribution)}
    return {
        "library": name, "versions": versions, "calls": found, "seconds": round(time.perf_counter() - begin, 1),
    }  # fmt: skip


def audited(call: Call, options: Options) -> dict[str, Any]:
    """A call at its ordinary point, and at special ones."""
    with warnings.catch_warnings(), jax.numpy_dtype_promotion("standard"):
        warnings.simplefilter("ignore")  # of the libraries, which are not what is looked at
        begin = time.perf_counter()
        ordinary = _report(call, False)
        seconds = time.perf_counter() - begin
        special = None
        is_ended = not any(word in call.name for word in ENDLESS)
        if options.sweep and is_ended and isinstance(ordinary, AuditReport) and seconds < options.patience:
            special = _report(call, True)
    return {
        "name": call.name, "seconds": round(time.perf_counter() - begin, 1),
        "points": special.points if isinstance(special, AuditReport) else 1,
        "ordinary": _content(ordinary), "special": _content(special),
    }  # fmt: skip


def _report(call: Call, sweep: bool) -> AuditReport | Exception:
    try:
        return fn.verify.audit(call.function, *call.args, sweep=sweep)
    except Exception as error:  # a call that fails must not end the run; its row says so
        return error


def _content(report: AuditReport | Exception | None) -> Any:
    if report is None or isinstance(report, Exception):
        return None if report is None else f"{type(report).__name__}: {report}".partition("\n")[0][:200]
    rows = [_row(row) for row in report.rows]
    return {"visits": sum(row.visits for row in report.rows), "rows": rows, "remarks": list(report.remarks)}


def _row(row: AuditRow) -> dict[str, Any]:
    place = row.file.rpartition("site-packages/")[2].removeprefix(f"{HERE.parents[1]}/")
    found: dict[str, Any] = {"name": row.name, "at": f"{place}:{row.line}" if place else "", "verdict": row.verdict}
    if row.verdict not in SHOWN:
        found |= json.loads(json.dumps({"detail": row.detail, "note": row.note, "point": row.point}))
    return found | ({"second_order": row.second_order} if row.second_order == "departs" else {})
