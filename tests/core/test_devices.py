"""What a traced function is told of devices: nothing alone and under shard_map, the mesh's axes under fit's."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh
from jax.sharding import PartitionSpec as P

from fnnets.core import devices
from fnnets.kernels import paths


def seen():
    return devices.is_cut(), devices.parts(), paths.weights_by_patches((1, 2, 2, 1))


def test_alone_nothing_is_cut():
    assert seen() == (False, 1, True)
    assert jax.jit(lambda: jnp.array([int(each) for each in seen()]))().tolist() == [0, 1, 1]


def test_within_a_mesh_examples_are_cut_over_its_data_axis():
    grid = np.array(jax.devices()).reshape(4, 2)
    with jax.set_mesh(Mesh(grid, ("data", "model"), axis_types=(AxisType.Auto,) * 2)):
        assert jax.jit(lambda: jnp.array([int(each) for each in seen()]))().tolist() == [1, 4, 0]
    with jax.set_mesh(Mesh(grid, ("rows", "columns"), axis_types=(AxisType.Auto,) * 2)):
        assert jax.jit(lambda: jnp.array([int(each) for each in seen()]))().tolist() == [1, 1, 0]


def test_under_shard_map_each_device_is_alone():
    mesh = Mesh(np.array(jax.devices()), ("data",))
    told = []

    def one(x):
        told.append(seen())
        return x

    jax.jit(jax.shard_map(one, mesh=mesh, in_specs=P("data"), out_specs=P("data")))(jnp.arange(8))
    assert told[0] == (False, 1, True)
