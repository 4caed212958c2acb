"""A network, statement by statement: the objective, each layer from the last to the first, the whole gradient.

    statement (1):    objective.delta(z, y)              against  ∂c/∂z of objective.value
    output:           the whole cost's ∂C/∂z             mean over the batch, over real steps; the sparsity's part
    each layer:       backward(∂C/∂y(l)), teacher-forced against  ∂C/∂params(l), ∂C/∂y(l-1)      (2)-(6)
    penalty:          what λ/n w adds, at an n that makes it as large as the data's part
    whole gradient:   net.gradient(params, batch)        against  jax.grad(net.cost), penalty and mean included;
                      the last layer's rows first, so that the first wrong one shows where δ goes wrong on its way

| symbol | name in code | shape |
|---|---|---|
| δ(L) | row "objective … delta" | (N, d) |
| ∂C/∂z | row "output" | (N, d) |
| ∂C/∂y(l-1) | row "layer l … d_x" | as the layer's input |
| ∂C/∂params | rows "gradient [l]…" | as the parameters |
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Hashable
from functools import partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import averages, batches, calls, penalty, sequences, validate
from fnnets.core.types import Batch, Network
from fnnets.verify.checks import composition, decompose, left_out, pieces, run
from fnnets.verify.checks.case import Case, References
from fnnets.verify.diagnosis import annotate, diagnose
from fnnets.verify.judging import properties
from fnnets.verify.reference import arguments, settings
from fnnets.verify.reference.subject import Subject, paths, point
from fnnets.verify.report.report import Report
from fnnets.verify.tracing import compiled, precision

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

    Rebuild = Callable[..., tuple[Batch, Array | None]]

ORDER = "verify.network(net, params, batch)"


@calls.strict("network")
def network(net: Network, params: PyTree, batch: Batch, *, key: Array | None = None, x64: bool = True) -> Report:
    """Check a network's gradient, and name the layer and the statement at which it is wrong.

    Every layer's backward pass is run on the true cotangent of its output, and within a layer each equation on the
    true values of those before it, so that each fault is named where it is; the rows of the whole gradient that are
    wrong for that reason alone are labelled "downstream". Where every layer is right by itself and the whole gradient
    is wrong, the first wrong row says between which two layers the δ goes wrong.

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
    with precision.pinned(), settings.allowing():
        case, order = _case(net, params, batch, key)
        case = case._replace(remarks=left_out.remarks(net, params, batch, key))
        return _finished(run.run(case, x64), case, order)


def reference(
    net: Network, params: PyTree, batch: Batch, *, key: Array | None = None, x64: bool = True, is_quick: bool = False
) -> References:
    """All that does not depend on the backward pass, for many candidates of one forward pass; arguments of `network`.

    `is_quick` leaves the parameters' own precision out where float64 decides; it serves `compared` alone.

    Raises:
        TypeError, ValueError: as `network`.
    """
    params, batch = _checked(net, params, batch, key, x64)
    with precision.pinned(), settings.allowing():
        return run.reference(_case(net, params, batch, key)[0], x64, is_quick)


def compared(net: Network, known: References) -> Report:
    """The report on a network with the forward pass of that which the references were made of.

    It stops at the first precision that decides, and leaves properties out where a row is wrong.
    """
    with precision.pinned(), settings.allowing():
        params, arrays = known.case.inputs
        batch, key = known.case.rebuild(arrays)
        case, order = _case(net, params, batch, key, is_known=True)
        return _finished(run.compared(case, known, is_quick=True), case, order)


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


def _finished(report: Report, case: Case, order: composition.Order) -> Report:
    """The report, with what its rows say of the network as a whole, and with what was left out."""
    remarks = tuple(dict.fromkeys((*report.remarks, *case.remarks)))
    return composition.named(dataclasses.replace(report, remarks=remarks), case.subjects[-1].where, order.layers)


def _case(
    net: Network, params: PyTree, batch: Batch, key: Array | None, is_known: bool = False
) -> tuple[Case, composition.Order]:
    arrays, rebuild = arguments.separate((batch, key))
    if not is_known:
        _check(net, params, arrays, rebuild)
    layer = decompose.decomposed(net, params, rebuild, arrays)
    is_penalised = not (isinstance(net.l2, int | float) and net.l2 == 0)
    nearest = [pieces.objective(net), *([] if net.activity is None else [pieces.activity(net)])]
    order = composition.order(layer, params)
    layers, whole = pieces.layers(layer, params), pieces.whole(net, layer, params, rebuild, order)
    subjects = (*nearest, *layers, *[pieces.penalty(net, layer, params, rebuild)] * is_penalised, whole)

    def place(inputs):
        params, arrays = inputs
        values = lambda params, arrays: decompose.inputs(net, layer, params, *rebuild(arrays))  # noqa: E731
        output, kept, visits = compiled.call("inputs", values, params, arrays)
        own = [each.params for each in decompose.places(layer, params)]
        layers = [point(p, visit, precision.is_floating(visit[0])) for p, visit in zip(own, visits, strict=True)]
        near = [output, *([] if net.activity is None else [(kept, ())])]
        decay = [(params, (arrays, pieces.SHARE * float(net.l2)))] * is_penalised
        return [*near, *layers[::-1], *decay, (order.taken(params), arrays)]

    terms = partial(_terms, net, params, batch) if is_penalised else annotate.Setting().terms
    setting = annotate.Setting(_sizes(net, batch), batch.mask, terms)
    tests = [properties.linear(layers, len(nearest)), *_tests(net, whole)]
    if _is_mean_of_examples(net, batch, key):
        tests.append(_of_examples(net, batch, rebuild, order))
    inputs = params, arrays
    case = Case("network", subjects, place, inputs, "net.cost", tuple(tests), setting, len(nearest), rebuild)
    if not is_known:
        case = case._replace(key=_key(net, whole, order.taken(params), arrays, (batch, key)))
    return case, order


def _key(net: Network, whole: Subject, params: PyTree, arrays: list[Array], given: PyTree) -> Hashable:
    """What tells the network's functions at these shapes from others: the code that they run as well, as it is now."""
    held = tuple(leaf for leaf in jax.tree.leaves(given) if not arguments.is_array(leaf))
    code = [compiled.fingerprint(each, params, arrays) for each in (whole.terms, whole.explicit)]
    return net, jax.tree.structure((params, given)), held, *code


def _check(net: Network, params: PyTree, arrays: list[Array], rebuild: Rebuild) -> None:
    """A cost's own checks, on values as well: NumPy's arrays keep theirs while JAX traces. Ours were made before."""
    cost = calls.unchecked(net.cost)
    if cost is net.cost:
        is_key = [jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key) for array in arrays]
        seen = [array if each else np.asarray(array) for each, array in zip(is_key, arrays, strict=True)]
        jax.eval_shape(lambda: pieces.of(cost, rebuild)(params, seen))
    arguments.scalar(pieces.of(cost, rebuild), "net.cost", params, arrays)


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


def _tests(net: Network, whole: Subject) -> list[properties.Property]:
    has_second_order = not net.layer.approximation
    # without `jit` each operation is compiled by itself; our own layers branch on nothing that `jit` changes
    is_eager = not all(map(_is_ours, (net.cost, net.gradient, *_functions(net.layer))))
    return [properties.hygiene(whole, is_eager), properties.calculus(whole, has_second_order=has_second_order)]


def _functions(layer: Layer) -> list[Callable[..., PyTree]]:
    """The functions of a layer and of its parts."""
    return [layer.forward, layer.backward, *(each for part in layer.parts for each in _functions(part))]


def _is_ours(function: Callable[..., PyTree]) -> bool:
    """Whether a function is defined in this package."""
    return (inspect.unwrap(function).__module__ or "").startswith("fnnets.")


def _is_mean_of_examples(net: Network, batch: Batch, key: Array | None) -> bool:
    """Whether the batch's cost is to be the mean of its examples'."""
    samples = net.targets == batches.SAMPLES and (batch.targets is None or len(batch.targets) != len(batch.inputs))
    return key is None and net.activity is None and not samples and batch.total_weight is None


def _of_examples(net: Network, batch: Batch, rebuild: Rebuild, order: composition.Order) -> properties.Property:
    """The batch's gradient against the mean of its examples', as they count."""
    count = sequences.count(net.layer.time, batch)
    n = batch.dataset_size or count

    def examples(at, arrays):
        whole, _ = rebuild(arrays)
        params = order.restored(at)

        def one(i):
            part = sequences.take(net.layer.time, whole, i[None])._replace(dataset_size=n)
            found = net.cost_and_gradient(params, part)
            if whole.weights is None:
                return found
            times = count * averages.weight(net.layer.time, part) / averages.weight(net.layer.time, whole)
            return jax.tree.map(lambda leaf: jnp.asarray(times, leaf.dtype) * leaf, found)

        return jax.lax.map(one, jnp.arange(count))

    def together(at, arrays):
        return net.cost_and_gradient(order.restored(at), rebuild(arrays)[0]._replace(dataset_size=n))

    return properties.batch_mean(together, examples)
