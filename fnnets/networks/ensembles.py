"""Ensembles of networks of one shape: the mean of their predictions, and the class that most of them predict.

    average    a = 1/K Σ_k a_k
    votes      v_c = #{k : class of a_k is c}       the class is argmax a_k; for a single output, [a_k > ½]
    vote       argmax_c v_c                         of tied classes the one with the highest mean prediction,
                                                    and of those still tied the smallest

| symbol | name in code | shape |
|---|---|---|
| parameters of all members | `params`, as `training.fit_many` and `stack` give them | leaves (K, …) |
| a_k | `net.predict` of one member | (N, d), or (T, N, d) with an answer at every step |
| v | `votes` | (N, d), or (N, 2) for a single output |

Members answer one after another in one compiled loop, so memory is that of one member and of what is summed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from fnnets import activations
from fnnets.core import arrays, batches, calls, sequences, validate
from fnnets.core.types import Network, Objective

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int, PyTree


@calls.strict("average")
def average(net: Network, params: PyTree, inputs: ArrayLike, mask: ArrayLike | None = None) -> Float[Array, "*n d"]:
    """The mean prediction of all members.

    Args:
        net: the network that the members share.
        params: the members' parameters, leaves (K, …).
        inputs: N examples as for `net.predict`; sequences are (T, N, …).
        mask: (T, N) bool for padded sequences.

    Raises:
        TypeError, ValueError: parameters that are not K times this network's, or inputs that it does not take.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> net = fn.feedforward([2, 3], objective=fn.objectives.softmax_log_likelihood)
    >>> params = jax.vmap(net.init)(jax.random.split(jax.random.key(0), 5))
    >>> a = average(net, params, jnp.ones((4, 2)))
    >>> a.shape, bool(jnp.allclose(a.sum(axis=1), 1))
    ((4, 3), True)
    """
    net, *others = _checked("average", net, params, inputs, mask)
    return _averaged(net.predict, *others)


@calls.strict("votes")
def votes(net: Network, params: PyTree, inputs: ArrayLike, mask: ArrayLike | None = None) -> Int[Array, "*n c"]:
    """The number of members that predict each class, int32; a single output has the classes 0 and 1.

    Args:
        net, params, inputs, mask: as for `average`.

    Raises:
        TypeError, ValueError: as for `average`; a network whose outputs are no probabilities of classes, or parameters
            that are NaN.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> net = fn.feedforward([2, 3], objective=fn.objectives.softmax_log_likelihood)
    >>> params = jax.vmap(net.init)(jax.random.split(jax.random.key(0), 5))
    >>> votes(net, params, jnp.ones((4, 2))).sum(axis=1).tolist()
    [5, 5, 5, 5]
    """
    net, *others = _checked("votes", _classifier(net, "votes"), params, inputs, mask)
    validate.finite_leaves(others[0], "votes: params")  # the greatest of outputs that are NaN is a class nonetheless
    return _polled(net.predict, *others)[0]


@calls.strict("vote")
def vote(net: Network, params: PyTree, inputs: ArrayLike, mask: ArrayLike | None = None) -> Int[Array, "*n"]:
    """The class that most members name, int32, one for each answer.

    Of classes with equally many votes it is the one with the highest mean prediction, then the smallest; a single
    output's mean prediction decides by a > ½.

    Args:
        net, params, inputs, mask: as for `average`.

    Raises:
        TypeError, ValueError: as for `votes`.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> net = fn.network(fn.layers.dense(2), fn.objectives.softmax_log_likelihood, (1,))
    >>> member = net.init(jax.random.key(0))
    >>> biases = jnp.array([[1.0, 0.0], [1.0, 0.0], [0.0, 9.0]])                     # two small voices, one loud
    >>> params = stack([member._replace(weights=0 * member.weights, biases=b) for b in biases])
    >>> x = jnp.ones((1, 1))
    >>> vote(net, params, x).tolist(), average(net, params, x).argmax(axis=1).tolist()
    ([0], [1])
    """
    net, *others = _checked("vote", _classifier(net, "vote"), params, inputs, mask)
    validate.finite_leaves(others[0], "vote: params")
    counts, mean = _polled(net.predict, *others)
    is_first = counts == counts.max(axis=-1, keepdims=True)
    return jnp.argmax(jnp.where(is_first, mean, -jnp.inf), axis=-1).astype(jnp.int32)


@calls.strict("stack")
def stack(members: Sequence[Any]) -> Any:
    """The parameters of networks that were trained one by one, as those of K members: leaves (K, …).

    Args:
        members: K parameters of one network.

    Raises:
        TypeError, ValueError: there are none, they are no parameters, or differ in structure, shapes or dtypes.

    >>> import jax, fnnets as fn
    >>> net = fn.feedforward([2, 3], objective=fn.objectives.softmax_log_likelihood)
    >>> stack([net.init(jax.random.key(k)) for k in range(5)])[0].weights.shape
    (5, 3, 2)
    """
    if not isinstance(members, Sequence) or isinstance(members, str | bytes) or hasattr(members, "_fields"):
        raise TypeError(
            f"stack: members is of type {type(members).__name__}, expected a list of the parameters of networks; "
            "write [params, other_params]"
        )
    members = list(members)
    if not members:
        raise ValueError("stack: members is empty, expected the parameters of at least one network; give them")
    for k, member in enumerate(members):
        _check_arrays(member, k)
    first = jax.tree.map(jnp.asarray, members[0])
    for k, member in enumerate(members[1:], 1):
        validate.like(member, first, f"stack: members[{k}]", "stack members of one network")
        for one, other in zip(jax.tree.leaves(member), jax.tree.leaves(first), strict=True):
            if jnp.result_type(one) != other.dtype:
                raise ValueError(
                    f"stack: members[{k}] holds {jnp.result_type(one)}, expected {other.dtype} as members[0]; "
                    "convert the parameters to one dtype"
                )
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)


@functools.partial(jax.jit, static_argnums=0)
def _averaged(predict: Callable[..., Any], params, inputs, mask):
    one, total = _totalled(predict, params, inputs, mask, lambda a: a)
    return (total / _members(params)).astype(one.dtype)


@functools.partial(jax.jit, static_argnums=0)
def _polled(predict: Callable[..., Any], params, inputs, mask):
    """Votes and mean predictions, both (…, classes)."""

    def both(a):
        classes = _of_classes(a)
        return jax.nn.one_hot(jnp.argmax(classes, axis=-1), classes.shape[-1], dtype=jnp.int32), a

    _, (counts, total) = _totalled(predict, params, inputs, mask, both)
    return counts, _of_classes(total / _members(params))


def _of_classes(a):
    """A prediction for each class; a single output is that of class 1, and its first maximum says a > ½."""
    return a if a.shape[-1] > 1 else jnp.concatenate([1 - a, a], axis=-1)


def _totalled(predict, params, inputs, mask, look):
    """Shape and dtype of one member's prediction, and the sum over the members of what `look` makes of it."""

    def seen(member):
        return look(_summable(predict(member, inputs, mask)))

    def add(total, member):
        return jax.tree.map(jnp.add, total, seen(member)), None

    first = jax.tree.map(lambda leaf: leaf[0], params)
    start = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(seen, first))
    return jax.eval_shape(predict, first, inputs, mask), jax.lax.scan(add, start, params)[0]


def _summable(a):
    """In a dtype in which many may be added."""
    return a.astype(a.dtype if jnp.finfo(a.dtype).bits >= 32 else jnp.float32)


def _members(params) -> int:
    return jax.tree.leaves(params)[0].shape[0]


def _classifier(net: Network, user: str) -> Network:
    validate.is_instance(net, Network, f"{user}: net", "make one with fnnets.feedforward or fnnets.network")
    if net.targets != batches.GIVEN or len(net.output_shape) != 1:
        raise ValueError(
            f"{user}: net has outputs of shape {net.output_shape} and learns from its {net.targets}, "
            "expected a classifier; average its predictions"
        )
    if not _gives_classes(net.objective):
        raise ValueError(
            f"{user}: net has the objective {net.objective.name}, whose outputs are no probabilities of classes, "
            "expected a classifier, such as of softmax_log_likelihood or sigmoid_cross_entropy; average its predictions"
        )
    return net


def _gives_classes(objective: Objective) -> bool:
    """Whether outputs are probabilities of classes: of a distribution, or of sigmoid units or a softmax."""
    probabilities = activations.sigmoid.value, activations.softmax.value
    return objective.labels or objective.is_distribution or objective.predict in probabilities


def _check_arrays(member, k: int) -> None:
    """Raise unless a member is a tree of arrays."""
    leaves = jax.tree.leaves(member)
    if not leaves or not all(isinstance(leaf, jax.Array | np.ndarray | np.generic) for leaf in leaves):
        raise TypeError(
            f"stack: members[{k}] is of type {type(member).__name__}, expected the parameters of a network; "
            "give those of init, or .params of what fnnets.fit returns"
        )


def _checked(user: str, net: Network, params, inputs, mask) -> tuple[Any, Any, Any, Any]:
    """The arguments as arrays, after the checks that know their values; the compiled loop sees shapes alone."""
    validate.is_instance(net, Network, f"{user}: net", "make one with fnnets.feedforward or fnnets.network")
    _check_members(user, net, params)
    if net.layer.is_sequential:
        inputs = sequences.inputs(inputs, net.input_shape, f"{user}: inputs")
        return net, params, inputs, sequences.mask(mask, inputs.shape[:2], f"{user}: mask")
    arrays.no_mask(mask, f"{user}: mask")
    return net, params, arrays.inputs(inputs, net.input_shape, f"{user}: inputs"), None


def _check_members(user: str, net: Network, params) -> None:
    remedy = "take them from fit_many or stack; one network's are leaf[None] of each leaf"
    expected, leaves = jax.eval_shape(net.init, jax.random.key(0)), jax.tree.leaves(params)
    sizes = {np.shape(leaf)[:1] for leaf in leaves}
    if len(sizes) != 1 or () in sizes or (0,) in sizes:
        came = ", ".join(str(np.shape(leaf)) for leaf in leaves[:6]) or "none at all"
        raise ValueError(f"{user}: params have leaves of shape {came}, expected (K, …) with one K >= 1; {remedy}")
    ((members,),) = sizes
    stacked = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((members, *leaf.shape), leaf.dtype), expected)
    validate.like(params, stacked, f"{user}: params", remedy)
