"""Constructors that return one object for equal arguments.

    equal     functions and other objects by identity or their own ==, arrays by dtype, shape and values,
              numbers by type and value, tuples, lists and dicts part by part
    apart     arguments with an array that JAX traces, or with a part that cannot be hashed

A network that is built twice is one network: the functions of it are the same objects, so `jax.jit` compiles nothing
anew. JAX's setting of 64-bit numbers is part of the arguments, as initial parameters depend on it.

| symbol | name in code | shape |
|---|---|---|
| networks and layers that are held, for each constructor | `SIZE` | |
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Hashable
from typing import ParamSpec, TypeVar

import jax
import numpy as np

from fnnets.core import calls

P, R = ParamSpec("P"), TypeVar("R")
SIZE = 512
_caches: list[Callable[[], None]] = []


class _Call:
    """The arguments of a call, which `functools.lru_cache` compares by their key."""

    def __init__(self, key: Hashable, arguments: inspect.BoundArguments) -> None:
        self.key, self.arguments = key, arguments

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Call) and self.key == other.key


def constructor(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which gives the same object for equal arguments, and refuses a call that names others.

    >>> import fnnets as fn
    >>> fn.layers.dense(3) is fn.layers.dense(units=3), fn.layers.dense(3) == fn.layers.dense(4)
    (True, False)
    """
    signature = inspect.signature(function)

    @functools.lru_cache(maxsize=SIZE)
    def made(call: _Call) -> R:
        return function(*call.arguments.args, **call.arguments.kwargs)

    @functools.wraps(function)
    def construct(*args: P.args, **kwargs: P.kwargs) -> R:
        arguments = calls.bound(function.__name__, signature, args, kwargs)
        arguments.apply_defaults()
        try:
            call = _Call((jax.config.jax_enable_x64, key(tuple(arguments.arguments.values()))), arguments)  # type: ignore[attr-defined]
            hash(call)
        except TypeError:  # an argument that cannot be hashed: the function's own answer
            return function(*args, **kwargs)
        return made(call)

    _caches.append(made.cache_clear)
    return construct


def forget() -> None:
    """Empty the cache of every constructor: what is built next is traced and compiled anew."""
    for clear in _caches:
        clear()


def forgets(clear: Callable[[], None]) -> None:
    """Let `forget` call `clear` as well, which drops what was kept of networks and layers elsewhere."""
    _caches.append(clear)


def key(value: object) -> Hashable:
    """A value that is the same for equal arguments; a TypeError for a traced array.

    >>> key([1, 2]) == key([1, 2]), key(1) == key(1.0)
    (True, False)
    """
    if isinstance(value, jax.core.Tracer):
        raise TypeError("a traced array has no value")
    if isinstance(value, jax.Array | np.ndarray):
        array = np.asarray(value)
        return type(value), array.dtype.str, array.shape, array.tobytes()
    if isinstance(value, tuple | list):
        return tuple if isinstance(value, list) else type(value), tuple(map(key, value))
    if isinstance(value, dict):
        return dict, tuple((key(name), key(part)) for name, part in value.items())
    return type(value), value
