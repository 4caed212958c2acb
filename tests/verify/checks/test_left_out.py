"""What a check of a network leaves out is said: each sentence where it holds, and nowhere else."""

import jax
import jax.numpy as jnp
import pytest

import fnnets as fn
from fnnets.core import construction
from fnnets.verify.checks import left_out

COST = fn.objectives.sigmoid_cross_entropy
PLAIN = fn.feedforward([3, 4, 2], objective=COST, l2=0.1)
BATCH = fn.Batch(jnp.ones((5, 3)) * 0.3, jnp.ones((5, 2)) * 0.4, dataset_size=60)
SEQUENCES = fn.recurrent([3, 4, 2], objective=COST, l2=0.1)
STEPS = fn.Batch(jnp.ones((6, 5, 3)) * 0.3, jnp.ones((6, 5, 2)) * 0.4, None, 60)


def found(net, batch, key=None):
    return left_out.remarks(net, net.init(jax.random.key(0)), batch, key)


def test_nothing_is_left_out_in_general_position():
    assert found(PLAIN, BATCH) == ()
    assert found(SEQUENCES, STEPS._replace(mask=jnp.ones((6, 5), bool).at[4:, 1].set(False))) == ()


def test_the_training_pass():
    """Dropout draws with a key and does nothing without; a key that layers split and do not use changes nothing."""
    noisy = fn.feedforward([3, 4, 2], objective=COST, dropout=0.5, l2=0.1)
    assert found(noisy, BATCH) == (left_out.TRAINING,)
    assert found(noisy, BATCH, jax.random.key(0)) == ()
    corrupted = fn.autoencoder([3, 4], objective=COST, corruption=0.3, l2=0.1)
    assert found(corrupted, BATCH._replace(targets=None)) == (left_out.TRAINING,)


def test_a_layer_that_takes_no_key_has_one_pass():
    def forward(params, x, context):
        if context.key is not None:
            raise NotImplementedError
        return params * x, x

    layer = fn.Layer(lambda key, s: (jnp.ones(s), s), forward, lambda w, x, d: (jnp.sum(d * x, axis=0), d * w))
    assert found(fn.network(layer, COST, (2,), 0.1), BATCH._replace(inputs=BATCH.targets)) == ()


def test_what_is_remembered_of_a_layer_is_forgotten_with_it():
    """The answer for equal layers and shapes is kept until `forget`, as mutants change code in place."""
    found(PLAIN, BATCH)
    assert left_out._remembered.cache_info().currsize
    construction.forget()
    assert left_out._remembered.cache_info().currsize == 0


@pytest.mark.parametrize(("size", "count"), [(None, 1), (5, 1), (6, 0)])
def test_a_penalty_whose_n_is_that_of_the_batch(size, count):
    sentences = found(PLAIN, BATCH._replace(dataset_size=size))
    assert len(sentences) == count
    assert all("size of the batch, 5" in each and "dataset_size, such as 17" in each for each in sentences)


def test_no_penalty():
    assert found(fn.feedforward([3, 4, 2], objective=COST), BATCH) == (left_out.PENALTY,)


def test_no_mask():
    assert found(SEQUENCES, STEPS) == (left_out.MASK,)


def test_they_are_in_the_report():
    net = fn.network(fn.layers.dense(2), COST, (3,))
    report = fn.verify.network(net, net.init(jax.random.key(0)), BATCH)
    assert left_out.PENALTY in report.remarks
    assert f"note: {left_out.PENALTY}" in report.table()
    assert report.ok
