"""The unfolded network equals the recurrent layer, as the notes say; so do the whole networks of section 6."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.layers.dense import DenseParams
from tests.contract.laws import assert_equal_leaves, derivations, drawn, generic


@pytest.mark.parametrize("activation", [fn.activations.sigmoid, fn.activations.relu], ids=["sigmoid", "relu"])
@pytest.mark.parametrize("steps", [1, 6])
def test_it_equals_the_recurrent_layer(activation, steps):
    with jax.enable_x64(True):
        folded, unfolded = fn.layers.recurrent(4, activation), fn.layers.unfold(4, activation, steps=steps)
        arguments = drawn(folded, steps)
        (y, explicit, _), (unfolded_y, other, _) = (derivations(each, *arguments) for each in (folded, unfolded))
        np.testing.assert_allclose(unfolded_y, y, rtol=1e-12)
        assert_equal_leaves(other, explicit, "float64")


def test_another_length_or_a_mask_is_refused():
    layer = fn.layers.unfold(2, steps=4)
    params, _ = layer.init(jax.random.key(0), (3,))
    with pytest.raises(ValueError, match=r"x of shape \(5, 2, 3\) came, expected \(T, N, m\), 1 <= T <= 4"):
        layer.forward(params, jnp.ones((5, 2, 3)), fn.Context())
    with pytest.raises(ValueError, match="a mask came"):
        layer.forward(params, jnp.ones((4, 2, 3)), fn.Context(mask=jnp.ones((4, 2), bool)))
    with pytest.raises(ValueError, match="unfold: steps is 0"):
        fn.layers.unfold(2, steps=0)


M, H, D, N = 3, 4, 2, 5  # sizes of the notes' network, m, N(2) and d, and the number of pairs (X, Y)


class Copy(NamedTuple):
    """A copy of the hidden neurons, W and ω side by side, and one of the output neurons."""

    hidden: DenseParams
    output: DenseParams


def copy_of_step(t, steps):
    """(x[t] … x[T], a[t−1], z(3)[1] … z(3)[t−1]) to the same for t + 1: one hidden layer of the unfolded network."""
    hidden, output = fn.layers.dense(H, fn.activations.sigmoid), fn.layers.dense(D)

    def init(key, shape):
        copies = Copy(hidden.init(key, (M + H,))[0], output.init(key, (H,))[0])
        return copies, (M * (steps - t) + H + D * t,)

    def forward(params, v, context):
        x, rest, a, z = jnp.split(v, np.cumsum([M, M * (steps - t), H]), axis=1)
        a, below = hidden.forward(params.hidden, jnp.concatenate([x, a], axis=1), context)
        new, above = output.forward(params.output, a, context)
        return jnp.concatenate([rest, a, z, new], axis=1), (below, above)

    def backward(params, trace, d):
        d_rest, d_a, d_z, d_new = jnp.split(d, np.cumsum([M * (steps - t), H, D * (t - 1)]), axis=1)
        d_output, d_above = output.backward(params.output, trace[1], d_new)
        d_hidden, d_both = hidden.backward(params.hidden, trace[0], d_a + d_above)
        return Copy(d_hidden, d_output), jnp.concatenate([d_both[:, :M], d_rest, d_both[:, M:], d_z], axis=1)

    return fn.Layer(init, forward, backward, "copy")


def outputs():
    """z(3)[1] … z(3)[T] alone, without a[T] before them."""

    def backward(params, trace, d):
        return (), jnp.concatenate([jnp.zeros((len(d), H), d.dtype), d], axis=1)

    return fn.Layer(lambda key, shape: ((), (shape[0] - H,)), lambda params, v, context: (v[:, H:], ()), backward)


def unfolded_network(steps):
    """mT inputs and a[0] = 0 after them, T hidden layers with their own parameters, dT outputs."""
    copies = (copy_of_step(t, steps) for t in range(1, steps + 1))
    layer = fn.chain(*copies, outputs())
    return fn.network(layer, fn.objectives.sigmoid_cross_entropy, (M * steps + H,))


def flat(sequences):
    """(T, N, k) as (N, kT), the steps of a sequence one after the other."""
    return jnp.moveaxis(sequences, 0, 1).reshape(sequences.shape[1], -1)


def folded(steps):
    """The notes' network with one recurrent hidden layer, its parameters and data, with numbers of no special form."""
    net = fn.recurrent([M, H, D], objective=fn.objectives.sigmoid_cross_entropy, activation=fn.activations.sigmoid)
    params, inputs = generic(1, net.init(jax.random.key(0))), generic(2, jnp.zeros((steps, N, M)))
    targets = jax.nn.one_hot(jnp.arange(steps * N).reshape(steps, N) % D, D)
    return net, params, fn.Batch(inputs, targets)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_the_notes_network_is_a_feedforward_one_with_shared_parameters(steps):
    """Outputs are equal, the cost is T times the mean over steps, and gradients of the copies add up, times 1/T."""
    with jax.enable_x64(True):
        net, params, batch = folded(steps)
        hidden, output = params
        shared = jnp.concatenate([hidden.weights, hidden.recurrent_weights], axis=1)
        unfolded = unfolded_network(steps)
        copies = (*[Copy(DenseParams(shared, hidden.biases), output)] * steps, ())
        x = jnp.concatenate([flat(batch.inputs), jnp.zeros((N, H))], axis=1)
        both = fn.Batch(x, flat(batch.targets))
        assert (unfolded.output_shape, len(unfolded.layer.parts)) == ((D * steps,), steps + 1)
        np.testing.assert_allclose(unfolded.predict(copies, x), flat(net.predict(params, batch.inputs)), rtol=1e-12)
        np.testing.assert_allclose(unfolded.cost(copies, both), steps * net.cost(params, batch), rtol=1e-12)
        gradients = unfolded.gradient(copies, both)
        assert_equal_leaves(gradients, jax.grad(unfolded.cost)(copies, both), "float64")
        total = jax.tree.map(lambda *each: sum(each) / steps, *gradients[:-1])
        expected = net.gradient(params, batch)
        weights = jnp.concatenate([expected[0].weights, expected[0].recurrent_weights], axis=1)
        summed = Copy(DenseParams(weights, expected[0].biases), expected[1])
        assert_equal_leaves(total, summed, "float64")
        if steps > 1:  # the test of the test: the last copy alone
            with pytest.raises(AssertionError, match="relative error"):
                assert_equal_leaves(gradients[-2], summed, "float64", condition=1e9)


def by_the_statements(params, batch):
    """∂C of the notes' network by (7)-(14), literally: loops over pairs and steps in NumPy."""
    (w, omega, b, _), (v, e) = params
    total = [np.zeros_like(each) for each in (w, omega, b, v, e)]
    for x, y in zip(*(np.moveaxis(np.asarray(each), 1, 0) for each in batch[:2]), strict=True):
        steps, a, o = len(x), [np.zeros(H)], []
        for x_t in x:
            a.append(1 / (1 + np.exp(-(b + w @ x_t + omega @ a[-1]))))
            o.append(1 / (1 + np.exp(-(e + v @ a[-1]))))
        later = np.zeros(H)  # δ[T+1] of layer 2
        for t in range(steps, 0, -1):
            d_o = (o[t - 1] - y[t - 1]) / (o[t - 1] * (1 - o[t - 1])) / steps  # ∂c/∂a[t] of layer 3
            top = d_o * o[t - 1] * (1 - o[t - 1])  # (7)
            later = a[t] * (1 - a[t]) * (v.T @ top + omega.T @ later)  # (8)
            terms = np.outer(later, x[t - 1]), np.outer(later, a[t - 1]), later, np.outer(top, a[t]), top  # (9)-(11)
            total = [each + term / N for each, term in zip(total, terms, strict=True)]  # (12)-(14)
    return total


def test_the_notes_network_has_the_gradient_of_their_statements():
    with jax.enable_x64(True):
        net, params, batch = folded(6)
        (d_w, d_omega, d_b, _), (d_v, d_e) = net.gradient(params, batch)
        found, expected = (d_w, d_omega, d_b, d_v, d_e), by_the_statements(jax.tree.map(np.asarray, params), batch)
        assert_equal_leaves(found, tuple(expected), "float64")
