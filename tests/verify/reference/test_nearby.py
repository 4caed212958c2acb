"""The second point: everything that may move has moved, and what satisfies an identity has not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fnnets.verify.reference import nearby

DRAWN = np.random.default_rng(3).normal(size=(4, 4))
KEPT = {
    "whole numbers": np.array([[1.0, 3.0], [2.0, 5.0]]),
    "a mask": np.array([1.0, 0.0, 1.0]),
    "shares": np.abs(DRAWN) / np.abs(DRAWN).sum(-1, keepdims=True),
    "unit rows": DRAWN / np.linalg.norm(DRAWN, axis=-1, keepdims=True),
    "a rotation": np.linalg.qr(DRAWN)[0],
    "a symmetric matrix": DRAWN + DRAWN.T,
    "a triangular matrix": np.tril(DRAWN),
    "standardised columns": DRAWN - DRAWN.mean(0),
    "times in order": np.sort(DRAWN[0]),
    "a grid": np.linspace(0.1, 0.9, 7),
}


@pytest.mark.parametrize("name", KEPT)
def test_data_with_an_identity_stay(name):
    given = jnp.asarray(KEPT[name], jnp.float32)
    _, rest = nearby.moved((jnp.ones(2), given))
    np.testing.assert_array_equal(rest, given)


def test_parameters_move_whatever_they_are():
    params = {"ones": jnp.ones(5), "zeros": jnp.zeros((2, 3)), "count": jnp.arange(3), "empty": jnp.zeros(0)}
    near, rest = nearby.moved((params, jnp.asarray(DRAWN, jnp.float32)))
    for name in ("ones", "zeros"):
        apart = np.abs(near[name] - params[name])
        assert apart.min() > 0
        assert apart.max() <= nearby.NEAR
        assert len(np.unique(near[name])) == near[name].size
    np.testing.assert_array_equal(near["count"], params["count"])
    assert near["empty"].shape == (0,)
    assert (rest != DRAWN.astype(np.float32)).all()


def test_what_is_not_negative_stays_so():
    near, _ = nearby.moved((jnp.array([0.0, 0.0, 2.0]), ()))
    assert (near >= 0).all()


def test_data_may_be_left_alone():
    data = jnp.asarray(DRAWN, jnp.float32)
    near, rest = nearby.moved((jnp.ones(3), data), has_data=False)
    np.testing.assert_array_equal(rest, data)
    assert (near != 1).all()
    near, _ = nearby.moved((jax.nn.softmax(data), ()), is_data=True)
    np.testing.assert_array_equal(near, jax.nn.softmax(data))
