"""A change reaches every holder of the function, is counted, and is undone whatever happens."""

import importlib
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.kernels import convolution, windows
from fnnets.mutation import CATALOGUE, Mutant, applied
from fnnets.mutation.patch import found

SIGN = Mutant("sign", "fnnets.objectives:_cross_entropy_delta", "- y", "+ y", ("delta of",))
Z, Y = jnp.zeros((1, 2)), jnp.ones((1, 2))


def test_reaches_a_function_that_a_tuple_holds_and_comes_back():
    delta = fn.objectives.sigmoid_cross_entropy.delta
    with applied(SIGN) as reached:
        assert not reached
        assert delta(Z, Y).tolist() == [[1.5, 1.5]]  # ½ + 1
        assert reached.count == 1
    assert delta(Z, Y).tolist() == [[-0.5, -0.5]]  # ½ − 1


def test_comes_back_after_an_error():
    before = found(SIGN).__code__
    with pytest.raises(RuntimeError, match="on purpose"), applied(SIGN):
        raise RuntimeError("on purpose")
    assert found(SIGN).__code__ is before
    assert "_mutant_reached" not in found(SIGN).__globals__


def test_every_mutant_comes_back():
    for mutants in CATALOGUE.values():
        for mutant in mutants:
            before = found(mutant).__code__
            with applied(mutant):
                assert before is not _code(mutant)
            assert found(mutant).__code__ is before


def _code(mutant):
    module, name = mutant.target.split(":")
    return inspect.unwrap(getattr(importlib.import_module(module), name)).__code__


def test_what_was_compiled_before_is_forgotten_on_both_ways():
    """A jitted function that calls the changed one: its program of before must serve neither inside nor after."""
    rows = Mutant("rows", "fnnets.kernels.windows:fold", "return sum(", "return 2 * sum(", ("d_x",))
    seen = windows.window("convolution", 2, 2)
    delta, weights = jnp.ones((1, 2, 2, 1)), jnp.arange(4.0).reshape(2, 2, 1, 1)

    def gradient():
        return np.asarray(convolution.input_gradient(delta, weights, seen, (4, 4)))

    right = gradient()
    with applied(rows) as reached:
        np.testing.assert_array_equal(gradient(), 2 * right)
        assert reached
    np.testing.assert_array_equal(gradient(), right)


def test_a_jitted_function_itself_is_traced_anew():
    jitted = jax.jit(fn.objectives._cross_entropy_delta)
    assert jitted(Z, Y)[0, 0] == -0.5
    with applied(SIGN):
        assert jitted(Z, Y)[0, 0] == 1.5
    assert jitted(Z, Y)[0, 0] == -0.5


def test_the_counter_stands_in_the_branch_of_the_change():
    """A line that runs for padded sequences alone does not count for whole ones."""
    padded = next(m for m in CATALOGUE["recurrent"] if m.name == "padded steps carried like real ones")
    x, mask = jnp.ones((3, 2, 2)), jnp.array([[True, True], [True, True], [True, False]])
    with applied(padded) as reached:
        layer = fn.layers.recurrent(2)
        params, _ = layer.init(jax.random.key(0), (2,))
        for given, count in ((None, False), (mask, True)):
            y, trace = layer.forward(params, x, fn.Context(mask=given))
            layer.backward(params, trace, jnp.ones_like(y))
            assert bool(reached) is count


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": "fnnets.objectives:nothing"}, r"^mutant 'sign': target is .*no attribute 'nothing'.*correct it$"),
        ({"target": "fnnets.nothing:nothing"}, r"^mutant 'sign': target is .*No module named"),
        ({"target": "fnnets.objectives:difference"}, r"^mutant 'sign': target .* is no plain function"),
        ({"old": "+ y"}, r"^mutant 'sign': old, '\+ y', occurs 0 times in .*, expected once; correct it$"),
        ({"old": "z"}, r"^mutant 'sign': old, 'z', occurs \d+ times"),
        ({"new": "- y"}, r"^mutant 'sign': new is as old"),
        ({"new": "- ("}, r"^mutant 'sign': new does not compile"),
    ],
)
def test_a_change_that_does_not_fit_says_so(change, message):
    with pytest.raises(ValueError, match=message), applied(SIGN._replace(**change)):
        pass


def test_one_mutant_of_a_module_at_a_time():
    with applied(SIGN), pytest.raises(ValueError, match=r"has a mutant already"), applied(SIGN):
        pass
    assert fn.objectives.sigmoid_cross_entropy.delta(Z, Y)[0, 0] == -0.5
