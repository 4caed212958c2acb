"""Streams: steps and segments equal the whole, sampling follows the temperature, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.core import stepping

SOFTMAX = fn.objectives.softmax_log_likelihood
NETWORKS = {
    "simple": fn.recurrent([3, 4, 2], objective=SOFTMAX, learn_initial_state=True),
    "two lstm, peepholes, dropout": fn.recurrent([3, 4, 3, 2], "lstm_peepholes", objective=SOFTMAX, dropout=0.5),
    "gru, checkpoints": fn.recurrent([3, 4, 2], "gru", objective=SOFTMAX, checkpoint_every=3),
}


def drawn(net, steps=7):
    """Parameters without zeros, and three sequences."""
    params = jax.tree.map(lambda leaf: 0.1 + leaf, net.init(jax.random.key(0)))
    return params, jax.random.normal(jax.random.key(1), (steps, 3, 3))


@pytest.mark.parametrize("name", NETWORKS)
def test_steps_and_segments_equal_the_whole(name):
    """`predict` at once; `run` over three steps and then four; `step` after `step`."""
    with jax.enable_x64(True):
        net = NETWORKS[name]
        params, x = drawn(net)

        @jax.jit
        def everything(params, x):
            middle, first = stepping.run(net, params, x[:3])
            _, second = stepping.run(net, params, x[3:], middle)
            state, single = stepping.start(net, params, 3), []
            for x_t in x[:3]:
                state, a = stepping.step(net, params, state, x_t)
                single.append(a)
            layered = net.layer.forward(params, x[3:], fn.Context(state=middle))[0]
            return net.predict(params, x), first, second, jnp.stack(single), layered, middle, state

        whole, first, second, single, layered, middle, state = everything(params, x)
        np.testing.assert_allclose(np.concatenate([first, second]), whole, rtol=1e-12)
        np.testing.assert_allclose(single, whole[:3], rtol=1e-12)
        np.testing.assert_allclose(net.objective.predict(layered), whole[3:], rtol=1e-12)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), state, middle)


def test_a_segment_that_begins_afresh_is_another():
    net = NETWORKS["gru, checkpoints"]
    params, x = drawn(net)
    state, _ = stepping.run(net, params, x[:3])
    assert not np.allclose(stepping.run(net, params, x[3:], state)[1], stepping.run(net, params, x[3:])[1])


def test_one_answer_a_sequence_is_the_answer_so_far():
    net = fn.recurrent([3, 4, 2], "lstm", objective=SOFTMAX, return_sequences=False)
    params, x = drawn(net)
    _, a = stepping.run(net, params, x)
    assert a.shape == (7, 3, 2)
    for t in (1, 7):
        np.testing.assert_allclose(a[t - 1], net.predict(params, x[:t]), rtol=1e-5)


BIGRAM = fn.recurrent([3, 3, 3], objective=SOFTMAX, activation=fn.activations.identity)


def bigram(table):
    """Parameters of a network whose z depends on the symbol before alone: z = log of its row of `table`."""
    hidden, output = BIGRAM.init(jax.random.key(0))
    hidden = hidden._replace(weights=jnp.eye(3), recurrent_weights=jnp.zeros((3, 3)), biases=jnp.zeros(3))
    return hidden, output._replace(weights=jnp.log(jnp.asarray(table)).T, biases=jnp.zeros(3))


TABLE = np.array([[0.1, 0.6, 0.3], [0.3, 0.1, 0.6], [0.6, 0.3, 0.1]])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_symbols_are_drawn_as_often_as_predicted(temperature):
    """Transition counts of 400 x 50 symbols against softmax(log p / τ), within five standard deviations."""
    prompt = jnp.zeros((1, 400), int)
    drawn = stepping.sample(BIGRAM, bigram(TABLE), prompt, 50, temperature, key=jax.random.key(3))
    expected = TABLE ** (1 / temperature)
    expected /= expected.sum(axis=1, keepdims=True)
    counts = np.zeros((3, 3))
    before = np.concatenate([prompt, drawn[:-1]])
    np.add.at(counts, (before.ravel(), np.asarray(drawn).ravel()), 1)
    total = counts.sum(axis=1, keepdims=True)
    assert (np.abs(counts / total - expected) < 5 * np.sqrt(expected * (1 - expected) / total)).all()


def test_a_low_temperature_takes_the_likeliest():
    drawn = stepping.sample(BIGRAM, bigram(TABLE), jnp.array([[0, 2]]), 5, key=jax.random.key(0), temperature=1e-3)
    assert drawn.T.tolist() == [[1, 2, 0, 1, 2], [0, 1, 2, 0, 1]]  # 0 → 1 → 2 → 0
    assert drawn.dtype == jnp.int32


def test_the_key_decides_and_the_prompt_is_read():
    net = fn.recurrent([4, 6, 4], "lstm", objective=SOFTMAX)
    cells, output = net.init(jax.random.key(0))
    params = (cells, output._replace(weights=9 * output.weights, biases=0 * output.biases))
    draw = jax.jit(lambda key, prompt: stepping.sample(net, params, prompt, 40, key=key))
    first, again, other = (draw(jax.random.key(k), jnp.array([[0, 1], [2, 3]])) for k in (1, 1, 2))
    assert first.shape == (40, 2)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (draw(jax.random.key(1), jnp.array([[3, 3], [2, 3]])) != first).any(), "all of the prompt counts"


NET = NETWORKS["simple"]
FEEDFORWARD = fn.feedforward([3, 2], objective=SOFTMAX)
BOTH_WAYS = fn.recurrent([3, 4, 2], objective=SOFTMAX, bidirectional=True)


def test_networks_that_cannot_be_streamed_are_refused():
    for net, message in ((FEEDFORWARD, "reads no sequences"), (BOTH_WAYS, "reads sequences from both ends")):
        params = net.init(jax.random.key(0))
        for call in (
            lambda net=net, params=params: stepping.start(net, params, 3),
            lambda net=net, params=params: stepping.step(net, params, (), jnp.ones((3, 3))),
            lambda net=net, params=params: stepping.run(net, params, jnp.ones((2, 3, 3))),
            lambda net=net, params=params: stepping.sample(
                net, params, jnp.ones((1, 1), int), 2, key=jax.random.key(0)
            ),
        ):
            with pytest.raises(ValueError, match=f"net {message}.*bidirectional=False"):
                call()
    with pytest.raises(TypeError, match="start: net is 'net'"):
        stepping.start("net", (), 3)


def test_states_and_inputs_that_do_not_fit_are_refused():
    params, x = drawn(NET)
    state = stepping.start(NET, params, 3)
    with pytest.raises(ValueError, match=r"step: inputs has shape \(3,\), expected \(N, 3\)"):
        stepping.step(NET, params, state, x[0, 0])
    with pytest.raises(ValueError, match=r"step: state\[0\]\[0\] has shape \(3, 4\), expected \(2, 4\)"):
        stepping.step(NET, params, state, x[0, :2])
    with pytest.raises(ValueError, match="run: state has the structure"):
        stepping.run(NET, params, x, state[:1])
    with pytest.raises(ValueError, match=r"run: state\[0\]\[0\] has shape"):
        stepping.run(NET, params, x[:, :2], state)
    with pytest.raises(ValueError, match=r"run: inputs has 2 axes.*inputs\[:, None\]"):
        stepping.run(NET, params, x[:, 0])
    with pytest.raises(ValueError, match="run: inputs holds 63 values that are NaN"):
        stepping.run(NET, params, x * jnp.nan)
    with pytest.raises(ValueError, match="start: n is 0"):
        stepping.start(NET, params, 0)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"key": 3}, TypeError, "sample: key is 3"),
        ({"prompt": jnp.zeros(4, int)}, ValueError, r"prompt has shape \(4,\).*prompt\[:, None\]"),
        ({"prompt": jnp.zeros((0, 2), int)}, ValueError, "T >= 1"),
        ({"prompt": jnp.zeros((2, 2))}, ValueError, "dtype float32, expected ints"),
        ({"prompt": jnp.full((2, 2), 3)}, ValueError, "labels from 3 to 3, expected 0 to 2"),
        ({"length": 0}, ValueError, "length is 0"),
        ({"temperature": 0.0}, ValueError, "temperature is 0.0"),
        ({"net": NET}, ValueError, r"steps of shape \(3,\) and gives \(2,\)"),
    ],
)
def test_bad_arguments_of_sample_are_refused(settings, error, message):
    given = {"net": BIGRAM, "key": jax.random.key(0), "prompt": jnp.zeros((1, 2), int), "length": 4, **settings}
    with pytest.raises(error, match=message):
        stepping.sample(params=given["net"].init(jax.random.key(0)), **given)


def test_another_objective_is_not_sampled_from():
    net = fn.recurrent([3, 4, 3], objective=fn.objectives.sigmoid_cross_entropy)
    with pytest.raises(ValueError, match=r"by sigmoid_cross_entropy, expected .*softmax_log_likelihood"):
        stepping.sample(net, net.init(jax.random.key(0)), jnp.zeros((1, 1), int), 2, key=jax.random.key(0))


@pytest.mark.parametrize("name", ["start", "step", "run", "sample"])
def test_parameters_of_another_network_are_refused_by_name(name):
    net, other = NETWORKS["gru, checkpoints"], fn.recurrent([3, 5, 2], "gru", objective=SOFTMAX)
    params, (_, x) = other.init(jax.random.key(0)), drawn(net)
    state = net.start(net.init(jax.random.key(0)), 3)
    calls = {
        "start": lambda: net.start(params, 3),
        "step": lambda: net.step(params, state, x[0]),
        "run": lambda: net.run(params, x),
        "sample": lambda: net.sample(params, jnp.zeros((2, 1), int), 3, key=jax.random.key(0)),
    }
    with pytest.raises(ValueError, match=rf"^{name}: params\[0\].* has shape .*, expected .*; take the parameters"):
        calls[name]()


def test_nothing_is_sampled_from_parameters_that_are_nan():
    net = fn.recurrent([3, 4, 3], objective=SOFTMAX)
    params = jax.tree.map(lambda leaf: leaf * jnp.nan, net.init(jax.random.key(0)))
    with pytest.raises(ValueError, match=r"sample: params\[0\].weights holds 12 values that are NaN"):
        net.sample(params, jnp.zeros((2, 1), int), 3, key=jax.random.key(0))


def test_a_state_and_inputs_that_have_changed_places_are_named():
    net = fn.recurrent([3, 4, 2], objective=fn.objectives.softmax_log_likelihood)
    params, x = net.init(jax.random.key(0)), jnp.ones((5, 2, 3))
    state = net.start(params, 2)
    with pytest.raises(
        TypeError, match=r"step: state is an array and inputs of type tuple, .*; write step\(params, state"
    ):
        net.step(params, x[0], state)
    with pytest.raises(
        TypeError, match=r"run: state is an array and inputs of type tuple, .*; write run\(params, inputs"
    ):
        net.run(params, state, x)
