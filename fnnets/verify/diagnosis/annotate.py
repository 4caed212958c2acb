"""Notes of a row beside its verdict: the place of the worst element, the profile, and what the wrong values are.

| symbol | name in code | shape |
|---|---|---|
| numbers that a ratio may be named after: N, T, n | `setting.sizes` | |
| padding | `setting.mask` | (T, N) bool |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fnnets.verify.diagnosis import diagnose, given, location
from fnnets.verify.diagnosis.clues import CLOSE, Clues
from fnnets.verify.diagnosis.given import names_of, sizes_of
from fnnets.verify.reference.evaluate import Reference
from fnnets.verify.reference.subject import Subject
from fnnets.verify.report.data import Row
from fnnets.verify.tracing import precision

if TYPE_CHECKING:
    from jaxtyping import Array, Bool

__all__ = ["Setting", "annotated", "names_of", "sizes", "sizes_of"]
COARSEST = 0.1


class Setting(NamedTuple):
    """What diagnoses may speak of.

    Attributes:
        sizes: numbers by name; of one's own cost, where there are none, those of the arguments' axes.
        mask: padding.
        terms: the additive terms of a row by name, `terms(where)`.
        names: of the arrays among a cost's arguments, in the order of their leaves; "args[0]", … where there are none.
    """

    sizes: Mapping[str, float] = MappingProxyType({})
    mask: Bool[Array, "T N"] | None = None
    terms: Callable[[str], Mapping[str, np.ndarray]] = lambda where: {}
    names: tuple[str, ...] = ()


def annotated(
    row: Row,
    pair: tuple[np.ndarray, np.ndarray],
    is_stepped: bool,
    setting: Setting,
    subject: Subject,
    known: Reference,
    rounding: float = math.nan,
) -> Row:
    """The row with place and profile, and with a diagnosis where it is wrong.

    Args:
        row: with its verdict.
        pair: explicit and automatic values.
        is_stepped: whether they have an axis of time in front.
        setting, subject, known: what the diagnosis may speak of, what the row is of, and its reference.
        rounding: absolute error that rounding explains, where it was measured.
    """
    explicit, automatic = pair
    arrays = given.arguments(subject, known, setting.names)
    shape = given.shape(arrays, known)._replace(is_step=is_stepped)
    axes = _axes(row.where, automatic, setting, subject, shape)
    if axes[:1] == ("axis 0",) and row.where in subject.where:
        axes = given.kernel(automatic.shape, known) or axes
    size = float(np.maximum(automatic.max(initial=0.0), -automatic.min(initial=0.0)))
    row = row._replace(
        place=location.place(row.worst, axes), profile=location.profile(explicit, automatic, axes), largest=size
    )
    if row.verdict != "wrong":
        return row
    mask = None if setting.mask is None else np.asarray(setting.mask)
    tolerance = _tolerance(row, known, rounding, size)
    values, deltas, own = given.values(row.where, subject, known, arrays)
    clues = Clues(
        dict(setting.sizes) or given.named_sizes(arrays), axes, mask, values, deltas, setting.terms(row.where),
        tolerance, own, shape.is_batch_first, given.indices(arrays),
    )  # fmt: skip
    # a cost of a derivative that is zero on purpose does depend on it
    is_stopped = row.supports == "neither" and size == 0
    found = "" if is_stopped else diagnose.diagnose(explicit, automatic, clues)
    least = 1e-9 if tolerance <= CLOSE else tolerance
    differs = ~(np.abs(explicit - automatic) <= least * np.abs(automatic).max(initial=0.0))
    where = location.support(differs, axes, mask)
    is_said = where in ("everywhere", "nowhere") or (found and (where.startswith("at ") or where in found))
    sentence = "; ".join(filter(None, (found, "" if is_said else f"differs {where}")))
    return row._replace(diagnosis=sentence)


def _tolerance(row: Row, known: Reference, rounding: float, size: float) -> float:
    """The relative difference that is none: of float64 where that decides, else what the precision leaves."""
    column = precision.name(known.automatic)
    if column == "float64" or not math.isnan(row.error_float64):
        return CLOSE
    moved = 2 * rounding / size if size > 0 and math.isfinite(rounding) else 0.0
    return min(COARSEST, max(precision.tolerance(column), moved))


def _axes(where: str, values: np.ndarray, setting: Setting, subject: Subject, shape: location.Shape) -> tuple[str, ...]:
    """The names of the axes: of the package's own layers by rank, of one's own code by their sizes."""
    is_leaf = where in subject.where
    if subject.pull is None and not setting.sizes.keys() & {"N", "T"}:
        if is_leaf and where.endswith((".weights", ".biases")):
            return location.axes(where, values.ndim, "parameters")
        return (location.of_leaf if is_leaf else location.of_values)(values.shape, shape)
    kind = "sequence" if shape.is_step else _kind(where, values.ndim)
    return location.axes(where, values.ndim, kind)


def _kind(where: str, ndim: int) -> str:
    """How the axes of a leaf are to be called: "parameters", "sequence", "image", "example" or "argument"."""
    last = where.split(" ")[-1]
    if last.startswith("args["):
        return "argument"
    if last.startswith((".", "[")) or last == "params":
        return "parameters"
    return {4: "image", 3: "sequence"}.get(ndim, "example")


def sizes(time: str, x: np.ndarray | Array) -> dict[str, float]:
    """N, and T where there are sequences."""
    return (
        {"T": x.shape[0], "N": x.shape[1]}
        if time != "pointwise" and x.ndim > 1
        else {"N": x.shape[0]}
        if x.ndim
        else {}
    )
