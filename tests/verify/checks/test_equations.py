"""The table of statements is that of the notes, of the code's lines, and of the rows of a real report."""

from pathlib import Path

import jax
import pytest

import fnnets as fn
from fnnets.core import notes
from fnnets.verify.checks import equations
from fnnets.verify.checks import network as network_check

ROOT = Path(equations.HERE)
FAMILIES = equations.families()
# Text of the line of each statement; the notes' formulas are in `fnnets.core.notes`.
TEXTS = {
    ("feedforward", "1"): ["jax.nn.softmax(z) * total - _one_hot(z, y)"],
    ("feedforward", "2"): ["d_y * activation.derivative(trace.z)", "delta @ params.weights"],
    ("feedforward", "3"): ["jnp.sum(delta, axis=leading)"],
    ("feedforward", "4"): ["jnp.tensordot(delta, trace.x"],
    ("feedforward", "5"): ["jnp.sum(delta, axis=leading)"],
    ("feedforward", "6"): ["jnp.tensordot(delta, trace.x"],
    ("recurrent", "7"): ["jax.nn.sigmoid(z) - y"],
    ("recurrent", "8"): [
        "(d_a + after @ params.recurrent_weights) * activation.derivative(trace.z)",
        "d_x = delta @ params.weights",
        "d_y *",
        "delta @ params",
    ],
    ("recurrent", "9"): ["jnp.sum(delta, axis=(0, 1))", "jnp.sum(delta, axis=leading)"],
    ("recurrent", "10"): ['jnp.einsum("tnh,tnm->hm", delta, trace.x)', "jnp.tensordot(delta, trace.x"],
    ("recurrent", "11"): ['jnp.einsum("tnh,tnk->hk", delta, trace.a_before)'],
    ("recurrent", "12"): ["jnp.sum(delta, axis=(0, 1))", "jnp.sum(delta, axis=leading)"],
    ("recurrent", "13"): ['jnp.einsum("tnh,tnm->hm", delta, trace.x)', "jnp.tensordot(delta, trace.x"],
    ("recurrent", "14"): ['jnp.einsum("tnh,tnk->hk", delta, trace.a_before)'],
}


@pytest.fixture(scope="module")
def found():
    return {family: equations.statements(family) for family in (*FAMILIES, "objectives")}


def numbered(rows):
    return {row.statement for row in rows if row.statement in notes.STATEMENTS}


def test_the_notes_fourteen_statements_are_all_there(found):
    assert list(notes.STATEMENTS) == [str(number) for number in range(1, 15)]
    assert numbered(found["feedforward"]) == {"1", "2", "3", "4", "5", "6"}
    assert numbered(found["recurrent"]) == {"7", "8", "9", "10", "11", "12", "13", "14"}


@pytest.mark.parametrize(("family", "statement"), TEXTS)
def test_the_line_of_a_statement_shows_its_formula(found, family, statement):
    rows = [row for row in found[family] if row.statement == statement]
    lines = {(ROOT / row.file).read_text().splitlines()[row.line - 1] for row in rows}
    for text in TEXTS[family, statement]:
        assert any(text in line for line in lines), (text, lines)
    assert all(any(text in line for text in TEXTS[family, statement]) for line in lines)
    assert {row.formula for row in rows} == {notes.STATEMENTS[statement]}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_table_has_the_rows_of_a_real_report_and_no_others(found, family):
    net, batch = FAMILIES[family]
    report = network_check.compared(
        net, network_check.reference(net, net.init(jax.random.key(2)), batch, is_quick=True)
    )
    rows = [row for row in report.rows if not row.where.startswith("gradient ") and row.statement != "none"]
    assert all(row.statement for row in rows), "a mark without a statement"
    expected = {(number, row.where) for row in rows for number in notes.numbers(row.statement) or (row.statement,)}
    expected = {(each, where) if where != "output" else (f"{each}, mean", where) for each, where in expected}
    assert {(row.statement, row.row) for row in found[family]} == expected
    leaves = {row.leaf for row in found[family] if row.leaf}
    paths = jax.tree_util.tree_leaves_with_path(net.init(jax.random.key(2)))
    assert leaves == {jax.tree_util.keystr(path) for path, _ in paths}


def test_each_objective_is_its_own_first_statement(found):
    assert {row.statement for row in found["objectives"]} == {"1"}
    lines = {(row.file, row.line) for row in found["objectives"] if "squared_error(" not in row.row}
    assert len(lines) == sum(isinstance(each, fn.Objective) for each in vars(fn.objectives).values()) == 4


def test_labels_of_our_own_cannot_be_taken_for_statements(found):
    labels = {row.statement for rows in found.values() for row in rows} - notes.STATEMENTS.keys()
    assert not any(label.strip("()").isdigit() for label in labels)
    assert all(row.formula for rows in found.values() for row in rows)


def test_all_families_at_once_and_none_of_another_name(found):
    assert equations.statements() == tuple(row for rows in found.values() for row in rows)
    with pytest.raises(
        ValueError, match=r"family is 'transformer', expected 'feedforward', .* or 'objectives'; choose one"
    ):
        equations.statements("transformer")


@pytest.mark.parametrize("statement", ["", "15", "4; 6"])
def test_a_leaf_of_no_statement_is_an_error(monkeypatch, statement):
    dense = fn.layers.dense(2)
    unknown = dense._replace(statements=dense.statements._replace(weights=statement))
    net = fn.network(unknown, fn.objectives.softmax_log_likelihood, (4,))
    monkeypatch.setattr(equations, "families", lambda: {"mine": (net, FAMILIES["feedforward"][1])})
    with pytest.raises(LookupError, match=f"'{statement}' of dense is no statement of the notes, and has no formula"):
        equations.statements("mine")


@pytest.mark.parametrize(("family", "label"), [("convolutional", "δ"), ("lstm", "δ_i"), ("gru", "dR_")])
def test_a_mark_without_a_formula_is_an_error(monkeypatch, family, label):
    monkeypatch.delitem(equations.LABELS, label)
    with pytest.raises(LookupError, match=rf"'{label}\w*' of \w+ is no statement"):
        equations.statements(family)


@pytest.mark.parametrize(
    ("leaf", "statement"), [("recurrent_weights", "11, 14"), ("biases", "9, 12"), ("weights", "10, 13")]
)
def test_a_fault_in_a_recurrent_layer_is_named_by_its_statement(leaf, statement):
    right = fn.layers.recurrent(3)

    def backward(params, trace, d_y):
        d_params, d_x = right.backward(params, trace, d_y)
        return d_params._replace(**{leaf: 1.1 * getattr(d_params, leaf)}), d_x

    net, wrong = (
        fn.network(fn.chain(layer, fn.layers.dense(2)), fn.objectives.sigmoid_cross_entropy, (4,))
        for layer in (right, right._replace(backward=backward))
    )
    known = network_check.reference(net, net.init(jax.random.key(2)), FAMILIES["recurrent"][1], is_quick=True)
    first = network_check.compared(wrong, known).first_wrong
    assert (first.statement, first.where) == (statement, f"layer 0 recurrent .{leaf}")
