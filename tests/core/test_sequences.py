"""Axes, averages and padding of sequences: what is padded changes neither cost nor gradient nor state."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.core import averages, sequences
from tests.contract.laws import assert_equal_leaves

SOFTMAX, SQUARED = fn.objectives.softmax_log_likelihood, fn.objectives.linear_squared_error
T, LENGTHS = 5, (5, 3, 3)
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 1, 0, 1, 1]], bool).T  # whole, from the right, from within


def test_each_sequence_counts_with_the_mean_over_its_own_steps():
    """By hand: z = 0, so c = y²/2; (2² + 4²)/2 / 2 = 5 for two steps, 6²/2 = 18 for one, and C = (5 + 18)/2."""
    net = fn.recurrent([1, 2, 1], objective=SQUARED)
    hidden, output = net.init(jax.random.key(0))
    params = (hidden, jax.tree.map(jnp.zeros_like, output))
    targets, mask = jnp.array([[[2.0], [6.0]], [[4.0], [9e9]]]), jnp.array([[True, True], [True, False]])
    batch = fn.Batch(jnp.ones((2, 2, 1)), targets, mask)
    assert net.cost(params, batch) == 11.5
    # z is the bias at every step: dC/db = −1/2 ((2 + 4)/2 + 6)
    assert net.gradient(params, batch)[1].biases.tolist() == [-4.5]


def test_without_padding_all_steps_count_alike():
    net = fn.recurrent([1, 2, 1], objective=SQUARED)
    hidden, output = net.init(jax.random.key(0))
    params, targets = (hidden, jax.tree.map(jnp.zeros_like, output)), jnp.array([[[2.0], [6.0]], [[4.0], [0.0]]])
    assert net.cost(params, fn.Batch(jnp.ones((2, 2, 1)), targets)) == (2 + 18 + 8 + 0) / 4
    everything = jnp.ones((2, 2), bool)
    assert net.cost(params, fn.Batch(jnp.ones((2, 2, 1)), targets, everything)) == 7.0


NETWORKS = {
    "simple": fn.recurrent([3, 4, 2], objective=SOFTMAX, activation=fn.activations.tanh, l2=0.3),
    "lstm of 1997, checkpoints, last step": fn.recurrent(
        [3, 3, 2], "lstm_1997", objective=SOFTMAX, return_sequences=False, checkpoint_every=2
    ),
    "lstm, bidirectional, learnt state": fn.recurrent(
        [3, 3, 2], "lstm", objective=SOFTMAX, bidirectional=True, learn_initial_state=True
    ),
    "gru, bidirectional, last step": fn.recurrent(
        [3, 3, 2], "gru", objective=SOFTMAX, bidirectional=True, return_sequences=False
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_padding_changes_neither_cost_nor_gradient(name):
    """Garbage at padded steps gives the same bits; the sequences cut out, one by one, give the same mean."""
    with jax.enable_x64(True):
        net, random = NETWORKS[name], np.random.default_rng(0)
        derive = jax.jit(net.cost_and_gradient)
        params = jax.tree.map(lambda leaf: 0.1 + leaf, net.init(jax.random.key(1)))
        inputs, every = random.normal(size=(T, 3, 3)), net.layer.time == "sequence to sequence"
        targets = random.integers(0, 2, (T, 3) if every else 3).astype(np.int32)
        clean = np.where(MASK[..., None], inputs, 0)
        garbage = np.where(MASK[..., None], inputs, 1e3 * random.normal(size=inputs.shape))
        others = np.where(MASK, targets, 1 - targets) if every else targets
        padded = derive(params, fn.Batch(clean, targets, MASK, 3))
        dirty = derive(params, fn.Batch(garbage, others, MASK, 3))
        jax.tree.map(np.testing.assert_array_equal, padded, dirty)
        singles = [
            derive(params, fn.Batch(inputs[real][:, [n]], targets[real][:, [n]] if every else targets[[n]], None, 3))
            for n, real in enumerate(MASK.T)
        ]
        assert_equal_leaves(padded, jax.tree.map(lambda *leaves: np.mean(leaves, axis=0), *singles), "float64")


@pytest.mark.parametrize(
    "layer",
    [fn.layers.recurrent(3), fn.layers.lstm_1997(3), fn.layers.gru(3)],
    ids=["recurrent", "lstm of 1997", "gru"],
)
def test_padding_leaves_the_state_as_it_was(layer):
    with jax.enable_x64(True):
        params, x = layer.init(jax.random.key(0), (2,))[0], jax.random.normal(jax.random.key(1), (T, 3, 2))

        @jax.jit
        def states(x, mask):
            return layer.forward(params, x, fn.Context(mask=mask))[1].states

        padded = states(x, MASK)
        for n, real in enumerate(MASK.T):
            alone = states(x[real][:, [n]], None)
            for part, own in zip(padded, alone, strict=True):
                np.testing.assert_allclose(part[real, n], own[:, 0], rtol=1e-12)
                before = np.concatenate([np.zeros((1, 3)), part[:-1, n]])  # the initial state is zero
                np.testing.assert_array_equal(part[~real, n], before[~real])


def test_a_fault_in_the_padding_is_seen():
    """A network whose layer forgets the mask fails the comparison above."""
    net = NETWORKS["simple"]
    forgetful = net.layer._replace(
        forward=lambda params, x, context: net.layer.forward(params, x, context._replace(mask=None))
    )
    spoilt = fn.network(forgetful, SOFTMAX, (3,), 0.3)
    params, x = net.init(jax.random.key(1)), jax.random.normal(jax.random.key(2), (T, 3, 3))
    batch = fn.Batch(x, jnp.zeros((T, 3), int), MASK)
    right, wrong = jax.jit(net.gradient)(params, batch), jax.jit(spoilt.gradient)(params, batch)
    with pytest.raises(AssertionError, match="relative error"):
        assert_equal_leaves(wrong, right, "float32", condition=100)


@pytest.mark.parametrize("mask", [None, MASK])
def test_spread_is_the_derivative_of_mean(mask, dtype):
    z = jnp.asarray(np.random.default_rng(0).normal(size=(T, 3, 2)), dtype)
    automatic = jax.grad(lambda z: averages.mean(jnp.sum(z * z, axis=-1) / 2, mask))(z)
    assert_equal_leaves(averages.spread(z, mask), automatic, dtype)
    assert averages.mean(z[..., 0], mask).dtype == dtype


def test_means_of_many_bfloat16_steps_are_right():
    """257 has no place in bfloat16's 8 bits; 1/(N·T) is computed in 32 and is right to the last bit there."""
    ones, mask = jnp.ones((300, 2), jnp.bfloat16), jnp.arange(300)[:, None] < jnp.array([257, 300])
    share = averages.spread(ones[..., None], mask)
    assert share.dtype == jnp.bfloat16
    assert share[0, 0, 0] == jnp.asarray(1 / (2 * 257), jnp.bfloat16)
    assert share[299].tolist() == [[0.0], [float(jnp.asarray(1 / (2 * 300), jnp.bfloat16))]]


@pytest.mark.parametrize(
    ("time", "inputs", "targets", "mask"),
    [
        ("pointwise", (4, 2), (4,), None),
        ("sequence to sequence", (5, 4, 2), (5, 4), (5, 4)),
        ("sequence to vector", (5, 4, 2), (4, 3), (5, 4)),
    ],
)
def test_take_takes_examples_along_their_axes(time, inputs, targets, mask):
    arrays = [None if shape is None else np.arange(np.prod(shape)).reshape(shape) for shape in (inputs, targets, mask)]
    batch, axes = fn.Batch(*arrays, dataset_size=9), sequences.axes(time)
    part = sequences.take(time, batch, jnp.array([3, 1]))
    assert sequences.count(time, batch) == 4
    assert part.dataset_size == 9
    np.testing.assert_array_equal(part.inputs, np.take(arrays[0], [3, 1], axes.inputs))
    np.testing.assert_array_equal(part.targets, np.take(arrays[1], [3, 1], axes.targets))
    if mask is not None:
        np.testing.assert_array_equal(part.mask, np.take(arrays[2], [3, 1], axes.inputs))


BAD_MASKS = {
    "has dtype int": np.ones((T, 3), int),
    r"has shape \(3, 5\).*looks batch-major: use mask.T": np.ones((3, T), bool),
    r"has shape \(5,\), expected \(5, 3\)": np.ones(T, bool),
    "marks every step of sequence 2 as padding": np.arange(3) < np.full((T, 1), 2),
}


@pytest.mark.parametrize("message", BAD_MASKS)
def test_masks_that_do_not_fit_are_refused(message):
    net = NETWORKS["simple"]
    params, x = jax.tree.map(jnp.zeros_like, net.init(jax.random.key(0))), jnp.zeros((T, 3, 3))
    with pytest.raises((TypeError, ValueError), match=f"batch.mask {message}"):
        net.cost(params, fn.Batch(x, jnp.zeros((T, 3), int), BAD_MASKS[message]))
    with pytest.raises((TypeError, ValueError), match=f"predict: mask {message}"):
        net.predict(params, x, BAD_MASKS[message])


BAD_TARGETS = {
    "one for each step of each sequence; give targets of the same length": ("simple", np.zeros((T - 1, 3), int)),
    "use jnp.swapaxes.targets, 0, 1. if these are batch-major, else of the inputs": ("simple", np.zeros((3, T), int)),
    "or floats of shape": ("simple", np.zeros((T, 3, 4))),
    "labels from 0 to 7": ("simple", np.full((T, 3), 7) * np.eye(T, 3).astype(int)),
    "one for each sequence; the inputs look batch-major": ("gru, bidirectional, last step", np.zeros(T, int)),
    "one for each sequence; give targets": ("gru, bidirectional, last step", np.zeros(2, int)),
}


@pytest.mark.parametrize("message", BAD_TARGETS)
def test_targets_that_do_not_fit_are_refused(message):
    name, targets = BAD_TARGETS[message]
    net = NETWORKS[name]
    params = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), jax.eval_shape(net.init, jax.random.key(0)))
    with pytest.raises(ValueError, match=message):
        net.gradient(params, fn.Batch(jnp.zeros((T, 3, 3)), targets))


def test_sequences_without_an_axis_are_told_the_remedy():
    net = NETWORKS["simple"]
    params = net.init(jax.random.key(0))
    with pytest.raises(ValueError, match=r"time-major; for a single sequence write inputs\[:, None\]"):
        net.predict(params, jnp.ones((T, 3)))
    with pytest.raises(ValueError, match=r"steps of shape \(2,\), expected \(3,\)"):
        net.predict(params, jnp.ones((T, 3, 2)))
    with pytest.raises(ValueError, match="T = 0 steps"):
        net.predict(params, jnp.ones((0, 3, 3)))
    with pytest.raises(ValueError, match="this network reads no sequences"):
        fn.feedforward([3, 2], objective=SOFTMAX).cost(
            fn.feedforward([3, 2], objective=SOFTMAX).init(jax.random.key(0)),
            fn.Batch(jnp.ones((4, 3)), jnp.zeros(4, int), jnp.ones((4, 1), bool)),
        )


@pytest.mark.parametrize("filler", [-1, 99])
def test_labels_of_padded_steps_may_be_any(filler, key):
    """Outside of a trace too, where an objective looks at the labels that it is given."""
    net = fn.recurrent([3, 3, 2], objective=SOFTMAX)
    params, inputs = net.init(key), jax.random.normal(key, (T, 3, 3))
    filled, zeros = (fn.Batch(inputs, np.where(MASK, 1, label), MASK) for label in (filler, 0))
    for function in (net.cost, net.gradient, net.cost_and_gradient):
        jax.tree.map(np.testing.assert_array_equal, function(params, filled), function(params, zeros))
    with pytest.raises(ValueError, match=r"batch\.targets holds labels"):
        net.cost(params, filled._replace(mask=None))
