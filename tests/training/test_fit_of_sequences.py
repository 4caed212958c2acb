"""fit on sequences: examples along axis 1, masks with them, and what does not fit."""

import jax
import jax.numpy as jnp
import optax
import pytest

import fnnets as fn
from fnnets.training.shuffle import shuffle
from tests.training.test_fit import KEY, assert_same, fit


def echoes(n, key=KEY, return_sequences=True):
    """Bits (T, n, 1) of which a network is to say the one before; sequence i is padded at i mod 3 of its 6 steps."""
    bits = jax.random.bernoulli(key, 0.5, (6, n)).astype(int)
    mask = jnp.arange(6)[:, None] < 6 - jnp.arange(n) % 3
    inputs = bits[..., None].astype(float) - 0.5
    return fn.Batch(inputs, jnp.roll(bits, 1, axis=0).at[0].set(0) if return_sequences else bits[0], mask)


RECALL = fn.recurrent([1, 5, 2], "gru", objective=fn.objectives.softmax_log_likelihood, l2=0.1)


def test_sequences_are_shuffled_along_their_own_axis():
    """The loop one would write over 7 sequences in minibatches of 3, 3 and 1, masks and all."""
    train, descent = echoes(7), optax.sgd(0.1)
    result = fit(RECALL, descent, train, epochs=2, batch_size=3)
    state = fn.training.start(RECALL, descent, key=KEY)
    params, derive = state.params, jax.jit(jax.grad(RECALL.cost))
    for epoch in range(2):
        order = shuffle(jax.random.split(jax.random.fold_in(state.key, epoch))[0], 7)
        for part in (order[:3], order[3:6], order[6:]):
            batch = fn.Batch(train.inputs[:, part], train.targets[:, part], train.mask[:, part], 7)
            params = jax.tree.map(lambda w, d: w - 0.1 * d, params, derive(params, batch))
    assert_same(result.params, params, 1e-5)


@pytest.mark.parametrize("return_sequences", [True, False])
def test_recurrent_networks_learn_from_padded_sequences(return_sequences, standard_promotion):
    """An echo is learnt whole in 60 epochs with clipped gradients; chance is 1/2."""
    net = fn.recurrent(
        [1, 8, 2], "lstm", objective=fn.objectives.softmax_log_likelihood,
        return_sequences=return_sequences,
    )  # fmt: skip
    clipped = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(0.02))
    train, validation = echoes(60, return_sequences=return_sequences), echoes(21, jax.random.key(1), return_sequences)
    result = fit(net, clipped, train, epochs=60, batch_size=10, validation=validation)
    assert result.history.validation_accuracy[-1] > 0.95
    assert result.history.cost[-1] < 0.2 < result.history.cost[0]


def test_sequences_that_do_not_fit_are_refused():
    train = echoes(7)
    with pytest.raises(ValueError, match="batch_size is 8, expected at most the 7"):
        fit(RECALL, train=train, batch_size=8)
    with pytest.raises(ValueError, match=r"fit: train.targets have shape \(7, 6\).*batch-major"):
        fit(RECALL, train=train._replace(targets=train.targets.T), batch_size=2)
    with pytest.raises(ValueError, match=r"fit: validation.mask .*use mask.T"):
        fit(RECALL, train=train, validation=train._replace(mask=train.mask.T), batch_size=2)
