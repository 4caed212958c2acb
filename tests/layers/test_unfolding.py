"""The unfolded network equals the recurrent layer, as the notes derive it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from tests.contract.laws import assert_equal_leaves, derivations, drawn


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
