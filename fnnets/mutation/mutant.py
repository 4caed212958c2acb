"""A mutant: one small, named change to the source of a correct backward pass, and where it must be found.

    Mutant("σ′ omitted", "fnnets.layers.dense:dense", "d_y * activation.derivative(trace.z)", "d_y", ("dense z",), "2")

| kind | meaning | killed where |
|---|---|---|
| fault | a gradient that is wrong | the report on the network names a row |
| convention | another subgradient at a kink, as right as ours | the report passes, and has a row "convention" |
| sampler | a Markov chain that is wrong | the report on the sampler names a row |

What a mutant changes is the backward pass, δ, the penalty's gradient, how the cost is spread over examples and steps,
or a sampler; no forward pass gives other numbers. The verifier depends on no mutant: its input is a changed network.
"""

from __future__ import annotations

from typing import NamedTuple

FAULT, CONVENTION, SAMPLER = "fault", "convention", "sampler"


class Mutant(NamedTuple):
    """A change of source.

    Attributes:
        name: its name in reports.
        target: "module:function", the outermost function that holds the text.
        old: text that occurs once in the source of `target`.
        new: what stands there instead.
        where: parts of the names of rows, any of which is the place of the fault.
        statement: number of the statement that the row must have; "" where several will do.
        setting: the setting of the family that shows it.
        needs: a phrase, the condition on a probe that shows it.
        kind: "fault", "convention" or "sampler".

    >>> Mutant("σ′ omitted", "fnnets.layers.dense:dense", "d_y * slope", "d_y", ("dense z",)).kind
    'fault'
    """

    name: str
    target: str
    old: str
    new: str
    where: tuple[str, ...]
    statement: str = ""
    setting: str = "plain"
    needs: str = "examples in general position"
    kind: str = FAULT


def is_named(mutant: Mutant, where: str, statement: str) -> bool:
    """Whether a row names the fault: it is at one of the mutant's places, and has its statement.

    >>> omitted = Mutant("σ′ omitted", "fnnets.layers.dense:dense", "d_y * slope", "d_y", ("dense z",), "2")
    >>> is_named(omitted, "layer 1 dense z", "2"), is_named(omitted, "layer 1 dense .weights", "4, 6")
    (True, False)
    """
    return any(part in where for part in mutant.where) and mutant.statement in ("", statement)
