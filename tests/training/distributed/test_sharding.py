"""fit on a mesh: the numbers of one device, one all-reduce a step and nothing else, and what is refused."""

import re
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import Mesh, NamedSharding

import fnnets as fn
from fnnets.training import program
from fnnets.training.distributed import sharding

KEY = jax.random.key(5)
SOFTMAX = fn.objectives.softmax_log_likelihood
DESCENT = fn.training.momentum(0.2, 0.9)
SAMPLING = fn.boltzmann
COLLECTIVES = r"\b(all-reduce|all-gather|collective-permute|all-to-all|reduce-scatter)(?:-start)?\("


def labels(*shape):
    return jnp.arange(int(np.prod(shape))).reshape(shape) % 3


def normal(*shape):
    return jax.random.normal(KEY, shape)


CASES = {
    "feedforward": (
        fn.feedforward([6, 8, 3], objective=SOFTMAX, l2=0.3, dropout=0.3),
        lambda n: fn.Batch(normal(n, 6), labels(n)),
    ),
    "convolutional": (
        fn.convolutional((8, 8, 1), "conv3-4 maxpool2 | fc-3", fn.activations.relu, objective=SOFTMAX),
        lambda n: fn.Batch(normal(n, 8, 8, 1), labels(n)),
    ),
    "recurrent": (
        fn.recurrent([4, 5, 3], cell="lstm", objective=SOFTMAX),
        lambda n: fn.Batch(normal(6, n, 4), labels(6, n), jnp.arange(6)[:, None] < 1 + jnp.arange(n) % 6),
    ),
    "persistent": (
        fn.rbm(6, 4, sampler=SAMPLING.persistent_contrastive_divergence(1, chains=16)),
        lambda n: fn.Batch((normal(n, 6) > 0).astype(float)),
    ),
    "divergence": (
        fn.rbm(6, 4, sampler=SAMPLING.contrastive_divergence(2)),
        lambda n: fn.Batch((normal(n, 6) > 0).astype(float)),
    ),
}


SPARSE = fn.rbm(6, 4, sparsity=0.1, sampler=SAMPLING.contrastive_divergence(1))


def mesh(*shape):
    names = ("data", "model")[: len(shape)]
    return Mesh(np.array(jax.devices()[: int(np.prod(shape))]).reshape(shape), names)


def doubled(net, batch):
    """Parameters and a batch in float64; called within x64."""

    def cast(leaf):
        return leaf.astype(float) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(cast, net.init(KEY)), jax.tree.map(cast, batch)


def assert_equal(first, second, tolerance=1e-12):
    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=jax.tree_util.keystr(path))


@pytest.mark.parametrize("name", [*CASES, "sparse"])
def test_the_result_is_that_of_one_device(name):
    """Batches of 10 of 44 examples: the last has 4, so 8 devices divide neither; float64, to rounding."""
    net, data = CASES.get(name, (SPARSE, CASES["divergence"][1]))
    with jax.enable_x64(True):
        params, train = doubled(net, data(44))
        settings = {"key": KEY, "params": params, "epochs": 2, "batch_size": 10, "progress": False}
        alone = fn.fit(net, DESCENT, train, **settings)
        shared = fn.fit(net, DESCENT, train, mesh=mesh(8), **settings)
        assert_equal(shared.params, alone.params)
        assert_equal(shared.state.memory, alone.state.memory)
        assert_equal(shared.history.cost, alone.history.cost)


def compiled(net, train, batch_size, placed):
    """The text of the compiled epoch, without its evaluation."""
    state = fn.training.start(net, DESCENT, key=KEY)
    state = sharding.place(placed, state, sharding.of_state(placed, state))
    config = program.Config(net, DESCENT, "explicit", batch_size, "cost", placed)
    train = sharding.everywhere(placed, train._replace(dataset_size=len(train.inputs)))
    return program.compiled_epoch(config, ()).lower(state, train, {}).compile().as_text()


def collectives(text):
    return Counter(re.findall(COLLECTIVES, text))


@pytest.mark.parametrize("batch_size", [16, 10])
@pytest.mark.parametrize("name", CASES)
def test_a_step_is_one_all_reduce(name, batch_size):
    """Of the gradients, nothing else; batches of 10 of 48 examples have a short last one, so a second step's code.

    Gates may be packed.
    """
    net, data = CASES[name]
    steps, leaves = 1 + (batch_size == 10), jax.tree.leaves(jax.eval_shape(net.init, KEY))
    text = compiled(net, data(48), batch_size, sharding.placement(mesh(8), None))
    found = collectives(text)
    assert set(found) == {"all-reduce"}
    assert found["all-reduce"] == steps
    reduced = " ".join(re.findall(r"= (\(.*?\)|\S+) all-reduce\(", text))
    shapes = [[int(n) for n in dims.split(",") if n] for dims in re.findall(r"f32\[([\d,]*)\]", reduced)]
    assert sum(int(np.prod(shape)) for shape in shapes) == steps * sum(leaf.size for leaf in leaves)


def test_the_reader_of_programs_sees_a_gather():
    """The fault that the test above must see: a step that needs the examples of all devices at once."""
    net, data = CASES["feedforward"]

    def gradient(params, batch, *, key=None):
        everywhere = jax.lax.all_gather(batch.inputs, "data", tiled=True)
        return net.gradient(params, batch._replace(inputs=everywhere[: len(batch.inputs)]), key=key)

    leaky = net._replace(gradient=gradient)
    text = compiled(leaky, data(48), 16, sharding.placement(mesh(8), None))
    assert collectives(text)["all-gather"] > 0


def last_step(**settings):
    """A network with dropout before its last step and behind it, so that examples lie along both axes."""
    recurrent = fn.layers.recurrent(5, return_sequences=False)
    layers = [fn.layers.dropout(0.3), recurrent, fn.layers.dropout(0.4), fn.layers.dense(3)]
    return fn.network(fn.chain(*layers), SOFTMAX, (4,), **settings)


def sequences(n):
    return fn.Batch(normal(6, n, 4), labels(n), jnp.arange(6)[:, None] < 1 + jnp.arange(n) % 6)


def states(n):
    return fn.Batch((normal(n, 6) > 0).astype(float))


def weighted(data):
    """The batches of `data` with weights, some of them 0, the first eight so that a minibatch has nothing else."""

    def made(n):
        batch = data(n)
        return batch._replace(weights=jnp.arange(float(n)) % 4)

    return made


def steps(n):
    return CASES["recurrent"][1](n)._replace(weights=jnp.arange(6.0 * n).reshape(6, n) % 3)


MORE = {
    "dropout before and after the last step": (last_step(l2=0.2), sequences),
    "one mask for all": (
        fn.network(fn.chain(fn.layers.dropout(0.5, whole_batch=True), fn.layers.dense(3)), SOFTMAX, (6,)),
        lambda n: fn.Batch(normal(n, 6), labels(n)),
    ),
    "weights": (CASES["feedforward"][0], weighted(CASES["feedforward"][1])),
    "weights of sequences": (last_step(), weighted(sequences)),
    "weights of steps": (CASES["recurrent"][0], steps),
    "weights of data": (CASES["divergence"][0], weighted(states)),
    "weights of data, chains": (CASES["persistent"][0], weighted(states)),
    "chains that the devices do not divide": (
        fn.rbm(6, 4, sampler=SAMPLING.persistent_contrastive_divergence(1, chains=6)), states,
    ),
    "tempered": (fn.rbm(6, 4, sampler=SAMPLING.parallel_tempering(1, chains=16, temperatures=3)), states),
    "centred": (fn.rbm(6, 4, centred=0.1), weighted(states)),
    "centred, chains": (
        fn.rbm(6, 4, centred=0.1, sampler=SAMPLING.persistent_contrastive_divergence(1, chains=8)), states,
    ),
    "denoising, sparse": (
        fn.autoencoder([6, 4], corruption=0.3, code_activation=fn.activations.sigmoid, sparsity=0.2), weighted(states),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MORE)
def test_more_results_are_those_of_one_device(name):
    """As above, on three devices: minibatches of 7 have shares of 3, 3, 1, the last one of 2 has an empty share."""
    net, data = MORE[name]
    with jax.enable_x64(True):
        params, train = doubled(net, data(23))
        settings = {"key": KEY, "params": params, "epochs": 2, "batch_size": 7, "progress": False}
        if not net.layer.is_sequential and train.targets is not None:
            settings["validation"] = train
        alone = fn.fit(net, DESCENT, train, **settings)
        shared = fn.fit(net, DESCENT, train, mesh=mesh(3), **settings)
        assert_equal(shared.params, alone.params)
        assert_equal(shared.state.memory, alone.state.memory)
        assert_equal(jax.tree.leaves(shared.history), jax.tree.leaves(alone.history))


@pytest.mark.parametrize("name", ["feedforward", "recurrent", "divergence", "weights", "weights of steps"])
def test_streams_are_shared_as_arrays_are(name):
    net, data = CASES[name] if name in CASES else MORE[name]
    with jax.enable_x64(True):
        params, train = doubled(net, data(23))
        source = fn.data.stream(
            **{field: np.asarray(value) for field, value in train._asdict().items() if value is not None}
        )
        settings = {"key": KEY, "params": params, "epochs": 2, "batch_size": 7, "progress": False}
        alone = fn.fit(net, DESCENT, train, **settings)
        shared = fn.fit(net, DESCENT, source, mesh=mesh(3), evaluate_training=True, **settings)
        assert_equal(shared.params, alone.params)
        assert_equal(shared.history.cost, alone.history.cost)


@pytest.mark.parametrize(
    ("net", "declared"),
    [
        (SPARSE, 1),
        (fn.rbm(6, 4, centred=0.1), 1),
        (fn.rbm(6, 4, centred=0.1, sparsity=0.1), 2),
    ],
    ids=["sparse", "centred", "both"],
)
def test_a_step_has_the_collectives_that_are_declared(net, declared):
    assert net.layer.means + net.sampler.means + (0 if net.activity is None else net.activity.means) == declared
    found = collectives(compiled(net, states(48), 16, sharding.placement(mesh(8), None)))
    if net.sampler.means:  # XLA makes one of those that do not depend on each other, as of the offsets and the gradient
        assert declared <= sum(found.values()) <= 1 + declared
    else:
        assert sum(found.values()) == 1 + declared


def test_weights_of_a_minibatch_cost_no_collective():
    net, data = MORE["weights"]
    assert collectives(compiled(net, data(48), 16, sharding.placement(mesh(8), None))) == {"all-reduce": 1}


def of_the_mean(params, batch, *, key=None):
    """A gradient of one's own, which knows no weights and no shares."""
    del key
    z = lambda params: batch.inputs @ params.weights.T + params.biases  # noqa: E731
    return jax.grad(lambda params: jnp.mean(SOFTMAX.value(z(params), batch.targets)))(params)


@pytest.mark.parametrize(
    "own", [of_the_mean, jax.jit(of_the_mean), lambda params, batch, key: NET.gradient(params, batch, key=key)],
    ids=["mean", "jitted", "the network's"],
)  # fmt: skip
def test_a_gradient_of_ones_own_is_that_of_the_minibatch(own):
    train = fn.Batch(normal(16, 6), labels(16))
    settings = {"key": KEY, "epochs": 2, "batch_size": 8, "progress": False}
    alone = fn.fit(NET, DESCENT, train, **settings)
    shared = fn.fit(NET, DESCENT, train, gradient=own, mesh=mesh(4), **settings)
    assert_equal(shared.params, alone.params, 1e-5)


NET = fn.network(fn.layers.dense(3), SOFTMAX, (6,))


def test_a_gradient_of_ones_own_that_reads_no_weights_is_refused_where_there_are_some():
    train = fn.Batch(normal(18, 6), labels(18))
    settings = {"key": KEY, "gradient": of_the_mean, "batch_size": 6, "progress": False}
    with pytest.raises(ValueError, match=r"^fit: gradient reads no batch\.weights, and here .*; read"):
        fn.fit(NET, DESCENT, train, mesh=mesh(4), **settings)
    with pytest.raises(ValueError, match=r"^fit: gradient reads no batch\.weights"):
        fn.fit(NET, DESCENT, train._replace(weights=jnp.arange(18.0)), **settings)


def test_a_line_search_looks_at_the_cost_of_the_whole_minibatch(standard_promotion):
    train = fn.Batch(normal(24, 6), labels(24))
    settings = {"key": KEY, "epochs": 3, "batch_size": 12, "progress": False}
    with jax.enable_x64(True):
        params, train = doubled(NET, train)
        results = [fn.fit(NET, optax.lbfgs(), train, params=params, mesh=m, **settings) for m in (None, mesh(4))]
        assert_equal(results[1].params, results[0].params, 1e-9)


def test_chains_are_cut_and_parameters_are_whole():
    net, data = CASES["persistent"]
    result = fn.fit(net, DESCENT, data(32), key=KEY, epochs=1, mesh=mesh(8), progress=False)
    assert result.state.memory.addressable_shards[0].data.shape == (2, 6)
    assert all(leaf.sharding.is_fully_replicated for leaf in jax.tree.leaves(result.params))


def test_a_result_on_a_mesh_goes_on_without_one_and_the_other_way():
    net, data = CASES["feedforward"]
    settings = {"batch_size": 8, "progress": False}
    whole = fn.fit(net, DESCENT, data(32), key=KEY, epochs=2, **settings)
    for first, second in (({"mesh": mesh(8)}, {}), ({}, {"mesh": mesh(8)})):
        begun = fn.fit(net, DESCENT, data(32), key=KEY, epochs=1, **settings, **first)
        ended = fn.fit(net, DESCENT, data(32), state=jax.device_get(begun.state), epochs=1, **settings, **second)
        assert_equal(ended.params, whole.params, 1e-5)


def test_a_mesh_whose_axes_are_explicit_serves_as_well():
    net, data = CASES["feedforward"]
    explicit = jax.make_mesh((4,), ("data",), axis_types=(jax.sharding.AxisType.Explicit,))
    result = fn.fit(net, DESCENT, data(32), key=KEY, epochs=1, mesh=explicit, progress=False)
    assert isinstance(result.params[0].weights.sharding, NamedSharding)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"mesh": 4}, TypeError, "mesh is 4 of type int, expected Mesh"),
        ({"mesh": "axes"}, ValueError, "mesh has the axes ('rows',), expected 'data'"),
        ({"mesh": "plane"}, ValueError, "mesh has the axes ('data', 'model'), expected 'data' alone"),
        ({"devices": "two"}, ValueError, "devices is 'two', expected 'all'"),
        ({"devices": "all", "mesh": "line"}, ValueError, "mesh and devices are both given"),
    ],
)
def test_bad_meshes_are_refused(settings, error, message):
    made = {
        "axes": lambda: Mesh(np.array(jax.devices()), ("rows",)),
        "plane": lambda: mesh(2, 4),
        "line": lambda: mesh(8),
    }
    settings = {name: made[value]() if name == "mesh" and value in made else value for name, value in settings.items()}
    net = fn.feedforward([4, 6, 3], objective=SOFTMAX)
    with pytest.raises(error, match=re.escape(message)):
        fn.fit(net, DESCENT, fn.Batch(normal(20, 4), labels(20)), key=KEY, progress=False, **settings)
