"""The fast shuffle against the plain one, and against what a permutation is."""

import jax
import numpy as np
import pytest

from fnnets.training.shuffle import plain_shuffle, random_digits, shuffle


@pytest.mark.parametrize("n", [1, 2, 3, 7, 1000, 65_536, 65_537])
def test_shuffle_equals_the_plain_sort_of_the_same_digits(n, key):
    order = shuffle(key, n)
    np.testing.assert_array_equal(order, plain_shuffle(key, n))
    np.testing.assert_array_equal(np.sort(order), np.arange(n))


def test_digits_hold_at_least_32_random_bits():
    for n in (2, 1000, 1 << 20, 1 << 24):
        passes = jax.eval_shape(lambda k, n=n: random_digits(k, n), jax.random.key(0)).shape[0]
        assert passes * (32 - max(1, (n - 1).bit_length())) >= 32


def test_every_order_of_three_is_as_likely():
    orders = jax.vmap(lambda k: shuffle(k, 3))(jax.random.split(jax.random.key(1), 6000))
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 6
    assert np.sum((counts - 1000) ** 2 / 1000) < 20.5  # χ² with 5 degrees of freedom: 0.1 %, and a fixed key
