"""A network, statement by statement: the objective, each layer from the last to the first, the whole gradient.

    statement (1):    objective.delta(z, y)              against  ∂c/∂z of objective.value
    each layer:       backward(∂C/∂y(l)), teacher-forced against  ∂C/∂params(l), ∂C/∂y(l-1)      (2)-(6)
    whole gradient:   net.gradient(params, batch)        against  jax.grad(net.cost), penalty and mean included

| symbol | name in code | shape |
|---|---|---|
| δ(L) | row "objective … delta" | (N, d) |
| ∂C/∂y(l-1) | row "layer l … d_x" | as the layer's input |
| ∂C/∂params | rows "gradient [l]…" | as the parameters |
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from fnnets import checks, penalty
from fnnets.core import Layer, Network
from fnnets.verify import guard, oracle, precision, walk
from fnnets.verify.evidence import Subject
from fnnets.verify.examine import examine
from fnnets.verify.report import Report


def network(net: Network, params: Any, batch: Any, key: Any = None) -> Report:
    """Prove a network's gradient, or name the layer and the statement at which it goes wrong.

    Every layer's backward pass is run on the true cotangent of its output, so that each fault is named where it
    is, and the rows of the whole gradient that are wrong for that reason alone are labelled "downstream".

    Args:
        net: the network.
        params: its parameters; they decide the precision of the first column of errors.
        batch: `fnnets.Batch` of examples in general position: more than one, with no symmetry, and with a
            `dataset_size` that is not the batch's own, or λ/m poses as λ/n.
        key: PRNG key of the draws in training, the same on all sides; None for the network of prediction.

    Raises:
        TypeError, ValueError: arguments that do not fit the network, parameters that are no floating arrays, a
            cost that is not finite.

    >>> import jax, fnnets as fn
    >>> net = fn.feedforward([3, 2], objective=fn.objectives.softmax_log_likelihood)
    >>> inputs = jax.random.normal(jax.random.key(1), (4, 3))
    >>> report = fn.verify.network(net, net.init(jax.random.key(0)), fn.Batch(inputs, jax.numpy.arange(4) % 2))
    >>> [row.statement for row in report.rows], report.verdict
    (['1', '4, 6', '3, 5', '2', '4, 6', '3, 5'], 'pass')
    """
    checks.is_instance(net, Network, "verify.network: net", "make one with fnnets.network or fnnets.feedforward")
    params = guard.floating(params, "params")
    arrays, rebuild = precision.separate((batch, key))
    with precision.pinned():
        _check(net, params, arrays, rebuild)
        layer = oracle.walkable(net, params, rebuild, arrays)
        subjects = _subjects(net, layer, params, rebuild)

        def gather(inputs):
            return oracle.gather(net, layer, inputs[0], rebuild(inputs[1]), inputs[1])

        return examine("network", gather, subjects, (params, arrays), "net.cost")


def _check(net: Network, params: Any, arrays: Any, rebuild: Any) -> None:
    """The network's own checks, on values as well: NumPy's arrays keep theirs while JAX traces."""
    seen = [array if jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key) else np.asarray(array) for array in arrays]
    jax.eval_shape(lambda: net.cost(params, *rebuild(seen)))
    guard.scalar(lambda params, arrays: net.cost(params, *rebuild(arrays)), "net.cost", params, arrays)


def _subjects(net: Network, layer: Layer, params: Any, rebuild: Any) -> list[Subject]:
    """The objective, the layers from the last to the first, the whole."""
    first = Subject(
        "objective",
        (f"delta of {net.objective.name}",),
        ("1",),
        lambda z, y: jax.numpy.asarray(net.objective.value(z, y)),
    )
    places = oracle.places(layer, params)
    walked = [walk.subject(place.layer, place.params, _name(place)) for place in places]
    statements = [number for place in places for number in walk.statements(place.layer, place.params)]
    weights = [penalty.is_weight(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)]
    decay = "" if isinstance(net.l2, int | float) and net.l2 == 0 else " + λ/n w"
    numbers = tuple(s + decay * is_weight for s, is_weight in zip(statements, weights, strict=True))
    where = walk.paths(params, "gradient")
    whole = Subject("gradient", where, numbers, lambda at, rest: net.cost(at, *rebuild(rest)), net.layer.approximation)
    return [first, *walked[::-1], whole]


def _name(place: oracle.Place) -> str:
    """As "layer 1 dense", counted as the entries of the parameters are; "layer dense" where there is no chain."""
    return " ".join(filter(None, ("layer", ".".join(map(str, place.position)), place.layer.name)))
