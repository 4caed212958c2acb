"""Every law over every layer of the table, in float64 and float32, eager and jitted."""

import functools

import jax
import jax.numpy as jnp
import pytest

import fnnets as fn
from tests.contract.laws import assert_equal_leaves, assert_type_of, generic, scaled_leaves
from tests.contract.table import LAYERS

pytestmark = pytest.mark.parametrize("name", LAYERS)
N = 4


class Probe:
    """Parameters, input, context and cotangent in generic position, and both derivations of the same product."""

    def __init__(self, row, key, size=N):
        keys = jax.random.split(key, 5)
        self.row, self.layer, self.context = row, row.layer, fn.Context(keys[0] if row.with_key else None)
        params, self.shape = row.layer.init(keys[1], row.shape)
        self.params = generic(keys[2], params)
        self.x = 0.1 + jax.random.normal(keys[3], (size, *row.shape))
        self.y, self.trace = row.layer.forward(self.params, self.x, self.context)
        self.d_y = 0.1 + jax.random.normal(keys[4], self.y.shape)

    def explicit(self, d_y=None):
        return self.layer.backward(self.params, self.trace, self.d_y if d_y is None else d_y)

    @functools.cached_property
    def automatic(self):
        _, vjp = jax.vjp(lambda p, x: self.layer.forward(p, x, self.context)[0], self.params, self.x)
        return vjp(self.d_y)


@functools.cache
def shared_probe(name, dtype):
    """One probe for all tests of a layer in one precision: most of their time is compilation."""
    return Probe(LAYERS[name], jax.random.key(20))


@pytest.fixture
def probe(name, dtype):
    return shared_probe(name, dtype)


def test_explicit_equals_automatic(probe, dtype):
    assert_equal_leaves(probe.explicit(), probe.automatic, dtype)


def test_every_scaled_leaf_fails_the_comparison(probe, dtype):
    for wrong in scaled_leaves(probe.explicit()):
        with pytest.raises(AssertionError):
            assert_equal_leaves(wrong, probe.automatic, dtype)


def test_output_has_the_shape_and_dtype_that_init_announced(probe, dtype):
    assert probe.y.shape == (N, *probe.shape)
    assert probe.y.dtype == probe.x.dtype == dtype


def test_gradient_has_the_type_of_the_parameters(probe, dtype):
    d_params, d_x = probe.explicit()
    assert_type_of(d_params, probe.params)
    assert_type_of(d_x, probe.x)


def test_zero_cotangent_gives_zero(probe, dtype):
    for leaf in jax.tree.leaves(probe.explicit(jnp.zeros_like(probe.d_y))):
        assert not leaf.any()


def test_backward_is_linear(probe, dtype):
    other = jnp.roll(probe.d_y, 1)
    together = probe.explicit(1000 * probe.d_y + other)
    apart = jax.tree.map(lambda a, b: 1000 * a + b, probe.explicit(), probe.explicit(other))
    assert_equal_leaves(together, apart, dtype)


def test_batch_is_the_sum_of_its_examples(probe, key, dtype):
    if not probe.row.per_example:  # masks drawn for a batch are not those drawn for its examples
        probe = Probe(probe.row._replace(with_key=False), key)
    d_params, d_x = probe.explicit()
    singles = []
    for i in range(N):
        _, trace = probe.layer.forward(probe.params, probe.x[i : i + 1], probe.context)
        singles.append(probe.layer.backward(probe.params, trace, probe.d_y[i : i + 1]))
    assert_equal_leaves(d_params, jax.tree.map(lambda *parts: sum(parts), *[single[0] for single in singles]), dtype)
    assert_equal_leaves(d_x, jnp.concatenate([single[1] for single in singles]), dtype)


def test_jitted_equals_eager(probe, dtype):

    @jax.jit
    def both(params, x, context, d_y):
        y, trace = probe.layer.forward(params, x, context)
        return y, probe.layer.backward(params, trace, d_y)

    eager = (probe.y, probe.explicit())
    assert_equal_leaves(both(probe.params, probe.x, probe.context, probe.d_y), eager, dtype)


def test_vmap_equals_loop(probe, dtype):
    cotangents = jnp.stack([probe.d_y, -2 * probe.d_y, jnp.roll(probe.d_y, 1)])
    looped = jax.tree.map(lambda *parts: jnp.stack(parts), *[probe.explicit(d_y) for d_y in cotangents])
    assert_equal_leaves(jax.vmap(probe.explicit)(cotangents), looped, dtype)


def test_two_runs_are_bitwise_equal(probe, key, dtype):
    first, second = probe.explicit(), Probe(probe.row, key).explicit()
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), first, second))


def test_empty_batch_gives_zero_gradients(name, key, dtype):
    probe = Probe(LAYERS[name], key, size=0)
    d_params, d_x = probe.explicit()
    assert d_x.shape == (0, *probe.row.shape)
    for leaf in jax.tree.leaves(d_params):
        assert not leaf.any()


def test_bfloat16_stays_bfloat16(name, key):
    probe = Probe(LAYERS[name], key)
    row = probe.row
    low = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), (probe.params, probe.x, probe.d_y))
    y, trace = row.layer.forward(low[0], low[1], probe.context)
    gradient = row.layer.backward(low[0], trace, low[2])
    assert y.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(gradient)} == {jnp.dtype(jnp.bfloat16)}
    _, vjp = jax.vjp(lambda p, x: row.layer.forward(p, x, probe.context)[0], low[0], low[1])
    assert_equal_leaves(gradient, vjp(low[2]), "bfloat16")


def test_bad_shape_is_refused(name, key):
    row = LAYERS[name]
    if row.bad_shape is not None:
        with pytest.raises(ValueError, match=row.message):
            row.layer.init(key, row.bad_shape)


def test_statements_mirror_the_parameters(name, key):
    row = LAYERS[name]
    params, _ = row.layer.init(key, row.shape)
    assert jax.tree.structure(row.layer.statements) == jax.tree.structure(params)
    assert all(isinstance(statement, str) for statement in jax.tree.leaves(row.layer.statements))
