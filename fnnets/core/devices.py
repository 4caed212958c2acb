"""The devices over which the arrays of a traced function may be cut, as `jax.set_mesh` has them.

Layers have no code for devices: a contraction over examples becomes one all-reduce by itself. Code that walks through
the examples block by block, which pays on one CPU, would gather them from all devices; it calls `is_cut` first.

Under `jax.shard_map` each device runs the function alone, on arrays of its own: nothing is cut.

Data and samples of an RBM are stacked part by part (`batches.stacked`), so that no device needs rows of another.
"""

from __future__ import annotations

import jax
from jax.sharding import AxisType

DATA, MODEL = "data", "model"  # the axes of a mesh: over examples, over units of wide layers


def is_cut() -> bool:
    """Whether arrays may be cut over several devices.

    >>> is_cut()
    False
    """
    mesh = jax.sharding.get_abstract_mesh()
    return any(kind != AxisType.Manual for kind in mesh.axis_types)


def parts() -> int:
    """Into how many parts `fit` cuts the examples of a minibatch; 1 outside of its mesh.

    >>> parts()
    1
    """
    mesh = jax.sharding.get_abstract_mesh()
    kinds = dict(zip(mesh.axis_names, mesh.axis_types, strict=True))
    return mesh.shape[DATA] if kinds.get(DATA) == AxisType.Auto else 1
