"""Fingerprints of runs, in JSON, saved with their states, so that another run does not go on from them.

| part | content |
|---|---|
| network | path, shape and dtype of each parameter; a hash of the jaxpr of the cost, with samples if it needs them |
| optimizer | the same of its state; a hash of its update's jaxpr; the scalars that it keeps, such as injected rates |
| data | kind; shape, dtype and CRC-32 of each array |
| run | the settings that `fit` hands over |
| jax, platform | where the hashes were made; others are no reason to refuse, so hashes are not compared then |

A jaxpr is the program that JAX sees: activation, penalty, dropout and learning rate are all in it. It is hashed as its
text, without the addresses of this process, followed by the arrays that it closes over.

In-memory arrays are read whole. Of memory-mapped files and streamed sources, which may be larger than memory, the
first and the last MiB stand for all, beside shape and dtype: a change in the middle is not seen. Of an iterable nothing
is known but its type and, where it has one, its length.
"""

from __future__ import annotations

import functools
import hashlib
import json
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike

from fnnets.core import jaxprs
from fnnets.core.calls import unchecked
from fnnets.core.types import Batch, Network
from fnnets.training.epoch import SAMPLER, TrainingState
from fnnets.training.inputs import Data

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

Fingerprint = dict[str, Any]  # values of JSON
PART = 2**20  # bytes at either end of what is not read whole
EXAMPLES, STEPS = 2, 3  # of the batch on which the cost is traced


def of(
    net: Network, optimizer: optax.GradientTransformation, train: Data, like_state: TrainingState, run: Fingerprint
) -> Fingerprint:
    """The fingerprint of a run, to be taken outside of any mesh, as a run may go on with other devices.

    Args:
        net: the network.
        optimizer: an optax transformation.
        train: a `Batch`, an `fnnets.data.Source` or an iterable of batches.
        like_state: the state with which the run begins.
        run: settings by name, of JSON's types.

    Raises:
        TypeError: `run` holds something that JSON cannot.

    >>> import jax, jax.numpy as jnp, optax, fnnets as fn
    >>> net = fn.feedforward([2, 1], objective=fn.objectives.linear_squared_error)
    >>> sgd, examples = optax.sgd(0.1), fn.Batch(jnp.ones((4, 2)), jnp.zeros((4, 1)))
    >>> made = of(net, sgd, examples, fn.training.start(net, sgd, key=jax.random.key(0)), {"batch_size": 2})
    >>> made["network"]["leaves"][0], made["data"]["inputs"]["shape"]
    (['params[0].weights', [1, 2], 'float32'], [4, 2])
    """
    state = jax.tree.map(_abstract, like_state)
    parts = {
        "network": {
            "leaves": _rows("params", state.params),
            "program": _program(_cost(net), *_arguments(net, state)),
        },
        "optimizer": {
            "leaves": _rows("state", state.optimizer_state),
            "program": _program(optimizer.update, state.params, state.optimizer_state, state.params),
            "scalars": _scalars(like_state.optimizer_state),
        },
        "data": _data(train),
        "run": run,
        "jax": jax.__version__,
        "platform": jax.default_backend(),
    }
    return json.loads(json.dumps(parts))  # as it comes back from disk: tuples are lists


def differences(saved: Fingerprint, now: Fingerprint) -> str | None:
    """The first part of a run that differs from the saved one, with the remedy, in one line; None where none does.

    >>> differences({"run": {"batch_size": 10}}, {"run": {"batch_size": 20}})
    'run: batch_size is 10 there and 20 here; set it as it was, or give this run another directory'
    """
    comparisons = (
        ("network", _leaves, "take the network of that run"),
        ("optimizer", _leaves, "take the optimizer of that run"),
        ("data", _arrays, "take the data of that run"),
        ("run", _settings, "set it as it was"),
        (
            "network",
            _programs(saved, now, "activations, objective, penalty or dropout differ"),
            "take the network of that run",
        ),
        ("optimizer", _programs(saved, now, "its rule or a rate differs"), "take the optimizer of that run"),
    )
    for part, compare, remedy in comparisons:
        text = compare(saved.get(part, {}), now.get(part, {}))
        if text:
            return f"{part}: {text}; {remedy}, or give this run another directory"
    return None


def contents(tree: PyTree) -> int:
    """A CRC-32 of all leaves of a pytree, one after another.

    >>> contents((np.ones(2), 3)) == contents((np.ones(2), 3)), contents(np.ones(2)) == contents(np.zeros(2))
    (True, False)
    """
    return functools.reduce(lambda crc, leaf: zlib.crc32(_contiguous(leaf), crc), jax.tree.leaves(tree), 0)


def caveat(saved: Fingerprint, now: Fingerprint) -> str | None:
    """The parts that `differences` could not compare, in one line; None where it compared all.

    >>> caveat({"jax": "0.7.0", "platform": "cpu"}, {"jax": "0.8.0", "platform": "cpu"})
    'saved under jax 0.7.0 on cpu, now jax 0.8.0 on cpu: only the shapes of network and optimizer could be compared'
    """
    if _made(saved) == _made(now):
        return None
    there, here = (f"jax {version} on {platform}" for version, platform in (_made(saved), _made(now)))
    return f"saved under {there}, now {here}: only the shapes of network and optimizer could be compared"


def _made(fingerprint: Fingerprint) -> tuple[str | None, str | None]:
    return fingerprint.get("jax"), fingerprint.get("platform")


def _leaves(saved, now) -> str:
    """The first leaf that differs."""
    there, here = saved.get("leaves", []), now.get("leaves", [])
    for came, wanted in zip(there, here, strict=False):
        if came != wanted:
            return f"{_leaf(came)} there and {_leaf(wanted)} here"
    if len(there) != len(here):
        more, side = max((there, "there"), (here, "here"), key=lambda pair: len(pair[0]))
        return f"{_leaf(more[min(len(there), len(here))])} {side} alone"
    return ""


def _leaf(row) -> str:
    path, shape, dtype = row
    return f"{path} of shape {tuple(shape)}, {dtype}"


def _arrays(saved, now) -> str:
    for name in saved | now:
        there, here = saved.get(name), now.get(name)
        if there == here:
            continue
        if not (isinstance(there, dict) and isinstance(here, dict)):
            return f"{name} is {_short(there)} there and {_short(here)} here"
        for what in ("shape", "dtype"):
            if there[what] != here[what]:
                return f"{name} has the {what} {there[what]} there and {here[what]} here"
        return f"the contents of {name} differ (CRC-32 {there['crc']:08x} there and {here['crc']:08x} here)"
    return ""


def _settings(saved, now) -> str:
    for name in saved | now:
        if saved.get(name) != now.get(name):
            return f"{name} is {_short(saved.get(name))} there and {_short(now.get(name))} here"
    return ""


def _programs(saved, now, text):
    """The comparison of two hashes, which are comparable only where the same JAX made both."""
    same = _made(saved) == _made(now)

    def compare(there, here) -> str:
        differ = any(there.get(name) != here.get(name) for name in ("program", "scalars"))
        return text if same and differ else ""

    return compare


def _short(value) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _abstract(leaf):
    return jax.ShapeDtypeStruct(jnp.shape(leaf), leaf.dtype) if hasattr(leaf, "dtype") else leaf


def _rows(name, tree) -> list[list[object]]:
    paths = jax.tree_util.tree_leaves_with_path(tree)
    return [[name + jax.tree_util.keystr(path), list(leaf.shape), str(leaf.dtype)] for path, leaf in paths]


def _scalars(tree) -> list[float]:
    leaves = [leaf for leaf in jax.tree.leaves(tree) if jnp.shape(leaf) == ()]
    return [float(leaf) for leaf in leaves if jnp.issubdtype(jnp.result_type(leaf), jnp.floating)]


def _cost(net: Network):
    """The cost as training sees it: with dropout, and with samples where the network needs them."""

    def cost(params, memory, batch, key):
        if net.sampler is None:
            return unchecked(net.cost)(params, batch, key=key)
        batch, memory = net.sampler.draw(params, memory, batch, jax.random.fold_in(key, SAMPLER))
        return unchecked(net.cost)(params, batch, key=key), net.sampler.transform_gradient(memory, params), memory

    return cost


def _arguments(net: Network, state) -> tuple[PyTree, ...]:
    """Abstract values of what the cost reads: a small batch in the parameters' precision."""
    time = net.layer.time
    dtype = next((leaf.dtype for leaf in jax.tree.leaves(state.params)), jnp.dtype("float32"))
    struct: Callable[..., PyTree] = jax.ShapeDtypeStruct
    inputs = (STEPS, EXAMPLES) if time != "pointwise" else (EXAMPLES,)
    targets = inputs if time != "sequence to vector" else (EXAMPLES,)
    batch = Batch(
        struct((*inputs, *net.input_shape), dtype),
        struct((*targets, *net.output_shape), dtype) if net.targets == "given" else None,
        dataset_size=struct((), dtype),
    )
    return state.params, state.memory, batch, struct((), jax.random.key(0).dtype)


def _program(function, *arguments) -> str:
    """A hash of the jaxpr of `function`, the same in every process."""
    program = jax.make_jaxpr(function)(*arguments)
    digest = hashlib.sha256(jaxprs.text(program).encode())
    for constant in jaxprs.constants(program):
        digest.update(str(jnp.shape(constant)).encode())
        digest.update(np.asarray(_numbers(constant)).tobytes())
    return digest.hexdigest()[:16]


def _numbers(constant):
    is_key = isinstance(constant, jax.Array) and jnp.issubdtype(constant.dtype, jax.dtypes.prng_key)
    return jax.random.key_data(constant) if is_key else constant


def _data(train: PyTree) -> Fingerprint:
    is_source = hasattr(train, "block") and hasattr(train, "pool")
    if not is_source and not isinstance(train, Batch):
        return {
            "kind": "iterable",
            "type": f"{type(train).__module__}.{type(train).__qualname__}",
            "length": len(train) if hasattr(train, "__len__") else None,
        }
    arrays = {name: getattr(train, name) for name in ("inputs", "targets", "mask")}
    found = {name: None if array is None else _array(array, is_source) for name, array in arrays.items()}
    if train.weights is not None:  # else as it was before there were weights
        found["weights"] = _array(train.weights, is_source)
    if not is_source:
        size = train.dataset_size
        return {"kind": "arrays", **found, "dataset_size": None if size is None else float(size)}
    transform = getattr(train.transform, "__qualname__", None if train.transform is None else "unnamed")
    return {"kind": "source", **found, "block": train.block, "pool": train.pool, "transform": transform}


def _array(array: Array | np.ndarray, in_parts: bool) -> Fingerprint:
    shape, dtype = [int(size) for size in array.shape], str(array.dtype)
    crc = _crc_of_ends(array) if in_parts or _is_mapped(array) else zlib.crc32(_contiguous(array))
    return {"shape": shape, "dtype": dtype, "crc": crc}


def _is_mapped(array: object) -> bool:
    """Whether an array of NumPy, or what it is a view of, lies in a file."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return True
        array = array.base
    return False


def _crc_of_ends(array: Array | np.ndarray) -> int:
    length = array.shape[0] if array.shape else 0
    row = int(np.prod(array.shape[1:], dtype=np.int64)) * np.dtype(array.dtype).itemsize
    rows = min(length, max(1, PART // max(1, row)))
    return zlib.crc32(_contiguous(array[length - rows :]), zlib.crc32(_contiguous(array[:rows])))


def _contiguous(array: ArrayLike) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
