"""Inputs of every contestant of the recurrent benchmark, and the layout in which gradients are compared.

    z_t = W x_t + R h_{t-1} + b                                 the packed weighted inputs
    simple   h_t = tanh z_t                                                     G = H
    lstm     i, f, g, o = σ z^i, σ z^f, tanh z^g, σ z^o                         G = 4H
             c_t = f ⊙ c_{t-1} + i ⊙ g          h_t = o ⊙ tanh c_t
    C        = 1/TN Σ −ln softmax_y(V h_t + v)                  an answer at every step

| symbol | name in code | shape |
|---|---|---|
| x, y | `one.inputs`, `one.labels` | (T, N, m), (T, N) |
| W, R, b | `.weights`, `.recurrent_weights`, `.biases` | (G, m), (G, H), (G,); gates i, f, g, o one below the other |
| V, v | `.output_weights`, `.output_biases` | (d, H), (d,) |

Parameters are uniform in ±1/√H (inputs' weights in ±1/√m), inputs normal, labels random, float32.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import fnnets as fn
from experiments.benchmarks.timing import Contestant, interleave, summary

CELLS: Mapping[str, int] = {"simple": 1, "lstm": 4}  # and how many gates each packs
PROBES = 5


class Sizes(NamedTuple):
    """T, N, m, H and d: steps, sequences, inputs, units, classes."""

    steps: int
    sequences: int
    inputs: int
    units: int
    classes: int


class Parameters(NamedTuple):
    """A recurrent layer and a linear one, gates packed; gradients are brought to this layout."""

    weights: Any
    recurrent_weights: Any
    biases: Any
    output_weights: Any
    output_biases: Any


class Work(NamedTuple):
    """A cell, its parameters, and a minibatch of sequences."""

    cell: str
    sizes: Sizes
    params: Parameters
    inputs: Any
    labels: Any

    @property
    def name(self) -> str:
        """Cell and sizes, as on the command line.

        >>> work("5-2-3-4-2", "lstm").name
        'lstm 5-2-3-4-2'
        """
        return f"{self.cell} " + "-".join(map(str, self.sizes))


class Way(NamedTuple):
    """One way to the cost and its gradient.

    Attributes:
        name: what tables call it.
        run: `() -> (C, gradient)`, the gradient in the way's own layout.
        packed: `gradient -> Parameters`.
        how: the configuration, where several were tried.
    """

    name: str
    run: Callable[[], Any]
    packed: Callable[[Any], Parameters]
    how: str = ""


def work(name: str, cell: str) -> Work:
    """The work called "100-32-32-64-10": T, N, m, H, d.

    Raises:
        ValueError: a name of another form, or another cell.

    >>> work("5-2-3-4-2", "lstm").params.recurrent_weights.shape
    (16, 4)
    """
    check([name], [cell])
    T, N, m, H, d = sizes = Sizes(*map(int, name.split("-")))
    G, random = CELLS[cell] * H, np.random.default_rng(0)

    def uniform(fan, *shape):
        return jnp.asarray(random.uniform(-(fan**-0.5), fan**-0.5, shape).astype(np.float32))

    params = Parameters(uniform(m, G, m), uniform(H, G, H), uniform(H, G), uniform(H, d, H), uniform(H, d))
    inputs = jnp.asarray(random.standard_normal((T, N, m), np.float32))
    return Work(cell, sizes, params, inputs, jnp.asarray(random.integers(0, d, (T, N), np.int32)))


def check(names: Sequence[str], cells: Sequence[str]) -> None:
    """Raise a ValueError for names and cells of which there is no work.

    >>> check(["5-2-3-4-2"], ["gru"])
    Traceback (most recent call last):
    ValueError: cells: one is 'gru', expected some of simple, lstm
    """
    for cell in cells:
        if cell not in CELLS:
            raise ValueError(f"cells: one is {cell!r}, expected some of {', '.join(CELLS)}")
    for name in names:
        if not re.fullmatch(r"([1-9]\d*-){4}[1-9]\d*", name):
            raise ValueError(f"nets: one is {name!r}, expected T-N-m-H-d, none of them 0, as in 100-32-32-64-10")
    if not (names and cells):
        raise ValueError("nets, cells: there is none; name at least one of each")


def fastest(ways: Sequence[Way]) -> Way:
    """The way that is fastest here, by the median of a few rounds in turn.

    >>> slow, quick = (Way("a", lambda: None, lambda gradient: gradient, how) for how in ("one", "other"))
    >>> fastest([slow]).how, fastest([slow, quick]).how in ("one", "other")
    ('one', True)
    """
    if len(ways) == 1:
        return ways[0]
    samples = interleave([Contestant(way.how, way.run) for way in ways], PROBES)
    return min(ways, key=lambda way: summary(samples[way.how]).median)


def answer(way: Way) -> tuple[Any, Parameters]:
    """The cost and the packed gradient of a way, as NumPy arrays."""
    cost, gradient = way.run()
    return np.asarray(cost), jax.tree.map(np.asarray, way.packed(gradient))


def difference(found: tuple[Any, Parameters], reference: tuple[Any, Parameters], gates: int) -> float:
    """The largest difference of cost, or of one gate's leaf, relative to its largest element; NaN is infinite.

    >>> zero, one = np.zeros((2, 1)), np.ones((2, 1))
    >>> exact = (1.0, Parameters(one, 1000 * one, one, one, one))
    >>> float(difference((1.0, exact[1]._replace(weights=one + np.array([[0.0], [0.5]]))), exact, 2))
    0.5
    """
    pairs = zip(_leaves(found, gates), _leaves(reference, gates), strict=True)
    worst = [float(np.max(np.abs(a - b)) / np.max(np.abs(b))) for a, b in pairs]
    return max(worst) if np.isfinite(worst).all() else np.inf


def _leaves(each, gates):
    """Cost and leaves; those of a gate by themselves, so that a large gate hides no small one."""
    cost, gradient = each
    packed = [part for leaf in gradient[:3] for part in np.split(leaf, gates)]
    return [np.asarray(cost), *packed, *gradient[3:]]


def library(one: Work, implementation: str = "fast") -> tuple[fn.Network, Any, fn.Batch]:
    """fnnets' network, with the parameters and the minibatch of this work."""
    own: Any = {"activation": fn.activations.tanh} if one.cell == "simple" else {}
    objective = fn.objectives.softmax_log_likelihood
    net = fn.recurrent(one.sizes[2:], cell=one.cell, objective=objective, implementation=implementation, **own)
    return net, as_library(one.params, net), fn.Batch(one.inputs, one.labels)


def as_library(params: Parameters, net: fn.Network) -> Any:
    """Packed parameters as those of a network of one recurrent and one dense layer."""
    layer, dense = net.init(jax.random.key(0))
    leaves = params[:3]
    if hasattr(layer, "input_gate"):
        split = zip(*(jnp.split(leaf, 4) for leaf in leaves), strict=True)
        gates = ("input_gate", "forget_gate", "candidate", "output_gate")
        layer = layer._replace(
            **{gate: _filled(getattr(layer, gate), *own) for gate, own in zip(gates, split, strict=True)}
        )
    else:
        layer = _filled(layer, *leaves)
    return layer, dense._replace(weights=params.output_weights, biases=params.output_biases)


def packed(params: Any) -> Parameters:
    """The way back, of parameters or of their gradient."""
    layer, dense = params
    gates = [layer]
    if hasattr(layer, "input_gate"):
        gates = [layer.input_gate, layer.forget_gate, layer.candidate, layer.output_gate]
    names = ("weights", "recurrent_weights", "biases")
    W, R, b = (np.concatenate([np.asarray(getattr(gate, name)) for gate in gates]) for name in names)
    return Parameters(W, R, b, dense.weights, dense.biases)


def _filled(part, weights, recurrent_weights, biases):
    return part._replace(weights=weights, recurrent_weights=recurrent_weights, biases=biases)
