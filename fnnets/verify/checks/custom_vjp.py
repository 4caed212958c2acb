"""A function with a derivative of its own, a `jax.custom_vjp` or a kernel, against a plain one that computes the same.

    values:     f(*args)               against  reference(*args)              a property, since no derivative shows it
    explicit:   vjp(f, *args)(d_y)     against  vjp(reference, *args)(d_y)        for a random d_y, of no symmetry
    differences: central ones of Σ reference(*args) ⊙ d_y

`verify.tap` in the reference and `verify.delta` in the backward pass of f mark quantities, as in `verify.gradient`.

| symbol | name in code | shape |
|---|---|---|
| d_y | drawn from N(0, 1), for every floating output | as y |
| ∂/∂args | rows "args[0]", … of the floating arguments | as the arguments |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from fnnets.core import calls, validate
from fnnets.verify.checks.run import Case, run
from fnnets.verify.judging import properties
from fnnets.verify.reference import arguments
from fnnets.verify.reference.subject import Subject, largest
from fnnets.verify.report.report import Report
from fnnets.verify.tracing import precision, rules

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

REMEDIES = {
    "f": "give the function with the derivative of its own, a jax.custom_vjp",
    "reference": "give a plain function of the same values, such as the one that jax.custom_vjp decorates",
}


@calls.strict("custom_vjp")
def custom_vjp(f: Callable[..., PyTree], reference: Callable[..., PyTree], *args: PyTree, x64: bool = True) -> Report:
    """Check a function with a hand-written derivative against one that JAX differentiates.

    Args:
        f: a `jax.custom_vjp` function, or one that calls such functions, such as a kernel.
        reference: `(*args) -> y` of the same values; for a `custom_vjp` mostly its undecorated primal.
        args: at least one of them an array, or a pytree, of floating numbers; those are differentiated by.
        x64: let float64 decide; False judges by the rounding of the arguments' own precision.

    Raises:
        TypeError, ValueError: something that is no function, a function without any derivative rule of its own, no
            floating argument, arguments or outputs that are not finite, outputs of another structure, shape or dtype, a
            function that JAX cannot trace.
        Exception: whatever the two functions raise themselves, as it is.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> plain = lambda x: jnp.log1p(jnp.exp(x))
    >>> softplus = jax.custom_vjp(plain)
    >>> softplus.defvjp(lambda x: (plain(x), x), lambda x, d_y: (d_y * jax.nn.sigmoid(x),))
    >>> fn.verify.custom_vjp(softplus, plain, jnp.array([-1.0, 0.5, 2.0])).ok
    True
    """
    arguments.functions("verify.custom_vjp", REMEDIES, f=f, reference=reference)
    validate.flag(x64, "verify.custom_vjp: x64", arguments.DECIDES)
    if reference is f:
        raise ValueError(f"verify.custom_vjp: reference is f, expected another function; {REMEDIES['reference']}")
    arrays, rebuild = arguments.separate(args)
    chosen = [i for i, array in enumerate(arrays) if precision.is_floating(array)]
    _check_args(args, arrays, chosen)
    arrays = [jnp.asarray(array) for array in arrays]

    def all_arguments(at, others):
        filled = dict(zip(chosen, at, strict=True))
        return rebuild([filled.get(i, array) for i, array in enumerate(others)])

    def terms_of(function):
        def terms(at, rest):
            others, d_y = rest
            outputs = _floating(function(*all_arguments(at, others)))
            return jnp.concatenate([(y * d).ravel() for y, d in zip(outputs, d_y, strict=True)])

        return terms

    def pull(at, rest):
        _, back = jax.vjp(lambda at: _floating(f(*all_arguments(at, rest[0]))), at)
        return lambda d_y: back(d_y)[0]

    with precision.pinned():
        at = [arrays[i] for i in chosen]
        outputs = _outputs(f, reference, rebuild, arrays)
        _check_rule(f, lambda arrays: f(*rebuild(arrays)), arrays)
        d_y = [properties.drawn(y, i + 1) for i, y in enumerate(_floating(outputs))]
        inputs = at, (arrays, d_y)
        where = _names(args, chosen)
        subject = Subject(
            "gradient", where, ("",) * len(where), terms_of(reference), lambda at, rest: pull(at, rest)(rest[1]),
            scale=lambda at, rest: largest(rest[1]),
        )  # fmt: skip
        arguments.traced(subject.explicit, "the derivative of f", *inputs)
        tests = (
            properties.same_values(terms_of(f), terms_of(reference)), properties.linear((subject._replace(pull=pull),)),
            properties.hygiene(subject, is_eager=False),
        )  # fmt: skip
        case = Case("custom_vjp", (subject,), lambda inputs: [inputs], inputs, "reference", tests)
        return run(case, x64)


def _check_args(args: PyTree, arrays: list[Array], chosen: list[int]) -> None:
    """Raise unless there is something to differentiate by, all of it finite."""
    if not chosen:
        raise ValueError(
            "args hold no floating arrays, expected at least one to differentiate by; give the inputs of f as arrays"
        )
    for i, where in zip(chosen, _names(args, chosen), strict=True):
        name = where.removeprefix("gradient ")
        validate.finite(validate.array(arrays[i], name), name, "give arguments at which f is finite")


def _check_rule(f: Callable[..., PyTree], of_arrays: Callable[..., PyTree], arrays: list[Array]) -> None:
    """Raise a ValueError where neither f nor anything in it has a derivative rule of its own."""
    if not (isinstance(f, jax.custom_vjp | jax.custom_jvp) or rules.has_rule(of_arrays, arrays)):
        raise ValueError(
            f"f, {getattr(f, '__name__', type(f).__name__)}, has no derivative rule of its own, expected a "
            "jax.custom_vjp, or a function that calls one, as JAX's own derivative of both would be compared; "
            "decorate it with jax.custom_vjp, or check a gradient with fnnets.verify.gradient"
        )


def _outputs(f: Callable, reference: Callable, rebuild: Callable[..., PyTree], arrays: list[Array]) -> PyTree:
    """The shapes of the outputs, which both functions have."""
    shapes = [
        arguments.traced(lambda arrays, function=function: function(*rebuild(arrays)), name, arrays)
        for name, function in (("reference", reference), ("f", f))
    ]
    arguments.alike(*shapes)
    return shapes[0]


def _floating(outputs: PyTree) -> list[Array]:
    """The outputs that have a derivative."""
    return [leaf for leaf in jax.tree.leaves(outputs) if precision.is_floating(leaf)]


def _names(args: PyTree, chosen: list[int]) -> tuple[str, ...]:
    """The path of each argument that is differentiated by."""
    leaves = [path for path, leaf in jax.tree_util.tree_leaves_with_path(args) if arguments.is_array(leaf)]
    return tuple(f"gradient args{jax.tree_util.keystr(leaves[i])}" for i in chosen)
