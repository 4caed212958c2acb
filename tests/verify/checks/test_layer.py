"""`verify.layer`: each leaf and d_x named, for any layer that has the three functions."""

import jax
import jax.numpy as jnp
import pytest

import fnnets as fn

X = jax.random.normal(jax.random.key(1), (4, 3))
SQUARE = fn.layers.dense(3, fn.activations.tanh)
PARAMS, _ = SQUARE.init(jax.random.key(0), (3,))


def faulty(layer, change):
    """`layer` whose backward pass hands on `change(d_params, d_x, params, trace, d_y)` in place of its result."""

    def backward(params, trace, d_y):
        return change(*layer.backward(params, trace, d_y), params, trace, d_y)

    return layer._replace(backward=backward)


def scale_biases(factor):
    return lambda d, d_x, *_: (d._replace(biases=factor * d.biases), d_x)


def transposed(d, d_x, params, trace, d_y):
    return d, (d_y * fn.activations.tanh.derivative(trace.z)) @ params.weights.T


def slope_omitted(d, d_x, params, trace, d_y):
    return type(d)(d_y.T @ trace.x, d_y.sum(0)), d_y @ params.weights


FAULTS = {
    "bias off by 1 %": (scale_biases(1.01), ["3, 5"]),
    "bias off by 0.1 %": (scale_biases(1.001), ["3, 5"]),
    "bias averaged as well as summed": (scale_biases(1 / 4), ["3, 5"]),
    "bias zero": (scale_biases(0.0), ["3, 5"]),
    "W for its transpose, square": (transposed, ["2"]),
    "slope omitted": (slope_omitted, ["4, 6", "3, 5", "2"]),
    "weights transposed": (lambda d, d_x, *_: (d._replace(weights=d.weights.T), d_x), ["4, 6"]),
    "sign flipped": (lambda d, d_x, *_: (jax.tree.map(jnp.negative, d), -d_x), ["4, 6", "3, 5", "2"]),
    "NaN in d_x": (lambda d, d_x, *_: (d, d_x.at[0, 1].set(jnp.nan)), ["2"]),
    "d_x of another shape": (lambda d, d_x, *_: (d, d_x[:1]), ["2"]),
    "weights of another dtype": (lambda d, d_x, *_: (d._replace(weights=d.weights.astype("float16")), d_x), ["4, 6"]),
    "bias gradient unsummed": (lambda d, d_x, p, t, d_y: (d._replace(biases=d_y), d_x), ["3, 5"]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_named_by_its_statement_and_by_no_other(name):
    change, statements = FAULTS[name]
    report = fn.verify.layer(faulty(SQUARE, change), PARAMS, X)
    assert [row.statement for row in report.rows if row.verdict == "wrong"] == statements
    assert report.first_wrong.supports in ("automatic", "")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d, d_x, *_: (tuple(d), d_x), "another structure"),
        (
            lambda d, d_x, *_: (d, d_x, d_x),
            r"dense: backward returned a tuple of length 3,\s+expected",
        ),
        (lambda d, d_x, *_: d.weights, r"returned one array of shape \(3, 3\), expected\s+two"),
    ],
)
def test_another_structure_is_a_wrong_row_or_one_line(change, message):
    try:
        report = fn.verify.layer(faulty(SQUARE, change), PARAMS, X)
    except TypeError as error:
        report = fn.verify.Report("", "", (fn.verify.Row("", "", "wrong", note=str(error)),))
    with pytest.raises(AssertionError, match=message):
        report.assert_ok()


def test_the_cotangent_can_be_changed_and_is_fixed_otherwise():
    rows = [fn.verify.layer(SQUARE, PARAMS, X, key=key).rows[0] for key in (None, None, jax.random.key(7))]
    assert rows[0] == rows[1]
    assert rows[0].explicit != rows[2].explicit


def test_dropout_is_right_with_a_key_and_wrong_without_its_mask():
    layer, context = fn.layers.dropout(0.5), fn.Context(jax.random.key(5))
    report = fn.verify.layer(layer, (), X, context)
    report.assert_ok()
    assert [row.where for row in report.rows] == ["dropout d_x"]
    unmasked = layer._replace(backward=lambda params, trace, d_y: ((), d_y))
    assert fn.verify.layer(unmasked, (), X, context).first_wrong.statement == "dx"


def test_chain_and_integer_inputs():
    chain = fn.chain(SQUARE, fn.layers.dense(2))
    params, _ = chain.init(jax.random.key(2), (3,))
    where = [row.where for row in fn.verify.layer(chain, params, X).rows]
    assert where[:2] == ["chain 1/z", "chain 0/z"]
    assert where[4] == "chain [1].weights"

    def forward(params, x, context):
        return params[x], x

    def backward(params, trace, d_y):
        return jnp.zeros_like(params).at[trace].add(d_y), None

    table = fn.Layer(lambda key, shape: (jnp.ones((5, 2)), (2,)), forward, backward, "table")
    report = fn.verify.layer(table, jax.random.normal(jax.random.key(3), (5, 2)), jnp.array([4, 0, 4]))
    assert [(row.where, row.verdict) for row in report.rows] == [("table params", "ok")]
    overwritten = table._replace(backward=lambda p, t, d_y: (jnp.zeros_like(p).at[t].set(d_y), None))
    assert not fn.verify.layer(overwritten, params[0].weights, jnp.array([2, 0, 2])).ok


@pytest.mark.parametrize(
    ("args", "kind", "message"),
    [
        ((3, PARAMS, X), TypeError, "verify.layer: layer is 3"),
        ((SQUARE, PARAMS, X[:, :2]), ValueError, r"^dense: x has shape \(4, 2\)"),
        (
            (SQUARE, PARAMS, X * jnp.nan),
            ValueError,
            "verify.layer: x holds 12 values that are NaN .* expected finite numbers",
        ),
        ((SQUARE, PARAMS, X, 3), TypeError, "verify.layer: context is 3"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(args, kind, message):
    with pytest.raises(kind, match=message):
        fn.verify.layer(*args)


def test_a_key_that_is_none_is_refused():
    with pytest.raises(TypeError, match=r"verify.layer: key is 3"):
        fn.verify.layer(SQUARE, PARAMS, X, key=3)


def last_maximum(factor):
    """Max-pooling whose last maximum takes all, and `factor` times too much where nothing ties."""
    pool = fn.layers.max_pooling(2)

    def forward(params, x, context):
        _, trace = pool.forward(params, x[:, ::-1, ::-1], context)
        return pool.forward(params, x, context)[0], (trace, x)

    def backward(params, trace, d_y):
        turned, x = trace
        d_x = pool.backward(params, turned, d_y[:, ::-1, ::-1])[1][:, ::-1, ::-1]
        return (), jnp.where(x > 2, factor, 1) * d_x

    return pool._replace(forward=forward, backward=backward)


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "convention"), (1.01, "wrong")])
def test_the_last_maximum_is_a_convention_and_a_fault_beside_ties_is_not_hidden(factor, verdict):
    """Whole numbers 0 to 3 tie often; the only 3 of its window is where the fault is."""
    x = jax.random.randint(jax.random.key(3), (3, 6, 6, 2), 0, 4).astype(jnp.float32)
    report = fn.verify.layer(last_maximum(factor), (), x)
    assert [row.verdict for row in report.rows] == [verdict]
    assert report.ok == (verdict == "convention")


def test_both_values_of_init_in_the_place_of_parameters_are_named():
    layer = fn.layers.dense(3)
    with pytest.raises(TypeError, match=r"verify.layer: params is what init returns, .*; write params\[0\]"):
        fn.verify.layer(layer, layer.init(jax.random.key(0), (4,)), jax.numpy.ones((2, 4)))
