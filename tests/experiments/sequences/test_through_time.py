import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from experiments.sequences.through_time import state_gradients

T, N, UNITS = 6, 3, 4


def cost_from(net, params, state, x, y):
    """The cost of the answer after the last of x, from a state, written with the layers' single steps."""
    cell, output = net.layer.parts
    for each in x:
        state, _ = cell.step(params[0], state, each[None])
    z, _ = output.forward(params[1], state[0], fn.Context())
    return net.objective.value(z, y[None])[0]


@pytest.mark.parametrize("cell", ["simple", "lstm", "gru"])
def test_norms_are_those_of_jax_grad_of_the_rest_of_the_sequence(cell, key):
    make = {"cell": cell, "objective": fn.objectives.linear_squared_error, "return_sequences": False}
    net = fn.recurrent([2, UNITS, 1], learn_initial_state=True, **make)
    plain = fn.recurrent([2, UNITS, 1], **make)
    params, ends = plain.init(key), (5, 3, 0)
    batch = fn.Batch(jax.random.normal(key, (T, N, 2)), jnp.ones((N, 1)))
    norms = np.asarray(jax.jit(lambda *args: state_gradients(net, *args))(params, batch, jnp.array(ends)))
    gradient = jax.jit(jax.grad(lambda *args: cost_from(plain, *args), argnums=1))
    for n, end in enumerate(ends):
        state = plain.layer.parts[0].start(params[0], 1)
        for t in range(end + 1):
            state, _ = plain.layer.parts[0].step(params[0], state, batch.inputs[t, n : n + 1])
            d_state = gradient(params, state, batch.inputs[t + 1 : end + 1, n], batch.targets[n])
            expected = np.sqrt(sum(float((part**2).sum()) for part in d_state))
            assert norms[t, n] == pytest.approx(expected, rel=1e-4), (n, t)
        assert np.isnan(norms[end + 1 :, n]).all()


def test_a_state_that_is_halved_at_each_step_has_a_gradient_that_is_halved_at_each_step():
    net = fn.recurrent(
        [1, 1, 1], objective=fn.objectives.linear_squared_error, activation=fn.activations.identity,
        return_sequences=False, learn_initial_state=True,
    )  # fmt: skip
    cell, output = jax.tree.map(jnp.zeros_like, net.init(jax.random.key(0)))
    params = (cell._replace(recurrent_weights=jnp.array([[0.5]])), output._replace(weights=jnp.array([[1.0]])))
    batch = fn.Batch(jnp.zeros((4, 1, 1)), jnp.array([[-2.0]]))
    norms = state_gradients(net, params, batch, jnp.array([3]))
    assert norms[:, 0].tolist() == [0.25, 0.5, 1.0, 2.0]  # z − y = 2, times ½ for each step to go
