"""Serialisation of a training state: its leaves end to end as bytes, and a table of which lies where.

    bytes = leaf₀ ‖ leaf₁ ‖ …            one array to write, since a file for each small leaf costs more than its bytes

| symbol | name in code | shape |
|---|---|---|
| bytes | `item["bytes"]` | (total,) uint8 |
| a leaf whose parts lie in several processes | `item["leaf_<i>"]` | the leaf's |
| table | `about["leaves"]` | for each leaf its path, dtype, shape and, of a typed PRNG key, its kind |

The history's arrays follow the state's leaves. Every byte is covered by a checksum: the CRC-32 of `bytes`, and of a
leaf that stands apart the sum of its bytes modulo 2³², which the processes add up where the leaf lies.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.storage.errors import DataError
from fnnets.training.checkpoint.fingerprint import Fingerprint
from fnnets.training.epoch import EpochReport, TrainingState
from fnnets.training.metrics import Metrics

if TYPE_CHECKING:
    from jaxtyping import PyTree

Arrays = dict[str, np.ndarray]


class Saved(NamedTuple):
    """The content of a checkpoint: the state, and the reports of the epochs up to it."""

    state: TrainingState
    reports: list[EpochReport]


class CheckpointError(DataError, OSError):
    """A checkpoint is damaged, of another run, or cannot be written; the message is one line with the remedy.

    >>> issubclass(CheckpointError, ValueError), issubclass(CheckpointError, OSError)
    (True, True)
    """


class CheckpointAheadError(CheckpointError):
    """A directory's run has come further than is asked for.

    Attributes:
        epochs: the least number of epochs that takes it to the end of an epoch.
    """

    def __init__(self, text: str, epochs: int) -> None:
        super().__init__(text)
        self.epochs = epochs


def serialise(state: TrainingState, reports: Sequence[EpochReport]) -> tuple[Arrays, Fingerprint]:
    """`(item, about)`: the arrays to save, and in JSON's terms what is in them.

    The arrays share no memory with the state, whose buffers the next epoch may take over at once.

    >>> import jax, optax, fnnets as fn
    >>> net = fn.feedforward([2, 1], objective=fn.objectives.linear_squared_error)
    >>> state = fn.training.start(net, optax.sgd(0.1), key=jax.random.key(0))
    >>> item, about = serialise(state, [])
    >>> about["leaves"][0], item["bytes"].dtype.name
    (['.params[0].weights', 'float32', [1, 2], ''], 'uint8')
    """
    leaves = [(jax.tree_util.keystr(path), leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(state)]
    rows, near = [], []
    apart: dict[str, PyTree] = {}
    for i, (path, leaf) in enumerate(leaves + _columns(reports)):
        data = _data(leaf)
        rows.append(_row(path, leaf))
        if _is_apart(data):
            apart[f"leaf_{i}"] = jnp.copy(data)
        else:
            near.append(_as_bytes(data))
    content = np.concatenate(near)
    sums = {name: int(total) for name, total in _byte_sums(apart).items()} if apart else {}
    about = {"leaves": rows, "crc": zlib.crc32(content.data), "sums": sums, "epochs": len(reports)}
    return {"bytes": content, **apart}, about


def verify(item: Arrays, about: Fingerprint) -> None:
    """Raise a `CheckpointError` unless the arrays, now of NumPy, are those that `serialise` made.

    >>> verify({"bytes": np.zeros(3, np.uint8)}, {"leaves": [], "crc": 7, "sums": {}, "epochs": 0})
    Traceback (most recent call last):
    fnnets.training.checkpoint.serialisation.CheckpointError: is damaged, its checksum is not that of the saved bytes
    """
    sums = {name: int(np.sum(_as_bytes(item[name]), dtype=np.uint32)) for name in about["sums"]}
    if zlib.crc32(item["bytes"].data) != about["crc"] or sums != about["sums"]:
        raise CheckpointError("is damaged, its checksum is not that of the saved bytes")


def restore(item: Arrays, about: Fingerprint, like: TrainingState) -> Saved:
    """The state, with the types, dtypes and shardings of `like`, and the reports.

    Raises:
        CheckpointError: the saved leaves are not those of `like`; the message names the first path that differs.

    >>> import jax, optax, fnnets as fn
    >>> net = fn.feedforward([2, 1], objective=fn.objectives.linear_squared_error)
    >>> state = fn.training.start(net, optax.sgd(0.1), key=jax.random.key(0))
    >>> bool((restore(*serialise(state, []), state).state.params[0].weights == state.params[0].weights).all())
    True
    """
    leaves, structure = jax.tree.flatten(like)
    rows = about["leaves"]
    expected = [_row(jax.tree_util.keystr(path), leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(like)]
    _agree([row for row in rows if row[0].startswith(".")], expected)
    values = _values(item, rows)
    state = jax.tree.unflatten(structure, list(map(_placed, values, leaves)))  # the history's values are left over
    columns = {row[0]: value for row, value in zip(rows[len(leaves) :], values[len(leaves) :], strict=True)}
    return Saved(state, _reports(columns, about["epochs"]))


def _columns(reports) -> list[tuple[str, np.ndarray]]:
    """The reports as one array for each metric of each data set, under "name/metric"."""
    names = reports[0].metrics if reports else ()
    return [
        (f"{name}/{field}", np.stack([np.asarray(getattr(report.metrics[name], field)) for report in reports]))
        for name in names
        for field in Metrics._fields
        if getattr(reports[0].metrics[name], field) is not None
    ]


def _reports(columns: dict[str, np.ndarray], epochs: int) -> list[EpochReport]:
    names = dict.fromkeys(path.rsplit("/", 1)[0] for path in columns)

    def metrics(name, epoch):
        columns_of = [columns.get(f"{name}/{field}") for field in Metrics._fields]
        values: PyTree = [None if column is None else column[epoch] for column in columns_of]
        return Metrics(*values)

    finite: PyTree = np.bool_(True)  # no other epochs are reported
    return [EpochReport(finite, {name: metrics(name, epoch) for name in names}) for epoch in range(epochs)]


def _is_key(leaf) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _data(leaf):
    """The leaf itself, or the numbers of a typed PRNG key."""
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _row(path: str, leaf) -> list[object]:
    data = _data(leaf)
    return [path, str(data.dtype), list(data.shape), str(jax.random.key_impl(leaf)) if _is_key(leaf) else ""]


def _is_apart(data) -> bool:
    """Whether no single process sees all of an array."""
    return isinstance(data, jax.Array) and not (data.is_fully_addressable or data.is_fully_replicated)


def _as_bytes(data) -> np.ndarray:
    return np.ascontiguousarray(data).reshape(-1).view(np.uint8)


@jax.jit
def _byte_sums(leaves: dict[str, jax.Array]) -> dict[str, jax.Array]:
    def total(leaf):
        if leaf.dtype == bool:
            return jnp.sum(leaf, dtype=jnp.uint32)
        return jnp.sum(jax.lax.bitcast_convert_type(leaf, jnp.uint8), dtype=jnp.uint32)

    return jax.tree.map(total, leaves)


def _values(item, rows) -> list[np.ndarray]:
    """The leaves as arrays of NumPy, in the order of the table."""
    values, position = [], 0
    for i, (_, name, shape, _) in enumerate(rows):
        if f"leaf_{i}" in item:
            values.append(np.asarray(item[f"leaf_{i}"]))
            continue
        dtype = jnp.dtype(name)
        size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        # A copy, since the bytes of one leaf need not lie where its dtype may begin.
        values.append(item["bytes"][position : position + size].copy().view(dtype).reshape(shape))
        position += size
    return values


def _placed(value: np.ndarray, leaf):
    """`value` as an array of the kind of `leaf`, where `leaf` lies."""
    if not isinstance(leaf, jax.Array):
        return value
    if not leaf.committed:  # an array without a place of its own, which goes wherever the others are
        placed = jnp.array(value.item() if getattr(leaf, "weak_type", False) and not leaf.ndim else value)
    else:
        placed = jax.make_array_from_callback(value.shape, leaf.sharding, lambda index: value[index])
    return jax.random.wrap_key_data(placed, impl=jax.random.key_impl(leaf)) if _is_key(leaf) else placed


def _agree(saved, expected) -> None:
    """Raise unless both tables agree on each leaf of the state."""
    for came, wanted in zip(saved, expected, strict=False):
        if came != wanted:
            raise CheckpointError(
                f"fit: checkpoint holds {_shown(came)}, expected {_shown(wanted)}; it is of another run: "
                "give this one another directory"
            )
    if len(saved) != len(expected):
        raise CheckpointError(
            f"fit: checkpoint holds {len(saved)} arrays of a state, expected {len(expected)}; it is of another run: "
            "give this one another directory"
        )


def _shown(row) -> str:
    path, dtype, shape, kind = row
    return f"{path} of {dtype} {tuple(shape)}" + (f", a key of {kind}" if kind else "")
