"""`verify.network`: a planted fault is named at its row; what follows from it is downstream; no false alarms."""

import jax
import jax.numpy as jnp
import pytest

import fnnets as fn
from fnnets.core.chain import ChainTrace
from fnnets.verify.reference import chunks
from fnnets.verify.tracing import compiled

INPUTS = jax.random.normal(jax.random.key(1), (6, 5))
LABELS = jnp.array([0, 2, 1, 2, 2, 0])
BATCH = fn.Batch(INPUTS, LABELS, dataset_size=60)
HIDDEN = fn.layers.dense(4, fn.activations.tanh)
LAST = fn.layers.dense(3)


def build(hidden=HIDDEN, middle=HIDDEN, last=LAST, objective=fn.objectives.softmax_log_likelihood, l2=0.1):
    net = fn.network(fn.chain(hidden, middle, last), objective, (5,), l2)
    return net, net.init(jax.random.key(0))


def faulty(layer, change):
    def backward(params, trace, d_y):
        return change(*layer.backward(params, trace, d_y), params, trace, d_y)

    return layer._replace(backward=backward)


def scale_biases(d, d_x, *_):
    return d._replace(biases=1.001 * d.biases), d_x


def transposed(d, d_x, params, trace, d_y):
    return d, (d_y * fn.activations.tanh.derivative(trace.z)) @ params.weights.T


def wrong(report, verdict="wrong"):
    return [row.where for row in report.rows if row.verdict == verdict]


PENALTY = [f"penalty [{i}].{leaf}" for i in range(3) for leaf in ("weights", "biases")]
WHOLE = [f"gradient [{i}].{leaf}" for i in (2, 1, 0) for leaf in ("weights", "biases")]


def test_rows_of_a_right_network():
    net, params = build()
    report = fn.verify.network(net, params, BATCH)
    report.assert_ok()
    assert report.rows[0].where == "delta of softmax_log_likelihood"
    assert [row.where for row in report.rows[1:6]] == [
        "output",
        "layer 2 dense z",
        "layer 2 dense .weights",
        "layer 2 dense .biases",
        "layer 2 dense d_x",
    ]
    assert [row.where for row in report.rows[14:]] == [*PENALTY, *WHOLE]
    statements = [row.statement for row in report.rows]
    walked = 3 * ["2", "4, 6", "3, 5", "2"]
    assert statements == ["1", "1, mean", *walked, *(3 * ["λ/n w", "none"]), *(3 * ["4, 6 + λ/n w", "3, 5"])]
    assert all(row.supports == "both" for row in report.rows if row.where in WHOLE)


@pytest.mark.parametrize(
    ("change", "named", "downstream"),
    [
        (transposed, ["layer 1 dense d_x"], WHOLE[4:]),
        (lambda d, d_x, *_: (d, d_x * jnp.nan), ["layer 1 dense d_x"], PENALTY[:2] + WHOLE[4:]),
        (lambda d, d_x, *_: (tuple(d), d_x), ["layer 1 dense"], ["penalty", "gradient"]),
        (lambda d, d_x, *_: (d, d_x[:, :2]), ["layer 1 dense d_x"], ["penalty", "gradient"]),
    ],
    ids=["W for transpose", "NaN", "structure", "shape of d_x"],
)
def test_a_fault_in_a_layer_is_named_there_and_the_rest_is_downstream(change, named, downstream):
    net, params = build(middle=faulty(HIDDEN, change))
    report = fn.verify.network(net, params, BATCH)
    assert wrong(report) == named
    assert report.verdict == "wrong"
    assert wrong(report, "downstream") == downstream


def test_two_faults_are_each_named():
    wrong_parts = {"hidden": faulty(HIDDEN, scale_biases), "last": faulty(LAST, lambda d, d_x, *_: (d, 2 * d_x))}
    net, params = build(**wrong_parts, l2=0.0)
    report = fn.verify.network(net, params, BATCH)
    assert wrong(report) == ["layer 2 dense d_x", "layer 0 dense .biases"]
    assert wrong(report, "downstream") == WHOLE[2:]


def test_a_fault_in_a_nested_chain_is_named_by_its_place():
    inner = fn.chain(HIDDEN, faulty(HIDDEN, scale_biases))
    net = fn.network(fn.chain(inner, LAST), fn.objectives.softmax_log_likelihood, (5,))
    report = fn.verify.network(net, net.init(jax.random.key(0)), BATCH)
    assert wrong(report) == ["layer 0.1 dense .biases"]
    assert wrong(report, "downstream") == ["gradient [0][1].biases"]


def test_a_fault_in_a_chains_own_walk_is_in_the_whole_gradient():
    chain = fn.chain(HIDDEN, LAST)
    net = fn.network(
        faulty(chain, lambda d, d_x, *_: ((*d[:1], d[1]._replace(biases=-d[1].biases)), d_x)),
        fn.objectives.softmax_log_likelihood,
        (5,),
    )
    assert wrong(fn.verify.network(net, net.init(jax.random.key(0)), BATCH)) == ["gradient [1].biases"]


def test_a_wrong_statement_1_is_named_and_all_else_is_downstream():
    objective = fn.objectives.softmax_log_likelihood
    net, params = build(objective=objective._replace(delta=lambda z, y: -objective.delta(z, y)), l2=0.0)
    report = fn.verify.network(net, params, BATCH)
    assert report.first_wrong.statement == "1"
    assert len(wrong(report)) == 1
    assert wrong(report, "downstream") == ["output", *WHOLE]


def test_slope_kept_with_the_cross_entropy_is_statement_1():
    objective = fn.objectives.sigmoid_cross_entropy
    kept = objective._replace(delta=lambda z, y: objective.delta(z, y) * fn.activations.sigmoid.derivative(z))
    net = fn.network(LAST, kept, (5,))
    params = net.init(jax.random.key(0))
    targets = jax.random.uniform(jax.random.key(3), (6, 3))
    assert fn.verify.network(net, params, BATCH._replace(targets=targets)).first_wrong.statement == "1"


def penalised(change):
    """A network whose whole gradient is `change(gradient without penalty, params, batch)`."""
    net, plain = (fn.network(fn.chain(LAST), fn.objectives.softmax_log_likelihood, (5,), l2) for l2 in (0.1, 0.0))
    params = net.init(jax.random.key(0))

    def gradient(params, batch, key=None):
        return change(plain.gradient(params, batch, key=key), params, batch)

    return net._replace(gradient=gradient), params


def data_set(batch):
    return batch.dataset_size


def decay(size, leaves=("weights",)):
    def change(d_params, params, batch):
        def leaf(path, d, w):
            return d + 0.1 / size(batch) * w if path[-1].name in leaves else d

        return jax.tree_util.tree_map_with_path(leaf, d_params, params)

    return change


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda d, *_: d, [PENALTY[0], WHOLE[4]]),
        (decay(data_set, ("weights", "biases")), [PENALTY[1], WHOLE[5]]),
        (decay(lambda batch: len(batch.inputs)), [PENALTY[0], WHOLE[4]]),
        (lambda d, p, b: jax.tree.map(lambda g: 6 * g, decay(data_set)(d, p, b)), [PENALTY[0], *WHOLE[4:]]),
    ],
    ids=["missing", "on biases", "λ/m for λ/n", "missing 1/N"],
)
def test_faults_of_penalty_and_mean_are_wrong_behind_the_layers_alone(change, named):
    net, params = penalised(change)
    report = fn.verify.network(net, params, BATCH)
    assert wrong(report) == named
    assert wrong(report, "downstream") == []


def test_a_faulty_layer_does_not_excuse_a_faulty_penalty():
    net, params = build(middle=faulty(HIDDEN, scale_biases))
    plain, _ = build(middle=faulty(HIDDEN, scale_biases), l2=0.0)
    report = fn.verify.network(net._replace(gradient=plain.gradient), params, BATCH)
    assert wrong(report) == ["layer 1 dense .biases", *PENALTY[0::2], *WHOLE[0::2]]
    assert wrong(report, "downstream") == ["gradient [1].biases"]


def test_the_right_penalty_planted_the_same_way_is_ok():
    net, params = penalised(decay(data_set))
    fn.verify.network(net, params, BATCH).assert_ok()


def test_a_layer_that_only_looks_like_a_chain_is_taken_whole():
    chain = fn.chain(HIDDEN, LAST)
    hidden = chain._replace(
        forward=lambda p, x, c: (lambda y, trace: (y, tuple(trace.parts)))(*chain.forward(p, x, c)),
        backward=lambda p, t, d_y: chain.backward(p, ChainTrace(t), d_y),
    )
    net = fn.network(hidden, fn.objectives.softmax_log_likelihood, (5,))
    report = fn.verify.network(net, net.init(jax.random.key(0)), BATCH)
    report.assert_ok()
    assert report.rows[4].where == "layer chain [0].weights"


ALARMS = {
    "one example": {"batch": BATCH._replace(inputs=INPUTS[:1], targets=LABELS[:1])},
    "bfloat16": {"dtype": jnp.bfloat16},
    "relu at its kink": {"activation": fn.activations.relu, "scale": 0.0},
    "saturated": {"activation": fn.activations.tanh, "scale": 30.0},
    "saturated output": {
        "activation": fn.activations.sigmoid,
        "scale": 20.0,
        "objective": fn.objectives.squared_error(fn.activations.sigmoid),
        "batch": fn.Batch(INPUTS, jax.nn.one_hot(LABELS, 3)),
    },
    "large inputs": {"batch": fn.Batch(255 * INPUTS, LABELS)},
    "prediction with dropout": {"dropout": 0.5},
}


@pytest.mark.parametrize("name", ALARMS)
def test_no_false_alarm(name):
    case = {
        "activation": fn.activations.sigmoid,
        "scale": 1.0,
        "dtype": jnp.float32,
        "batch": BATCH,
        "key": None,
        "dropout": None,
    }
    case |= {"objective": fn.objectives.softmax_log_likelihood} | ALARMS[name]
    net = fn.feedforward([5, 4, 3], case["activation"], objective=case["objective"], dropout=case["dropout"], l2=0.1)
    params = jax.tree.map(lambda w: (case["scale"] * w).astype(case["dtype"]), net.init(jax.random.key(0)))
    report = fn.verify.network(net, params, case["batch"], key=case["key"])
    report.assert_ok()
    assert not any(row.supports in ("explicit", "automatic", "neither") for row in report.rows), str(report)


def test_no_false_alarm_over_many_seeds():
    """Dropout in training; one set of compiled programs serves every seed."""
    soft = fn.objectives.softmax_log_likelihood
    net = fn.feedforward([5, 4, 3], fn.activations.sigmoid, objective=soft, dropout=0.5, l2=0.1)
    programs = {}
    with compiled.keeping(programs):
        report = fn.verify.network(net, net.init(jax.random.key(0)), BATCH, key=jax.random.key(9))
        report.assert_ok()
        assert not any(row.supports in ("explicit", "automatic", "neither") for row in report.rows), str(report)
        for seed in range(8):
            keys = jax.random.split(jax.random.key(seed), 4)
            labels = jax.random.randint(keys[1], (6,), 0, 3)
            batch = fn.Batch(3.0 * jax.random.normal(keys[2], (6, 5)), labels, dataset_size=60)
            report = fn.verify.network(net, net.init(keys[0]), batch, key=keys[3])
            assert all(row.verdict in ("ok", "rounding") for row in (*report.rows, *report.properties)), str(report)
            count = len(programs) if seed == 0 else count
    assert len(programs) == count


def test_float64_parameters_are_judged_in_float32_as_well():
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        net = fn.network(LAST, fn.objectives.softmax_log_likelihood, (5,))
        report = fn.verify.network(net, net.init(jax.random.key(0)), BATCH)
    report.assert_ok()
    assert report.precision == "float32"


def test_bad_arguments_are_refused_by_the_network_s_own_checks():
    net, params = build()
    with pytest.raises(ValueError, match=r"batch.targets holds labels from 0 to 7"):
        fn.verify.network(net, params, BATCH._replace(targets=LABELS.at[0].set(7)))
    with pytest.raises(ValueError, match=r"NaN or infinite"):
        fn.verify.network(net, params, BATCH._replace(inputs=INPUTS.at[0, 0].set(jnp.nan)))
    with pytest.raises(TypeError, match=r"verify.network: net is 3"):
        fn.verify.network(3, params, BATCH)
    with pytest.raises(ValueError, match=r"params\[0\].weights holds 20 values that are NaN"):
        fn.verify.network(net, jax.tree.map(lambda w: w * jnp.nan, params), BATCH)


def test_a_large_network_is_examined_leaf_by_leaf(monkeypatch):
    """The same rows and verdicts where 39 numbers count as many: the penalty and the whole are cut into leaves."""
    net = fn.network(fn.chain(faulty(HIDDEN, scale_biases), LAST), fn.objectives.softmax_log_likelihood, (5,), 0.1)
    params = net.init(jax.random.key(0))
    known = fn.verify.network(net, params, BATCH)
    monkeypatch.setattr(chunks, "LARGE", 38)
    report = fn.verify.network(net, params, BATCH)
    verdicts = [{row.where: row.verdict.replace("rounding", "ok") for row in each.rows} for each in (report, known)]
    assert verdicts[0] == verdicts[1]
    assert [row.where for row in report.rows] == [row.where for row in known.rows]
    assert report.taylor is None


def test_a_large_network_without_float64(monkeypatch):
    net, params = build(l2=0.0)
    monkeypatch.setattr(chunks, "LARGE", 60)
    report = fn.verify.network(net, params, BATCH, x64=False)
    report.assert_ok()
    assert [row.where for row in report.rows[-6:]] == WHOLE


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("make", ["recurrent", "convolutional"])
def test_where_the_caller_has_float64_on(make, dtype):
    """The parameters' precision is float32 there too, and nothing in it is held in float64."""
    soft = fn.objectives.softmax_log_likelihood
    with jax.enable_x64(True):
        if make == "recurrent":
            net, shape = fn.recurrent([3, 4, 2], "lstm", objective=soft, return_sequences=False), (5, 4, 3)
        else:
            net, shape = fn.convolutional((6, 6, 1), "conv3-2 maxpool2 | fc-2", objective=soft), (4, 6, 6, 1)
        x = jax.random.normal(jax.random.key(1), shape, dtype)
        fn.verify.network(net, net.init(jax.random.key(0)), fn.Batch(x, jnp.arange(4) % 2)).assert_ok()
