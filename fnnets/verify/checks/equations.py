"""The table of statements: each equation of a backward pass, its line of code, its row of a report.

    network → its layers → the jaxpr of each `backward` → the equation that gives an output, or is marked → its line

The table rests on the layers alone: `Layer.statements` and `Layer.input_statement` name the outputs of `backward`,
`taps.delta` names quantities within. A statement of the notes has its number; another one has a label, whose formula
stands in `LABELS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from fnnets import activations, objectives
from fnnets.boltzmann.network import rbm
from fnnets.core import batches, calls, jaxprs, notes, penalty, validate
from fnnets.core.types import Batch, Context, Network, Objective
from fnnets.networks.autoencoder import autoencoder
from fnnets.networks.convolutional import convolutional
from fnnets.networks.feedforward import feedforward
from fnnets.networks.recurrent import recurrent
from fnnets.verify.checks import decompose, lines, observing
from fnnets.verify.checks.lines import HERE as HERE
from fnnets.verify.reference import subject

if TYPE_CHECKING:
    from jaxtyping import PyTree

LABELS = {
    "1, mean": "∂C/∂z(L) = 1/n δ(L)",
    "7, mean": "∂C/∂z[t](3) = 1/n δ[t](3), 1/T in δ",
    "λ/n w": "∂C/∂w = 1/n Σ ∂c/∂w + λ/n w",
    "convolution dx": "dx = Σ δ W over the windows of a pixel",
    "locally_connected dx": "dx = Σ_p δ[p] W[p] over the windows of a pixel",
    "max_pooling dx": "dx = d_y at the window's first maximum, else 0",
    "mean_pooling dx": "dx = d_y / (h w) over the window",
    "flatten dx": "dx = d_y in the shape of x",
    "dropout dx": "dx = d_y ⊙ the mask",
    "lstm dx": "dx[t] = Σ_k δ_k[t] W_k",
    "lstm_peepholes dx": "dx[t] = Σ_k δ_k[t] W_k",
    "lstm_1997 dx": "dx[t] = Σ_k δ_k[t] W_k",
    "gru dx": "dx[t] = Σ_k δ_k[t] W_k",
    "free_energy dx": "∂F/∂v = −b − Wᵀ E[h given v], of Gaussian v + v",
    "δ": "δ = d_a ⊙ σ'(z)",
    "dW": "dW = Σ δ ⊗ the window under it",
    "db": "db = Σ δ over examples and positions",
    "dW, unshared": "dW[p] = Σ δ[p] ⊗ the window at p",
    "db, unshared": "db[p] = Σ δ[p]",
    "ds[0]": "∂C/∂s[0] = Σ d_s[0] over examples",
    "d_h": "d_h = ∂C/∂h[t] from above + the part through step t + 1",
    "d_c": "d_c = d_h ⊙ o ⊙ (1 − tanh²(c)) + d_c[t+1] ⊙ f[t+1]",
    "δ_i": "δ_i = d_c ⊙ g ⊙ i(1−i)",
    "δ_f": "δ_f = d_c ⊙ c[t−1] ⊙ f(1−f)",
    "δ_g": "δ_g = d_c ⊙ i ⊙ (1−g²)",
    "δ_o": "δ_o = d_h ⊙ tanh(c) ⊙ o(1−o)",
    "lstm_peepholes d_c": "d_c = d_h ⊙ o ⊙ (1 − tanh²(c)) + δ_o ⊙ p_o + (d_c ⊙ f + δ_i ⊙ p_i + δ_f ⊙ p_f)[t+1]",
    "lstm_1997 d_c": "d_c = d_h ⊙ o ⊙ η'(c) + d_c[t+1]",
    "lstm_1997 δ_i": "δ_i = (d_c ⊙ g + d_i) ⊙ i(1−i)",
    "lstm_1997 δ_g": "δ_g = d_c ⊙ i ⊙ γ'(z_g)",
    "lstm_1997 δ_o": "δ_o = (d_h ⊙ η(c) + d_o) ⊙ o(1−o)",
    "δ_r": "δ_r = δ_n ⊙ q ⊙ r(1−r)",
    "δ_u": "δ_u = d_h ⊙ (h[t−1] − n) ⊙ u(1−u)",
    "δ_n": "δ_n = d_h ⊙ (1−u) ⊙ (1−n²)",
    "dW_": "dW_k = Σ_t δ_k[t]ᵀ x[t]",
    "dR_": "dR_k = Σ_t δ_k[t]ᵀ h[t−1]",
    "lstm_1997 dR_": "dR_k = Σ_t δ_k[t]ᵀ (h, i, o)[t−1]",
    "gru dR_n": "dR_n = Σ_t δ_q[t]ᵀ h[t−1]",
    "db_": "db_k = Σ_t δ_k[t]",
    "dp_": "dp_k = Σ_t δ_k ⊙ c",
    "db'_n": "db'_n = Σ_t δ_q[t]",
    "dW + dWᵀ": "dW = the encoder's δᵀ x + the transpose of the decoder's",
    "∂S/∂t": "∂S/∂t of the sparsity's cost S",
    "∂F/∂t": "∂F/∂t = −E[h given v]",
    "⟨h vᵀ⟩": "∂F/∂W = −E[h given v] vᵀ",
    "⟨v⟩": "∂F/∂b = −v",
    "⟨h⟩": "∂F/∂c = −E[h given v]",
}


class Statement(NamedTuple):
    """One statement, and where it stands.

    Attributes:
        family: the network's.
        statement: the number of the notes, or a label that is none.
        formula: its formula.
        file, line: where it is computed; the file's path within the package's folder.
        function: the function there, as Python names it.
        leaf: the path of the parameter that it is the gradient of; "" where it is that of no parameter.
        row: the row of a report of `fnnets.verify.network` that compares it with the reference.
    """

    family: str
    statement: str
    formula: str
    file: str
    line: int
    function: str
    leaf: str
    row: str


def families() -> dict[str, tuple[Network, Batch]]:
    """A small network of each family, of the plain implementation, with a batch for it.

    >>> sorted(families())[:4]
    ['autoencoder', 'convolutional', 'feedforward', 'gru']
    """
    draw = jax.random.uniform
    vectors, images, sequences = (
        draw(jax.random.key(0), shape, minval=0.1) for shape in ((5, 4), (5, 6, 6, 1), (6, 5, 4))
    )
    labels, chosen = jnp.arange(5) % 2, objectives.softmax_log_likelihood
    steps = Batch(sequences, draw(jax.random.key(1), (6, 5, 2)))
    through_time = partial(
        recurrent, [4, 3, 2], objective=objectives.sigmoid_cross_entropy, learn_initial_state=True,
        implementation="plain",
    )  # fmt: skip
    sparse = autoencoder([4, 3, 2], tied=True, code_activation=activations.sigmoid, sparsity=0.1)
    return {
        "feedforward": (feedforward([4, 3, 2], objective=chosen, l2=0.1), Batch(vectors, labels)),
        "convolutional": (
            convolutional((6, 6, 1), "conv3-2 maxpool2 local2-2 | fc-2", objective=chosen, implementation="plain"),
            Batch(images, labels)),
        "recurrent": (through_time(), steps),
        "lstm": (through_time(cell="lstm"), steps),
        "lstm_peepholes": (through_time(cell="lstm_peepholes"), steps),
        "lstm_1997": (through_time(cell="lstm_1997"), steps),
        "gru": (through_time(cell="gru"), steps),
        "autoencoder": (sparse, Batch(vectors)),
        "rbm": (rbm(4, 3), Batch(vectors, vectors[::-1])),
    }  # fmt: skip


@calls.strict("statements")
def statements(family: str | None = None) -> tuple[Statement, ...]:
    """Every statement of the package's backward passes, with its line of code and its row of a report.

    It is many to many: one contraction is (4) and (6), and each objective is its own (1).

    Args:
        family: one of `fnnets.verify.checks.equations.families()`, or "objectives"; None for all.

    Raises:
        ValueError: no such family.
        LookupError: a layer has a mark that is no statement and that no formula is known of.

    >>> import fnnets as fn
    >>> [(each.statement, each.leaf) for each in fn.statements("feedforward")][:4]
    [('1', ''), ('1, mean', ''), ('2', ''), ('4', '[0].weights')]
    """
    known = families()
    if family is not None:
        validate.choice(family, (*known, "objectives"), "statements: family", "choose one, or None for all")
    found: list[Statement] = []
    for name, (net, batch) in known.items():
        if family in (None, name):
            found += _rows(name, _of_network(net, batch))
    if family in (None, "objectives"):
        found += _rows("objectives", _of_objectives())
    return tuple(found)


def of_network(net: Network, batch: Batch, family: str = "") -> tuple[Statement, ...]:
    """The statements of any network's backward pass, its layers as their pages have them.

    A mark of one's own layers that is no statement has the formula "".

    >>> import fnnets as fn
    >>> net, batch = families()["gru"]
    >>> [each.row for each in of_network(net, batch)][:3]
    ['delta of sigmoid_cross_entropy', 'output', 'layer 0 gru h']
    """
    paged = net._replace(layer=observing.page(net.layer))
    return tuple(_rows(family, _of_network(paged, batch), is_own=False))


class _Mark(NamedTuple):
    """The layer's name, a mark as the code has it, the line that it stands for, the leaf and the row."""

    owner: str
    mark: str
    line: jaxprs.Line
    leaf: str
    row: str


def _rows(family: str, marks: Iterable[_Mark], is_own: bool = True) -> Iterator[Statement]:
    """A row for each number of a mark, or for its label, which has a formula where the layers are the package's own."""
    for owner, mark, line, leaf, row in marks:
        place = lines.shown(line.file), line.number, line.function.replace(".<locals>", "")
        found = notes.numbers(mark)
        if mark in LABELS or not found:
            formula = _label(owner, mark)
            if formula is None and is_own:
                raise LookupError(
                    f"the mark {mark!r} of {owner} is no statement of the notes, and has no formula in LABELS"
                )
            yield Statement(family, mark, formula or "", *place, leaf, row)
            continue
        for number in found:
            yield Statement(family, number, notes.STATEMENTS[number], *place, leaf, row)


def _label(owner: str, mark: str) -> str | None:
    """The formula of a label: the layer's own, or one that layers share; those of gates differ in the gate alone."""
    names = (f"{owner} {mark}", mark, f"{owner} {mark[:3]}", mark[:3])
    return next((LABELS[name] for name in names if name in LABELS), None)


def _of_objectives() -> Iterator[_Mark]:
    """Each objective's own (1)."""
    net, batch = families()["feedforward"]
    for objective in vars(objectives).values():
        if isinstance(objective, Objective):
            yield _of_objective(net._replace(objective=objective), batch)
    for activation in (activations.sigmoid, activations.softplus):
        yield _of_objective(net._replace(objective=objectives.squared_error(activation)), batch)


def _of_objective(net: Network, batch: Batch) -> _Mark:
    z = jax.eval_shape(lambda: _forward(net, net.init(jax.random.key(0)), batch))
    z = z if net.activity is None else z[0]
    number = decompose.numbered_output(net)
    line = lines.outputs(net.objective.delta, z, jnp.zeros(z.shape, z.dtype))[0]
    return _Mark("", number("1"), line, "", f"delta of {net.objective.name}")


def _forward(net: Network, params: PyTree, batch: Batch) -> PyTree:
    return net.layer.forward(params, batches.cast(batch.inputs, params), Context())[0]


def _of_network(net: Network, batch: Batch) -> Iterator[_Mark]:
    params = jax.eval_shape(net.init, jax.random.key(0))
    number = decompose.numbered_output(net)
    yield _of_objective(net, batch)
    if net.activity is not None:
        t = jax.eval_shape(lambda p: _forward(net, p, batch)[1], params)
        yield _Mark("", "∂S/∂t", lines.outputs(net.activity.delta, t)[0], "", f"delta of {net.activity.name}")
    whole = jaxprs.opened(jax.make_jaxpr(net.gradient)(params, batch))
    yield from (
        _Mark("", number(tag.statement), line, "", tag.name)
        for tag, line in lines.marks(whole)
        if tag.name.startswith("output")
    )
    paths = iter(jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(params))
    yield from _of_layers(net, params, batch, paths)
    if net.l2:
        line = lines.outputs(penalty.gradient, net.l2, params, params)[0]
        yield from (
            _Mark("", "λ/n w", line, jax.tree_util.keystr(path), f"penalty {jax.tree_util.keystr(path)}")
            for path, _ in jax.tree_util.tree_leaves_with_path(params)
            if penalty.is_weight(path)
        )


def _of_layers(net: Network, params: PyTree, batch: Batch, paths: Iterator[str]) -> Iterator[_Mark]:
    """Marks within each layer, the gradients of its parameters, and that of its input."""
    places, x = decompose.places(net.layer, params), batches.cast(batch.inputs, params)
    for place, number in zip(places, decompose.numbered(net.layer, places), strict=True):
        layer, own = place.layer, place.params
        y, trace = jax.eval_shape(lambda own, x, layer=layer: layer.forward(own, x, Context()), own, x)
        name = decompose.title(place)
        program = jaxprs.opened(jax.make_jaxpr(layer.backward)(own, trace, y))
        for tag, line in lines.marks(program):
            yield _Mark(layer.name, number(tag.statement), line, "", f"{name} {tag.name}")
        found = lines.outputs(layer.backward, own, trace, y)
        leaves = zip(subject.statements(layer, own), subject.paths(own, name), found, strict=False)
        for statement, row, line in leaves:
            yield _Mark(layer.name, number(statement), line, next(paths), row)
        yield _Mark(layer.name, number(layer.input_statement), found[-1], "", f"{name} d_x")
        x = y
