import jax
import numpy as np
import pytest

import fnnets as fn
from fnnets.networks import transfer

OBJECTIVE = fn.objectives.softmax_log_likelihood


def leaves(params):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(params)]


def convolutional():
    return fn.convolutional((6, 6, 1), "conv3-2 maxpool2 | dropout0.5 fc-4 fc-3", objective=OBJECTIVE)


@pytest.fixture(scope="module")
def source():
    with jax.numpy_dtype_promotion("strict"):
        net = convolutional()
        return net, net.init(jax.random.key(0))


@pytest.fixture(scope="module")
def examples():
    random = np.random.default_rng(0)
    return fn.Batch(random.normal(size=(8, 6, 6, 1)).astype(np.float32), np.arange(8, dtype=np.int32) % 2)


def test_all_but_the_last_layer_is_taken_over_and_the_last_is_fresh(source):
    net, params = source
    new_net, new_params = transfer.reuse(net, params, 2, key=jax.random.key(1))
    assert [part.name for part in new_net.layer.parts] == [part.name for part in net.layer.parts]
    assert (new_net.output_shape, new_net.input_shape, new_net.objective) == ((2,), (6, 6, 1), OBJECTIVE)
    assert all(new is old for new, old in zip(new_params[:-1], params[:-1], strict=True))
    assert new_params[-1].weights.shape == (2, 4)
    assert jax.tree.map(np.shape, new_params) == jax.tree.map(
        lambda leaf: leaf.shape, jax.eval_shape(new_net.init, jax.random.key(0))
    )
    assert not np.array_equal(transfer.reuse(net, params, 3, key=jax.random.key(1))[1][-1].weights, params[-1].weights)


def test_objective_penalty_and_beginning_can_be_others(source):
    net, params = source
    objective = fn.objectives.sigmoid_cross_entropy
    new_net, new_params = transfer.reuse(
        net, params, 3, objective, key=jax.random.key(1), l2=0.5, initializer=fn.initializers.zeros
    )
    assert (new_net.objective, new_net.l2) == (objective, 0.5)
    assert not np.any(new_params[-1].weights)


def test_the_new_layer_has_the_precision_of_the_others(source):
    net, params = source
    half = jax.tree.map(lambda leaf: np.asarray(leaf, np.float16), params)
    assert transfer.reuse(net, half, 2, key=jax.random.key(1))[1][-1].weights.dtype == np.float16


@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "fine-tuned"])
def test_training_moves_the_last_layer_and_the_others_unless_they_are_frozen(frozen, source, examples):
    new_net, begun = transfer.reuse(*source, 2, key=jax.random.key(1))
    optimizer = fn.training.momentum(0.5, 0.9)
    if frozen:
        optimizer = transfer.freeze(optimizer, begun)
    result = fn.fit(
        new_net, optimizer, examples, key=jax.random.key(2), epochs=2, batch_size=4, params=begun,
        evaluate_training=False, progress=False,
    )  # fmt: skip
    same = [old.tobytes() == new.tobytes() for old, new in zip(leaves(begun), leaves(result.params), strict=True)]
    assert same == [frozen] * (len(same) - 2) + [False] * 2


def test_the_last_layer_moves_as_the_optimiser_alone_would_move_it():
    net = fn.feedforward([3, 4, 2], objective=OBJECTIVE)
    params = jax.tree.map(lambda leaf: np.ones(leaf.shape, np.float32), jax.eval_shape(net.init, jax.random.key(0)))
    descent = fn.training.momentum(0.5)
    last = transfer.freeze(descent, params)
    updates, _ = last.update(params, last.init(params), params)
    assert [np.unique(leaf).tolist() for leaf in leaves(updates)] == [[0.0], [0.0], [-0.5], [-0.5]]


def net_of(*layers):
    return fn.network(fn.chain(*layers), OBJECTIVE, (3,))


@pytest.mark.parametrize(
    ("net", "said"),
    [
        (net_of(fn.layers.dense(2), fn.layers.dropout(0.5)), "ends in dropout, expected a chain that ends in a dense"),
        (net_of(fn.chain(fn.layers.dense(4)), fn.layers.dense(2)), "expected no chain within it"),
        (fn.network(fn.layers.dense(2), OBJECTIVE, (3,)), "ends in dense, expected a chain"),
    ],
    ids=["other end", "nested", "no chain"],
)
def test_networks_that_are_no_flat_chain_with_a_dense_end_are_refused(net, said, key):
    with pytest.raises(ValueError, match=said):
        transfer.reuse(net, (), 2, key=key)


def test_other_arguments_are_refused_by_name(source, key):
    net, params = source
    with pytest.raises(TypeError, match="reuse: net is 'net'"):
        transfer.reuse("net", params, 2, key=key)
    with pytest.raises(ValueError, match="reuse: params has the structure"):
        transfer.reuse(net, params[1:], 2, key=key)
    with pytest.raises(ValueError, match=r"reuse: outputs is 0, expected at least 1"):
        transfer.reuse(net, params, 0, key=key)
    with pytest.raises(TypeError, match="reuse: key"):
        transfer.reuse(net, params, 2, key=None)
    with pytest.raises(TypeError, match="objective is 'cost'"):
        transfer.reuse(net, params, 2, "cost", key=key)
    with pytest.raises(TypeError, match="freeze: optimizer is 0"):
        transfer.freeze(0, params)
    with pytest.raises(TypeError, match="freeze: params are of type tuple, expected a tuple that ends in"):
        transfer.freeze(fn.training.momentum(0.1), params[:2])


@pytest.mark.parametrize("options", [{}, {"bidirectional": True}, {"return_sequences": False, "cell": "lstm"}])
def test_a_recurrent_network_is_reused_with_the_same_features(options):
    """With the old last layer in the place of the fresh one the new network predicts what the old one did."""
    net = fn.recurrent([3, 4, 2], objective=OBJECTIVE, **options)
    params, x = net.init(jax.random.key(0)), np.ones((5, 2, 3), np.float32)
    new_net, new_params = transfer.reuse(net, params, 3, key=jax.random.key(1))
    assert new_net.predict(new_params, x).shape == (*net.predict(params, x).shape[:-1], 3)
    same, begun = transfer.reuse(net, params, 2, key=jax.random.key(1))
    np.testing.assert_array_equal(same.predict((*begun[:-1], params[-1]), x), net.predict(params, x))


@pytest.mark.parametrize("net", [fn.autoencoder([4, 3]), fn.rbm(4, 3)])
def test_networks_that_learn_from_no_given_targets_are_not_reused(net):
    with pytest.raises(ValueError, match=r"reuse: net learns from its (inputs|samples), expected .*; write fn"):
        transfer.reuse(net, net.init(jax.random.key(0)), 2, key=jax.random.key(1))


def test_parameters_that_are_nan_are_not_reused(source):
    net, params = source
    params = jax.tree.map(lambda leaf: leaf * np.nan, params)
    with pytest.raises(ValueError, match=r"reuse: params\[0\].weights holds .* NaN or infinite"):
        transfer.reuse(net, params, 2, key=jax.random.key(1))
