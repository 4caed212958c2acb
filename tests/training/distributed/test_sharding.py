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
        shared = fn.fit(net, DESCENT, train, devices="all", **settings)
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


def test_chains_are_cut_and_parameters_are_whole():
    net, data = CASES["persistent"]
    result = fn.fit(net, DESCENT, data(32), key=KEY, epochs=1, devices="all", progress=False)
    assert result.state.memory.addressable_shards[0].data.shape == (2, 6)
    assert all(leaf.sharding.is_fully_replicated for leaf in jax.tree.leaves(result.params))


def test_a_result_on_a_mesh_goes_on_without_one_and_the_other_way():
    net, data = CASES["feedforward"]
    settings = {"batch_size": 8, "progress": False}
    whole = fn.fit(net, DESCENT, data(32), key=KEY, epochs=2, **settings)
    for first, second in (({"devices": "all"}, {}), ({}, {"devices": "all"})):
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
