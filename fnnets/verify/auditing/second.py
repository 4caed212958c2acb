"""The second derivative of a rule: that of its first derivative, along one direction, against that of its function.

It is reported and never a condition: a rule may be meant for one derivative alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fnnets.verify.auditing.candidates import Equation

CLOSE = 1e-3


def order(equation: Equation, inputs: Sequence[Any], cotangents: Sequence[np.ndarray]) -> str:
    """One of "agrees", "departs", "raises", and "" where the function itself has no second derivative."""
    names = [
        name for name in ("rule", "bare", "body") if name in equation.traced and not equation.traced[name].is_along
    ]
    if len(names) < 2 or names[0] != "rule":
        return ""
    one, other = (_changes(equation, name, inputs, cotangents) for name in names[:2])
    if other is None or not all(np.all(np.isfinite(each)) for each in other):
        return ""
    if one is None:
        return "raises"
    size = max((float(np.max(np.abs(each), initial=0.0)) for each in other), default=0.0)
    near = all(np.all(np.abs(x - y) <= CLOSE * max(size, 1e-6)) for x, y in zip(one, other, strict=True))
    return "agrees" if near else "departs"


def _changes(
    equation: Equation, name: str, inputs: Sequence[Any], cotangents: Sequence[np.ndarray]
) -> list[np.ndarray] | None:
    try:
        return equation.changes(name, inputs, cotangents)
    except Exception:  # a rule may raise anything where it is differentiated again
        return None
