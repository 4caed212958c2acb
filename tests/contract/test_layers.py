"""Every invariant over every layer of the table, in float64 and float32, eager and jitted."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.core import sequences
from tests.contract.laws import assert_equal_leaves, assert_type_of, generic, scaled_leaves
from tests.contract.rows import padding
from tests.contract.table import LAYERS

pytestmark = pytest.mark.parametrize("name", LAYERS)
KEY = jax.random.key(20)
N = 4


class Probe:
    """Parameters, input, context and cotangent in generic position, and both derivations of the same product."""

    def __init__(self, row, dtype, with_key=None):
        self.row, self.layer = row, row.layer
        self.context = fn.Context(KEY if (row.with_key if with_key is None else with_key) else None)
        params, self.shape = row.layer.init(KEY, row.shape)
        self.axis = sequences.axes(row.layer.time)  # those that count examples
        self.params, *arrays = generic(1, (params, *self.zeros(N, dtype)))
        self.x, self.d_y, self.mask = *arrays, padding(row.steps, N) if row.padded else None

    def zeros(self, n, dtype):
        """x and d_y of n examples, of zeros; d_y is a pair where the layer has two outputs."""
        steps = () if self.row.steps is None else (self.row.steps,)
        is_pair = self.shape and isinstance(self.shape[0], tuple)
        d_ys = [
            jnp.zeros((*steps[: self.axis.targets], n, *s), dtype) for s in (self.shape if is_pair else [self.shape])
        ]
        return jnp.zeros((*steps, n, *self.row.shape), dtype), tuple(d_ys) if is_pair else d_ys[0]

    def explicit(self, params, x, d_y, mask=None):
        """The output, and the gradients by hand."""
        y, trace = self.layer.forward(params, x, self.context._replace(mask=mask))
        return y, self.layer.backward(params, trace, d_y)

    @functools.cached_property
    def both(self):
        """`explicit`, and the gradients of `jax.vjp`, in one program."""
        return jax.jit(lambda *arguments: (self.explicit(*arguments), self.vjp(*arguments)))

    @property
    def arguments(self):
        return self.params, self.x, self.d_y, self.mask

    def example(self, i):
        """Arguments with the i-th example alone."""
        x, d_y, mask = (
            jax.tree.map(lambda array, axis=axis: np.take(np.asarray(array), [i], axis), part)
            for part, axis in zip(self.arguments[1:], (*self.axis, self.axis.inputs), strict=True)
        )
        return self.params, x, d_y, mask

    @functools.cached_property
    def ahead(self):
        """The output and the trace, eager."""
        return self.layer.forward(self.params, self.x, self.context._replace(mask=self.mask))

    @functools.cached_property
    def eager(self):
        y, trace = self.ahead
        return y, self.layer.backward(self.params, trace, self.d_y)

    @functools.cached_property
    def alone(self):
        """`explicit` for other numbers of examples than N."""
        return jax.jit(self.explicit)

    def jitted(self, *arguments):
        return self.both(*arguments)[0]

    @functools.cached_property
    def automatic(self):
        return self.both(*self.arguments)[1]

    def vjp(self, params, x, d_y, mask=None):
        context = self.context._replace(mask=mask)
        return jax.vjp(lambda p, x: self.layer.forward(p, x, context)[0], params, x)[1](d_y)

    def backward(self, d_y):
        """The gradients by hand for another cotangent."""
        return self.jitted(self.params, self.x, d_y, self.mask)[1]


def rolled(tree):
    return jax.tree.map(lambda leaf: np.roll(leaf, 1), tree)


@functools.cache
def shared_probe(name, dtype):
    """One probe for all tests of a layer in one precision: most of their time is compilation."""
    return Probe(LAYERS[name], dtype)


@pytest.fixture
def probe(name, dtype):
    return shared_probe(name, dtype)


def test_explicit_equals_automatic(probe, dtype):
    assert_equal_leaves(probe.eager[1], probe.automatic, dtype)


def test_every_scaled_leaf_fails_the_comparison(probe, dtype):
    for wrong in scaled_leaves(probe.eager[1], added=1e-3 if probe.row.vanishing else 0.0):
        with pytest.raises(AssertionError):
            assert_equal_leaves(wrong, probe.automatic, dtype)


def test_output_has_the_shape_and_dtype_that_init_announced(probe, dtype):
    assert_type_of(probe.eager[0], probe.zeros(N, dtype)[1])


def test_gradient_has_the_type_of_the_parameters(probe, dtype):
    d_params, d_x = probe.eager[1]
    assert_type_of(d_params, probe.params)
    assert_type_of(d_x, probe.x)


def test_zero_cotangent_gives_zero(probe, dtype):
    for leaf in jax.tree.leaves(probe.backward(jax.tree.map(np.zeros_like, probe.d_y))):
        assert not np.asarray(leaf).any()


def test_backward_is_linear(probe, dtype):
    other = rolled(probe.d_y)
    together = probe.backward(jax.tree.map(lambda a, b: 1000 * np.asarray(a) + b, probe.d_y, other))
    apart = jax.tree.map(
        lambda a, b: 1000 * np.asarray(a) + np.asarray(b), probe.backward(probe.d_y), probe.backward(other)
    )
    assert_equal_leaves(together, apart, dtype)


def test_batch_is_the_sum_of_its_examples(name, probe, dtype):
    if not probe.row.per_example:  # masks drawn for a batch are not those drawn for its examples
        probe = Probe(LAYERS[name], dtype, with_key=False)
    d_params, d_x = probe.backward(probe.d_y)
    singles = [probe.alone(*probe.example(i))[1] for i in range(N)]
    summed = jax.tree.map(lambda *parts: np.sum(parts, axis=0), *[single[0] for single in singles])
    assert_equal_leaves(d_params, summed, dtype)
    assert_equal_leaves(d_x, np.concatenate([single[1] for single in singles], probe.axis.inputs), dtype)


def test_jitted_equals_eager(probe, dtype):
    assert_equal_leaves(probe.jitted(*probe.arguments), probe.eager, dtype)


def test_plain_equals_fast(name, probe, dtype):
    """The page of a layer, whose row ends in "plain", gives what its kernel gives: 1e-11 in float64."""
    fast = shared_probe(name.removesuffix(", plain"), dtype)
    if fast is probe:
        return
    plain, kernel = probe.jitted(*probe.arguments), fast.jitted(*probe.arguments)
    assert_equal_leaves(plain, kernel, dtype, condition=10)
    for wrong in scaled_leaves(plain):
        with pytest.raises(AssertionError):
            assert_equal_leaves(wrong, kernel, dtype, condition=10)


def test_vmap_equals_loop(probe, dtype):
    cotangents = probe.d_y, jax.tree.map(lambda leaf: -2 * np.asarray(leaf), probe.d_y), rolled(probe.d_y)
    stacked, looped = (
        jax.tree.map(lambda *parts: np.stack(parts), *trees)
        for trees in (cotangents, [probe.backward(d_y) for d_y in cotangents])
    )
    together = jax.jit(jax.vmap(probe.layer.backward, (None, None, 0)))(probe.params, probe.ahead[1], stacked)
    assert_equal_leaves(together, looped, dtype)


def test_two_runs_are_bitwise_equal(probe, dtype):
    jax.tree.map(np.testing.assert_array_equal, probe.explicit(*probe.arguments), probe.eager)


def test_empty_batch_gives_zero_gradients(probe, dtype):
    x, d_y = probe.zeros(0, dtype)
    mask = None if probe.mask is None else probe.mask[:, :0]
    y, (d_params, d_x) = probe.alone(probe.params, x, d_y, mask)
    assert_type_of((y, d_x), (d_y, x))
    for leaf in jax.tree.leaves(d_params):
        assert not np.asarray(leaf).any()


def test_bfloat16_stays_bfloat16(name):
    probe = Probe(LAYERS[name], "float32")
    low = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), (probe.params, probe.x, probe.d_y))
    (y, gradient), automatic = probe.both(*low, probe.mask)
    assert {leaf.dtype for leaf in jax.tree.leaves((y, gradient))} == {jnp.dtype(jnp.bfloat16)}
    assert_equal_leaves(gradient, automatic, "bfloat16")


def test_bad_shape_is_refused(name):
    row = LAYERS[name]
    if row.bad_shape is not None:
        with pytest.raises(ValueError, match=row.message):
            row.layer.init(KEY, row.bad_shape)


def test_statements_mirror_the_parameters(name):
    row = LAYERS[name]
    params, _ = row.layer.init(KEY, row.shape)
    assert jax.tree.structure(row.layer.statements) == jax.tree.structure(params)
    assert all(isinstance(statement, str) for statement in jax.tree.leaves(row.layer.statements))
