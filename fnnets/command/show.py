"""`fnnets show [TARGET]`: one example's passage through a network, statement by statement, with its numbers.

forward    each value with its formula, shape and numbers        backward    each δ and gradient, with its line of code
exit status      0 shown      2 bad input
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import jax.numpy as jnp
import tyro

from fnnets.command import files, generic, loading, numbers, passage, subjects
from fnnets.command.files import UsageError, is_own, one_line, raised
from fnnets.command.parsing import nearest
from fnnets.command.passage import Line, Passage
from fnnets.core import batches, notes
from fnnets.core.types import Batch, Network
from fnnets.verify.checks import equations
from fnnets.verify.report.report import strict

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

Draw = tuple[Network, "PyTree", Batch, "Array | None"]
EXPECTED = "expected a network, (net, params, batch), or a function that returns one of these; name one"
LONGEST = 52
"""The most that a name is given."""


@dataclass(frozen=True)
class Options:
    """Show how one example passes through a network: each value, δ and gradient with its formula and its numbers.

    TARGET names a network of fnnets, for which parameters and examples are drawn; (net, params, batch), or a function
    of nothing, or of `key` or `seed`, that returns one of these. Or it is the name of a family, of which a small
    network is shown: feedforward, convolutional, recurrent, lstm, lstm_peepholes, lstm_1997, gru, autoencoder, rbm.

    Statements with a number in parentheses are those of P. E. Rauber's Notes on Neural Networks; other labels stand for
    what the notes leave out. In Python fnnets.intermediates(net, params, batch) gives the same numbers as arrays.

    for example
        fnnets show
        fnnets show recurrent --example 1 --digits 2 --plot passage.png
        fnnets show package.module:net --seed 3 --json passage.json

    exit status: 0 shown, 2 bad input

    Attributes:
        target: package.module:thing, path/to/file.py:thing, or the name of a family.
        example: which example of the batch, from 0.
        seed: of the draw of parameters and examples, as of fnnets verify: seed 0 is general.
        digits: significant digits of the numbers.
        json: file for all numbers, none of them left out.
        plot: file (.png, .pdf or .svg) for a figure: values above, their δ below.
    """

    target: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="TARGET")] = "feedforward"
    example: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    seed: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    digits: Annotated[int, tyro.conf.arg(metavar="N")] = 3
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    plot: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None


def run(options: Options) -> int:
    """Show and write; returns the exit status.

    Raises:
        UsageError: bad input.
    """
    for name, least, most in (("example", 0, math.inf), ("seed", 0, 2**32 - 1), ("digits", 1, 17)):
        if not least <= getattr(options, name) <= most:
            expected = f"at least {least}" if most == math.inf else f"{least} to {most}"
            raise UsageError(f"--{name} is {getattr(options, name)}, expected {expected}; leave it out for the default")
    files.check(options.json, "--json")
    if options.json is not None and options.json == options.plot:
        raise UsageError(f"--plot is {str(options.plot)!r}, which is --json too, expected two files; give another name")
    files.check_figure(options.plot, "--plot")
    drawn = _drawn(options)
    found = _passage(drawn, options.example)
    title = f"{options.target}: example {options.example}{', with a key of training' * (drawn[3] is not None)}"
    if options.json is not None:
        files.write_text(options.json, json.dumps(strict(_data(found, title)), indent=1, ensure_ascii=False))
    if options.plot is not None:
        from fnnets.command import drawing

        figure = drawing.draw(found, title)
        files.write(options.plot, lambda temporary: figure.savefig(temporary))
    print(text(found, title, options.digits))
    return 0


def _passage(drawn: Draw, example: int) -> Passage:
    """The passage, with errors on bad arguments as usage errors of one line, others with their place."""
    try:
        return passage.of(*drawn, example)
    except (TypeError, ValueError) as error:
        message = one_line(str(error))
        message = f"--{message}" if message.startswith("example is") else message
        raise UsageError(message) if is_own(error) else raised("the passage", error) from error
    except Exception as error:
        raise raised("the passage", error) from error


def _drawn(options: Options) -> Draw:
    """What TARGET names, with parameters and examples."""
    known = equations.families()
    if ":" not in options.target:
        if options.target not in known:
            near = nearest(options.target, list(known))
            remedy = f"write {near}" if near else "write package.module:thing for a network of your own"
            raise UsageError(f"TARGET is {options.target!r}, expected {', '.join(known)} or a place; {remedy}")
        return _general(known[options.target][0], options.seed)
    thing = loading.load(options.target)
    if callable(thing):
        thing, _ = subjects.called(thing, options.seed)
    if isinstance(thing, Network):
        return _general(thing, options.seed)
    if isinstance(thing, tuple) and len(thing) in (3, 4) and isinstance(thing[0], Network):
        net, params, batch, key = (*thing, None)[:4]
        return net, params, batch, key
    raise UsageError(f"TARGET is of type {type(thing).__name__}, {EXPECTED}")


def _general(net: Network, seed: int) -> Draw:
    """A network with the numbers of a seed; labels where it takes them, and no padding."""
    params, batch, key = generic.of_network(net, seed)
    targets = batch.targets
    if net.objective.labels and targets is not None and targets.dtype != jnp.int32:
        targets = jnp.argmax(targets, axis=-1).astype(jnp.int32)
    if net.targets == batches.SAMPLES and targets is not None:
        targets = targets[: len(batch.inputs)]
    return net, params, batch._replace(targets=targets, mask=None, weights=None), key


def text(found: Passage, title: str, digits: int) -> str:
    """The passage as plain text, 110 columns wide at most where names and formulas are shorter."""
    note = [f"note: {found.net.layer.approximation}"] if found.net.layer.approximation else []
    lines = [title, "", str(found.net), *note, "", "forward pass", ""]
    both = (*found.forward, *found.backward)
    wide = min(LONGEST, max(len(line.name) for line in both))
    head = max(4, *(len(_number(line)) for line in both))
    for line in found.forward:
        lines += [f"  {'':{head}}  {line.name:{wide}}  {line.value.shape}", *_below(line, digits, head)]
    lines += [*_cost(found, digits, head), "backward pass", ""]
    for line in found.backward:
        place = f"{line.name:{wide}}  {line.value.shape!s:12}  {line.code}"
        lines += [f"  {_number(line):{head}}  {place}", *_below(line, digits, head)]
    return "\n".join([*lines, "the same numbers as arrays: fnnets.intermediates(net, params, batch)"])


def _number(line: Line) -> str:
    """The statement of a line, in parentheses where it is one of the notes."""
    return f"({line.statement})" if line.statement in notes.STATEMENTS else line.statement


def _cost(found: Passage, digits: int, head: int) -> list[str]:
    """The lines of the cost, and of the penalty that it leaves out."""
    cost, formula = found.cost
    steps = ", a mean over its steps" if found.net.layer.time == "sequence to sequence" else ""
    is_penalised = not (isinstance(found.net.l2, int | float) and found.net.l2 == 0)
    penalty = ["the penalty λ/2n Σ w² is left out here; it adds λ/n w to ∂C/∂W"] * is_penalised
    shown = [formula, numbers.one(cost, digits), *penalty]
    return [f"cost of the example{steps}", "", *(" " * (head + 4) + each for each in shown), ""]


def _below(line: Line, digits: int, head: int) -> list[str]:
    """Formula and numbers, indented, and an empty line."""
    rows = numbers.shown(line.value, digits, line.is_stepped)
    return [*(" " * (head + 4) + each for each in filter(None, (line.formula, *rows))), ""]


def _data(found: Passage, title: str) -> dict[str, Any]:
    """All lines for JSON."""
    both = {
        name: [
            {
                "name": line.name, "formula": line.formula, "statement": line.statement, "code": line.code,
                "shape": list(line.value.shape), "has_time": line.is_stepped, "numbers": line.value.tolist(),
            }
            for line in lines
        ]
        for name, lines in (("forward", found.forward), ("backward", found.backward))
    }  # fmt: skip
    return {"title": title, "forward": both["forward"], "cost": found.cost[0], "backward": both["backward"]}
