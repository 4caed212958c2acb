"""Kinds of arguments: a valid value, and values that are wrong for that kind, whatever the function.

| kind | what is wrong, one at a time |
|---|---|
| `count`, `number` | another type, out of range, NaN, infinite, complex, several numbers |
| `choice`, `flag`, `key`, `shape` | another type, no option, several |
| `array` | another type, dtype, rank, size, NaN, none at all |
| `batch`, `params`, `instance`, `function` | another type, or one of their parts |
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

import fnnets as fn


class Kind(NamedTuple):
    """A valid value of an argument, and wrong ones by what is wrong with them."""

    valid: Any
    wrong: dict[str, Any]

    def also(self, **wrong: Any) -> Kind:
        """The kind with more wrong values, or others: those that the function's own domain excludes."""
        return self._replace(wrong=self.wrong | wrong)

    def but(self, *allowed: str) -> Kind:
        """The kind without those wrong values that this function takes."""
        unknown = set(allowed) - set(self.wrong)
        assert not unknown, unknown
        return self._replace(wrong={name: value for name, value in self.wrong.items() if name not in allowed})


def count(valid: Any, least: int = 1) -> Kind:
    """A whole number ≥ `least`; `.but("none")` where it may be left out."""
    wrong = {"below": least - 1, "far below": least - 100, "fraction": least + 0.5, "float": float(least + 1)}
    others = {"text": "3", "flag": True, "none": None, "list": [3], "nan": math.nan, "array": np.array([1, 2])}
    return Kind(valid, wrong | others)


def number(valid: Any, low: float = -math.inf, high: float = math.inf, *, open: str = "") -> Kind:
    """A finite number in [low, high]; `open` names the ends ("low", "high") that do not belong to it."""
    wrong: dict[str, Any] = {"text": "0.5", "nan": math.nan, "flag": True, "none": None, "list": [0.5]}
    wrong |= {"complex": 0.5 + 0j, "array": np.array([0.5, 0.5]), "infinite": math.inf}
    if low > -math.inf:
        wrong["below"] = low if "low" in open else low - 1e-3
    if high < math.inf:
        wrong["above"] = high if "high" in open else high + 1e-3
    return Kind(valid, wrong)


def choice(valid: Any) -> Kind:
    """One of several words."""
    return Kind(valid, {"misspelt": f"{valid}x", "empty": "", "number": 3, "none": None, "list": [valid]})


def flag(valid: bool) -> Kind:
    """True or False."""
    return Kind(valid, {"text": "yes", "number": 1, "none": None, "list": [True], "array": np.array([True, False])})


def key(valid: Any = None) -> Kind:
    """One PRNG key."""
    valid = jax.random.key(0) if valid is None else valid
    wrong = {"number": 0, "none": None, "text": "key", "floats": np.zeros(2), "several": jax.random.split(valid)}
    return Kind(valid, wrong)


def shape(valid: Sequence[int]) -> Kind:
    """The shape of one example."""
    wrong = {"number": 3, "none": None, "text": "abc", "zero": (0, *valid[1:]), "float": (2.5, *valid[1:])}
    return Kind(valid, wrong | {"negative": (-1, *valid[1:])})


def array(valid: Any, *, sized: bool = True, finite: bool = True) -> Kind:
    """An array whose last axis has one size only where it is `sized`, and which holds finite numbers where `finite`."""
    values = np.asarray(valid)
    wrong: dict[str, Any] = {"none": None, "text": "abc", "ragged": [[1.0, 2.0], [3.0]], "object": object()}
    wrong |= {"complex": values.astype(complex), "wide": values.astype(np.longdouble), "words": np.array(["a", "b"])}
    wrong |= {"more axes": values[None, None], "number": 3.5}
    if sized:
        wrong["size"] = np.concatenate([values, values[..., :1]], axis=-1)
    if finite and values.dtype.kind == "f":
        wrong |= {"nan": _with(values, math.nan), "infinite": _with(values, math.inf)}
    return Kind(valid, wrong)


def labels(valid: Any, classes: int) -> Kind:
    """Integer labels below `classes`."""
    values = np.asarray(valid)
    wrong = {"none": None, "text": "abc", "above": _with(values, classes), "below": _with(values, -1)}
    wrong |= {"floats": values + 0.5, "complex": values.astype(complex), "short": values[:-1]}
    return Kind(valid, wrong | {"more axes": np.stack([values, values, values], axis=-1), "number": 3})


def batch(valid: fn.Batch) -> Kind:
    """A `Batch`; its inputs and targets wrong as arrays are."""
    wrong: dict[str, Any] = {"none": None, "pair": (valid.inputs, valid.targets), "array": np.asarray(valid.inputs)}
    wrong |= {"text": "data", "fields": {"inputs": valid.inputs}, "fraction": 0.2}
    x = np.asarray(valid.inputs)
    for name, value in array(x).wrong.items():
        wrong[f"inputs {name}"] = valid._replace(inputs=value)
    wrong["inputs no examples"] = valid._replace(inputs=x[..., :0])
    if valid.targets is not None:
        y = np.asarray(valid.targets)
        kind = array(y) if y.dtype.kind == "f" else labels(y, 10**6)
        for name, value in kind.wrong.items():
            wrong[f"targets {name}"] = valid._replace(targets=value)
    if valid.mask is None:
        wrong["mask of no sequences"] = valid._replace(mask=np.ones((3, 4, 5), bool))
    wrong["dataset_size zero"] = valid._replace(dataset_size=0)
    ones = np.ones(x.shape[1 if valid.mask is not None else 0], np.float32)
    bad = {"short": ones[1:], "below 0": -ones, "all zero": 0 * ones, "text": "abc", "nan": np.nan * ones}
    wrong |= {f"weights {name}": valid._replace(weights=value) for name, value in bad.items()}
    return Kind(valid, wrong | {"dataset_size text": valid._replace(dataset_size="ten")})


def params(valid: Any) -> Kind:
    """Parameters of one network."""
    leaves, structure = jax.tree.flatten(valid)
    wrong: dict[str, Any] = {"none": None, "empty": (), "text": "params", "leaves": leaves if len(leaves) > 1 else []}

    def first(leaf: Any) -> Any:
        return jax.tree.unflatten(structure, [leaf, *leaves[1:]])

    whole = np.asarray(leaves[0])
    wrong["shape"] = first(np.zeros((*whole.shape, 2), whole.dtype))
    wrong |= {"integers": first(np.ones(whole.shape, int)), "complex": first(whole.astype(complex))}
    return Kind(valid, wrong | {"nan": first(_with(whole, math.nan)), "leaf of text": first("weights")})


def instance(valid: Any, *others: Any) -> Kind:
    """An object of one type, and `others` of another that could be taken for it."""
    wrong = {"none": None, "text": "x", "number": 3, "type": type(valid), "list": [valid]}
    return Kind(valid, wrong | {f"other {i}": other for i, other in enumerate(others)})


def network(valid: fn.Network) -> Kind:
    """A network."""
    return instance(valid, valid.layer)


def function(valid: Callable[..., Any]) -> Kind:
    """A function."""
    return Kind(valid, {"none": None, "text": "f", "number": 3, "list": [valid]})


def optimizer(valid: Any) -> Kind:
    """An optax transformation."""
    return Kind(valid, {"none": None, "text": "adam", "number": 0.1, "function": lambda rate: rate, "pair": (1, 2)})


def sizes(valid: Sequence[int]) -> Kind:
    """Sizes of layers, at least two."""
    wrong = {"none": None, "number": 3, "text": "abc", "one": valid[:1], "zero": [0, *valid[1:]]}
    return Kind(valid, wrong | {"fraction": [2.5, *valid[1:]], "nested": [[4], *valid[1:]]})


def path(valid: Any) -> Kind:
    """A path."""
    return Kind(valid, {"none": None, "number": 3, "list": ["a"], "bytes": b"a"})


def fixed(valid: Any, **wrong: Any) -> Kind:
    """An argument whose wrong values are all given with it."""
    return Kind(valid, wrong)


def _with(values: np.ndarray, value: float) -> np.ndarray:
    changed = copy.deepcopy(values)
    changed[(0,) * changed.ndim] = value
    return changed
