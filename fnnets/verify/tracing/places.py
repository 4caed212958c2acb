"""Lines of source that equations come from: the user's own, and not those of JAX or of the verifier.

line       the innermost line outside of JAX and of the verifier
defined    where the function of a body is defined
shown      "line 12 of model.py, in cost"
"""

from __future__ import annotations

from pathlib import Path

import jax
from jax.extend import core

from fnnets.core import calls
from fnnets.core.jaxprs import Line

JAX, VERIFIER = str(Path(jax.__file__).parent), str(Path(__file__).parents[1])
HIDDEN = (JAX, VERIFIER, calls.__file__, "<frozen", "<string>")
STOPPED = "stop_gradient"
STEPPING = ("round", "floor", "ceil", "sign")
"""Primitives that JAX gives the derivative zero, and that others mean to pass straight through."""
ALIASES = {"round": ("rint", "around"), "floor": ("trunc", "fix"), "ceil": ("trunc", "fix")}
API = ("/lax/", "/numpy/", "/nn/", "/ops/", "/scipy/", "/random", "/image/")
CUSTOM = ("custom_jvp_call", "custom_vjp_call")


def frames(equation: core.JaxprEqn) -> list[Line]:
    """All lines that were being run when the equation was traced, the innermost first."""
    traceback = equation.source_info.traceback
    if traceback is None:
        return []
    return [Line(each.file_name, each.line_num, each.function_name) for each in traceback.frames]


def line(equation: core.JaxprEqn) -> Line | None:
    """The innermost line outside of JAX and of the verifier, None where there is none."""
    return next((each for each in frames(equation) if not each.file.startswith(HIDDEN)), None)


def defined(jaxpr: core.Jaxpr) -> Line | None:
    """Where the function that a body was traced from is defined, None where JAX does not say."""
    about = getattr(getattr(jaxpr, "debug_info", None), "func_src_info", None)
    name, _, place = str(about).partition(" at ")
    file, _, number = place.rpartition(":")
    return Line(file, int(number), name) if number.isdigit() else None


def shown(found: Line | None) -> str:
    """A line in words, "" for none."""
    if found is None:
        return ""
    function = found.function.rpartition("<locals>.")[2]
    inside = "" if function in ("<module>", "") else f", in {function}"
    return f"line {found.number} of {Path(found.file).name}{inside}"


def is_of_jax(file: str) -> bool:
    """Whether a file belongs to JAX."""
    return file.startswith(JAX)


def is_own(equation: core.JaxprEqn) -> bool:
    """Whether an operation was called by its own name, and not by a function of JAX that uses it: `logsumexp`."""
    called = ""
    for each in frames(equation):
        if not is_of_jax(each.file):
            break
        place, name = each.file.removeprefix(JAX), each.function.partition(".")[0]
        is_loop = "control_flow" in place and not name.startswith("_")
        called = name if any(part in place for part in API) and not is_loop else called
    return called in ("", equation.primitive.name, *ALIASES.get(equation.primitive.name, ()))
