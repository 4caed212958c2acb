"""Arrays of JAX are looked at once, those of NumPy, which may change, each time."""

import gc

import jax.numpy as jnp
import numpy as np
import pytest

from fnnets.core import looks


@pytest.mark.parametrize("size", [10, looks.LARGE // 4])
@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_value_among_many_is_found(size, kind, value):
    """In arrays that NumPy sums and in those that XLA sums, again and again."""
    x = np.ones(size, np.float32)
    looks.finite(kind(x), "x")
    x[size // 2] = value
    spoilt = kind(x)
    for _ in range(2):
        with pytest.raises(
            ValueError, match=rf"x holds 1 values that are NaN or infinite, the first .* at \({size // 2},"
        ):
            looks.finite(spoilt, "x")


def test_a_sum_that_overflows_is_no_infinite_value():
    looks.finite(np.full(100, 3e38, np.float32), "x")


def test_an_array_of_jax_is_looked_at_once_and_forgotten_with_its_end(monkeypatch):
    sums = []
    monkeypatch.setattr(looks, "_total", lambda value: sums.append(1) or value.sum())
    x, y = jnp.ones(3), np.ones(3)
    for value in (x, x, y, y):
        looks.finite(value, "x")
    assert len(sums) == 3  # x once, y twice
    number = id(x)
    assert number in looks._looked_at
    del x, value
    gc.collect()
    assert number not in looks._looked_at
