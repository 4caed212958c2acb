"""Predictions of many members: the mean, the votes, who wins a tie, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.networks import ensembles as ensemble

KEY = jax.random.key(12)
SOFTMAX = fn.objectives.softmax_log_likelihood
LSTM = {"objective": SOFTMAX, "cell": "lstm"}
NET = fn.feedforward([4, 5, 3], objective=SOFTMAX)
NETWORKS = {
    "feedforward": (NET, (40, 4)),
    "single output": (fn.feedforward([4, 5, 1], objective=fn.objectives.sigmoid_cross_entropy), (40, 4)),
    "answers at every step": (fn.recurrent([4, 5, 3], **LSTM), (7, 20, 4)),
    "one answer a sequence": (fn.recurrent([4, 5, 3], return_sequences=False, **LSTM), (7, 40, 4)),
}


def members(net, count=4):
    """Far apart and without biases, so that they disagree from example to example."""
    params = jax.vmap(net.init)(jax.random.split(KEY, count))
    return jax.tree.map(lambda leaf: 8 * leaf if leaf.ndim > 2 else 0 * leaf, params)


def problem(name):
    net, shape = NETWORKS[name]
    mask = jnp.arange(shape[0])[:, None] < 2 + jnp.arange(shape[1]) if net.layer.is_sequential else None
    params = members(net)
    alone = [net.predict(jax.tree.map(lambda leaf, k=k: leaf[k], params), probe(shape), mask) for k in range(4)]
    return net, params, probe(shape), mask, np.stack(alone)


def probe(shape):
    return jax.random.normal(KEY, shape)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_average_is_the_mean_of_the_members_predictions(name):
    net, params, inputs, mask, alone = problem(name)
    np.testing.assert_allclose(ensemble.average(net, params, inputs, mask), alone.mean(axis=0), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", NETWORKS)
def test_votes_are_counted_and_ties_go_to_the_highest_mean(name):
    """By a loop over answers that reads the documentation word by word."""
    net, params, inputs, mask, alone = problem(name)
    scores = alone if alone.shape[-1] > 1 else np.concatenate([1 - alone, alone], axis=-1)
    flat = scores.reshape(4, -1, scores.shape[-1])
    counts = np.zeros(flat.shape[1:], int)
    for n in range(flat.shape[1]):
        for k in range(4):
            counts[n, flat[k, n].argmax()] += 1
    mean, tied = flat.mean(axis=0), 0
    winners = []
    for n in range(flat.shape[1]):
        best = [c for c in range(flat.shape[2]) if counts[n, c] == counts[n].max()]
        tied += len(best) > 1
        winners.append(max(best, key=lambda c: mean[n, c]))
    assert tied  # or nothing is learnt of ties
    np.testing.assert_array_equal(ensemble.votes(net, params, inputs, mask), counts.reshape(scores.shape[1:]))
    vote = ensemble.vote(net, params, inputs, mask)
    np.testing.assert_array_equal(vote, np.reshape(winners, scores.shape[1:-1]))
    assert vote.dtype == jnp.int32


def test_equal_classes_go_to_the_smallest():
    params = jax.tree.map(jnp.zeros_like, members(NET))
    assert ensemble.vote(NET, params, probe((2, 4))).tolist() == [0, 0]
    assert ensemble.votes(NET, params, probe((2, 4))).tolist() == [[4, 0, 0], [4, 0, 0]]


def test_a_single_output_of_one_half_is_no():
    net = NETWORKS["single output"][0]
    params = jax.tree.map(jnp.zeros_like, members(net))
    assert ensemble.vote(net, params, probe((2, 4))).tolist() == [0, 0]


@pytest.mark.parametrize("kind", ["float64", "bfloat16"])
def test_predictions_keep_the_members_precision(kind):
    with jax.enable_x64(kind == "float64"):
        params = jax.tree.map(lambda leaf: leaf.astype(kind), members(NET, 300))
        mean = ensemble.average(NET, params, probe((5, 4)))
        assert mean.dtype == kind
        # A sum of 300 bfloat16 numbers in bfloat16 stops growing near 256.
        np.testing.assert_allclose(mean.astype("float32").sum(axis=1), 1, atol=0.02)


def test_what_fit_many_trains_predicts():
    train = fn.Batch(probe((30, 4)), jnp.arange(30) % 3)
    trained = fn.training.fit_many(
        lambda: (NET, fn.training.momentum(0.3)), train, keys=jax.random.split(KEY, 3), epochs=1, progress=False
    )
    assert ensemble.vote(NET, trained.params, train.inputs).shape == (30,)


def test_members_trained_one_by_one_are_stacked():
    alone = [NET.init(jax.random.fold_in(KEY, k)) for k in range(3)]
    stacked = ensemble.stack(alone)
    jax.tree.map(lambda leaf, one: np.testing.assert_array_equal(leaf[2], one), stacked, alone[2])


def test_memory_does_not_hold_all_members_predictions():
    """Bytes that the compiled program needs beside its arguments: far below K times one member's activations."""
    net, count, examples = fn.feedforward([4, 64, 3], objective=SOFTMAX), 50, 1000
    shapes = jax.eval_shape(lambda: (jax.vmap(net.init)(jax.random.split(KEY, count)), probe((examples, 4))))
    compiled = ensemble._averaged.lower(net.predict, *shapes, None).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 10 * examples * 64 * 4


@pytest.mark.parametrize(
    ("params", "inputs", "message"),
    [
        (NET.init(KEY), probe((6, 4)), r"params have leaves of shape \(5, 4\), \(5,\), \(3, 5\), \(3,\), expected"),
        (members(fn.feedforward([4, 6, 3], objective=SOFTMAX)), probe((6, 4)), r"\(4, 6, 4\), expected \(4, 5, 4\)"),
        (members(fn.feedforward([4, 3], objective=SOFTMAX)), probe((6, 4)), "has the structure"),
        (jax.tree.map(lambda leaf: leaf[:0], members(NET)), probe((6, 4)), "expected .K, …. with one K >= 1"),
        ((), probe((6, 4)), "leaves of shape none at all"),
        (members(NET), probe((6, 5)), r"inputs has examples of shape \(5,\), expected \(4,\)"),
        (members(NET), jnp.full((6, 4), jnp.nan), "NaN or infinite"),
    ],
)
@pytest.mark.parametrize("function", [ensemble.average, ensemble.votes, ensemble.vote])
def test_what_does_not_fit_is_refused(function, params, inputs, message):
    with pytest.raises(ValueError, match=message):
        function(NET, params, inputs)


@pytest.mark.parametrize("net", [fn.rbm(6, 4), fn.autoencoder([4, 2, 4])])
def test_only_classifiers_vote(net):
    with pytest.raises(ValueError, match="expected a classifier"):
        ensemble.vote(net, members(net), probe((6, *net.input_shape)))


@pytest.mark.parametrize(
    ("stacked", "message"),
    [
        ([], "members is empty"),
        ([{"w": jnp.ones(2)}, {"w": jnp.ones(3)}], r"members\[1\]\['w'\] has shape \(3,\), expected \(2,\)"),
        ([{"w": jnp.ones(2)}, {"v": jnp.ones(2)}], r"members\[1\] has the structure"),
        ([{"w": jnp.ones(2)}, {"w": jnp.ones(2, "bfloat16")}], r"members\[1\] holds bfloat16, expected float32"),
    ],
)
def test_members_of_different_networks_are_not_stacked(stacked, message):
    with pytest.raises(ValueError, match=message):
        ensemble.stack(stacked)


OUTPUTS = {"linear": fn.activations.identity, "tanh": fn.activations.tanh, "sigmoid": fn.activations.sigmoid}


@pytest.mark.parametrize("function", [ensemble.votes, ensemble.vote])
def test_outputs_that_are_no_probabilities_have_no_classes(function):
    for name, activation in OUTPUTS.items():
        net = fn.feedforward([4, 5, 3], objective=fn.objectives.squared_error(activation))
        if name == "sigmoid":
            assert function(net, members(net), probe((6, 4))).shape[0] == 6
            continue
        with pytest.raises(
            ValueError, match=r"net has the objective .*, whose outputs are no probabilities of classes"
        ):
            function(net, members(net), probe((6, 4)))


@pytest.mark.parametrize("function", [ensemble.votes, ensemble.vote])
def test_members_that_are_nan_do_not_vote(function):
    params = jax.tree.map(lambda leaf: leaf.at[1].set(jnp.nan), members(NET))
    with pytest.raises(ValueError, match=r"params\[0\].weights holds 20 values that are NaN or infinite"):
        function(NET, params, probe((6, 4)))


@pytest.mark.parametrize("function", [ensemble.average, ensemble.votes, ensemble.vote])
def test_a_mask_where_no_sequences_are_read_is_refused(function):
    with pytest.raises(ValueError, match="mask is given, but this network reads no sequences, expected None; leave"):
        function(NET, members(NET), probe((6, 4)), jnp.ones((6, 4), bool))
    with pytest.raises(TypeError, match="net is 3 of type int, expected Network; make one"):
        function(3, members(NET), probe((6, 4)))


@pytest.mark.parametrize("stacked", [None, "params", NET, NET.init(KEY)[0], [None], ["a"], [NET]])
def test_what_is_no_list_of_parameters_is_not_stacked(stacked):
    with pytest.raises(TypeError, match=r"stack: members.* expected (a list of )?the parameters of .*; (give|write)"):
        ensemble.stack(stacked)


def test_objectives_of_classes_are_those_of_probabilities():
    own = fn.objectives.custom(lambda a, y: a, lambda a, y: a, fn.activations.softmax)
    classes = {
        fn.objectives.softmax_log_likelihood: True,
        fn.objectives.sigmoid_cross_entropy: True,
        fn.objectives.squared_error(fn.activations.sigmoid): True,
        own: True,
        fn.objectives.linear_squared_error: False,
        fn.objectives.squared_error(fn.activations.tanh): False,
    }
    assert {each: ensemble._gives_classes(each) for each in classes} == classes
