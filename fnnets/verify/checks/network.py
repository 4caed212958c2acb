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
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import averages, batches, calls, penalty, sequences, validate
from fnnets.core.types import Batch, Layer, Network
from fnnets.verify.checks import decompose, run
from fnnets.verify.checks.run import Case, References
from fnnets.verify.diagnosis import annotate, diagnose
from fnnets.verify.judging import properties
from fnnets.verify.reference import arguments
from fnnets.verify.reference.subject import Subject, largest, of_layer, paths, point, statements
from fnnets.verify.report.report import Report
from fnnets.verify.tracing import compiled, precision

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

    Rebuild = Callable[..., tuple[Batch, Array | None]]

SHARE = 0.01
"""n of the isolated penalty, in parts of λ: with n = λ/100 the penalty's gradient is 100 w, far above the data's."""

ORDER = "verify.network(net, params, batch)"


@calls.strict("network")
def network(net: Network, params: PyTree, batch: Batch, *, key: Array | None = None, x64: bool = True) -> Report:
    """Check a network's gradient, and name the layer and the statement at which it is wrong.

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
        x64: let float64 decide; False judges by the rounding of the parameters' own precision.

    Raises:
        TypeError, ValueError: arguments that do not fit the network or stand in another order, parameters that are no
            floating arrays or not finite, a cost that is not finite.
        Exception: whatever functions of one's own in the network raise themselves, as it is.

    >>> import jax, fnnets as fn
    >>> net = fn.feedforward([3, 2], objective=fn.objectives.softmax_log_likelihood)
    >>> inputs = jax.random.normal(jax.random.key(1), (4, 3))
    >>> report = fn.verify.network(net, net.init(jax.random.key(0)), fn.Batch(inputs, jax.numpy.arange(4) % 2))
    >>> [row.statement for row in report.rows[:8]], report.verdict
    (['1', '1, mean', '2', '4, 6', '3, 5', '2', '4, 6', '3, 5'], 'pass')
    """
    params, batch = _checked(net, params, batch, key, x64)
    with precision.pinned():
        return run.run(_case(net, params, batch, key), x64)


def reference(
    net: Network, params: PyTree, batch: Batch, *, key: Array | None = None, x64: bool = True, is_quick: bool = False
) -> References:
    """All that does not depend on the backward pass, for many candidates of one forward pass; arguments of `network`.

    `is_quick` leaves the parameters' own precision out where float64 decides; it serves `compared` alone.

    Raises:
        TypeError, ValueError: as `network`.
    """
    params, batch = _checked(net, params, batch, key, x64)
    with precision.pinned():
        return run.reference(_case(net, params, batch, key), x64, is_quick)


def compared(net: Network, known: References) -> Report:
    """The report on a network with the forward pass of that which the references were made of.

    It stops at the first precision that decides, and leaves properties out where a row is wrong.
    """
    with precision.pinned():
        params, arrays = known.case.inputs
        batch, key = known.case.rebuild(arrays)
        return run.compared(_case(net, params, batch, key, is_known=True), known, is_quick=True)


def _checked(net: Network, params: PyTree, batch: Batch, key: Array | None, x64: bool) -> tuple[PyTree, Batch]:
    """Parameters as JAX's arrays and the batch as arrays, after every check that needs no tracing."""
    is_swapped = isinstance(params, Network) or isinstance(batch, Network)
    made = f"write {ORDER}" if is_swapped else "make one with fnnets.network or fnnets.feedforward"
    validate.is_instance(net, Network, "verify.network: net", made)
    arguments.ordered("verify.network: params", params, ORDER)
    validate.flag(x64, "verify.network: x64", arguments.DECIDES)
    if key is not None:
        validate.is_key(key, "verify.network: key")
    validate.like(params, jax.eval_shape(net.init, jax.random.key(0)), "params")
    params, found = arguments.floating(params, "params"), batches.checked(net, batch)
    listed = {
        name: getattr(found, name) for name in Batch._fields[:3] if isinstance(getattr(batch, name), list | tuple)
    }
    return params, batch._replace(**listed) if listed else batch


def _case(net: Network, params: PyTree, batch: Batch, key: Array | None, is_known: bool = False) -> Case:
    arrays, rebuild = arguments.separate((batch, key))
    if not is_known:
        _check(net, params, arrays, rebuild)
    layer = decompose.decomposed(net, params, rebuild, arrays)
    is_penalised = not (isinstance(net.l2, int | float) and net.l2 == 0)
    nearest = [_objective(net), *([] if net.activity is None else [_activity(net)])]
    layers, whole = _layers(layer, params), _whole(net, layer, params, rebuild)
    subjects = (*nearest, *layers, *[_penalty(net, layer, params, rebuild)] * is_penalised, whole)

    def place(inputs):
        params, arrays = inputs
        values = lambda params, arrays: decompose.inputs(net, layer, params, *rebuild(arrays))  # noqa: E731
        output, kept, visits = compiled.call("inputs", values, params, arrays)
        own = [each.params for each in decompose.places(layer, params)]
        layers = [point(p, visit, precision.is_floating(visit[0])) for p, visit in zip(own, visits, strict=True)]
        near = [output, *([] if net.activity is None else [(kept, ())])]
        return [*near, *layers[::-1], *[(params, (arrays, SHARE * float(net.l2)))] * is_penalised, (params, arrays)]

    terms = partial(_terms, net, params, batch) if is_penalised else annotate.Setting().terms
    setting = annotate.Setting(_sizes(net, batch), batch.mask, terms)
    tests = _tests(net, layers, whole, batch, key, rebuild, len(nearest))
    return Case("network", subjects, place, (params, arrays), "net.cost", tests, setting, len(nearest), rebuild)


def _check(net: Network, params: PyTree, arrays: list[Array], rebuild: Rebuild) -> None:
    """The network's own checks, on values as well: NumPy's arrays keep theirs while JAX traces."""
    seen = [array if jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key) else np.asarray(array) for array in arrays]
    jax.eval_shape(lambda: _of(net.cost, rebuild)(params, seen))
    arguments.scalar(_of(net.cost, rebuild), "net.cost", params, arrays)


def _of(function: Callable[..., PyTree], rebuild: Rebuild) -> Callable[..., PyTree]:
    """`function(params, batch, key=key)` as a function of θ and the rest."""

    def of(at, rest):
        batch, key = rebuild(rest)
        return function(at, batch, key=key)

    return of


def _objective(net: Network) -> Subject:
    """Statement (1), one example's: the mean over the batch belongs to the whole."""

    def terms(z, y):
        return jnp.asarray(net.objective.value(z, y))

    statement = decompose.numbered_output(net)("1")
    return Subject("objective", (f"delta of {net.objective.name}",), (statement,), terms, net.objective.delta)


def _activity(net: Network) -> Subject:
    """The δ of a cost within the network."""
    return Subject(
        "activity", (f"delta of {net.activity.name}",), ("∂S/∂t",),
        lambda t, rest: net.activity.value(t), lambda t, rest: net.activity.delta(t),
    )  # fmt: skip


def _layers(layer: Layer, params: PyTree) -> list[Subject]:
    """The layers, last to first: "layer 1 dense", counted as the entries of the parameters; "layer dense" alone."""
    places = decompose.places(layer, params)
    pairs = zip(places, decompose.numbered(layer, places), strict=True)
    return [of_layer(each.layer, each.params, decompose.title(each), number=number) for each, number in pairs][::-1]


def _penalty(net: Network, layer: Layer, params: PyTree, rebuild: Rebuild) -> Subject:
    """λ/n w alone: what a small n adds to the same batch's cost and gradient, of order one whatever λ is."""

    def difference(function, at, rest):
        arrays, few = rest
        batch, key = rebuild(arrays)
        n = batch.dataset_size or sequences.count(net.layer.time, batch)
        large, small = (function(at, batch._replace(dataset_size=each), key=key) for each in (n, few))
        return jax.tree.map(lambda x, y: y - x, large, small)

    weights = [penalty.is_weight(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)]
    return Subject(
        "penalty", paths(params, "penalty"), tuple("λ/n w" if each else "none" for each in weights),
        lambda at, rest: difference(net.cost, at, rest), lambda at, rest: difference(net.gradient, at, rest),
        explained=lambda at, rest: difference(partial(decompose.explained, net, layer), at, rest),
        scale=lambda at, rest: largest(at) / SHARE, marks=(),
    )  # fmt: skip


def _whole(net: Network, layer: Layer, params: PyTree, rebuild: Rebuild) -> Subject:
    places = decompose.places(layer, params)
    found = [
        number(statement)
        for place, number in zip(places, decompose.numbered(layer, places), strict=True)
        for statement in statements(place.layer, place.params)
    ]
    weights = [penalty.is_weight(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)]
    decay = "" if isinstance(net.l2, int | float) and net.l2 == 0 else " + λ/n w"
    numbers = tuple(s + decay * is_weight for s, is_weight in zip(found, weights, strict=True))
    return Subject(
        "gradient", paths(params, "gradient"), numbers,
        _of(net.cost, rebuild), _of(net.gradient, rebuild), net.layer.approximation,
        explained=_of(partial(decompose.explained, net, layer), rebuild),
        marks=("output", "output activity"), number=decompose.numbered_output(net),
    )  # fmt: skip


def _sizes(net: Network, batch: Batch) -> dict[str, float]:
    x = np.asarray(batch.inputs)
    sizes = annotate.sizes(net.layer.time, x)
    return sizes if batch.dataset_size is None else {**sizes, "n": batch.dataset_size}


def _terms(net: Network, params: PyTree, batch: Batch, where: str) -> dict[str, np.ndarray]:
    """λ/n w of a row of the whole gradient, where it belongs and where not."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    found = (pair for name, pair in zip(paths(params, "gradient"), leaves, strict=True) if name == where)
    scale = float(net.l2) / (batch.dataset_size or sequences.count(net.layer.time, batch))
    return {
        f"{'' if penalty.is_weight(path) else diagnose.STRAY}λ/n w": scale * np.asarray(leaf, np.float64)
        for path, leaf in found
    }


def _tests(
    net: Network, layers: list[Subject], whole: Subject, batch: Batch, key: Array | None, rebuild: Rebuild, first: int
) -> tuple[properties.Property, ...]:
    tests = [
        properties.linear(layers, first), properties.hygiene(whole),
        properties.calculus(whole, has_second_order=not net.layer.approximation),
    ]  # fmt: skip
    samples = net.targets == batches.SAMPLES and (batch.targets is None or len(batch.targets) != len(batch.inputs))
    if key is None and net.activity is None and not samples and batch.total_weight is None:
        tests.append(_of_examples(net, batch, rebuild))
    return tuple(tests)


def _of_examples(net: Network, batch: Batch, rebuild: Rebuild) -> properties.Property:
    """The batch's gradient against the mean of its examples', as they count."""
    count = sequences.count(net.layer.time, batch)
    n = batch.dataset_size or count

    def examples(at, arrays):
        whole, _ = rebuild(arrays)

        def one(i):
            part = sequences.take(net.layer.time, whole, i[None])._replace(dataset_size=n)
            found = net.cost_and_gradient(at, part)
            if whole.weights is None:
                return found
            times = count * averages.weight(net.layer.time, part) / averages.weight(net.layer.time, whole)
            return jax.tree.map(lambda leaf: jnp.asarray(times, leaf.dtype) * leaf, found)

        return jax.lax.map(one, jnp.arange(count))

    def together(at, arrays):
        return net.cost_and_gradient(at, rebuild(arrays)[0]._replace(dataset_size=n))

    return properties.batch_mean(together, examples)
