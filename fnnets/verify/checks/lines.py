"""Lines of source for the equations of a backward pass: of each mark, and of each output.

a layer or an objective of the package      the innermost line of its page
a layer of one's own                        the innermost line of one's own file, before those of the package
"""

from __future__ import annotations

import inspect
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import jax

from fnnets.core import jaxprs, taps
from fnnets.verify.tracing import interpreter, origins

if TYPE_CHECKING:
    from jax.extend.core import JaxprEqn
    from jaxtyping import PyTree

HERE = str(Path(__file__).parents[2])
FOREIGN = ("site-packages", "dist-packages", "<", sysconfig.get_paths()["stdlib"])
MARKING = (str(Path(HERE) / "core" / "taps.py"), str(Path(HERE) / "core" / "guards.py"))


def marks(program: jaxprs.Body) -> Iterator[tuple[taps.Tag, jaxprs.Line]]:
    """Each delta of a backward pass, once, with its line."""
    seen = set()
    for equation in jaxprs.equations(program.jaxpr):
        tag = interpreter.tag_of(equation)
        if tag is not None and tag.kind == "delta" and tag.name not in seen:
            seen.add(tag.name)
            yield tag, _line(origins.maker(program, equation.invars[0]) or equation)


def outputs(function: Callable[..., PyTree], *args: PyTree) -> list[jaxprs.Line]:
    """The line that computes each output of a function; that of the function itself for an input that is returned."""
    program = jaxprs.opened(jax.make_jaxpr(function)(*args))
    code = inspect.unwrap(function).__code__
    own = jaxprs.Line(code.co_filename, code.co_firstlineno, getattr(code, "co_qualname", code.co_name))
    found = [origins.origin(program, n) for n in range(len(program.jaxpr.outvars))]
    return [own if each is None else _line(each) for each in found]


def shown(file: str) -> str:
    """A file as it is shown: relative to the package's folder, else to the current one, else whole.

    >>> shown(str(Path(HERE) / "layers" / "dense.py"))
    'layers/dense.py'
    """
    path = Path(file)
    folder = next((each for each in (Path(HERE), Path.cwd()) if path.is_relative_to(each)), None)
    return path.as_posix() if folder is None else path.relative_to(folder).as_posix()


def _line(equation: JaxprEqn) -> jaxprs.Line:
    """The innermost line of a page or of one's own file, else of the package; what only marks a value is left out."""
    every = jaxprs.lines(equation, "")
    traced = [each for each in every if not _is_foreign(each)]
    start = next((n for n, each in enumerate(traced) if Path(each.file).parent == Path(__file__).parent), len(traced))
    within = [each for each in traced[:start] if each.file not in MARKING and not each.function.startswith("_marked")]
    pages = [each for each in within if not each.file.startswith(HERE) or _is_page(each)]
    return (pages or within or every)[0]


def _is_page(line: jaxprs.Line) -> bool:
    return Path(line.file).parent.name == "layers" or "objectives" in line.file


def _is_foreign(line: jaxprs.Line) -> bool:
    """Whether a line belongs to another library."""
    return not line.file.startswith(HERE) and any(each in line.file for each in FOREIGN)
