"""Training on several devices, each with a share of every minibatch.

    minibatch        each device derives from its share; equal shares, of which the last are filled up with weight 0
    gradients        one sum over the devices, then each makes the same step
    parameters       whole on every device, and so is what the optimiser keeps
    chains           (…, M, p) of an RBM are cut over the devices where their number divides M

The epoch of one device runs on each, in `jax.shard_map` over the axis "data" (`fnnets.core.shares`). The numbers are
those of one device to rounding, samples and dropout included, as random bits are numbered by their place in the whole
minibatch. Keys of other kinds than JAX's default do not number them: with those each device draws for all and keeps its
rows.

| symbol | name in code | shape |
|---|---|---|
| devices | `mesh` | (data,) |
| examples of a minibatch, of a share | `size`, ⌈size / devices⌉ | () |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from fnnets.core import averages, sequences, shares, validate
from fnnets.core.shares import DATA
from fnnets.core.types import Batch, Network

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree


def placement(mesh: Mesh | None, all_devices: str | None) -> Mesh | None:
    """The mesh by the arguments of `fit`, validated; None is one device.

    Raises:
        TypeError, ValueError: no mesh, or one with other axes than "data"; several processes without a mesh of all
            their devices.

    >>> placement(None, "all").axis_names
    ('data',)
    """
    mesh = given_mesh("fit", mesh, all_devices, DATA)
    if mesh is None:
        if jax.process_count() > 1:
            raise ValueError(
                f"fit: {jax.process_count()} processes run together, expected them to share the work; give "
                "devices='all'"
            )
        return None
    _check_mesh(mesh)
    return mesh


def given_mesh(user: str, mesh: Mesh | None, all_devices: str | None, axis: str) -> Mesh | None:
    """The mesh that a user gave, or one of all devices along `axis`; None is one device.

    Raises:
        TypeError, ValueError: no mesh, both a mesh and devices, or other words than "all".

    >>> given_mesh("fit", None, "all", "data").axis_names
    ('data',)
    """
    if mesh is not None and all_devices is not None:
        raise ValueError(f"{user}: mesh and devices are both given, expected one; devices='all' makes a mesh of all")
    if all_devices not in (None, "all"):
        raise ValueError(f"{user}: devices is {all_devices!r}, expected 'all' or None; for some devices give a mesh")
    if all_devices == "all":
        mesh = Mesh(np.array(jax.devices()), (axis,))
    if mesh is None:
        return None
    validate.is_instance(mesh, Mesh, f"{user}: mesh", f'make one with jax.make_mesh((4,), ("{axis}",))')
    automatic = (AxisType.Auto,) * len(mesh.axis_names)
    return Mesh(mesh.devices, mesh.axis_names, axis_types=automatic)


def over(mesh: Mesh | None, function: Callable[..., PyTree], *specs: PyTree, out: PyTree) -> Callable[..., PyTree]:
    """`function` on each device, of its parts of the arguments; without a mesh, as it is.

    Args:
        mesh: the devices.
        function: what each of them runs.
        specs: where the leaves of each argument lie, by its leaves or for all of them.
        out: where those of the result lie.
    """
    if mesh is None:
        return function
    # Leaves that are whole are equal on all devices, as each makes the same steps; JAX need not follow that.
    return jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=out, check_vma=False)


def share(time, batch: Batch, indices: Array) -> Batch:
    """The examples at this device's part of `indices`, (size,) of a minibatch that all devices know, with W.

    >>> import jax.numpy as jnp
    >>> share("pointwise", Batch(jnp.arange(6.0)[:, None]), jnp.array([3, 1])).inputs.ravel().tolist()
    [3.0, 1.0]
    """
    size, (rows, start) = len(indices), part(len(indices))
    filled = jnp.pad(indices, (0, rows * shares.count() - size))
    own = real(sequences.take(time, batch, jax.lax.dynamic_slice_in_dim(filled, start, rows)), size)
    if batch.weights is None:
        return own._replace(total_weight=size)
    of_all = sequences.take(time, batch._replace(inputs=_outline(batch.inputs, time), targets=None), indices)
    return own._replace(total_weight=averages.weight(time, of_all))


def real(own: Batch, size: int) -> Batch:
    """A share of a minibatch of `size` examples, of which those that fill up the last shares have the weight 0."""
    is_real = are_real(size)
    if is_real is None:
        return own
    if own.weights is None:
        return own._replace(weights=is_real.astype(jnp.result_type(float)))
    return own._replace(weights=jnp.where(is_real, own.weights, 0))


def are_real(size: int) -> Array | None:
    """For each example of a share whether it is one of the minibatch; None where all are."""
    rows, start = part(size)
    return None if rows * shares.count() == size else start + jnp.arange(rows, dtype=jnp.int32) < size


def part(size: int) -> tuple[int, Array | int]:
    """The rows of a share of `size` examples, and the first of them.

    >>> part(10)
    (10, 0)
    """
    rows = -(-size // shares.count())
    return rows, rows * shares.index()


def key_of(net: Network, key: Array, size: int) -> Array:
    """The key for what a share of `size` examples draws: the numbers that one device would draw for all."""
    rows, start = part(size)
    return key if shares.count() == 1 else shares.key_of(key, start, rows, size, sequences.axes(net.layer.time).inputs)


def key_of_chains(net: Network, key: Array, params: PyTree, size: int) -> Array:
    """The key for a sampler: along its chains where they are cut, plain where they are whole, else along the data."""
    if net.sampler is None or shares.count() == 1:
        return key
    chains = [leaf for leaf in jax.tree.leaves(jax.eval_shape(net.sampler.start, params, key)) if leaf.ndim > 1]
    if not chains:
        return key_of(net, key, size)
    is_cut = _chains(shares.count(), chains[0]) != PartitionSpec()
    return key_of(net, key, chains[0].shape[-2]) if is_cut else key


def of_state(mesh: Mesh | None, state: PyTree) -> PyTree:
    """Where the leaves of a training state lie, in a pytree like it: all of them whole, but for the chains."""
    if mesh is None:
        return None
    everywhere = jax.tree.map(lambda leaf: PartitionSpec(), state)
    return everywhere._replace(memory=jax.tree.map(lambda leaf: _chains(mesh.shape[DATA], leaf), state.memory))


def _chains(count: int, leaf: PyTree) -> PartitionSpec:
    """(…, M, p) cut along M where it can be."""
    has_rows = leaf.ndim > 1 and leaf.shape[-2] % count == 0
    return PartitionSpec(*[None] * (leaf.ndim - 2), DATA) if has_rows else PartitionSpec()


def place(mesh: Mesh, state: PyTree, specs: PyTree) -> PyTree:
    """The state on its devices; in several processes each gives the same state and keeps its own part."""

    def one(leaf, spec):
        if not hasattr(leaf, "dtype"):  # a number, such as the size of a data set
            return leaf
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            data = one(jax.random.key_data(leaf), spec)
            return jax.jit(jax.random.wrap_key_data, static_argnames="impl")(data, impl=jax.random.key_impl(leaf))
        host = np.asarray(leaf)  # copied for each device, as training takes over the buffers
        where = NamedSharding(mesh, spec)
        return jax.make_array_from_callback(host.shape, where, lambda index: np.array(host[index]))

    return jax.tree.map(one, state, specs)


def everywhere(mesh: Mesh | None, tree: PyTree) -> PyTree:
    """Arrays whole on every device of the mesh."""
    return tree if mesh is None else place(mesh, tree, jax.tree.map(lambda leaf: PartitionSpec(), tree))


def on_one(tree: PyTree) -> PyTree:
    """Arrays that lie on several devices of this process as arrays on its default one; others as they are.

    >>> on_one(jnp.ones(2)).tolist()
    [1.0, 1.0]
    """

    def one(leaf):
        if not isinstance(leaf, jax.Array) or len(leaf.sharding.device_set) == 1 or not leaf.is_fully_addressable:
            return leaf
        return local(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else jnp.asarray(np.asarray(leaf))

    return jax.tree.map(one, tree)


def local(key: Array) -> Array:
    """A key that every device holds, as one that this process computes with by itself."""
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    data = jnp.asarray(np.asarray(jax.random.key_data(key)))
    return jax.random.wrap_key_data(data, impl=jax.random.key_impl(key)) if typed else data


def _outline(inputs: Array, time) -> Array:
    """Inputs without numbers, of as many examples, so that weights alone are gathered."""
    n = inputs.shape[sequences.axes(time).inputs]
    return jnp.zeros((n, 0) if time == "pointwise" else (inputs.shape[0], n, 0), inputs.dtype)


def _check_mesh(mesh: Mesh) -> None:
    names = tuple(mesh.axis_names)
    if names != (DATA,):
        raise ValueError(
            f"fit: mesh has the axes {names}, expected 'data' alone, over which the examples are shared; make one "
            'with jax.make_mesh((4,), ("data",))'
        )
    if jax.process_count() > 1 and mesh.devices.size != jax.device_count():
        raise ValueError(
            f"fit: mesh holds {mesh.devices.size} of the {jax.device_count()} devices of all processes, expected all; "
            "give devices='all'"
        )
