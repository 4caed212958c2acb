"""The verifiers, each given the same program: what it answers, and what its message names.

    fnnets            fn.verify.custom_vjp(f, plain, *args), float32 arguments; with the programs' marks and without
    check_grads       jax.test_util.check_grads(f, args, order=1, modes=["rev"]), in float32 and in float64
    chex              chex.assert_numerical_grads(f, args, order=1, modes=["rev"]), float64
    gradcheck         torch.autograd.gradcheck(f, args), float64
    gradgradcheck     torch.autograd.gradgradcheck(f, args), float64

f is a `jax.custom_vjp`, or a `torch.autograd.Function` of the same arithmetic. Tolerances are each tool's own defaults;
those of chex and of gradcheck let an error of 0.1 % pass, so they run with tighter ones as well. A tool refuses a
program where it returns no pass or raises.
"""

from __future__ import annotations

import contextlib
import functools
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import fnnets as fn
from experiments.benchmarks.verifiers_programs import Program, jax_arrays, torch_arrays, unmarked

Tree = Any
ROW = re.compile(r"gradient (?:args\[(\d+)\]|(\w+))")  # the n-th of a mark's uses may follow
INPUT = re.compile(r"with respect to input (\d+)|invalid gradient at index (\d+)")
DIFFERS = ("differs ", "is zero where it differs", "is not zero where the right one is zero")


class Answer(NamedTuple):
    """What a verifier says of one program.

    Attributes:
        refused: whether it did not pass.
        message: its words, shortened.
        place: the argument or the mark that it names, "" for none.
        element: whether it says at which element of an array.
        change: the change that it names, "" for none.
    """

    refused: bool
    message: str = ""
    place: str = ""
    element: bool = False
    change: str = ""


Trial = Callable[[], Answer]


def ruled(program: Program, xp: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The function with its backward pass by hand, and the plain one."""
    plain = functools.partial(program.forward, xp)
    f = jax.custom_vjp(plain)
    f.defvjp(lambda *args: (plain(*args), args), lambda args, d_y: tuple(program.backward(xp, d_y, *args)))
    return f, plain


def fnnets(program: Program, order: int, is_marked: bool = True) -> Trial:
    """The verifier of this package; to second order its row on second derivatives counts."""
    xp = jax_arrays()
    if not is_marked:
        xp.tap = xp.delta = lambda name, value, *_: unmarked(name, value)
    f, plain = ruled(program, xp)
    args = [jnp.asarray(each, jnp.float32) for each in program.arguments.values()]

    def trial():
        report = fn.verify.custom_vjp(f, plain, *args)
        departs = order == 2 and any(row.verdict == "departs" for row in report.properties)
        row = report.first_wrong
        if row is None:
            return Answer(departs or not report.ok, str(report).splitlines()[-1])
        found = ROW.match(row.where)
        number, name = found.groups() if found else (None, "")
        place = [*program.arguments][int(number)] if number else name or ""
        change = "" if row.diagnosis.startswith(DIFFERS) else row.diagnosis
        return Answer(True, f"{row.where}: {row.diagnosis or row.note}", place, bool(row.place), change)

    return _answering(trial)


def check_grads(
    program: Program, order: int, is_double: bool = False, through: str = "jax", **tolerances: float
) -> Trial:
    """JAX's check along one random direction, or chex's, which calls it with a tolerance of its own."""
    f, _ = ruled(program, jax_arrays())

    def trial():
        from chex import assert_numerical_grads
        from jax.test_util import check_grads

        check = check_grads if through == "jax" else assert_numerical_grads
        with jax.enable_x64(is_double):
            args = [jnp.asarray(each, jnp.float64 if is_double else jnp.float32) for each in program.arguments.values()]
            check(f, args, order=order, modes=["rev"], **tolerances)

    return _answering(trial)


def torch_check(program: Program, order: int, name: str = "gradcheck", **tolerances: float) -> Trial:
    """PyTorch's check of every element of the Jacobian."""
    import torch

    xp = torch_arrays()

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *args):
            ctx.save_for_backward(*args)
            return program.forward(xp, *args)

        @staticmethod
        def backward(ctx, d_y):
            return tuple(program.backward(xp, d_y, *ctx.saved_tensors))

    args = [torch.from_numpy(each.copy()).requires_grad_() for each in program.arguments.values()]

    def trial():
        torch.manual_seed(0)  # gradgradcheck draws the gradients that enter
        getattr(torch.autograd, name)(Function.apply, args, **tolerances)

    return _answering(trial, [*program.arguments])


def _answering(check: Callable[[], Any], names: list[str] | None = None) -> Trial:
    """The answer of a check that returns one, or raises where it does not pass."""

    def trial():
        try:
            return check() or Answer(False)
        except (AssertionError, RuntimeError, ValueError, TypeError) as error:
            message = " ".join(str(error).split())
            found = INPUT.search(message)
            place = names[int(found.group(1) or found.group(2))] if names and found else ""
            return Answer(True, f"{type(error).__name__}: {message[:120]}", place)

    return trial


TOOLS: Mapping[str, Callable[[Program, int], Trial]] = {
    "fnnets": fnnets,
    "fnnets, no marks": functools.partial(fnnets, is_marked=False),
    "check_grads, float32": check_grads,
    "check_grads, float64": functools.partial(check_grads, is_double=True),
    "chex, float64": functools.partial(check_grads, is_double=True, through="chex"),
    "chex, float64, atol 1e-5": functools.partial(check_grads, is_double=True, through="chex", atol=1e-5),
}
TORCH: Mapping[str, Callable[[Program, int], Trial]] = {
    "gradcheck": torch_check,
    "gradcheck, rtol 1e-5": functools.partial(torch_check, rtol=1e-5, atol=1e-7),
    "gradgradcheck": functools.partial(torch_check, name="gradgradcheck"),
}
FIRST_ORDER = ("gradcheck", "gradcheck, rtol 1e-5")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """A scope without warnings, such as those of an overflow that is planted."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def wrong_arguments(program: Program) -> tuple[str, ...]:
    """The arguments whose gradient the fault changes, in float64 by more than its rounding, or in float32 alone."""
    found = dict.fromkeys(program.arguments, False)
    for is_double, bar in ((True, 1e-9), (False, 1e-3)):
        with jax.enable_x64(is_double), quiet():
            xp, dtype = jax_arrays(), jnp.float64 if is_double else jnp.float32
            args = [jnp.asarray(each, dtype) for each in program.arguments.values()]
            shape = jax.eval_shape(functools.partial(program.forward, xp), *args).shape
            d_y = jnp.asarray(2 * np.random.default_rng(0).normal(size=shape), dtype)
            pairs = zip(program.backward(xp, d_y, *args), program.right(xp, d_y, *args), strict=True)
            for name, (came, right) in zip(found, pairs, strict=True):
                apart = float(jnp.max(jnp.abs(came - right)) / jnp.max(jnp.abs(right)))
                found[name] |= not apart <= bar  # NaN is wrong
    return tuple(name for name, is_wrong in found.items() if is_wrong)
