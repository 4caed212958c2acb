"""Programs for the verifiers: right code that tends to be blamed, for its kinks, its rounding or its scales.

    kinks      at a kink either slope is a subgradient: relu and |x| at 0, equal maxima, a clip at its bound
    rounding   casts to a narrower type inside, long sums, large numbers that cancel
    scales     numbers of 1e-6 beside numbers of 1e6; a slope that changes within a short way

| symbol | name in code | shape |
|---|---|---|
| the gradient that enters | `d_y` | as y |
"""

from __future__ import annotations

import numpy as np

from experiments.benchmarks.verifiers_programs import Draw, Forward, family

KIND = "right code alone"


def _elementwise(name: str, values: Forward, function: Forward, slope: Forward) -> None:
    """Add a function of one array by elements, at the values that `values(draw)` gives."""

    def make(draw: Draw, fault: str):
        backward = lambda xp, d_y, x: (d_y * slope(xp, x),)  # noqa: E731
        return function, backward, {"x": values(draw)}

    family(KIND, name, {}, is_smooth=False)(make)


def _with_zeros(draw: Draw) -> np.ndarray:
    x = draw(4, 3)
    x[0] = 0.0
    return x


def _at_bounds(draw: Draw) -> np.ndarray:
    x = draw(4, 3)
    x[0] = (1.0, -1.0, 0.5)
    return x


def _positive(xp, x, is_open=True):
    return xp.where(x > 0 if is_open else x >= 0, xp.zeros_like(x) + 1.0, xp.zeros_like(x))


def _clip(xp, x):
    one = xp.zeros_like(x) + 1.0
    return xp.where(x > 1, one, xp.where(x < -1, -one, x))


def _narrow(xp, x, name):
    """tanh in a narrower type."""
    return xp.cast(xp.tanh(xp.cast(x, name)), x.dtype)


_elementwise("relu at zero, slope 0", _with_zeros, lambda xp, x: xp.where(x > 0, x, xp.zeros_like(x)), _positive)
_elementwise(
    "relu at zero, slope 1", _with_zeros, lambda xp, x: xp.where(x > 0, x, xp.zeros_like(x)),
    lambda xp, x: _positive(xp, x, is_open=False),
)  # fmt: skip
_elementwise(
    "absolute value at zero", _with_zeros, lambda xp, x: abs(x), lambda xp, x: _positive(xp, x) - _positive(xp, -x)
)
_elementwise("a clip at its bounds", _at_bounds, _clip, lambda xp, x: _positive(xp, 1 - abs(x)))
_elementwise(
    "tanh in float32 inside", lambda draw: draw(4, 3), lambda xp, x: _narrow(xp, x, "float32"),
    lambda xp, x: 1 - _narrow(xp, x, "float32") * _narrow(xp, x, "float32"),
)  # fmt: skip
_elementwise(
    "tanh in bfloat16 inside", lambda draw: draw(4, 3), lambda xp, x: _narrow(xp, x, "bfloat16"),
    lambda xp, x: 1 - _narrow(xp, x, "bfloat16") * _narrow(xp, x, "bfloat16"),
)  # fmt: skip
_elementwise(
    "1/x near zero", lambda draw: 1e-3 * (1 + abs(draw(4, 3))), lambda xp, x: 1 / x, lambda xp, x: -1 / (x * x)
)
_elementwise(
    "σ of 10 000 x", lambda draw: 1e-4 * draw(4, 3), lambda xp, x: xp.sigmoid(1e4 * x),
    lambda xp, x: 1e4 * xp.sigmoid(1e4 * x) * xp.sigmoid(-1e4 * x),
)  # fmt: skip


@family(KIND, "maximum of equal numbers", {}, is_smooth=False)
def maximum(draw: Draw, fault: str):
    """Rows in which the largest number comes twice; the gradient goes to the first."""

    def forward(xp, x):
        return xp.amax(x, -1)[:, 0]

    def backward(xp, d_y, x):
        before, is_largest = xp.zeros_like(d_y), xp.where(x == xp.amax(x, -1), xp.ones_like(x), xp.zeros_like(x))
        columns = []
        for j in range(x.shape[1]):
            columns.append(d_y * is_largest[:, j] * (1 - before))
            before = before + is_largest[:, j] * (1 - before)
        return (xp.stack(columns).T,)

    x = draw(3, 4)
    x[:, 2] = x[:, 1] = 2.0
    return forward, backward, {"x": x}


@family(KIND, "mean of 2000 squares", {})
def mean(draw: Draw, fault: str):
    """A sum of many terms."""
    backward = lambda xp, d_y, x: (d_y * 2 * x / x.shape[0],)  # noqa: E731
    return lambda xp, x: (x * x).mean(), backward, {"x": draw(2000)}


@family(KIND, "variance about a mean of 1000", {})
def variance(draw: Draw, fault: str):
    """Large numbers that cancel, taken off first."""
    backward = lambda xp, d_y, x: (d_y * 2 * (x - x.mean(0)) / len(x),)  # noqa: E731
    return lambda xp, x: ((x - x.mean(0)) * (x - x.mean(0))).mean(0), backward, {"x": 1000.0 + draw(8, 2)}


@family(KIND, "inputs of 1e6, weights of 1e-6", {})
def scales(draw: Draw, fault: str):
    """A layer of tanh units whose weighted inputs are about 1."""

    def forward(xp, x, w):
        return xp.tanh(x @ w)

    def backward(xp, d_y, x, w):
        a = xp.tanh(x @ w)
        d_z = d_y * (1 - a * a)
        return d_z @ w.T, x.T @ d_z

    single = lambda values: values.astype(np.float32).astype(np.float64)  # noqa: E731
    return forward, backward, {"x": single(1e6 * draw(4, 3)), "w": single(1e-6 * draw(3, 2))}


@family(KIND, "arguments of 1e-6 and 1e6", {})
def side_by_side(draw: Draw, fault: str):
    """Small and large numbers in one sum of squares, each divided by its size."""

    def forward(xp, small, large):
        return (1e6 * small) * (1e6 * small) + (1e-6 * large) * (1e-6 * large) * (1e6 * small)

    def backward(xp, d_y, small, large):
        s, t = 1e6 * small, 1e-6 * large
        return 1e6 * d_y * (2 * s + t * t), 1e-6 * d_y * 2 * t * s

    single = lambda values: values.astype(np.float32).astype(np.float64)  # noqa: E731
    return forward, backward, {"small": single(1e-6 * draw(5)), "large": single(1e6 * draw(5))}
