"""Remedies for a value of another type that is near to one of the right type: its name, or what makes it."""

from __future__ import annotations

import difflib
import inspect
import re
import sys

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
