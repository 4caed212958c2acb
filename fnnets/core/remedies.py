"""Remedies for a value of another type that is near to one of the right type: its name, or what makes it."""

from __future__ import annotations

import difflib
import inspect
import re
import sys
from typing import Any

MODULE = re.compile(r"fnnets(?:\.\w+)+")


def instead(value: object, kind: type, remedy: str) -> str:
    """The remedy for `value`, which is no `kind`: the object that it names, a call, or `remedy`.

    A remedy that names a module of fnnets is where an object of that name, or nearly, is looked for.

    >>> import jax, fnnets as fn
    >>> instead("ReLU", fn.Activation, "take one from fnnets.activations")
    'write fnnets.activations.relu'
    >>> instead(fn.layers.dense, fn.Layer, "make one with fnnets.layers")
    'call it first, dense(…)'
    """
    if inspect.isfunction(value) and str(value.__module__).startswith("fnnets."):
        return f"call it first, {value.__name__}(…)"
    if type(value).__name__ == "CoupledActivation":
        return "a softmax and its like are for fnnets.objectives.custom alone, take one of each unit by itself"
    text = value if isinstance(value, str) else getattr(value, "__name__", "")
    found = MODULE.search(remedy)
    module = sys.modules.get(found.group()) if found else None
    if not text or module is None:
        return remedy
    options = {name.lower(): name for name, each in vars(module).items() if isinstance(each, kind) and name[0] != "_"}
    near = [name for name in options if name.startswith(text.lower())]
    near = near or difflib.get_close_matches(text.lower(), options, 1, 0.8)
    return f"write {found.group()}.{options[near[0]]}" if near else remedy  # type: ignore[union-attr]


def numbers(value: Any, name: str) -> str:
    """The remedy for an array of texts, dates or other objects where real numbers are expected.

    >>> import numpy as np
    >>> numbers(np.array(["cat", "dog"]), "fit: train.targets")
    'write np.unique(targets, return_inverse=True)[1] for the numbers of the classes'
    >>> numbers(np.array(["3", "7"]), "fit: train.targets"), numbers(np.array([1.5, 2], object), "predict: inputs")
    ('write np.asarray(targets, int)', 'write np.asarray(inputs, float)')
    """
    own = name.split()[-1].split(".")[-1]
    own = "targets" if own.startswith("targets[") else own
    if value.dtype.kind in "mM":
        span = own if value.dtype.kind == "m" else f"({own} - {own}.min())"
        return f"write {span} / np.timedelta64(1, 'D') for numbers of days"
    if value.dtype.kind == "V":
        return "give each of its fields as a column of numbers"
    if value.ndim == 0 and hasattr(value.item(), "toarray"):
        return f"it is sparse: write {own}.toarray()"
    for kind in (int, float) if own == "targets" else (float,):
        try:
            read = value.astype(kind)
        except (ValueError, TypeError):
            continue
        if kind is float or (read == value.astype(float)).all():
            return f"write np.asarray({own}, {kind.__name__})"
    if all(isinstance(each, str) for each in value.ravel()):
        if own == "targets":
            return "write np.unique(targets, return_inverse=True)[1] for the numbers of the classes"
        return "give numbers in place of texts, as encode of fnnets.data.vocabulary(text) does for symbols"
    strange = next(each for each in value.ravel() if not isinstance(each, int | float))
    return f"leave out what is no number, such as {str(strange)[:40]!r} of type {type(strange).__name__}, or number it"


def parameters(value: Any, expected: Any, remedy: str) -> str:
    """The remedy for a tree of other parameters: its field `params`, of a result or a state, if they are those.

    The two are compared by their types and lengths alone.
    """
    own = getattr(value, "params", None)
    fits = own is not None and type(own) is type(expected) and len(own) == len(expected)
    return "give its field params, as result.params of result = fit(…)" if fits else remedy
