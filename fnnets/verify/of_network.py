"""A network, statement by statement: the objective, each layer from the last to the first, the whole gradient.

    statement (1):    objective.delta(z, y)              against  ∂c/∂z of objective.value
    output:           the whole cost's ∂C/∂z             mean over the batch, over real steps; the sparsity's part
    each layer:       backward(∂C/∂y(l)), teacher-forced against  ∂C/∂params(l), ∂C/∂y(l-1)      (2)-(6)
    penalty:          what λ/n w adds, at an n that makes it as large as the data's part
    whole gradient:   net.gradient(params, batch)        against  jax.grad(net.cost), penalty and mean included

| symbol | name in code | shape |
|---|---|---|
| δ(L) | row "objective … delta" | (N, d) |
| ∂C/∂z | row "output" | (N, d) |
| ∂C/∂y(l-1) | row "layer l … d_x" | as the layer's input |
| ∂C/∂params | rows "gradient [l]…" | as the parameters |
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fnnets import batches, checks, penalty, sequences
from fnnets.core import Layer, Network
from fnnets.verify import diagnose, examine, explain, guard, oracle, precision, properties, walk
from fnnets.verify.evidence import Subject, largest
from fnnets.verify.examine import Case, Truth
from fnnets.verify.report import Report

SHARE = 0.01
"""n of the isolated penalty, in parts of λ: with n = λ/100 the penalty's gradient is 100 w, far above the data's."""


def network(net: Network, params: Any, batch: Any, key: Any = None, *, float64: bool = True) -> Report:
    """Prove a network's gradient, or name the layer and the statement at which it goes wrong.

    Every layer's backward pass is run on the true cotangent of its output, and within a layer each equation on the
    true values of those before it, so that each fault is named where it is; the rows of the whole gradient that are
    wrong for that reason alone are labelled "downstream".

    Above a million numbers it goes leaf by leaf, to hold little at a time, and leaves out properties that need many
    gradients at once: repeatability, `jit`, forward mode, second order, the batch's mean, the Taylor test.

    Args:
        net: the network.
        params: its parameters; they decide the precision of the first column of errors.
        batch: `fnnets.Batch` of examples in general position: more than one, with no symmetry, and with a
            `dataset_size` that is not the batch's own, or λ/m poses as λ/n.
        key: PRNG key of the draws in training, the same on all sides; None for the network of prediction.
        float64: let float64 decide; False judges by the rounding noise of the parameters' own precision.

    Raises:
        TypeError, ValueError: arguments that do not fit the network, parameters that are no floating arrays, a
            cost that is not finite.

    >>> import jax, fnnets as fn
    >>> net = fn.feedforward([3, 2], objective=fn.objectives.softmax_log_likelihood)
    >>> inputs = jax.random.normal(jax.random.key(1), (4, 3))
    >>> report = fn.verify.network(net, net.init(jax.random.key(0)), fn.Batch(inputs, jax.numpy.arange(4) % 2))
    >>> [row.statement for row in report.rows[:8]], report.verdict
    (['1', '1, mean', '2', '4, 6', '3, 5', '2', '4, 6', '3, 5'], 'pass')
    """
    params = _checked(net, params)
    with precision.pinned():
        return examine.examine(_case(net, params, batch, key), float64)


def truth(
    net: Network, params: Any, batch: Any, key: Any = None, *, float64: bool = True, is_quick: bool = False
) -> Truth:
    """What does not depend on the backward pass: for many accused that share a forward pass, as `network` takes them.

    `is_quick` leaves the parameters' own precision out where float64 decides; it serves `judged` alone.

    Raises:
        TypeError, ValueError: as `network`.
    """
    params = _checked(net, params)
    with precision.pinned():
        return examine.truth(_case(net, params, batch, key), float64, is_quick)


def judged(net: Network, known: Truth) -> Report:
    """The report on a network with the forward pass of that which `known` was made of.

    It stops at the first precision that decides, and leaves properties out where a row is wrong.
    """
    with precision.pinned():
        params, arrays = known.case.inputs
        batch, key = known.case.rebuild(arrays)
        return examine.judged(_case(net, params, batch, key, is_known=True), known, is_quick=True)


def _checked(net: Network, params: Any) -> Any:
    checks.is_instance(net, Network, "verify.network: net", "make one with fnnets.network or fnnets.feedforward")
    return guard.floating(params, "params")


def _case(net: Network, params: Any, batch: Any, key: Any, is_known: bool = False) -> Case:
    arrays, rebuild = precision.separate((batch, key))
    if not is_known:
        _check(net, params, arrays, rebuild)
    layer = oracle.walkable(net, params, rebuild, arrays)
    places = oracle.places(layer, params)
    penalised = not (isinstance(net.l2, int | float) and net.l2 == 0)
    numbers = oracle.numbered(layer, places)
    layers = [_of_layer(*each) for each in zip(places, numbers, strict=True)][::-1]
    whole = _whole(net, layer, params, rebuild)
    parts = [_objective(net), *([] if net.activity is None else [_activity(net)]), *layers]
    parts += [_penalty(net, layer, params, rebuild)] * penalised

    def place(inputs):
        params, arrays = inputs
        met = precision.compiled(
            "met", lambda params, arrays: oracle.met(net, layer, params, *rebuild(arrays)), params, arrays
        )
        own = [each.params for each in oracle.places(layer, params)]
        visits = [
            walk.point(p, visit, precision.is_floating(visit[0])) for p, visit in zip(own, met.visits, strict=True)
        ]
        ahead = [met.output, *([] if net.activity is None else [(met.kept, ())])]
        return [*ahead, *visits[::-1], *[(params, (arrays, SHARE * float(net.l2)))] * penalised, (params, arrays)]

    terms = partial(_terms, net, params, batch) if penalised else explain.Setting().terms
    setting = explain.Setting(_sizes(net, batch), batch.mask, terms)
    tests = _tests(net, layers, whole, batch, key, rebuild, len(parts) - len(layers) - penalised)
    return Case("network", (*parts, whole), place, (params, arrays), "net.cost", tests, setting, rebuild)


def _check(net: Network, params: Any, arrays: Any, rebuild: Any) -> None:
    """The network's own checks, on values as well: NumPy's arrays keep theirs while JAX traces."""
    seen = [array if jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key) else np.asarray(array) for array in arrays]
    jax.eval_shape(lambda: net.cost(params, *rebuild(seen)))
    guard.scalar(lambda params, arrays: net.cost(params, *rebuild(arrays)), "net.cost", params, arrays)


def _objective(net: Network) -> Subject:
    """Statement (1), one example's: the mean over the batch belongs to the whole."""

    def terms(z, y):
        return jnp.asarray(net.objective.value(z, y))

    statement = oracle.numbered_output(net)("1")
    return Subject("objective", (f"delta of {net.objective.name}",), (statement,), terms, net.objective.delta)


def _activity(net: Network) -> Subject:
    """The δ of a cost within the network."""
    return Subject(
        "activity", (f"delta of {net.activity.name}",), ("∂S/∂t",),
        lambda t, rest: net.activity.value(t), lambda t, rest: net.activity.delta(t), is_near=True,
    )  # fmt: skip


def _of_layer(place: oracle.Place, number: Callable[[str], str]) -> Subject:
    """A layer, called "layer 1 dense", counted as the entries of the parameters are; "layer dense" without a chain."""
    return walk.subject(place.layer, place.params, oracle.title(place), number=number)


def _penalty(net: Network, layer: Layer, params: Any, rebuild: Any) -> Subject:
    """λ/n w alone: what a small n adds to the same batch's cost and gradient, of order one whatever λ is."""

    def difference(function, at, rest):
        arrays, few = rest
        batch, key = rebuild(arrays)
        n = batch.dataset_size or sequences.count(net.layer.time, batch)
        large, small = (function(at, batch._replace(dataset_size=each), key) for each in (n, few))
        return jax.tree.map(lambda x, y: y - x, large, small)

    weights = [penalty.is_weight(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)]
    return Subject(
        "penalty", walk.paths(params, "penalty"), tuple("λ/n w" if each else "none" for each in weights),
        lambda at, rest: difference(net.cost, at, rest), lambda at, rest: difference(net.gradient, at, rest),
        explained=lambda at, rest: difference(lambda *given: oracle.explained(net, layer, *given), at, rest),
        scale=lambda at, rest: largest(at) / SHARE, is_whole=True,
    )  # fmt: skip


def _whole(net: Network, layer: Layer, params: Any, rebuild: Any) -> Subject:
    places = oracle.places(layer, params)
    statements = [
        number(statement)
        for place, number in zip(places, oracle.numbered(layer, places), strict=True)
        for statement in walk.statements(place.layer, place.params)
    ]
    weights = [penalty.is_weight(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)]
    decay = "" if isinstance(net.l2, int | float) and net.l2 == 0 else " + λ/n w"
    numbers = tuple(s + decay * is_weight for s, is_weight in zip(statements, weights, strict=True))
    return Subject(
        "gradient", walk.paths(params, "gradient"), numbers,
        lambda at, rest: net.cost(at, *rebuild(rest)), lambda at, rest: net.gradient(at, *rebuild(rest)),
        net.layer.approximation, is_forced=False, ahead=("output",), is_whole=True,
        explained=lambda at, rest: oracle.explained(net, layer, at, *rebuild(rest)), number=oracle.numbered_output(net),
    )  # fmt: skip


def _sizes(net: Network, batch: Any) -> dict[str, float]:
    x = np.asarray(batch.inputs)
    sizes = explain.sizes(net.layer.time, x)
    return sizes if batch.dataset_size is None else {**sizes, "n": batch.dataset_size}


def _terms(net: Network, params: Any, batch: Any, where: str) -> dict[str, Any]:
    """λ/n w of a row of the whole gradient, where it belongs and where not."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    found = (pair for name, pair in zip(walk.paths(params, "gradient"), leaves, strict=True) if name == where)
    scale = float(net.l2) / (batch.dataset_size or sequences.count(net.layer.time, batch))
    return {
        f"{'' if penalty.is_weight(path) else diagnose.STRAY}λ/n w": scale * np.asarray(leaf, np.float64)
        for path, leaf in found
    }


def _tests(net, layers, whole, batch, key, rebuild, first) -> tuple[properties.Property, ...]:
    tests = [
        properties.linear(layers, first), properties.hygiene(whole),
        properties.calculus(whole, has_second_order=not net.layer.approximation),
    ]  # fmt: skip
    samples = net.targets == batches.SAMPLES and (batch.targets is None or len(batch.targets) != len(batch.inputs))
    if key is None and net.activity is None and not samples:
        tests.append(_of_examples(net, batch, rebuild))
    return tuple(tests)


def _of_examples(net: Network, batch: Any, rebuild: Any) -> properties.Property:
    """The batch's gradient against the mean of its examples'."""
    count = sequences.count(net.layer.time, batch)
    n = batch.dataset_size or count

    def examples(at, arrays):
        whole, _ = rebuild(arrays)

        def one(i):
            return net.cost_and_gradient(at, sequences.take(net.layer.time, whole, i[None])._replace(dataset_size=n))

        return jax.lax.map(one, jnp.arange(count))

    def together(at, arrays):
        return net.cost_and_gradient(at, rebuild(arrays)[0]._replace(dataset_size=n))

    return properties.batch_mean(together, examples)
