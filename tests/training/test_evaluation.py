"""Costs and accuracies against an independent evaluation in NumPy: targets of all dtypes, shapes and ranges.

The independent one is written from the definitions in `fnnets.training.metrics` and `fnnets.objectives`, in float64,
one example at a time. The network is one dense layer, so that z is one product.
"""

import math
import warnings

import jax
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fnnets as fn
from fnnets.training import metrics
from fnnets.training.streaming import streaming_epoch

INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
FLOATS = ["float16", "float32", "float64"]
OBJECTIVES = {
    "softmax": fn.objectives.softmax_log_likelihood,
    "cross-entropy": fn.objectives.sigmoid_cross_entropy,
    "squared error": fn.objectives.linear_squared_error,
    "squared error of a sigmoid": fn.objectives.squared_error(fn.activations.sigmoid),
}


def cost_of_one(name, z, y):
    """c of one example in float64, from its weighted inputs and its row of targets."""
    if name == "softmax":
        return sum(p * (math.log(sum(math.exp(other) for other in z)) - one) for one, p in zip(z, y, strict=True))
    a = [1 / (1 + math.exp(-one)) for one in z]
    if name == "cross-entropy":
        return -sum(p * math.log(q) + (1 - p) * math.log(1 - q) for q, p in zip(a, y, strict=True))
    outputs = z if name == "squared error" else a
    return sum(0.5 * (q - p) ** 2 for q, p in zip(outputs, y, strict=True))


def independent(name, params, x, y):
    """(cost, accuracy or None) of the dense layer's network, example by example."""
    weights, biases = np.asarray(params[0].weights, float), np.asarray(params[0].biases, float)
    are_labels = y.ndim == 1
    rows = np.eye(len(biases))[y.astype(int)] if are_labels else y.astype(float)
    costs, hits = [], []
    for one, row in zip(x.astype(float), rows, strict=True):
        z = weights @ one + biases
        costs.append(cost_of_one(name, z, row))
        top = (
            (z > (0.5 if name == "squared error" else 0.0)) == (row > 0.5)
            if len(z) == 1
            else z.argmax() == row.argmax()
        )
        hits.append(bool(np.all(top)))
    is_binary = bool(np.all((rows == 0) | (rows == 1)))
    are_classes = are_labels or (is_binary and (rows.shape[1] == 1 or bool(np.all(rows.sum(axis=1) == 1))))
    return float(np.mean(costs)), float(np.mean(hits)) if are_classes else None


@st.composite
def cases(draw):
    """(name of the objective, network, parameters, inputs, targets) that belong together."""
    name = draw(st.sampled_from(list(OBJECTIVES)))
    n, seed = draw(st.sampled_from([1, 4, 8, 13])), draw(st.integers(0, 2**16))
    outputs = draw(st.sampled_from([2, 3, 300] if name == "softmax" else [1, 3]))
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 2)).astype(draw(st.sampled_from(FLOATS)))
    kind = draw(st.sampled_from(["labels", "rows"] if name == "softmax" else ["rows", "binary", "integers"]))
    if kind == "labels":
        dtype = draw(st.sampled_from(INTEGERS))  # uint8 holds labels of the first 256 of 300 classes
        y = random.integers(0, min(outputs, np.iinfo(dtype).max + 1), n).astype(dtype)
    elif kind == "rows":
        y = random.random((n, outputs))
        y = (y / y.sum(axis=1, keepdims=True) if name == "softmax" else y).astype(draw(st.sampled_from(FLOATS)))
    else:
        most = 1 if kind == "binary" or name == "cross-entropy" else 100
        y = random.integers(0, most + 1, (n, outputs)).astype(draw(st.sampled_from([*INTEGERS, *FLOATS])))
    net = fn.feedforward([2, outputs], objective=OBJECTIVES[name])
    return name, net, net.init(jax.random.key(seed)), x, y


def assert_equal(found, expected):
    cost, accuracy = expected
    np.testing.assert_allclose(found.cost, cost, rtol=2e-5, atol=1e-6)
    assert (found.accuracy is None) == (accuracy is None)
    if accuracy is not None:
        np.testing.assert_allclose(found.accuracy, accuracy, atol=1e-6)


@pytest.mark.parametrize("chunk", [1000, 4])
@settings(max_examples=40, derandomize=True, deadline=None)
@given(case=cases())
def test_in_memory_whole_and_in_chunks_it_is_the_independent_evaluation(chunk, case):
    """Chunks of four divide 4 and 8 examples, and leave a rest of 13."""
    name, net, params, x, y = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "CHUNK", chunk)
        assert_equal(fn.evaluate(net, params, fn.Batch(x, y)), independent(name, params, x, y))


@settings(max_examples=12, derandomize=True, deadline=None)
@given(case=cases())
def test_in_a_stream_it_is_the_independent_evaluation(case):
    """The parameters of an epoch at the rate 0 are those before."""
    name, net, params, x, y = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming_epoch, "CHUNK", 4)
        result = fn.fit(
            net, optax.sgd(0.0), fn.data.stream(x, y), key=jax.random.key(0), epochs=1, batch_size=1,
            params=params, evaluate_training=True, progress=False,
        )  # fmt: skip
    accuracy = None if result.history.accuracy is None else result.history.accuracy[0]
    assert_equal(fn.training.Metrics(result.history.cost[0], accuracy), independent(name, params, x, y))


@settings(max_examples=40, derandomize=True, deadline=None)
@given(case=cases(), seed=st.integers(0, 2**16))
def test_one_wrong_value_among_many_is_refused(case, seed):
    """In whole chunks too, which are traced; the value lies outside the domain of the case's objective."""
    name, net, params, x, y = case
    random = np.random.default_rng(seed)
    where = random.integers(len(y))
    worse = y.copy()
    if y.ndim == 1:
        worse = worse.astype(np.int64)
        worse[where] = random.choice([-1, net.output_shape[0], 2**32, 2**31 - 1])
    else:
        worse = worse.astype(float)
        worse[where, 0] = (
            math.nan if name.startswith("squared error") else random.choice([-1, 7, 1.5, math.nan, math.inf])
        )
    spoilt = x.copy()
    spoilt[where, 1] = random.choice([math.nan, math.inf])
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of NumPy, which compares NaN in the checks
        patch.setattr(metrics, "CHUNK", 4)
        with pytest.raises(ValueError, match=r"evaluate: batch\.targets .*expected .*;"):
            fn.evaluate(net, params, fn.Batch(x, worse))
        with pytest.raises(ValueError, match=r"evaluate: batch\.inputs holds 1 values that are NaN or infinite"):
            fn.evaluate(net, params, fn.Batch(spoilt, y))
