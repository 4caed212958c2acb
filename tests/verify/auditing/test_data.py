"""The planted faults prove themselves, without the audit: each is visible, and each right twin is right.

Gradients are taken in float32, and compared with central differences of the right program in float64.
"""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.verify.auditing.meant import MEANT
from tests.verify.auditing.planted import PLANTED
from tests.verify.auditing.planted_calls import CALLS
from tests.verify.auditing.planted_flax import FLAX
from tests.verify.auditing.planted_loops import LOOPS
from tests.verify.auditing.programs import each as some
from tests.verify.auditing.right import RIGHT

EVERY = (*PLANTED, *LOOPS, *CALLS)
VISIBLE, ROUNDING, STEP = 1e-3, 5e-4, 1e-5
NOT_SMOOTH = ("relu_at_zero", "kinks", "ties", "low_precision", "dot_product_attention", "samples")
"""Right programs at kinks, with parts in low precision, or with other draws in float64."""


def split(args):
    """The float leaves of the arguments, and how they are put back among the others."""
    leaves, tree = jax.tree.flatten(args)
    places = [i for i, leaf in enumerate(leaves) if jnp.issubdtype(leaf.dtype, jnp.floating)]

    def joined(floats):
        merged = dict(enumerate(leaves)) | dict(zip(places, floats, strict=True))
        return jax.tree.unflatten(tree, [merged[i] for i in range(len(leaves))])

    return [leaves[i] for i in places], joined


def differentiated(function, args, is_forward=False):
    """Value under differentiation and gradient, an array a float leaf."""
    floats, joined = split(args)

    def of(floats):
        value = function(*joined(floats))
        return value, value

    derivative = jax.jacfwd if is_forward else jax.grad
    gradient, value = jax.jit(derivative(of, has_aux=True))(floats)
    return float(value), [np.asarray(each, np.float64) for each in gradient]


def central_differences(function, args):
    """The gradient by central differences in float64, an array a float leaf."""
    with jax.enable_x64(True):
        floats, joined = split(args)
        floats = [np.asarray(each, np.float64) for each in floats]
        value = jax.jit(lambda floats: function(*joined(floats)))
        slopes = [np.zeros_like(each) for each in floats]
        for leaf, slope in zip(floats, slopes, strict=True):
            for index in np.ndindex(leaf.shape):
                at = leaf[index]
                step = STEP * max(abs(at), 1e-6 if abs(at) < 1e-6 and at else 0.1)
                leaf[index] = at + step
                above = float(value(floats))
                leaf[index] = at - step
                slope[index] = (above - float(value(floats))) / (2 * step)
                leaf[index] = at
    return slopes


def distance(one, other):
    """The largest difference of two gradients, in units of the largest slope of the same leaf.

    A leaf whose slopes are far below those of all others, as those of a bias before a softmax, counts by the others'.
    """
    largest = [np.max(np.abs(each), initial=0) for each in other]
    pairs = zip(one, other, largest, strict=True)
    return max(np.max(np.abs(a - b), initial=0) / max(size, 1e-3 * max(largest)) for a, b, size in pairs)


def shown(planted):
    """What is visible of the fault, and how far the right twin is from central differences."""
    right, args = planted.make(False)
    wrong, _ = planted.make(True)
    is_forward = planted.kind == "forward only"
    value, gradient = differentiated(right, args, is_forward)
    wrong_value, wrong_gradient = differentiated(wrong, args, is_forward)
    change = abs(wrong_value - value) / abs(value)
    return change, distance(wrong_gradient, gradient), distance(gradient, central_differences(right, args))


@some("planted", EVERY)
def test_the_planted_faults_are_visible(planted):
    change, departure, rounding = shown(planted)
    assert rounding < ROUNDING
    assert (change if planted.kind == "value" else departure) > VISIBLE
    if planted.kind == "float32":
        assert departure > 1e-2


@some("planted", FLAX)
def test_the_faults_planted_in_flax_are_visible(planted, standard_promotion):
    pytest.importorskip("flax")
    _, departure, rounding = shown(planted)
    assert rounding < ROUNDING
    assert departure > VISIBLE


@some("planted", [each for each in EVERY if each.kind == "float32"])
def test_float64_hides_what_is_wrong_in_float32_alone(planted):
    wrong, args = planted.make(True)
    with jax.enable_x64(True):
        wider = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), args)
        _, gradient = differentiated(wrong, wider)
    assert distance(gradient, central_differences(wrong, args)) < ROUNDING


@some("planted", [each for each in EVERY if each.kind != "value"])
def test_the_value_is_that_of_the_right_twin(planted):
    (right, args), (wrong, _) = planted.make(False), planted.make(True)
    np.testing.assert_allclose(jax.jit(wrong)(*args), jax.jit(right)(*args), rtol=1e-6)


@some("given", [*RIGHT, *MEANT])
def test_right_and_meant_programs_have_finite_gradients(given, standard_promotion):
    value, gradient = differentiated(*given.make())
    assert np.isfinite(value)
    assert all(np.isfinite(each).all() for each in gradient)
    assert any(each.any() for each in gradient)


@some("given", [each for each in RIGHT if each.name not in NOT_SMOOTH])
def test_right_programs_agree_with_central_differences(given, standard_promotion):
    program, args = given.make()
    _, gradient = differentiated(program, args)
    assert distance(gradient, central_differences(program, args)) < ROUNDING


def test_each_name_is_there_once_and_is_a_function_of_its_maker():
    names = [each.name for each in (*EVERY, *FLAX, *MEANT)]
    assert len(names) == len(set(names))
    for each in (*EVERY, *FLAX, *MEANT):
        assert f"def {each.name}(" in inspect.getsource(each.make)
    assert len(EVERY) >= 24
    assert len(RIGHT) >= 15
