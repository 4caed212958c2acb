"""Blocks of examples give what all of them give at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from fnnets.kernels import blocks


@pytest.mark.parametrize("each", [1, 2, 3, 7, 9])
def test_blocks_give_what_all_examples_give(each):
    """7 examples: blocks that are full, that are not, and one alone; integers, so that no rounding is in the way."""
    x, y = np.arange(14).reshape(7, 2), np.arange(7)
    mapped = blocks.mapped(lambda x, y: (x.sum(axis=1) * y, x + 1), each, x, y)
    np.testing.assert_array_equal(mapped[0], x.sum(axis=1) * y)
    np.testing.assert_array_equal(mapped[1], x + 1)
    summed = blocks.summed(lambda x, y: [x.T @ y, y.sum()], each, x, y)
    np.testing.assert_array_equal(summed[0], x.T @ y)
    assert summed[1] == 21


def test_blocks_of_a_share_stay_on_their_device():
    """Under shard_map, where the first of a scan's sums must vary over devices as the others do."""
    mesh = Mesh(np.array(jax.devices()[:2]), ("data",))

    def share(x):
        return jax.lax.psum(blocks.summed(jnp.sum, 2, x), "data"), blocks.mapped(lambda x: 2 * x, 2, x)

    total, doubled = jax.jit(jax.shard_map(share, mesh=mesh, in_specs=P("data"), out_specs=(P(), P("data"))))(
        jnp.arange(10)
    )
    assert total == 45
    np.testing.assert_array_equal(doubled, 2 * np.arange(10))
