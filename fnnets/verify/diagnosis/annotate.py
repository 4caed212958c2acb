"""Notes of a row beside its verdict: the place of the worst element, the profile, and what the wrong values are.

| symbol | name in code | shape |
|---|---|---|
| numbers that a ratio may be named after: N, T, n | `setting.sizes` | |
| padding | `setting.mask` | (T, N) bool |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np

from fnnets.verify.diagnosis import diagnose, location
from fnnets.verify.reference.evaluate import Reference
from fnnets.verify.reference.subject import Subject
from fnnets.verify.report.data import Row
from fnnets.verify.tracing import precision

if TYPE_CHECKING:
    from jaxtyping import Array, Bool


class Setting(NamedTuple):
    """What diagnoses may speak of: named sizes, padding, and the additive terms of a row by name: `terms(where)`."""

    sizes: Mapping[str, float] = MappingProxyType({})
    mask: Bool[Array, "T N"] | None = None
    terms: Callable[[str], Mapping[str, np.ndarray]] = lambda where: {}


def annotated(
    row: Row,
    pair: tuple[np.ndarray, np.ndarray],
    is_stepped: bool,
    setting: Setting,
    subject: Subject,
    known: Reference,
) -> Row:
    """The row with place and profile, and with a diagnosis where it is wrong.

    Args:
        row: with its verdict.
        pair: explicit and automatic values.
        is_stepped: whether they have an axis of time in front.
        setting, subject, known: what the diagnosis may speak of, what the row is of, and its reference.
    """
    explicit, automatic = pair
    axes = location.axes(row.where, automatic.ndim, "sequence" if is_stepped else _kind(row.where, automatic.ndim))
    row = row._replace(place=location.place(row.worst, axes), profile=location.profile(explicit, automatic, axes))
    if row.verdict != "wrong":
        return row
    mask = None if setting.mask is None else np.asarray(setting.mask)
    clues = diagnose.Clues(dict(setting.sizes), axes, mask, *_values(subject, known), setting.terms(row.where))
    found = diagnose.diagnose(explicit, automatic, clues)
    differs = ~(np.abs(explicit - automatic) <= 1e-9 * np.abs(automatic).max(initial=0.0))
    where = location.support(differs, axes, mask)
    sentence = "; ".join(filter(None, (found, "" if where in ("everywhere", "nowhere") else f"differs {where}")))
    return row._replace(diagnosis=sentence)


def _kind(where: str, ndim: int) -> str:
    """How the axes of a leaf are to be called: "parameters", "sequence", "image", "example" or "argument"."""
    last = where.split(" ")[-1]
    if last.startswith("args["):
        return "argument"
    if last.startswith((".", "[")) or last == "params":
        return "parameters"
    return {4: "image", 3: "sequence"}.get(ndim, "example")


def _values(subject: Subject, known: Reference) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Forward values and true cotangents by name: of taps, and of a layer's x and d_y."""
    values: dict[str, np.ndarray] = {}
    deltas: dict[str, np.ndarray] = {}
    for site, seen, cotangent in zip(known.forward.sites, known.seen, known.cotangents, strict=True):
        if cotangent is not None and len(site.lengths) < 2:
            values[site.tag.name], deltas[site.tag.name] = precision.numbers(seen), precision.numbers(cotangent)
    if subject.pull is not None:
        x, _, d_y = known.point[1]
        deltas.update(zip(("d_y", "d_t"), map(precision.numbers, jax.tree.leaves(d_y)), strict=False))
        if precision.is_floating(x):
            values["x"] = precision.numbers(x)
    return values, deltas


def sizes(time: str, x: np.ndarray | Array) -> dict[str, float]:
    """N, and T where there are sequences."""
    return (
        {"T": x.shape[0], "N": x.shape[1]}
        if time != "pointwise" and x.ndim > 1
        else {"N": x.shape[0]}
        if x.ndim
        else {}
    )
