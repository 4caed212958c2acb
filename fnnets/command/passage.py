"""One example's passage through a network: each value, δ and gradient with its statement, formula and line of code.

    forward    x; of each layer its parameters, what it marks, and its output a;  z(L), a(L);  y
    cost       c of the example, a mean over its steps where each has an answer; without the penalty
    backward   (1) δ(L);  of each layer, last to first: δ, then the gradients of b and W;  ∂c/∂a for the layer below

The numbers are those of `fn.intermediates`, of the pages of layers; the statements are those of
`fnnets.verify.checks.equations`. As the batch is one example, ∂C is ∂c: (5), (6), (12)-(14) repeat the numbers of (3),
(4), (9)-(11), and are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np

from fnnets.command import formulas
from fnnets.core import batches, network, notes, sequences
from fnnets.core.types import Batch, Network
from fnnets.verify.checks import decompose, equations, intermediates
from fnnets.verify.checks.decompose import Place
from fnnets.verify.checks.equations import Statement
from fnnets.verify.checks.intermediates import Intermediates
from fnnets.verify.reference import subject

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

LEFT = {
    "2": "∂c/∂a(l−1) = W(l)ᵀ δ(l), the left factor",
    "8": "∂c/∂a[t](l−1) = W(l)ᵀ δ[t](l), the part from above",
}
"""What a layer hands to the one below, by the statement."""
DIAGONAL = "∂c/∂x = ∂c/∂a ⊙ σ'(x), the right factor"
MEANS = ("5", "6", "12", "13", "14", "1, mean", "7, mean")


class Line(NamedTuple):
    """A value of the passage.

    Attributes:
        name: as `fn.intermediates` or a report has it.
        formula: in the notes' letters, "" where it is not known.
        value: its numbers, without the axis of examples; what a layer handles step by step is (T, …).
        statement: of the backward pass: a number of the notes, or a label.
        code: of the backward pass: file, line and function.
        is_stepped: whether the first axis is that of time.
    """

    name: str
    formula: str
    value: np.ndarray
    statement: str = ""
    code: str = ""
    is_stepped: bool = False


class Passage(NamedTuple):
    """The lines of an example's passage.

    Attributes:
        net: the network.
        found: values, deltas and gradient of the batch of one example.
        forward, backward: lines in the order of computation.
        cost: c, and its formula.
    """

    net: Network
    found: Intermediates
    forward: tuple[Line, ...]
    backward: tuple[Line, ...]
    cost: tuple[float, str]


def of(net: Network, params: PyTree, batch: Batch, key: Array | None, example: int) -> Passage:
    """The passage of one example of a batch.

    Raises:
        TypeError, ValueError: as `fn.intermediates`; no example of that number.

    >>> net, batch = equations.families()["feedforward"]
    >>> [line.statement for line in of(net, net.init(jax.random.key(0)), batch, None, 0).backward]
    ['1', '3', '4', '2', '2', '3', '4', '2']
    """
    intermediates.check_network(net)
    count = sequences.count(net.layer.time, batches.checked(net, batch))
    if not 0 <= example < count:
        raise ValueError(f"example is {example}, expected a number from 0 to {count - 1}; the batch holds {count}")
    one = sequences.take(net.layer.time, batch, np.array([example]))
    one = one._replace(weights=None, dataset_size=None, total_weight=None)
    found = intermediates.intermediates(_without_penalty(net), params, one, key=key)
    places = decompose.places(net.layer, params)
    predicted, cost, _ = formulas.objective(net.objective)
    known = _Known(net, found, one, places, jax.tree.map(np.asarray, params))
    forward = tuple(_forward(known, predicted))
    if net.layer.time == "sequence to sequence":
        cost = cost.replace("c = ", "c = 1/T Σ_t ", 1)
    return Passage(net, found, forward, tuple(_backward(known)), (float(found.cost), cost))


class _Known(NamedTuple):
    """What lines are made of."""

    net: Network
    found: Intermediates
    batch: Batch
    places: list[Place]
    params: PyTree

    @property
    def phases(self) -> str:
        """What stands behind a formula of an RBM, whose cost has the free energy of an example and of a sample."""
        return ", of the example minus of the sample" if self.net.targets == batches.SAMPLES else ""

    def line(self, name: str, formula: str, value: Array, statement: str = "", code: str = "") -> Line:
        """A line, without the axis of examples."""
        shown, is_stepped = _of_one(self.net, np.asarray(value))
        return Line(name, formula, shown, statement, code, is_stepped)

    def numbered(self, formula: str, number: int) -> str:
        """A formula with l as the notes count for the layer of a place, the input being layer 1.

        The letters stay where layers stand within layers, as in tied weights.
        """
        if any(place.layer.within for place in self.places):
            return formula
        layer = 2 + sum(bool(jax.tree.leaves(place.params)) for place in self.places[:number])
        for letter, here in (("(l−1)", layer - 1), ("(l+1)", layer + 1), ("(l)", layer)):
            formula = formula.replace(letter, f"({here})")
        return formula

    def output(self, number: int) -> str:
        """The name of a layer's output; of what the first layer reads for −1, "" for the last layer."""
        if number < 0:
            return "input"
        title = decompose.title(self.places[number])
        return next((f"{title} {each}" for each in ("y", "a") if f"{title} {each}" in self.found.deltas), "")

    def unlisted(self, name: str) -> Statement:
        """The statement of a gradient that is handed on within a layer, which has no line of its own in the table."""
        statement = self.found.statements[name]
        return Statement("", statement, LEFT.get(statement, ""), "", 0, "", "", name)

    def marks(self, place: Place) -> list[str]:
        """The names of a layer's values, its output among them."""
        return [name for name in self.found.values if name.startswith(f"{decompose.title(place)} ")]


def _without_penalty(net: Network) -> Network:
    """The network whose cost is that of its examples alone."""
    if isinstance(net.l2, int | float) and net.l2 == 0:
        return net
    expected = jax.eval_shape(net.init, jax.random.key(0))
    return network.assemble(
        net.layer, net.objective, net.input_shape, 0.0, expected, net.output_shape,
        targets=net.targets, activity=net.activity, domain=net.domain,
    )  # fmt: skip


def _of_one(net: Network, value: np.ndarray) -> tuple[np.ndarray, bool]:
    """A value without the axis of examples, and whether it has one of time."""
    if net.layer.is_sequential and value.ndim > 2 and value.shape[1] == 1:
        return value[:, 0], True
    return (value[0], False) if value.ndim and value.shape[0] == 1 else (value, False)


def _forward(known: _Known, predicted: str) -> Iterator[Line]:
    """The values in the order of computation, each layer's after its parameters."""
    values, is_rbm = known.found.values, known.net.targets == batches.SAMPLES
    samples = ", and below it v', a sample of the model" * (len(values["input"]) > 1)
    yield known.line("input", f"v{samples}" if is_rbm else "x", values["input"])
    for number, place in enumerate(known.places):
        title = decompose.title(place)
        for path, leaf in jax.tree_util.tree_leaves_with_path(place.params):
            name = jax.tree_util.keystr(path)
            symbol = known.numbered(formulas.parameter(place.layer, name), number)
            yield Line(f"{title} {name or 'params'}", symbol, np.asarray(leaf))
        for name in known.marks(place):
            formula = known.numbered(formulas.forward(place.layer, name.removeprefix(f"{title} ")), number)
            yield known.line(name, formula, values[name])
    output = "F(v) = −b·v − Σ Φ(t) − log ν(v)" if is_rbm else "z(L)"
    for name, formula in (("output", output), ("output activity", "t"), ("prediction", predicted)):
        if name in values:
            yield known.line(name, formula, values[name])
    if known.batch.targets is not None and not is_rbm:
        yield known.line("targets", "y", known.batch.targets)


def _backward(known: _Known) -> Iterator[Line]:
    """The lines of the statements, from the objective to the input."""
    table: dict[str, Statement] = {}
    for each in equations.of_network(known.net, known.batch):
        if each.statement not in MEANS:
            table.setdefault(each.row, each)
    yield from _objective(known, table)
    leaves = {jax.tree_util.keystr(path): leaf for path, leaf in _paths(known.found.gradient)}
    for number in reversed(range(len(known.places))):
        place = known.places[number]
        title, deltas = decompose.title(place), known.found.deltas
        for name in [name for name in deltas if name.startswith(f"{title} ") and name != known.output(number)]:
            if not (number == len(known.places) - 1 and _is_same(deltas[name], deltas["output"])):
                yield _line(known, table.get(name, known.unlisted(name)), name, deltas[name], number)
        own = [table[row] for row in subject.paths(place.params, title) if row in table]
        for each in sorted(own, key=_order):
            formula = known.numbered(each.formula, number) + known.phases
            yield Line(each.row, formula, np.asarray(leaves[each.leaf]), each.statement, _code(each))
        below = known.output(number - 1)
        if f"{title} d_x" in table and below in deltas:
            yield _line(known, table[f"{title} d_x"], below, deltas[below], number)


def _objective(known: _Known, table: dict[str, Statement]) -> Iterator[Line]:
    """(1), or (7): δ of the output layer, and of weighted inputs that an activity reads."""
    found, net = known.found, known.net
    for row, each in table.items():
        if row == f"delta of {net.objective.name}":
            formula = formulas.delta(net.objective, each.formula)
            if net.layer.time == "sequence to sequence":
                formula += ", with 1/T of the mean over steps"
            yield known.line("output", formula, found.deltas["output"], each.statement, _code(each))
        elif row == "output activity":
            yield _line(known, each, row, found.deltas[row], 0)


def _line(known: _Known, each: Statement, name: str, value: Array, number: int) -> Line:
    formula = each.formula
    if each.row.endswith(" d_x"):
        formula = DIAGONAL if known.places[number].layer.name == "activate" else LEFT.get(each.statement, formula)
    return known.line(name, known.numbered(formula, number) + known.phases, value, each.statement, _code(each))


def _code(each: Statement) -> str:
    if not each.file:
        return ""
    names = [name for name in each.function.split(".") if not name.startswith("<")]
    return f"{each.file}:{each.line} {names[-1] if names else each.function}"


def _order(each: Statement) -> tuple[int, int]:
    """By the numbers of the notes, labels as they come."""
    return (0, int(each.statement)) if each.statement in notes.STATEMENTS else (1, 0)


def _is_same(one: Array, other: Array) -> bool:
    return one.shape == other.shape and np.array_equal(one, other, equal_nan=True)


def _paths(tree: PyTree) -> Iterable[tuple[tuple, Array]]:
    return jax.tree_util.tree_leaves_with_path(tree)
