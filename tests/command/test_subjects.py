"""The check for a thing, and the message for a thing that has none."""

import jax
import jax.numpy as jnp
import pytest

import fnnets as fn
from fnnets.command import subjects
from fnnets.command.files import UsageError
from fnnets.command.subjects import Request
from fnnets.core.types import Context
from fnnets.verify import Report, Row

NET = fn.network(fn.layers.dense(2), fn.objectives.linear_squared_error, (3,))
DENSE = fn.layers.dense(2, fn.activations.tanh)
BATCH = fn.Batch(jnp.arange(12.0).reshape(4, 3) / 7, jnp.arange(8.0).reshape(4, 2) / 5)
PARAMS = NET.init(jax.random.key(0))
W = jnp.array([1.0, 2.0])


def plain(x):
    return jnp.log1p(jnp.exp(x))


softplus = jax.custom_vjp(plain)
softplus.defvjp(lambda x: (plain(x), x), lambda x, d_y: (d_y * jax.nn.sigmoid(x),))


def cost(w, scale=1.0):
    return scale * jnp.sum(w**3)


def cube(w, scale=1.0):
    return scale * 3 * w**2


def of(thing, **request):
    return subjects.report(thing, 0, Request(**request))


@pytest.mark.parametrize(
    ("thing", "subject"),
    [
        (NET, "network"),
        ((NET, PARAMS, BATCH), "network"),
        ([NET, PARAMS, BATCH, None], "network"),
        (DENSE, "layer dense, examples of shape (5,)"),
        ((DENSE, (7,)), "layer dense, examples of shape (7,)"),
        ((DENSE, PARAMS, BATCH.inputs), "layer dense"),
        ((DENSE, PARAMS, BATCH.inputs, Context()), "layer dense"),
        ((cost, cube, W), "gradient"),
        ((cost, cube, W, 2.0), "gradient"),
        ((softplus, plain, W), "custom_vjp"),
        (lambda: NET, "network"),
        (lambda: (cost, cube, W), "gradient"),
        (lambda key: (cost, cube, jax.random.normal(key, (3,))), "gradient"),
        (lambda size=2, *rest, **more: (cost, cube, jnp.arange(1.0, size + 1)), "gradient"),
        (lambda seed: fn.verify.gradient(cost, cube, W + seed), "gradient"),
    ],
)
def test_each_kind_has_its_check(thing, subject):
    found = of(thing)
    assert (found.subject, found.verdict) == (subject, "pass")


def test_faults_are_found_whatever_the_kind():
    assert of((cost, lambda w: 2 * w, W)).verdict == "wrong"
    assert of(DENSE._replace(backward=lambda p, t, d: (p, t.x))).verdict == "wrong"
    assert of(lambda: NET._replace(gradient=lambda params, batch, key=None: params)).verdict == "wrong"


def test_both_passes_of_what_draws_are_run():
    """A fault of prediction alone, and one of training alone, each found; a remark names the other pass."""
    drop = fn.layers.dropout(0.4)
    found = of(drop)
    assert (found.verdict, found.subject) == ("pass", "layer dropout, with the key of training, examples of shape (5,)")
    assert found.remarks[-1] == "the other pass, without a key: pass (1 rows)"

    def backward(is_training):
        def changed(params, trace, d_y):
            d_params, d_x = drop.backward(params, trace, d_y)
            return d_params, 2 * d_x if (jnp.ndim(trace.scale) > 0) == is_training else d_x

        return drop._replace(backward=changed)

    for is_training, name in ((True, "with the key of training"), (False, "without a key")):
        found = of(backward(is_training))
        assert found.verdict == "wrong"
        assert name in found.subject


def test_the_shape_is_that_of_the_command_line():
    assert of(DENSE, shape=(9,)).subject == "layer dense, examples of shape (9,)"


def test_float32_alone_reaches_every_check():
    for thing in ((NET, PARAMS, BATCH), DENSE, (cost, cube, W), (softplus, plain, W)):
        assert all(jnp.isnan(row.error_float64) for row in of(thing, x64=False).rows)


def test_a_function_is_called_with_its_seed():
    seen = []

    def make(seed, key):
        seen.append((seed, key))
        return cost, cube, W

    subjects.report(make, 7, Request(is_repeated=True))
    assert seen[0][0] == 7
    assert (jax.random.key_data(seen[0][1]) == jax.random.key_data(jax.random.key(7))).all()


def test_fixed_numbers_are_not_drawn_anew():
    report = Report("gradient", "float32", (Row("", "gradient", "ok"),))
    for thing in ((cost, cube, W), report, lambda: (NET, PARAMS, BATCH)):
        with pytest.raises(UsageError, match="--seeds means different draws"):
            of(thing, is_repeated=True)
    assert of((DENSE, PARAMS, BATCH.inputs), is_repeated=True).ok
    with pytest.raises(UsageError, match="--no-x64 comes too late"):
        of(report, x64=False)


def raises():
    raise KeyError("missing")


class Unknown:
    pass


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (3, "TARGET is 3, expected a network, a layer"),
        ({"a": 1}, "TARGET is a dict, expected"),
        ((), "TARGET is a tuple, expected"),
        ((1, 2), "TARGET is (1, 2), expected"),
        ((cost, 3), "TARGET is (the function cost, 3), expected"),
        ((cost, cube), "TARGET is (cost, gradient) without parameters, expected (cost, gradient, params, *args)"),
        ((softplus, plain), "TARGET is (f, reference) without arguments"),
        (softplus, "TARGET is a jax.custom_vjp alone, expected (f, reference, *args)"),
        ((PARAMS, NET, BATCH), "expected the network or the layer first: (net, params, batch)"),
        (fn.activations.tanh, "return the report of fnnets.verify.activation from a function"),
        ((NET, PARAMS), "TARGET is a network and 1 more, expected (net, params, batch)"),
        ((DENSE, PARAMS), "TARGET is a layer and 1 more, expected (layer, shape)"),
        (cost, "cost takes w, expected a function of nothing, or of `key` or `seed`"),
        (fn.layers.dense, "dense takes units, expected a function of nothing"),
        (raises, "calling raises raised KeyError: 'missing' (test_subjects.py, line"),
        (lambda: cost, "<lambda> returns the function cost, expected"),
        (lambda: None, "TARGET is None, expected"),
        (Unknown, "TARGET is an Unknown, expected"),
        ((NET, PARAMS, BATCH.inputs), "batch"),
        ((cost, cube, jnp.arange(3)), "w is an array of dtype int32, expected floating numbers"),
        ((lambda w: w, cube, W), "cost returns arrays like params, as a gradient does, expected a scalar"),
        (
            (lambda w: 1 / 0, cube, W),
            "the check raised ZeroDivisionError: test_subjects.py, line 156, in cost: division by zero",
        ),
        (DENSE._replace(init=lambda key, shape: raises()), "it does not take (KeyError: 'missing'); give --shape"),
    ],
)
def test_what_is_refused_is_one_line(thing, message):
    with pytest.raises(UsageError) as caught:
        of(thing)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (-1,)])
def test_a_shape_of_nothing_is_refused(shape):
    with pytest.raises(UsageError, match="--shape is"):
        of(DENSE, shape=shape)


def test_a_shape_that_nothing_reads_is_refused():
    with pytest.raises(UsageError, match=r"--shape is \(3,\), but TARGET is a Network, expected a layer; leave it out"):
        of(NET, shape=(3,))


def test_a_shape_that_the_layer_does_not_take_is_its_own_message():
    with pytest.raises(UsageError, match=r"raised ValueError: dense: examples have shape \(2, 2\), expected one axis"):
        of(DENSE, shape=(2, 2))
