"""Trained parameters in one file that other programs read: safetensors, with the paths of the parameters as names.

    params of a chain (DenseParams(W, b), …)      "0.weights", "0.biases", "1.weights", …

The file holds every number bit for bit, in its dtype; it is whole or not there. The type of the parameters is not in
it: `load` takes it from a network, and refuses a file that does not fit. `safetensors.numpy.load_file`, and its
siblings for other libraries, read the same file.

| symbol | name in code | shape |
|---|---|---|
| parameters | `params` | a pytree of arrays |
| names | `jax.tree_util.keystr(path, simple=True, separator=".")` | one a leaf |
| notes | `about` | dict of str to str |

Source: https://huggingface.co/docs/safetensors, the format.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import calls
from fnnets.core.types import Network
from fnnets.storage import files
from fnnets.storage.errors import DataError

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

CODES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "bool": "BOOL",
    "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8",
    "uint64": "U64", "uint32": "U32", "uint16": "U16", "uint8": "U8",
}  # fmt: skip
RESERVED = "__metadata__"  # by the format


@calls.strict("save")
def save(params: PyTree, path: str | os.PathLike[str], about: Mapping[str, str] | None = None) -> Path:
    """Write parameters to one safetensors file, in place of the one that may be there; the folder is made if need be.

    Args:
        params: a pytree of arrays.
        path: the file; its name mostly ends in ".safetensors".
        about: what to note beside them, such as the accuracy; `about` reads it back.

    Raises:
        ImportError: safetensors is not installed.
        TypeError: a leaf is no array of numbers, or `about` no dict of str to str.
        ValueError: two leaves have one name; `params` is None, or `path` no path.
        DataNotWrittenError: a `ValueError` and an `OSError`: `path` is a folder, or the operating system refuses; what
            was at `path` is still there.

    >>> import tempfile, jax, fnnets as fn
    >>> net = fn.feedforward([2, 3, 1], objective=fn.objectives.linear_squared_error)
    >>> params = net.init(jax.random.key(0))
    >>> path = save(params, Path(tempfile.mkdtemp()) / "net.safetensors", {"trained": "no"})
    >>> again = load(path, net)
    >>> type(again[0]).__name__, bool((again[0].weights == params[0].weights).all()), about(path)
    ('DenseParams', True, {'trained': 'no'})
    """
    module, notes = safetensors("save"), _notes(about)
    if params is None:
        raise ValueError(
            "save: params is None, expected a pytree of arrays; give those of net.init, or of fit's result"
        )
    files.writable(path, "save: path")
    arrays = {name: _array(name, leaf) for name, leaf in _named(params, "save: params").items()}
    return files.write(path, lambda temporary: temporary.write_bytes(module.save(arrays, notes)), "save: path")


@calls.strict("load")
def load(path: str | os.PathLike[str], net: PyTree) -> PyTree:
    """The parameters in a file, as the network has them: its types, its shapes, its dtypes.

    Args:
        path: a file that `save` has written, or another program with the same names.
        net: a `Network`, or a pytree of arrays or `jax.ShapeDtypeStruct`s, for parameters of another dtype.

    Raises:
        ImportError: safetensors is not installed.
        TypeError, ValueError: `net` is neither, or `path` no path.
        DataNotFoundError: there is no such file.
        DataError: the file is no safetensors file or is not whole; its names, shapes or dtypes are not those of
            `net`, of which the first that differs is named; it holds 64-bit numbers, but JAX is set to 32 bits.

    >>> load("no/such/file.safetensors", {"weights": jnp.ones(2)})
    Traceback (most recent call last):
    fnnets.storage.errors.DataNotFoundError: load: path is no/such/file.safetensors, expected a file, but
    there is none; save writes it
    """
    expected = _expected(net)
    wanted = _named(expected, "load: net")
    with _opened(path, "load") as file:
        found = {name: _kind(file, name) for name in file.keys()}  # noqa: SIM118, no dict
        _agree(found, wanted, f"load: path is {os.fspath(path)}, which holds")
        leaves = [jnp.array(file.get_tensor(name)) for name in wanted]
    return jax.tree.unflatten(jax.tree.structure(expected), leaves)


@calls.strict("about")
def about(path: str | os.PathLike[str]) -> dict[str, str]:
    """Notes that `save` has written beside the parameters; {} where it was nothing.

    Raises:
        ImportError, DataNotFoundError, DataError: as for `load`.

    >>> import tempfile
    >>> about(save({"weights": jnp.ones(2)}, Path(tempfile.mkdtemp()) / "a.safetensors"))
    {}
    """
    with _opened(path, "about") as file:
        return dict(file.metadata() or {})


def safetensors(user: str) -> ModuleType:
    """The module `safetensors.numpy`, imported only now, since `import fnnets` must do without it.

    Raises:
        ImportError: it is not installed; the message names the extra that brings it.

    >>> safetensors("save").__name__
    'safetensors.numpy'
    """
    try:
        return importlib.import_module("safetensors.numpy")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != "safetensors":
            raise
        message = f"{user} needs safetensors, which is not installed; run: pip install fnnets[checkpoint]"
        raise ImportError(message, name="safetensors") from None


@contextlib.contextmanager
def _opened(path, user: str) -> Iterator[Any]:
    module = safetensors(user)
    file = files.readable(path, f"{user}: path", "save writes it")
    try:
        opened = module.safe_open(file, framework="numpy")
    except Exception as error:  # whatever a parser raises on a damaged file
        raise DataError(
            f"{user}: path is {file}, no whole safetensors file ({' '.join(str(error).split())}), expected one; "
            "get it again"
        ) from None
    with opened as found:
        yield found


def _expected(net) -> PyTree:
    if net is None:
        raise TypeError("load: net is None, expected a fnnets.Network, or a pytree of arrays; give the file's own")
    if isinstance(net, str | os.PathLike):
        raise TypeError(f"load: net is the path {os.fspath(net)!r}, expected a fnnets.Network; write load(path, net)")
    return jax.eval_shape(net.init, jax.random.key(0)) if isinstance(net, Network) else net


def _named(tree, argument: str) -> dict[str, Array]:
    """The leaves of a pytree under their names, in its order."""
    named: dict[str, Array] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        if not (hasattr(leaf, "dtype") and hasattr(leaf, "shape") and leaf.dtype.name in CODES):
            came = getattr(leaf, "dtype", type(leaf).__name__)
            raise TypeError(f"{argument} has {came} at {name!r}, expected an array of numbers; {_instead(tree)}")
        if name in named:
            raise ValueError(f"{argument} has two leaves named {name!r}, expected a name for each; rename a dict's key")
        if name == RESERVED:
            raise ValueError(f"{argument} has a leaf named {name!r}, expected another name; the format uses this one")
        named[name] = leaf
    return named


def _instead(tree) -> str:
    """The remedy for what holds more than arrays of numbers."""
    if hasattr(tree, "params"):
        return "give its field params, as result.params of result = fit(…)"
    if isinstance(tree, Network):
        return "give parameters, as result.params of result = fit(…)"
    return "use jnp.asarray, and jax.random.key_data for keys"


def _array(name: str, leaf) -> np.ndarray:
    if isinstance(leaf, jax.core.Tracer | jax.ShapeDtypeStruct):
        raise TypeError(f"save: params has no values at {name!r} ({leaf}), expected an array; save outside of jit")
    return np.asarray(leaf, order="C")  # the format writes memory as it lies


def _notes(about) -> dict[str, str] | None:
    if about is None:
        return None
    if not isinstance(about, Mapping) or not all(isinstance(text, str) for pair in about.items() for text in pair):
        raise TypeError(f"save: about is {about!r}, expected a dict of str to str; use str(value)")
    return dict(about)


def _kind(file, name: str) -> tuple[str, tuple[int, ...]]:
    part = file.get_slice(name)
    return part.get_dtype(), tuple(part.get_shape())


def _agree(found: dict[str, tuple[str, tuple[int, ...]]], wanted: dict[str, Array], holds: str) -> None:
    """Raise unless the file holds what is wanted, no more and no less; messages begin with `holds`."""
    remedy = "load it into the network that it was saved from"
    for name, leaf in wanted.items():
        if name not in found:
            others = ", ".join(sorted(found)[:6]) or "nothing"
            raise DataError(f"{holds} no {name!r} but {others}, expected what net has; {remedy}")
        code, shape = found[name]
        if shape != tuple(leaf.shape):
            raise DataError(f"{holds} {name!r} of shape {shape}, expected {tuple(leaf.shape)} as net has; {remedy}")
        if code in ("F64", "I64", "U64") and jax.dtypes.canonicalize_dtype(np.float64) != np.float64:
            raise DataError(
                f"{holds} {name!r} in 64 bits ({code}), expected 32, to which JAX is set; "
                "set jax_enable_x64, or save it in float32"
            )
        if code != CODES[leaf.dtype.name]:
            raise DataError(
                f"{holds} {name!r} in {_dtype(code)}, expected {leaf.dtype.name}; "
                f"give net=jax.tree.map(lambda leaf: leaf.astype({_dtype(code)!r}), params), or save it in another"
            )
    for name in sorted(found):
        if name not in wanted:
            raise DataError(f"{holds} {name!r} of shape {found[name][1]}, expected no such name in net; {remedy}")


def _dtype(code: str) -> str:
    return next((name for name, each in CODES.items() if each == code), code)
