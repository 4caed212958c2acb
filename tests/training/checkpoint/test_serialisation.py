"""States as bytes: every dtype, key and container comes back as it was, wherever it lay and shall lie."""

import os
import socket
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import fnnets as fn
from fnnets.training.checkpoint.manager import Checkpoint, managed
from fnnets.training.checkpoint.serialisation import CheckpointError, restore, serialise, verify
from fnnets.training.epoch import EpochReport, start
from fnnets.training.metrics import Metrics


def bits(leaf):
    return np.asarray(jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf).tobytes()


def same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert (x.dtype, x.shape, x.weak_type if hasattr(x, "weak_type") else None) == (
            (y.dtype, y.shape, y.weak_type if hasattr(y, "weak_type") else None)
        )
        assert bits(x) == bits(y)


def made(optimizer=None, key=None, **options):
    net = fn.rbm(3, 2, sampler=fn.boltzmann.persistent_contrastive_divergence(chains=5), **options)
    return start(net, optimizer or fn.training.momentum(0.1, 0.9), key=jax.random.key(0) if key is None else key)


def round_trip(state, like=None, reports=()):
    item, about = serialise(state, list(reports))
    verify(item, about)
    return restore(item, about, state if like is None else like)


def test_every_precision(dtype):
    state = made(optax.adam(1e-3))
    assert str(state.params.weights.dtype) == dtype
    same(round_trip(state).state, state)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "int8", "int32", "uint32", "bool"])
def test_every_dtype(dtype):
    state = made()._replace(memory={"odd": jnp.ones(3, jnp.uint8), "then": jnp.arange(7).astype(dtype), "none": ()})
    same(round_trip(state).state, state)


def test_numbers_that_are_none():
    """NaN with its payload, infinities, minus zero and subnormal numbers: bits, not values."""
    raw = jnp.array([0x7FC01234, 0xFF800000, 0x80000000, 0x00000001], jnp.uint32)
    state = made()._replace(memory=jax.lax.bitcast_convert_type(raw, jnp.float32))
    found = round_trip(state).state
    assert np.asarray(jax.lax.bitcast_convert_type(found.memory, jnp.uint32)).tolist() == raw.tolist()


@pytest.mark.parametrize(
    "key", [jax.random.PRNGKey(3), jax.random.key(3), jax.random.key(3, impl="rbg")], ids=["raw", "typed", "rbg"]
)
def test_every_kind_of_key(key):
    state = made(key=key)
    found = round_trip(state).state
    same(found, state)
    assert jax.random.uniform(found.key) == jax.random.uniform(state.key)


def test_empty_leaves_and_weak_types():
    state = made()._replace(memory=(jnp.zeros((0, 3)), jnp.asarray(0.1), jnp.asarray(3)))
    assert state.memory[1].weak_type
    same(round_trip(state).state, state)


def test_types_of_containers():
    state = made(optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-3)), centred=0.01)
    found = round_trip(state).state
    assert type(found.optimizer_state[1][0]).__name__ == "ScaleByAdamState"
    assert type(found.memory).__name__ == "Offsets"


def test_reports():
    reports = [
        EpochReport(
            np.bool_(True),
            {"training": Metrics(np.float32(i / 3), None), "validation": Metrics(np.float64(1 / 7), np.float32(0.1))},
        )
        for i in range(3)
    ]
    found = round_trip(made(), reports=reports).reports
    assert [each.metrics["training"] for each in found] == [each.metrics["training"] for each in reports]
    assert found[2].metrics["validation"] == reports[2].metrics["validation"]
    assert found[0].metrics["validation"].cost.dtype == np.float64
    assert round_trip(made()).reports == []
    assert len(round_trip(made(), reports=[EpochReport(np.bool_(True), {})] * 2).reports) == 2


def test_nothing_is_shared_with_the_state():
    state = made()
    item, about = serialise(state, [])
    given = jax.jit(lambda state: jax.tree.map(lambda leaf: leaf, state), donate_argnums=0)(state)
    verify(item, about)
    assert restore(item, about, given).state.epoch == 0


def over(devices, *spec):
    return NamedSharding(Mesh(np.array(jax.devices()[:devices]), ("data",)), PartitionSpec(*spec))


@pytest.mark.parametrize(("before", "after"), [(8, 1), (1, 8), (8, 2)])
def test_other_devices(before, after):
    def on(devices):
        state = jax.device_put(made(), over(devices))
        wide = jax.device_put(jnp.arange(48.0).reshape(16, 3), over(devices, "data"))
        return state._replace(memory=wide)

    found = round_trip(on(before), on(after)).state
    same(found, on(after))
    assert found.memory.sharding == over(after, "data")
    assert found.params.weights.sharding == over(after)
    assert found.key.sharding.is_fully_replicated


def test_arrays_that_nobody_has_placed_stay_so():
    assert not round_trip(made()).state.params.weights.committed


def test_a_state_of_another_kind():
    state = made()
    other = state._replace(key=jax.random.key(0, impl="rbg"))
    with pytest.raises(CheckpointError, match=r"\.key of uint32 \(2,\), a key of .*, expected \.key of uint32 \(4,\)"):
        round_trip(state, other)
    with pytest.raises(CheckpointError, match="arrays of a state"):
        round_trip(state, state._replace(position=()))


@pytest.mark.parametrize("position", [0, 17, -1])
def test_one_byte_is_enough(position):
    item, about = serialise(made(), [])
    item["bytes"][position] ^= 1
    with pytest.raises(CheckpointError):
        verify(item, about)


PROCESSES = """
import sys
import jax, jax.numpy as jnp, numpy as np
jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.distributed.initialize(f"127.0.0.1:{sys.argv[2]}", 2, int(sys.argv[3]))
from jax.sharding import Mesh, NamedSharding, PartitionSpec
import fnnets as fn
from fnnets.training.checkpoint.manager import Checkpoint, managed
from fnnets.training.epoch import start

mesh = Mesh(np.array(jax.devices()), ("data",))
net = fn.feedforward([3, 2], objective=fn.objectives.softmax_log_likelihood)
state = start(net, fn.training.momentum(0.1), key=jax.random.PRNGKey(0))
everywhere = lambda leaf: jax.make_array_from_callback(
    leaf.shape, NamedSharding(mesh, PartitionSpec()), lambda index: np.asarray(leaf)[index])
state = jax.tree.map(everywhere, state)
wide = jax.make_array_from_callback(
    (4, 3), NamedSharding(mesh, PartitionSpec("data")),
    lambda index: np.arange(12.0, dtype=np.float32).reshape(4, 3)[index])
best = state.best._replace(score=everywhere(jnp.float32(0.5)))
state = state._replace(epoch=everywhere(jnp.int32(1)), memory=(wide,), best=best)
spoil = jax.jit(lambda a: a * 0, donate_argnums=0)
for go in (1, 2):
    with managed(Checkpoint(sys.argv[1], minutes=1000), {}, state) as manager:
        found = manager.restore()
        if go == 1:
            assert found is None
            copy = jax.tree.map(jnp.copy, state)
            assert manager.due(copy, True) and not manager.due(copy, False)
            manager.save(copy, [])
            spoil(copy.memory[0])
        else:
            for a, b in zip(jax.tree.leaves(found.state), jax.tree.leaves(state), strict=True):
                assert a.sharding == b.sharding
                for x, y in zip(a.addressable_shards, b.addressable_shards, strict=True):
                    assert np.array_equal(x.data, y.data)
print("whole")
"""


def test_two_processes_save_and_one_goes_on(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=1"
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
    command = [sys.executable, "-c", PROCESSES, str(tmp_path), port]
    both = [
        subprocess.Popen([*command, str(i)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        for i in range(2)
    ]
    said = [each.communicate(timeout=100) for each in both]
    assert [out.split()[-1:] for out, _ in said] == [["whole"], ["whole"]], said
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["1", "best.safetensors"]
    net = fn.feedforward([3, 2], objective=fn.objectives.softmax_log_likelihood)
    like = start(net, fn.training.momentum(0.1), key=jax.random.PRNGKey(0))._replace(memory=(jnp.zeros((4, 3)),))
    with managed(Checkpoint(tmp_path), {}, like) as manager:
        found = manager.restore().state
    assert found.memory[0].tolist() == np.arange(12.0).reshape(4, 3).tolist()
    assert bits(found.params[0].weights) == bits(like.params[0].weights)
