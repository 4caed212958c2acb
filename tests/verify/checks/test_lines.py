"""Lines of source: of a page of the package, of one's own file, and of a function that returns its input."""

from pathlib import Path

import jax.numpy as jnp

import fnnets as fn
from fnnets.verify.checks import equations, lines


def backward(params, trace, d_y):
    slope = fn.activations.tanh.derivative(trace)
    return (), fn.verify.delta("z", d_y * slope, "mine")


def forward(params, x, context):
    z = fn.verify.tap("z", x)
    return jnp.tanh(z), z


OWN = fn.Layer(lambda key, shape: ((), shape), forward, backward, "own")
NET = fn.network(fn.chain(fn.layers.dense(4), OWN), fn.objectives.softmax_log_likelihood, (3,))
BATCH = fn.Batch(jnp.ones((5, 3)), jnp.arange(5) % 4)


def test_a_layer_of_ones_own_has_the_lines_of_its_file():
    rows = {row.row: row for row in equations.of_network(NET, BATCH)}
    own = rows["layer 1 own z"]
    assert (own.statement, own.formula) == ("mine", "")
    assert Path(own.file).name == Path(__file__).name
    assert "d_y * slope" in Path(__file__).read_text().splitlines()[own.line - 1]
    assert rows["layer 0 dense z"].file == "layers/dense.py"
    assert rows["output"].file == "core/averages.py"


def test_a_function_that_returns_its_input_is_its_own_line():
    [line] = lines.outputs(lambda x: x, jnp.ones(3))
    assert Path(line.file).name == Path(__file__).name


def test_kernels_are_shown_as_their_pages():
    net, batch = equations.families()["gru"]
    fast = fn.recurrent([4, 3, 2], "gru", objective=net.objective, learn_initial_state=True)
    assert equations.of_network(fast, batch) == equations.of_network(net, batch)


def test_files_are_shown_relative_to_the_package_or_to_the_current_folder(tmp_path, monkeypatch):
    assert lines.shown(str(Path(lines.HERE) / "core" / "chain.py")) == "core/chain.py"
    monkeypatch.chdir(tmp_path)
    assert lines.shown(str(tmp_path / "mine.py")) == "mine.py"
    assert lines.shown("/elsewhere/mine.py") == "/elsewhere/mine.py"
