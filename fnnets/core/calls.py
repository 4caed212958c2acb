"""The arguments of a call, bound to their names, and one sentence where they cannot be.

Python's own TypeError has neither the package's name of the function nor a remedy, and differs among its versions. This
module imports nothing of fnnets, so that every other one may.
"""

from __future__ import annotations

import contextlib
import difflib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    pass

P, R = ParamSpec("P"), TypeVar("R")
BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
ELSEWHERE = {
    "loss": "objective", "loss_fn": "objective", "criterion": "objective", "verbose": "progress", "seed": "key",
    "random_state": "key", "rng": "key", "cv": "folds", "n_splits": "k", "val": "validation", "test_size": "parts",
    "train_size": "parts", "max_iter": "epochs", "n_epochs": "epochs", "num_epochs": "epochs", "n_iter": "epochs",
    "early_stopping": "patience", "weight_decay": "l2", "n_components": "hidden", "kernel_initializer": "initializer",
    "init": "initializer",
}  # fmt: skip
"""What other libraries call an argument, and its name here."""
RATES = ("lr", "learning_rate", "eta", "eta0", "learning_rate_init", "momentum")
CUTOFF = 0.8  # likeness of a misspelt name; old names of other arguments are less alike


def bound(name: str, signature: inspect.Signature, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """The arguments by name, as `signature` has them.

    Raises:
        TypeError: an argument too many, a missing one, or one of another name.

    >>> bound("dense", inspect.signature(lambda units, activation=None: ()), (), {"units": 3, "activaton": 4})
    Traceback (most recent call last):
    TypeError: dense: activaton is no argument, expected units or activation; write activation=…
    """
    try:
        return signature.bind(*args, **named)
    except TypeError:
        raise TypeError(refusal(name, signature.parameters, args, named)) from None


def strict(
    name: str, explained: Callable[[str, tuple[Any, ...]], str | None] | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator: the function under the `name`, whose wrong calls are refused in one sentence.

    A sentence that `explained` gives for the name and the arguments by position comes first.

    >>> strict("net.init")(lambda key: key)()
    Traceback (most recent call last):
    TypeError: net.init: key is missing, expected a value for it; write net.init(key)
    """

    def decorated(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        @wraps(function)
        def call(*args: P.args, **named: P.kwargs) -> R:
            sentence = explained(name, args) if explained else None
            if sentence:
                raise TypeError(sentence)
            bound(name, signature, args, named)
            return function(*args, **named)

        call.__name__ = name.rpartition(".")[2]
        call.__qualname__ = name
        return call

    return decorated


def twins(checked: Callable[P, R], own: Callable[..., R]) -> Callable[P, R]:
    """`checked`, of which `unchecked` finds the function that validates nothing."""
    checked.unchecked, checked.itself = own, checked  # type: ignore[attr-defined]
    return checked


def unchecked(function: Callable[..., Any]) -> Callable[..., Any]:
    """The twin of a function that validates nothing, for programs whose arguments are known to fit.

    A function that has no twin, such as one's own in `net._replace(gradient=…)`, is returned as it is; so is one's own
    around another, to which `functools.wraps` copies all attributes.

    >>> f = twins(lambda x: x, print)
    >>> unchecked(f) is print, unchecked(wraps(f)(lambda x: -x)) is print
    (True, False)
    """
    return getattr(function, "unchecked", function) if getattr(function, "itself", None) is function else function


C = TypeVar("C", bound=type)


def record(kind: C) -> C:
    """A decorator: the NamedTuple, which refuses wrong calls of it in one sentence.

    >>> from typing import NamedTuple
    >>> record(NamedTuple("Pair", [("inputs", int), ("targets", int)]))(3, target=4)
    Traceback (most recent call last):
    TypeError: Pair: target is no argument, expected inputs or targets; write targets=…
    """
    made, signature = kind.__new__, inspect.signature(kind)

    def new(cls, *args, **named):
        try:
            return made(cls, *args, **named)
        except TypeError:
            bound(kind.__name__, signature, args, named)
            raise

    new.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[inspect.Parameter("cls", inspect.Parameter.POSITIONAL_ONLY), *signature.parameters.values()]
    )
    kind.__new__ = new  # type: ignore[method-assign, assignment]
    return kind


def refusal(
    name: str, parameters: Mapping[str, inspect.Parameter], args: Sequence[Any], named: Mapping[str, Any]
) -> str:
    """What is wrong with a call that cannot be bound, in one sentence."""
    ordered = [each.name for each in parameters.values() if each.kind in BY_POSITION]
    known = [each.name for each in parameters.values() if each.kind in (*BY_POSITION, inspect.Parameter.KEYWORD_ONLY)]
    for given in named:
        if (
            given not in known
            and parameters
            and all(each.kind == inspect.Parameter.VAR_POSITIONAL for each in parameters.values())
        ):
            return f"{name}: {given} is given by name, expected all by position; write {name.rpartition(': ')[2]}(…)"
        if given not in known:
            return no_argument(name, given, known)
        if given in ordered[: len(args)]:
            return f"{name}: {given} is given twice, by its position and by name, expected once; leave one out"
    if len(args) > len(ordered):
        came = f"{len(args)} arguments are" if len(args) > 1 else f"{_shown(args[0])} is"
        expected = f"at most {len(ordered)}: {', '.join(ordered)}" if ordered else "none"
        others = known[len(ordered) :]
        if len(others) == 1 and len(args) == len(ordered) + 1:
            return f"{name}: {others[0]} is given by its position, expected by name; write {others[0]}=…"
        remedy = f"give {_list(others, 'and')} by name" if others else "leave the others out"
        remedy = remedy if ordered else "leave it out"
        return f"{name}: {came} given by position, expected {expected}; {remedy}"
    required = [each for each in known if parameters[each].default is inspect.Parameter.empty]
    missing = [each for each in required if each not in named and each not in ordered[: len(args)]]
    call = ", ".join(each if each in ordered else f"{each}=…" for each in required)
    are, each, own = *(("is", "it") if len(missing) == 1 else ("are", "each")), name.rpartition(": ")[2]
    return f"{name}: {_list(missing, 'and')} {are} missing, expected a value for {each}; write {own}({call})"


@contextlib.contextmanager
def named_as(prefix: str, instead_of: str = r"\w+") -> Iterator[None]:
    """A context in which refusals name the function that was called, in place of one that it uses.

    >>> with named_as("feedforward"):
    ...     raise TypeError("dense: units is 2.5, expected an int; give one")
    Traceback (most recent call last):
    TypeError: feedforward: units is 2.5, expected an int; give one
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        error.args = (re.sub(rf"^{instead_of}\b", prefix, str(error), count=1), *error.args[1:])
        raise


def _shown(value: object) -> str:
    """A value, or its type where the value takes more than a line."""
    text = repr(value)
    return f"an argument of type {type(value).__name__}" if "\n" in text or len(text) > 120 else text


def no_argument(name: str, given: str, known: Sequence[str]) -> str:
    """The answer to an argument of a name that the function does not have: the nearest, or all that it has."""
    near = difflib.get_close_matches(given, known, 1, CUTOFF)
    near = near or [own for own in (ELSEWHERE.get(given),) if own in known]
    remedy = f"write {near[0]}=…" if near else "correct it, or leave it out"
    if given in RATES and "optimizer" in known:
        remedy = "give it to the optimizer, as optax.sgd(0.1, momentum=0.9)"
    return f"{name}: {given} is no argument, expected {_list(known, 'or') or 'none'}; {remedy}"


def _list(names: Sequence[str], word: str) -> str:
    """The names with commas, and a word before the last.

    >>> _list(["a", "b", "c"], "or")
    'a, b or c'
    """
    return f" {word} ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
