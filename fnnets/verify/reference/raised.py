"""Exceptions of the caller's functions: of the same type, the caller's line first, without the frames of JAX.

    ValueError: model.py, line 12, in cost: dot_general requires contracting dimensions to have the same shape, …

An exception whose arguments are no single text keeps them, and the line is a note.
"""

from __future__ import annotations

import contextlib
import sysconfig
import traceback
import types
from collections.abc import Callable
from pathlib import Path

import jax

FOREIGN, PACKAGE = ("site-packages", "dist-packages", "<frozen", "contextlib.py"), str(Path(__file__).parents[2])
STANDARD = sysconfig.get_paths()["stdlib"]
UNTRACEABLE = (jax.errors.JAXTypeError, jax.errors.JAXIndexError)
"""Errors that JAX raises at code which it cannot trace; all others are the function's own."""
OF_RULES = {
    "Custom VJP bwd rule must produce an output with the same container": (
        "its backward rule does not return a tuple with one cotangent for each argument; return that, with None for an "
        "argument that has none"
    ),
    "Custom VJP bwd rule must produce an output with the same type": (
        "its backward rule returns a cotangent of another shape or dtype than the argument; return it like the argument"
    ),
    "Custom VJP fwd rule": (
        "its forward rule does not return a pair; return the function's value, and what the backward rule needs"
    ),
    "unexpected JAX type (e.g. shape/dtype) for argument to VJP function": (
        "its forward rule returns a value of another shape or dtype than the function; return the function's value"
    ),
    "No JVP defined for custom_jvp function": "it is a jax.custom_jvp without a rule; call f.defjvp(rule) before",
}
"""Sentences in place of JAX's on rules that do not fit, by how those begin."""
REMOVED = "JAX has removed its internal frames"
OF_HOST = "JAX arrays are immutable", "Tracer' object", "tracer' object", "Tracer has no attribute"
"""Parts of what Python raises where code treats a tracer as one of NumPy's arrays."""


class located:
    """A scope of the caller's function `name`, whose exceptions begin with its line; `hint()` is added at the end."""

    def __init__(self, name: str, hint: Callable[[], str] = str):
        self.name, self.hint = name, hint

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, frames: object) -> None:
        if not isinstance(error, Exception) or is_untraceable(error):
            return
        if not isinstance(error, jax.errors.UnexpectedTracerError):
            # `contextlib` would put back the frames that are removed here
            raise _own(error, self.name, self.hint) from None


def is_untraceable(error: BaseException) -> bool:
    """Whether a function cannot be traced, and may yet run with concrete arrays.

    >>> is_untraceable(TypeError("JAX arrays are immutable and …")), is_untraceable(TypeError("other"))
    (True, False)
    """
    if isinstance(error, UNTRACEABLE):
        return not isinstance(error, jax.errors.UnexpectedTracerError)
    return isinstance(error, TypeError | AttributeError) and any(part in str(error) for part in OF_HOST)


def line(error: BaseException) -> str:
    """The innermost line of the caller's that an exception has passed, as "model.py, line 12"; "" for none."""
    own = [each for each in traceback.extract_tb(error.__traceback__) if _is_own(each.filename)]
    return f"{Path(own[-1].filename).name}, line {own[-1].lineno}" if own else ""


def is_of_jax(error: BaseException) -> bool:
    """Whether an exception was raised by JAX, or below it, and not by the package or the caller.

    Where JAX has removed its frames, the last one is the line that called it, which raises nothing itself.
    """
    frames = traceback.extract_tb(error.__traceback__)
    if not frames or any(part in frames[-1].filename for part in FOREIGN):
        return bool(frames)
    is_filtered = any(REMOVED in note for note in getattr(error, "__notes__", []))
    return is_filtered and not (frames[-1].line or "").startswith("raise")


def first_line(error: BaseException) -> str:
    r"""An exception's message up to its first line break, without JAX's explanation of where it happened.

    >>> first_line(ValueError("one\ntwo")), first_line(ValueError("Traceback (most recent call last):\n…\nOwn: x"))
    ('one', 'Own: x')
    """
    text = str(error).strip()
    for begin, sentence in OF_RULES.items():
        if text.startswith(begin):
            return sentence
    if "Traceback (most recent call last)" in text:  # of a callback, as the runtime has it
        return text.rpartition("\n")[2].strip()
    return text.partition("\n")[0].partition(" The error occurred")[0].rstrip(".")


def _own(error: Exception, name: str, hint: Callable[[], str]) -> Exception:
    place = line(error)
    if getattr(error, "is_located", False) or not (place or is_of_jax(error)):
        return _bare(error)
    before, after = f"{place}, in {name}: ".removeprefix(", "), hint()
    if not error.args:
        error.args = (f"{before}{type(error).__name__}{after}",)
    elif len(error.args) == 1 and isinstance(error.args[0], str):
        message = first_line(error) if is_of_jax(error) else error.args[0]
        error.args = (f"{before}{message}{after}",)
    else:
        error.add_note(f"{before}{first_line(error)}{after}")
    with contextlib.suppress(AttributeError):  # an exception may have slots
        error.is_located = True  # type: ignore[attr-defined]
    return _bare(error)


def _bare(error: Exception) -> Exception:
    """The exception without JAX's frames, and without its word on them."""
    notes = getattr(error, "__notes__", [])
    if any(REMOVED in note for note in notes):
        error.__notes__ = [note for note in notes if REMOVED not in note]
    return error.with_traceback(_of_the_caller(error.__traceback__))


def _of_the_caller(frames: types.TracebackType | None) -> types.TracebackType | None:
    """The frames of the caller's code alone, or all where there are none."""
    own, each = [], frames
    while each is not None:
        if _is_own(each.tb_frame.f_code.co_filename):
            own.append(each)
        each = each.tb_next
    kept: types.TracebackType | None = None
    for each in reversed(own):
        kept = types.TracebackType(kept, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return kept


def _is_own(filename: str) -> bool:
    return not filename.startswith((PACKAGE, STANDARD)) and not any(part in filename for part in FOREIGN)
