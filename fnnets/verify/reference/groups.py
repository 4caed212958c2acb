"""Programs of many subjects: small ones are compiled together, a large one by itself.

| symbol | name in code | shape |
|---|---|---|
| what is computed of the i-th subject | `values(i, *arguments[i])` | |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from fnnets.verify.reference.subject import size
from fnnets.verify.tracing import compiled, precision
from fnnets.verify.tracing.compiled import Program, Programs

if TYPE_CHECKING:
    from jaxtyping import PyTree

Group = tuple[list[int], Program, list[tuple["PyTree", ...]]]
"""Numbers of subjects, the program of all of them, and the arguments of each."""


def programs(
    name: object, values: Callable[..., PyTree], arguments: Sequence[tuple[PyTree, ...]], kept: Programs | None
) -> list[Group]:
    """The programs of `values(i, *arguments[i])` for all i, one for all small ones."""
    sizes = [size(each) for each in arguments]
    small = [i for i, numbers in enumerate(sizes) if numbers <= precision.LARGE]
    found: list[Group] = []
    for group in [*([small] if small else []), *([i] for i, numbers in enumerate(sizes) if numbers > precision.LARGE)]:

        def together(given, group=group):
            return [values(i, *each) for i, each in zip(group, given, strict=True)]

        given = [arguments[i] for i in group]
        found.append((group, compiled.program((name, *group), together, given, programs=kept), given))
    return found


def called(groups: Sequence[Group]) -> list[PyTree]:
    """The results of all programs, in the order of their numbers."""
    results: dict[int, PyTree] = {}
    for group, program, given in groups:
        results.update(zip(group, program(given), strict=True))
    return [results[i] for i in range(len(results))]
