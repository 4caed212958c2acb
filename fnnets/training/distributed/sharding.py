"""Sharding of training over a mesh of several devices.

    minibatch        cut over the axis "data": device d derives from its share of the examples
    parameters       whole on every device; with `wide`, weight matrices of that many rows are cut over "model"
    optimiser        what it keeps of a parameter lies as the parameter does
    chains           (…, M, p) of an RBM are cut over "data" where it divides M

The backward pass does not depend on it: ∂C/∂w = Σ_n … over the examples becomes a sum over each device's own and one
all-reduce. The numbers are those of one device to rounding, samples and dropout included, as random bits are numbered
by their place in the whole array.

| symbol | name in code | shape |
|---|---|---|
| devices | `placement.mesh` | (data,) or (data, model) |
| weights W of a wide layer | leaves for which `is_wide` | (rows / model, …) a device |
"""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from fnnets.core import devices, penalty, sequences, validate
from fnnets.core.devices import DATA, MODEL
from fnnets.core.types import Batch, Network

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree


class Placement(NamedTuple):
    """A mesh, and from how many rows on a weight matrix is cut over its axis "model"; None for never."""

    mesh: Mesh
    wide: int | None


def placement(mesh: Mesh | None, all_devices: str | None, wide: int | None) -> Placement | None:
    """The placement by the arguments of `fit`, validated; None is one device.

    Raises:
        TypeError, ValueError: no mesh, or one without the axis "data"; a third axis; `wide` without an axis "model" or
            the reverse; several processes without a mesh of all their devices.

    >>> placement(None, "all", None).mesh.axis_names
    ('data',)
    """
    mesh = given_mesh("fit", mesh, all_devices, DATA)
    if mesh is None:
        _check_alone(wide)
        return None
    _check_axes(mesh, wide)
    return Placement(mesh, wide)


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
    automatic = (AxisType.Auto,) * len(mesh.axis_names)  # the compiler places what lies between
    return Mesh(mesh.devices, mesh.axis_names, axis_types=automatic)


def within(placed: Placement | None) -> AbstractContextManager[object]:
    """The context in which functions are traced for the mesh."""
    if placed is None:
        return contextlib.nullcontext()
    return jax.set_mesh(placed.mesh)


def cut(net: Network, batch: Batch) -> Batch:
    """The minibatch with its examples cut over the devices; within no mesh, as it is.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> net = fn.feedforward([2, 3], objective=fn.objectives.softmax_log_likelihood)
    >>> cut(net, fn.Batch(jnp.ones((4, 2)), jnp.arange(4) % 3)).inputs.shape
    (4, 2)
    """
    if devices.parts() == 1:
        return batch
    where = sequences.axes(net.layer.time)

    def over(array, axis):
        spec = PartitionSpec(*[None] * axis, DATA)
        return None if array is None else jax.lax.with_sharding_constraint(array, spec)

    return batch._replace(
        inputs=over(batch.inputs, where.inputs),
        targets=over(batch.targets, where.targets),
        mask=over(batch.mask, where.inputs),
    )


def whole(array: Array) -> Array:
    """The array on every device; within no mesh, as it is. Orders are small, and cutting them would be messages."""
    return array if devices.parts() == 1 else jax.lax.with_sharding_constraint(array, PartitionSpec())


def of_state(placed: Placement, optimizer: optax.GradientTransformation, state: PyTree) -> PyTree:
    """Shardings of the leaves of a training state, in a pytree like it.

    Raises:
        ValueError: the axis "model" does not divide the rows of a wide weight matrix.
    """

    def at(*spec):
        return NamedSharding(placed.mesh, PartitionSpec(*spec))

    def parameter(path, leaf):
        return at(MODEL) if is_wide(placed, path, leaf) else at()

    def chain(leaf):
        rows = leaf.shape[-2] if leaf.ndim > 1 else 1
        return at(*[None] * (leaf.ndim - 2), DATA) if leaf.ndim > 1 and rows % placed.mesh.shape[DATA] == 0 else at()

    params = jax.tree_util.tree_map_with_path(parameter, state.params)
    kept = optax.tree_utils.tree_map_params(
        optimizer, lambda leaf, where: where, state.optimizer_state, params, transform_non_params=lambda leaf: at()
    )
    everywhere = jax.tree.map(lambda leaf: at(), state)
    best = everywhere.best._replace(params=params)
    return everywhere._replace(params=params, optimizer_state=kept, best=best, memory=jax.tree.map(chain, state.memory))


def is_wide(placed: Placement, path: tuple[object, ...], leaf: Array) -> bool:
    """Whether a parameter is cut over "model": a weight matrix of at least `wide` rows.

    Raises:
        ValueError: the axis does not divide them.
    """
    if placed.wide is None or not penalty.is_weight(path) or leaf.ndim != 2 or leaf.shape[0] < placed.wide:
        return False
    size = placed.mesh.shape[MODEL]
    if leaf.shape[0] % size:
        raise ValueError(
            f"fit: wide is {placed.wide}, but the {leaf.shape[0]} rows of params{jax.tree_util.keystr(path)} are not "
            f"divided by the {size} devices of the axis 'model'; choose a width that {size} divides, or a larger wide"
        )
    return True


def place(state: PyTree, shardings: PyTree) -> PyTree:
    """The state on its devices; in several processes each gives the same state and keeps its own part."""

    def one(leaf, where):
        if not hasattr(leaf, "dtype"):  # a number, such as the size of a data set
            return leaf
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            data = one(jax.random.key_data(leaf), where)
            return jax.jit(jax.random.wrap_key_data, static_argnames="impl")(data, impl=jax.random.key_impl(leaf))
        host = np.asarray(leaf)  # copied for each device, as training takes over the buffers
        return jax.make_array_from_callback(host.shape, where, lambda index: np.array(host[index]))

    return jax.tree.map(one, state, shardings)


def everywhere(placed: Placement | None, tree: PyTree) -> PyTree:
    """Arrays whole on every device of the mesh."""
    if placed is None:
        return tree
    return place(tree, jax.tree.map(lambda leaf: NamedSharding(placed.mesh, PartitionSpec()), tree))


def local(key: Array) -> Array:
    """A key that every device holds, as one that this process computes with by itself."""
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    data = jnp.asarray(np.asarray(jax.random.key_data(key)))
    return jax.random.wrap_key_data(data, impl=jax.random.key_impl(key)) if typed else data


def _check_alone(wide) -> None:
    if wide is not None:
        raise ValueError(f"fit: wide is {wide} without a mesh, expected one with an axis 'model'; give mesh=…")
    if jax.process_count() > 1:
        raise ValueError(
            f"fit: {jax.process_count()} processes run together, expected them to share the work; give devices='all'"
        )


def _check_axes(mesh, wide) -> None:
    names = tuple(mesh.axis_names)
    if DATA not in names or not set(names) <= {DATA, MODEL}:
        raise ValueError(
            f"fit: mesh has the axes {names}, expected 'data' and, for wide layers, 'model'; "
            'make one with jax.make_mesh((4,), ("data",))'
        )
    if (MODEL in names) != (wide is not None):
        raise ValueError(
            f"fit: mesh has the axes {names} and wide is {wide}, expected an axis 'model' and wide together; "
            "wide=1024 cuts weight matrices of 1024 rows and more"
        )
    if wide is not None:
        validate.count(wide, "fit: wide", "give the rows from which a weight matrix is cut")
    if jax.process_count() > 1 and mesh.devices.size != jax.device_count():
        raise ValueError(
            f"fit: mesh holds {mesh.devices.size} of the {jax.device_count()} devices of all processes, expected all; "
            "give devices='all'"
        )
