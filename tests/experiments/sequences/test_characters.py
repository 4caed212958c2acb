import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from experiments.sequences import characters, characters_training
from experiments.sequences.characters import Options

LINE = "a rose is a rose is a rose.\n"
SMALL = {"units": 8, "length": 5, "batch_size": 3, "steps": 20, "progress": False}


@pytest.fixture(autouse=True)
def no_data(monkeypatch):
    monkeypatch.delenv("FNNETS_DATA", raising=False)


@pytest.fixture
def poem(tmp_path):
    """A folder with a text of Shakespeare's name."""
    (tmp_path / "tinyshakespeare.txt").write_text(50 * LINE)
    return tmp_path


@pytest.fixture
def net():
    return fn.recurrent([4, 5, 6, 4], cell="lstm", objective=fn.objectives.softmax_log_likelihood)


def codes(key, *shape):
    return jax.random.randint(key, shape, 0, 4, jnp.int32)


def test_auto_takes_shakespeare_where_it_is_found(poem, monkeypatch):
    monkeypatch.setattr(fn.data, "python_topics", lambda: LINE)
    assert characters.load(Options()).name == "topics"
    assert characters.load(Options(data_dir=poem)).name == "shakespeare"
    monkeypatch.setenv("FNNETS_DATA", str(poem))
    assert characters.load(Options()).name == "shakespeare"
    assert characters.load(Options(text="topics")).name == "topics"
    monkeypatch.setenv("FNNETS_DATA", str(poem / "tinyshakespeare.txt"))
    assert characters.load(Options()).name == "topics"


def test_a_folder_that_is_given_and_holds_no_text_is_refused(tmp_path):
    with pytest.raises(fn.data.DataNotFoundError, match="tinyshakespeare"):
        characters.load(Options(data_dir=tmp_path))


def test_the_last_tenth_tests():
    text = characters.divided("x", "".join(map(chr, range(97, 117))))
    assert text.vocabulary.decode(text.train) == "abcdefghijklmnopqr"
    assert text.vocabulary.decode(text.test) == "st"


def test_segments_in_a_row_have_the_cost_of_the_whole_and_the_gradient_does_not_cross(key, net):
    params, whole = net.init(key), codes(key, 7, 2)
    x, y = jax.nn.one_hot(whole, 4), codes(jax.random.key(1), 7, 2)
    run = jax.jit(lambda *args: characters_training.gradient(net, *args))
    state, parts = net.layer.start(params, 2), []
    for cut in (slice(0, 4), slice(4, 7)):
        before = state
        cost, d_params, state = run(params, fn.Batch(x[cut], y[cut]), state)
        parts.append(float(cost))

    def second(params):
        z, _ = net.layer.forward(params, x[4:], fn.Context(state=before))
        return net.objective.value(z, y[4:]).mean()

    assert (4 * parts[0] + 3 * parts[1]) / 7 == pytest.approx(float(net.cost(params, fn.Batch(x, y))), rel=1e-5)
    expected = jax.jit(jax.grad(second))(params)
    for ours, theirs in zip(jax.tree.leaves(d_params), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("probability", "seen"), [(0.0, [0, 1]), (1.0, [1])])
def test_the_state_is_carried_and_begins_again_with_the_streams(
    probability, seen, key, net, standard_promotion, monkeypatch
):
    monkeypatch.setattr(characters_training, "FORGETTING", probability)
    data = fn.Batch(codes(key, 3, 2, 2), codes(jax.random.key(1), 3, 2, 2))  # 3 segments of 2 steps, 2 streams
    start, round_of = characters_training.trainer(net, data)
    moving = start(key)
    after, _ = round_of(moving, jnp.asarray(0), jnp.float32(0.0), data)  # a rate of 0: the parameters stay
    # 20 updates are 6 times through the streams, and segments 0 and 1
    inputs = jax.nn.one_hot(data.inputs[jnp.array(seen)].reshape(-1, 2), 4)
    state, _ = net.run(moving.params, inputs)
    for ours, theirs in zip(jax.tree.leaves(after.state), jax.tree.leaves(state), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(jax.tree.leaves(after.params), jax.tree.leaves(moving.params), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_test_cost_is_that_of_streams_read_whole(key, net):
    text = np.asarray(codes(key, 101))
    params = net.init(key)
    streams = [(text[5 * n : 5 * n + 5], text[5 * n + 1 : 5 * n + 6]) for n in range(20)]
    costs = [float(net.cost(params, fn.Batch(jax.nn.one_hot(x, 4)[:, None], y[:, None]))) for x, y in streams]
    assert float(characters_training.judge(net, text)(params)) == pytest.approx(np.mean(costs), rel=1e-5)


def test_steps_win_over_minutes_and_a_budget_of_minutes_ends(poem, standard_promotion):
    text = characters.divided("poem", 50 * LINE)
    for options, updates in ((Options(**{**SMALL, "steps": 60}), 60), (Options(**{**SMALL, "steps": 59}), 40)):
        trained = characters.train(characters.network(text.vocabulary.size, options), text, options)
        assert trained.curves.updates[-1] == updates
        assert np.isfinite(trained.curves.training).all()
    options = Options(**{**SMALL, "steps": None}, minutes=0.03)
    trained = characters.train(characters.network(text.vocabulary.size, options), text, options)
    assert trained.curves.updates[-1] > 0
    assert trained.curves.minutes == sorted(trained.curves.minutes)


def test_a_small_run_learns_a_line_and_writes_a_sample_without_naming_folders(
    poem, tmp_path, standard_promotion, capsys
):
    options = Options(out=tmp_path / "results", data_dir=poem, **{**SMALL, "steps": 200, "learning_rate": 0.03})
    assert characters.run(options) == 0
    folder = tmp_path / "results" / "characters"
    assert {path.name for path in folder.iterdir()} == {
        f"characters-shakespeare.{end}" for end in ("json", "png", "txt")
    }
    text = (folder / "characters-shakespeare.json").read_text()
    assert str(tmp_path) not in text
    content = json.loads(text)
    figures = {figure["name"]: figure for figure in content["figures"]}
    assert figures["test cost"]["mean"] < 1.0  # the line again and again; log 9 is 2.2
    assert figures["n-gram with a context of 4: test cost"]["published"] == 1.669
    assert content["command"].startswith("python -m experiments characters --text shakespeare --steps 200 --units 8")
    sample = (folder / "characters-shakespeare.txt").read_text()
    assert len(sample) == characters.SAMPLE + 1
    assert set(sample) <= set(LINE)
    assert "rose" in sample
    assert sample.splitlines()[0] in capsys.readouterr().out


def test_a_point_is_the_mean_since_the_point_before():
    curves = characters.Curves([], [], [], [])
    curves.note([4.0, 2.0], 0.5, 9.0)
    curves.note([4.0, 2.0, 1.0], 0.7, 8.0)
    assert curves == ([40, 60], [0.5, 0.7], [3.0, 1.0], [9.0, 8.0])


def test_dropout_is_that_of_the_network():
    net = characters.network(9, Options(dropout=0.5, layers=2))
    assert [part.name for part in net.layer.parts] == ["lstm", "dropout", "lstm", "dropout", "dense"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dropout": 1.0}, "dropout: rate is 1.0, expected less than 1"),
        ({"steps": 19}, "steps is 19"),
        ({"minutes": 0.0}, "minutes"),
        ({"units": 0}, "units"),
    ],
)
def test_bad_options_are_named(options, said):
    with pytest.raises(ValueError, match=said):
        Options(**options)


def test_the_folder_of_data_is_not_part_of_the_command():
    assert "data" not in characters._command(Options(data_dir=Path("x")), characters.divided("topics", LINE))
