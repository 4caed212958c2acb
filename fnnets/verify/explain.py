"""What a row says beside its verdict: where the worst element is, and what the wrong values are.

| symbol | name in code | shape |
|---|---|---|
| numbers that a ratio may be named after: N, T, n | `setting.sizes` | |
| padding | `setting.mask` | (T, N) bool |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from fnnets.verify import diagnose, places, precision
from fnnets.verify.course import Side
from fnnets.verify.evidence import Subject, attempt
from fnnets.verify.report import Row


class Setting(NamedTuple):
    """What diagnoses may speak of: named sizes, padding, and the additive terms of a row by name: `terms(where)`."""

    sizes: Mapping[str, float] = MappingProxyType({})
    mask: Any = None
    terms: Callable[[str], Mapping[str, Any]] = lambda where: {}


class Known(NamedTuple):
    """What explains the rows of one subject: the setting, the subject, the oracle's side and the subject's position."""

    setting: Setting
    subject: Subject
    side: Side
    i: int


def explained(row: Row, leaf: Any, known: Known, kind: str = "") -> Row:
    """The row with place and profile, and with a diagnosis where it is wrong; `kind` as `places.axes` has it."""
    explicit, automatic = leaf.double or leaf.native
    setting = known.setting
    axes = places.axes(row.where, automatic.ndim, kind or _kind(row.where, automatic.ndim))
    row = row._replace(place=places.place(row.worst, axes), profile=places.profile(explicit, automatic, axes))
    if row.verdict != "wrong":
        return row
    mask = None if setting.mask is None else np.asarray(setting.mask)
    clues = diagnose.Clues(
        dict(setting.sizes),
        axes,
        mask,
        *_known(known.subject, known.side, known.i),
        setting.terms(row.where),
    )
    found = diagnose.diagnose(explicit, automatic, clues)
    differs = ~(np.abs(explicit - automatic) <= 1e-9 * np.abs(automatic).max(initial=0.0))
    where = places.support(differs, axes, mask)
    sentence = "; ".join(filter(None, (found, "" if where in ("everywhere", "nowhere") else f"differs {where}")))
    return row._replace(diagnosis=sentence)


def _kind(where: str, ndim: int) -> str:
    """How the axes of a leaf are to be called: "parameters", "sequence", "image" or "example"."""
    last = where.split(" ")[-1]
    if last.startswith((".", "[")) or last == "params":
        return "parameters"
    return {4: "image", 3: "sequence"}.get(ndim, "example")


def predicted(subject: Subject, point: Any, is_double: bool) -> Any:
    """The gradient that earlier faults alone lead to, or a `Failure`."""
    with precision.double() if is_double else precision.pinned():
        return attempt(lambda: precision.compiled((subject.name, "explained"), subject.explained, *point))


def _known(subject: Subject, side: Side, i: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Forward values and true cotangents by name: of taps, and of a layer's x and d_y."""
    values: dict[str, np.ndarray] = {}
    deltas: dict[str, np.ndarray] = {}
    found = side.found[i]
    for site, seen, cotangent in zip(side.forward[i].sites, found.seen, found.cotangents, strict=True):
        if cotangent is not None and len(site.lengths) < 2:
            values[site.tag.name], deltas[site.tag.name] = precision.numbers(seen), precision.numbers(cotangent)
    if subject.pull is not None:
        x, _, d_y = side.points[i][1]
        deltas["d_y"] = precision.numbers(d_y)
        if precision.is_floating(x):
            values["x"] = precision.numbers(x)
    return values, deltas


def sizes(time: str, x: Any) -> dict[str, float]:
    """N, and T where there are sequences."""
    return {"T": x.shape[0], "N": x.shape[1]} if time and x.ndim > 1 else {"N": x.shape[0]} if x.ndim else {}
