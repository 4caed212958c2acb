"""`fnnets show`: one example's passage as text, as JSON and as a figure, and bad input on one line."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

import fnnets as fn
from fnnets.command import generic, main, passage
from fnnets.verify.checks import equations

FILE = """
import jax, jax.numpy as jnp
import fnnets as fn

def forward(params, x, context):
    q = fn.verify.tap("q", params * x)
    return jnp.sin(q), (x, q)

def backward(params, trace, d_y):
    x, q = trace
    d_q = fn.verify.delta("q", d_y * jnp.cos(q), "d_q")
    return jnp.sum(d_q * x, axis=0), d_q * params

gain = fn.Layer(lambda key, shape: (jnp.ones(shape), shape), forward, backward, "gain")
layers = fn.chain(fn.layers.dense(4), gain, fn.layers.dropout(0.5), fn.layers.dense(3))
net = fn.network(layers, fn.objectives.softmax_log_likelihood, (5,), 0.5)
case = net, net.init(jax.random.key(0)), fn.Batch(jnp.ones((3, 5)), jnp.arange(3))
changed = net._replace(gradient=lambda params, batch, *, key=None: params)
number, pair = 3, (net, 3)
infinite = net, jax.tree.map(lambda leaf: leaf * jnp.inf, case[1]), case[2]

def made(seed):
    return case

def fails():
    raise RuntimeError("no data")
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "mine_show.py"
    path.write_text(FILE)
    monkeypatch.chdir(tmp_path)
    return path


def shown(capsys, *arguments):
    assert main(["show", *arguments]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out


def heads(text, after):
    """The numbers or labels of statements of the lines behind a heading, in order."""
    rows = text.split(f"\n{after}\n")[1].splitlines()
    return [row.split()[0] for row in rows if row.startswith("  ") and not row.startswith("   ")]


def test_the_default_is_a_small_feedforward_network_in_the_order_of_the_notes(capsys):
    text = shown(capsys)
    assert text.startswith("feedforward: example 0\n")
    assert heads(text, "backward pass") == ["(1)", "(3)", "(4)", "(2)", "(2)", "(3)", "(4)", "(2)"]
    order = [
        "forward pass",
        "layer 0 dense z",
        "prediction",
        "cost of the example",
        "backward pass",
        "\n  (1) ",
        "\n  (3) ",
        "\n  (2) ",
    ]
    places = [text.index(each) for each in order]
    assert places == sorted(places)
    for formula in ("z(2) = W(2) a(1) + b(2)", "δ(2) = (W(3)ᵀ δ(3)) ⊙ σ'(z(2))", "∂c/∂W(3) = δ(3) a(2)ᵀ"):
        assert formula in text
    assert max(map(len, text.splitlines())) <= 110
    assert "the penalty λ/2n Σ w² is left out here" in text


def test_the_line_of_code_is_that_of_the_statement(capsys):
    text = shown(capsys, "feedforward")
    row = next(each for each in text.splitlines() if each.startswith("  (2)   layer 0 dense z"))
    place, number = row.split()[-2].split(":")
    line = (Path(equations.HERE) / place).read_text().splitlines()[int(number) - 1]
    assert 'taps.delta("z", d_y * activation.derivative(trace.z), "2")' in line


@pytest.mark.parametrize("family", equations.families())
def test_every_family_has_a_passage_whose_numbers_are_those_of_the_batch(family, capsys):
    text = shown(capsys, family, "--example", "1")
    assert "backward pass" in text
    net = equations.families()[family][0]
    params, batch, key = generic.of_network(net, 0)
    found = passage.of(net, params, batch._replace(weights=None, mask=None), key, 1)
    gradient = {line.name: line.value for line in found.backward if "." in line.name}
    leaves = jax.tree.leaves(found.found.gradient)
    assert len(gradient) == len(leaves)
    assert sorted(value.size for value in gradient.values()) == sorted(leaf.size for leaf in leaves)


def test_the_mean_of_all_examples_is_the_gradient_of_the_batch():
    net = fn.feedforward([4, 3, 2], objective=fn.objectives.softmax_log_likelihood, l2=0.1)
    params, batch, _ = generic.of_network(net, 0)
    whole = fn.feedforward([4, 3, 2], objective=fn.objectives.softmax_log_likelihood).gradient(params, batch)
    passages = [passage.of(net, params, batch, None, n) for n in range(len(batch.inputs))]
    for name, leaf in (("layer 0 dense .weights", whole[0].weights), ("layer 1 dense .biases", whole[1].biases)):
        each = [next(line.value for line in one.backward if line.name == name) for one in passages]
        np.testing.assert_allclose(np.mean(each, axis=0), leaf, rtol=1e-4, atol=1e-6)


def test_delta_of_a_step_is_that_of_the_notes_with_the_mean_over_steps_in_it(capsys):
    text = shown(capsys, "recurrent")
    found = heads(text, "backward pass")
    assert found[:3] == ["(7)", "(9)", "(10)"]
    assert "c = 1/T Σ_t Σ softplus(z(L)) − y z(L)" in text
    assert found.index("(8)") < found.index("(11)")
    assert "t = 6" in text
    net, batch = equations.families()["recurrent"]
    one = passage.of(net, net.init(jax.random.key(0)), batch, None, 2)
    first = one.backward[0]
    a, y = one.found.values["prediction"][:, 0], batch.targets[:, 2]
    np.testing.assert_allclose(first.value, (a - y) / 6, atol=1e-6)


def test_layers_of_ones_own_have_lines_of_ones_own_file(file, capsys):
    text = shown(capsys, f"{file}:net", "--digits", "2")
    assert text.startswith(f"{file}:net: example 0, with a key of training")
    row = next(each for each in text.splitlines() if each.startswith("  d_q"))
    assert row.endswith("mine_show.py:11 backward")
    assert "layer 1 gain params" in text


def test_a_case_and_a_function_have_their_own_numbers(file, capsys):
    assert "\n        1\n" in shown(capsys, f"{file}:case", "--example", "1").split("targets")[1].split("cost")[0]
    assert "with a key" not in shown(capsys, f"{file}:made", "--seed", "4")


def test_seeds_draw_other_numbers_and_the_same_seed_the_same(capsys):
    one, other, again = (shown(capsys, "lstm", "--seed", seed) for seed in ("0", "1", "0"))
    assert one == again
    assert one != other


def test_json_has_every_number(file, capsys):
    shown(capsys, "convolutional", "--json", "out/passage.json")
    found = json.loads(Path("out/passage.json").read_text())
    image = next(line for line in found["forward"] if line["name"] == "layer 0 convolution z")
    assert np.shape(image["numbers"]) == tuple(image["shape"]) == (4, 4, 2)
    assert found["cost"] > 0
    assert {"statement": "1", "name": "output"}.items() <= found["backward"][0].items()


@pytest.mark.parametrize(("name", "begins"), [("a.png", b"\x89PNG"), ("b.svg", b"<?xml")])
def test_a_figure_is_written(file, capsys, name, begins):
    shown(capsys, "feedforward", "--plot", name)
    assert Path(name).read_bytes().startswith(begins)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lsmt"], "TARGET is 'lsmt', expected feedforward, convolutional, recurrent, lstm,"),
        (["lsmt"], "or a place; write lstm"),
        (["objectives"], "write package.module:thing for a network of your own"),
        (["lstm", "--example", "99"], "--example is 99, expected a number from 0 to"),
        (["lstm", "--example", "-1"], "--example is -1, expected at least 0"),
        (["lstm", "--seed", "-1"], "--seed is -1, expected 0 to 4294967295"),
        (["lstm", "--digits", "0"], "--digits is 0, expected 1 to 17"),
        (["lstm", "--digits", "two"], "--digits is 'two', expected a whole number"),
        (["lstm", "--plot", "x.gif"], "--plot is 'x.gif', expected a name that ends in .png"),
        (["lstm", "--json", "."], "--json is '.', a folder"),
        (["mine_show.py:nothing"], "mine_show.py has no 'nothing'"),
        (["mine_show.py:number"], "TARGET is of type int, expected a network, (net, params, batch), or a function"),
        (["mine_show.py:pair"], "TARGET is of type tuple, expected a network"),
        (["mine_show.py:fails"], "calling fails raised RuntimeError: no data"),
        (["mine_show.py:changed"], "intermediates: net has a gradient of its own, expected that of its layer"),
    ],
)
def test_bad_input_is_one_line_and_status_2(file, capsys, arguments, message):
    assert main(["show", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("fnnets show: ")
    assert message in printed.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--digits", "1000"), "--digits is 1000, expected 1 to 17; leave it out"),
        (("--seed", str(2**70)), f"--seed is {2**70}, expected 0 to 4294967295; leave it out"),
        (("--json", "same.png", "--plot", "same.png"), "--plot is 'same.png', which is --json too, expected two files"),
    ],
)
def test_numbers_out_of_range_are_one_line(options, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["show", *options]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert message in printed.err
    assert not list(tmp_path.iterdir())


def test_layers_are_counted_as_in_the_notes(capsys):
    text = shown(capsys)
    assert "∂c/∂a(1) = W(2)ᵀ δ(2), the left factor" in text.rpartition("input")[2]
    assert "(3) = W(4)" not in text
    images = shown(capsys, "convolutional")
    assert "∂c/∂a(3) = W(4)ᵀ δ(4), the left factor" in images
    assert "z(l) = W(l) a(l−1) + b(l)" in shown(capsys, "autoencoder")  # layers within a layer keep the letter


def test_numbers_that_are_not_finite_are_strings_in_json(tmp_path, capsys, file):
    written = tmp_path / "passage.json"
    shown(capsys, f"{file}:infinite", "--json", str(written), "--plot", str(tmp_path / "passage.png"))
    json.loads(written.read_text(), parse_constant=pytest.fail)
    assert '"inf"' in written.read_text()
