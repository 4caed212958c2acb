"""Keys: one or several, typed or of the older uint32 kind."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fnnets.core import validate

TYPED, RAW = jax.random.key(0), jax.random.PRNGKey(0)


@pytest.mark.parametrize("key", [TYPED, RAW, jax.random.key(0, impl="rbg")], ids=str)
def test_one_key_of_either_kind_is_taken(key):
    validate.is_key(key, "f: key")
    jax.eval_shape(lambda key: validate.is_key(key, "f: key"), key)  # while JAX traces, too
    jax.random.split(key)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (jnp.zeros(3, jnp.uint32), "f: key is an array of shape (3,), uint32, expected one PRNG key; make one with"),
        (jnp.zeros((), jnp.uint32), "f: key is an array of shape (), uint32, expected one PRNG key; make one with"),
        (jax.random.split(TYPED), "expected one PRNG key; take one of them, key[0]"),
        (jax.random.split(RAW, 5), "of shape (5, 2), uint32, expected one PRNG key; take one of them, key[0]"),
        (np.zeros(2, np.uint32), "expected one PRNG key; make one with jax.random.key(0)"),
        (jnp.zeros(2, jnp.int32), "expected one PRNG key; make one with jax.random.key(0)"),
    ],
)
def test_what_is_no_key_or_several_is_refused(key, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        validate.is_key(key, "f: key")


def test_a_raw_key_has_the_size_of_the_default_kind():
    with jax.default_prng_impl("rbg"):
        validate.is_key(jax.random.PRNGKey(0), "key")
        with pytest.raises(TypeError, match=r"shape \(2,\), uint32"):
            validate.is_key(RAW, "key")


def test_several_keys_are_counted():
    assert [validate.keys(jax.random.split(key, 3), "f: keys") for key in (TYPED, RAW)] == [3, 3]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (TYPED, "expected (K,) PRNG keys with K >= 1; split one with jax.random.split(key, K)"),
        (RAW, "of shape (2,), uint32, expected (K,) PRNG keys with K >= 1; split one"),
        (jax.random.split(TYPED, 3)[:0], "of shape (0,), key<fry>, expected (K,) PRNG keys with K >= 1; split one"),
        (jax.random.split(TYPED, (2, 3)), "of shape (2, 3), key<fry>, expected (K,)"),
        (jnp.zeros((2, 3), jnp.uint32), "of shape (2, 3), uint32, expected (K,) PRNG keys with K >= 1; split one"),
        ([TYPED, TYPED], "f: keys is a list of 2 keys, expected (K,) PRNG keys with K >= 1; write jnp.stack(keys)"),
        ([TYPED, RAW], "f: keys is a list of 2 keys of several kinds, expected (K,) PRNG keys with K >= 1; make all"),
        ([0, 1], "f: keys is [0, 1], expected (K,) PRNG keys with K >= 1; split one with jax.random.split(key, K)"),
    ],
)
def test_what_is_no_array_of_keys_is_refused(keys, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        validate.keys(keys, "f: keys")


@pytest.mark.parametrize("span", [np.timedelta64(3, "D"), np.timedelta64("NaT", "s")])
def test_a_span_of_time_is_no_number(span):
    """NumPy counts it among the integers."""
    for check in (validate.number, validate.count):
        with pytest.raises(TypeError, match=r"layers is np\.timedelta64"):
            check(span, "layers")
    with pytest.raises(TypeError, match=r"x has dtype timedelta64.*; write x / np.timedelta64\(1, 'D'\)"):
        validate.array(np.array([span]), "x")


def test_a_masked_array_of_which_nothing_is_masked_is_an_array():
    plain = validate.array(np.ma.array([[1.0, 2.0]], mask=False), "f: x")
    assert type(plain) is np.ndarray
    assert plain.tolist() == [[1.0, 2.0]]
    with pytest.raises(TypeError, match="f: x is a masked array"):
        validate.array(np.ma.array([1.0, 2.0], mask=[True, False]), "f: x")


def test_a_deleted_array_is_refused_by_its_name():
    """JAX's own RuntimeError names neither the argument nor the remedy."""
    deleted = jnp.ones((2, 3)) + 1
    deleted.delete()
    with pytest.raises(ValueError, match=r"f: x is an array of shape \(2, 3\) that is deleted, expected .*; make it"):
        validate.array(deleted, "f: x")
    with pytest.raises(ValueError, match=r"f: params\['w'\] is an array of shape \(2, 3\) that is deleted"):
        validate.like({"w": deleted}, {"w": jnp.ones((2, 3))}, "f: params")


@pytest.mark.parametrize("value", [np.array(2), jnp.array(2), np.uint8(2)], ids=repr)
def test_a_count_may_be_an_array_without_axes(value):
    found = validate.count(value, "f: n")
    assert type(found) is int
    assert found == 2


@pytest.mark.parametrize("value", [np.array(2.0), jnp.array(True), np.array([2])], ids=repr)
def test_an_array_that_is_no_whole_number_is_no_count(value):
    with pytest.raises(TypeError, match=r"f: n is .*expected an int"):
        validate.count(value, "f: n")
