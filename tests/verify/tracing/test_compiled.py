"""Programs that are kept: by their equations, whatever numbers they close over, and no more than some."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fnnets.verify.tracing import compiled, precision


@pytest.fixture(autouse=True)
def compilations(monkeypatch):
    """The cache is empty; its entries in this test."""
    entries = type(compiled._COMPILED)()
    monkeypatch.setattr(compiled, "_COMPILED", entries)
    return entries


def scaled(factor):
    return lambda x: jnp.sin(x) * factor


def test_the_same_code_at_other_numbers_is_compiled_once(compilations):
    x, factors = jnp.arange(3.0), (jnp.array([1.0, 2.0, 3.0]), jnp.array([4.0, 5.0, 6.0]))
    found = [compiled.call("scaled", scaled(factor), x) for factor in factors]
    for each, factor in zip(found, factors, strict=True):
        np.testing.assert_allclose(each, np.sin(x) * factor, rtol=1e-6)
    assert len(compilations) == 1


@pytest.mark.parametrize(
    "other",
    [
        scaled(2.5),  # a number that is written in the code
        lambda x: jnp.cos(x) * 2,
        lambda x: jax.lax.fori_loop(0, 3, lambda i, x: jnp.sin(x) * 2, x),
    ],
)
def test_other_code_is_compiled_anew(compilations, other):
    x = jnp.arange(3.0)
    compiled.call("scaled", scaled(2.0), x)
    np.testing.assert_allclose(compiled.call("scaled", other, x), other(x), rtol=1e-6)
    assert len(compilations) == 2


def test_a_number_that_is_closed_over_is_no_argument(compilations):
    """The same equations of the same arrays: one is held by the code, or both are given."""
    x, c = jnp.arange(3.0), jnp.array([4.0, 5.0, 6.0])
    held = compiled.call("held", lambda x: c * x, x)
    given = compiled.call("given", lambda c, x: c * x, c, x)
    np.testing.assert_array_equal(held, given)
    assert len(compilations) == 2


def test_shapes_dtypes_and_precision_tell_programs_apart(compilations):
    given = [jnp.ones(3), jnp.ones(4), jnp.ones(3, jnp.bfloat16)]
    dtypes = [compiled.call("scaled", scaled(2.0), x).dtype for x in given]
    with precision.double():
        dtypes.append(compiled.call("scaled", scaled(2.0), jnp.ones(3)).dtype)
    assert [str(each) for each in dtypes] == ["float32", "float32", "bfloat16", "float64"]
    assert len(compilations) == 4


def test_the_least_recently_used_is_dropped(compilations, monkeypatch):
    monkeypatch.setattr(compiled, "MOST", 2)
    sizes = (1, 2, 1, 3)  # the program of size 2 is the oldest when a third comes
    for size in sizes:
        compiled.call("scaled", scaled(2.0), jnp.ones(size))
    assert [key[3][0][0] for key in compilations] == [(1,), (3,)]


def test_a_name_stands_for_its_function_where_programs_are_kept():
    with compiled.keeping({}):
        first = compiled.call("f", lambda x: x + 1, jnp.zeros(()))
        second = compiled.call("f", lambda x: x + 2, jnp.zeros(()))  # the first one's name
        third = compiled.call("g", lambda x: x + 2, jnp.zeros(()))
    assert (float(first), float(second), float(third)) == (1.0, 1.0, 2.0)


def test_fingerprints_tell_functions_by_code_and_by_numbers():
    x = jnp.ones(3)
    one, same, moved = (compiled.fingerprint(scaled(jnp.array(c)), x) for c in (2.0, 2.0, 2.5))
    assert one == same
    assert one != moved
    assert one != compiled.fingerprint(lambda x: jnp.cos(x) * jnp.array(2.0), x)
    assert compiled.fingerprint(lambda x: x + "a", x) is None


def test_code_that_fixes_float32_runs_in_float64():
    x = np.array([0.1, 0.2])
    with precision.double():
        found = compiled.call("cast", lambda x: jnp.sin(x.astype(jnp.float32)), jnp.asarray(x))
    np.testing.assert_allclose(found, np.sin(x), rtol=1e-15)


def test_code_traced_with_float32_runs_in_float64():
    def fixed(x):
        assert x.dtype == jnp.float32
        return x / 3

    x = np.array([0.1, 0.2])
    with precision.double("float32"):
        found = compiled.call("fixed", fixed, jnp.asarray(x))
    np.testing.assert_allclose(found, x / 3, rtol=1e-15)
