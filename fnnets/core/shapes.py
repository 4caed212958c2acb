"""Declared shapes: what a layer expects of its input and its parameters, and the checks around its functions.

    "x (…, p), weights (q, p)"                  any leading axes; as many features as the weights have columns
    "x (N, H, W, C), weights (h, w, C, K)"      images; as many channels as the filters
    "x (T, N, m), weights (h, m)"               sequences, time-major; the mask and the state of the context as well
    "x (…, p), params (p)"                      parameters that are one array

A letter that comes twice, in x or in parameters, has one size; of images the channels alone are compared. N, T and …
lead: `init` is given the shape of one example, without them. `Layer` applies the checks once, around `init` and
`forward`; shapes are static, so they are checked while JAX traces, before any compilation.

| symbol | name in code |
|---|---|
| x, and what it is | `Expected.x` |
| parameters by their paths | `Expected.params` |
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

IMAGE, STEPS = ("N", "H", "W", "C"), ("T", "N")


class Expected(NamedTuple):
    """The letters of the axes of x, and those of parameters, by path."""

    x: tuple[str, ...]
    params: dict[str, tuple[str, ...]]


@functools.cache
def parsed(text: str, layer: str = "Layer") -> Expected:
    """The shapes that a layer expects, read from its declaration.

    Raises:
        TypeError, ValueError: no such declaration.

    >>> parsed("x (…, p), weights (q, p)")
    Expected(x=('…', 'p'), params={'weights': ('q', 'p')})
    """
    if not isinstance(text, str):
        raise TypeError(f'{layer}: expects is {text!r}, expected a string; write "x (…, p), weights (q, p)"')
    entry = r"[\w.]+ \([^()]+\)"
    found = re.findall(r"([\w.]+) \(([^()]+)\)", text)
    letters = {name: tuple(axes.replace("...", "…").replace(" ", "").split(",")) for name, axes in found}
    x = letters.get("x", ())
    if not re.fullmatch(rf"{entry}(, {entry})*", text) or not (x[:1] in (("N",), ("…",)) or x[:2] == STEPS):
        raise ValueError(
            f"{layer}: expects is {text!r}, expected shapes in letters, that of x among them, with N, … or T, N "
            'first; write "x (…, p), weights (q, p)"'
        )
    return Expected(letters.pop("x"), letters)


def check_sizes(layer: str, shape: Sequence[int]) -> None:
    """Raise unless `shape` has ints >= 1, or the shapes of several inputs.

    >>> check_sizes("dense", (2.5,))
    Traceback (most recent call last):
    TypeError: dense: init is given the shape (2.5,), expected a tuple of ints >= 1; give the shape of one example
    """
    if hasattr(shape, "shape"):
        raise TypeError(f"{layer}: init is given an array of shape {shape.shape}, expected a tuple; write x.shape[1:]")
    if not isinstance(shape, tuple | list):
        raise TypeError(f"{layer}: init is given the shape {shape!r}, expected a tuple; write ({shape},)")
    sizes = [size for size in shape if not isinstance(size, tuple | list)]
    is_whole = all(isinstance(size, int | np.integer) and not isinstance(size, bool) for size in sizes)
    if not is_whole or any(size < 1 for size in sizes):
        error = ValueError if is_whole else TypeError
        raise error(
            f"{layer}: init is given the shape {tuple(shape)}, expected a tuple of ints >= 1; give the shape of one "
            "example"
        )


def check_example(layer: str, expected: Expected, shape: Sequence[int], window: Any = None) -> None:
    """Raise unless `shape` is that of one example, or step, of a layer's input.

    >>> check_example("dense", parsed("x (…, p)"), (28, 28))
    Traceback (most recent call last):
    ValueError: dense: examples have shape (28, 28), expected one axis (p,); put flatten before it
    """
    if expected.x == IMAGE:
        return check_image(shape, layer, window)
    is_steps = expected.x[:2] == STEPS
    own = expected.x if expected.x == ("…",) else expected.x[2 if is_steps else 1 :]
    if _aligned(own, shape) is not None:
        return None
    came = f"{layer}: {'steps' if is_steps else 'examples'} have shape {tuple(shape)}, expected"
    axes = f"one axis ({own[0]},)" if len(own) == 1 else f"({', '.join(own)})"
    remedy = "put flatten before it" if len(own) == 1 else "give examples with these axes"
    if is_steps:
        remedy = "flatten each step, and give the shape of a step without the axes of time and batch"
    raise ValueError(f"{came} {axes}; {remedy}")


def _aligned(letters: tuple[str, ...], shape: Sequence[int]) -> list[tuple[str, int]] | None:
    """The letters with their sizes, without those of …; None where the number of axes differs."""
    before = letters.index("…") if "…" in letters else len(letters)
    after = letters[before + 1 :]
    rest = len(shape) - len(after)
    if rest < before or (rest > before and "…" not in letters):
        return None
    return [*zip(letters[:before], shape[:before], strict=True), *zip(after, shape[rest:], strict=True)]


def check_input(layer: Any, expected: Expected, params: PyTree, x: Array, context: Any) -> None:
    """Raise unless x, and for sequences the mask and the state, are what a layer expects with these parameters."""
    if not hasattr(x, "shape"):
        raise TypeError(f"{layer.name}: x is of type {type(x).__name__}, expected an array; write jnp.asarray(x)")
    if not (x.dtype == bool or jnp.issubdtype(x.dtype, jnp.integer) or jnp.issubdtype(x.dtype, jnp.floating)):
        raise TypeError(f"{layer.name}: x has dtype {x.dtype}, expected real numbers; convert it to float32")
    sizes = check_params(layer.name, expected, params)
    if expected.x == IMAGE:
        check_image(x.shape[1:], layer.name, layer.window, sizes["C"][0] if "C" in sizes else None)
        return
    _check_axes(layer.name, expected, sizes, x)
    if expected.x[:2] == STEPS:
        _check_sequences(layer, params, x, context)


def check_params(layer: str, expected: Expected, params: PyTree) -> dict[str, tuple[int, str]]:
    """The size of each letter of the declared parameters, and the path that has it; a raise where they are others."""
    sizes: dict[str, tuple[int, str]] = {}
    for path, letters in expected.params.items():
        leaf = _leaf(params, path, layer)
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise TypeError(f"{layer}: params: {path} has dtype {leaf.dtype}, expected floats; convert it to float32")
        if len(letters) != leaf.ndim:
            raise ValueError(
                f"{layer}: {path} has shape {leaf.shape}, expected ({', '.join(letters)}); take params from init, "
                "or correct expects"
            )
        for letter, size in zip(letters, leaf.shape, strict=True):
            if sizes.setdefault(letter, (size, path))[0] != size:
                raise ValueError(
                    f"{layer}: {path} has shape {leaf.shape}, expected ({', '.join(letters)}) with {letter} = "
                    f"{sizes[letter][0]}, as {sizes[letter][1]} has it; take params from init, or correct expects"
                )
    return sizes


def check_step(layer: Any, expected: Expected, params: PyTree, x: Array) -> None:
    """Raise unless x is one step (N, …) of the sequences that a layer expects with these parameters."""
    if not hasattr(x, "shape"):
        raise TypeError(f"{layer.name}: x is of type {type(x).__name__}, expected an array; write jnp.asarray(x)")
    step = Expected(("N", *expected.x[2:]), expected.params)
    _check_axes(layer.name, step, check_params(layer.name, expected, params), x)


def _leaf(params: PyTree, path: str, layer: str) -> Any:
    """The parameter at a path of names, keys and positions; "params" is the parameters themselves."""
    leaf = params
    try:
        for part in path.split(".") if path != "params" else ():
            keyed = int(part) if part.isdigit() else part
            leaf = leaf[keyed] if part.isdigit() or isinstance(leaf, dict) else getattr(leaf, part)
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)
    except (AttributeError, KeyError, IndexError, TypeError):
        raise TypeError(
            f"{layer}: params is of type {type(params).__name__}, which has no array {path}, expected what this "
            "layer's init gives; take params from there, or correct expects"
        ) from None


def _check_axes(layer: str, expected: Expected, sizes: dict[str, tuple[int, str]], x: Array) -> None:
    """Raise unless x has the axes that are expected, and those of the parameters' sizes."""
    known = ", ".join(str(sizes[letter][0]) if letter in sizes else letter for letter in expected.x)
    pairs = _aligned(expected.x, x.shape)
    if pairs is None and expected.x[:2] == STEPS:
        raise ValueError(
            f"{layer}: x has shape {x.shape}, expected ({', '.join(expected.x)}): sequences are time-major; "
            "for a single sequence (T, m) write x[:, None]"
        )
    sizes = sizes | {letter: (size, "x") for letter, size in reversed(pairs or []) if letter not in sizes}
    wrong = [letter for letter, size in pairs or () if size != sizes[letter][0]]
    if pairs is None or wrong:
        remedy = _axes_remedy(expected.x, sizes, x.shape)
        if wrong:
            size, path = sizes[wrong[0]]
            letters = ", ".join(expected.params.get(path, expected.x))
            remedy = f"give it as many features as its {path} ({letters}) have, {size}"
        raise ValueError(f"{layer}: x has shape {x.shape}, expected ({known}); {remedy}")


def _axes_remedy(letters: tuple[str, ...], sizes: dict[str, tuple[int, str]], shape: tuple[int, ...]) -> str:
    """The remedy for another number of axes: one more where the others are those of an example."""
    each, is_open = letters[1:], "…" in letters
    if not is_open and len(each) == len(shape):
        pairs = zip(each, shape, strict=True)
        if all(letter not in sizes or sizes[letter][0] == size for letter, size in pairs):
            return "for a single example write x[None]"
    return f"it has {len(shape)} axes, give it {'at least ' * is_open}{len(letters) - is_open}"


def _check_sequences(layer: Any, params: PyTree, x: Array, context: Any) -> None:
    """Raise unless T ≥ 1, the mask is (T, N) bool, and a state that was handed on is one of this layer's."""
    name, mask = layer.name, context.mask
    if x.shape[0] == 0:
        raise ValueError(f"{name}: x has shape {x.shape}: no steps, expected T >= 1; leave out empty sequences")
    if mask is not None and not hasattr(mask, "shape"):
        raise TypeError(f"{name}: mask is of type {type(mask).__name__}, expected an array; write jnp.asarray(mask)")
    if mask is not None and (mask.shape != x.shape[:2] or mask.dtype != bool):
        raise ValueError(
            f"{name}: mask has shape {mask.shape} and dtype {mask.dtype}, expected {x.shape[:2]} of bool, True at real "
            "steps; fnnets.data.pad makes both"
        )
    if context.state is None:
        return
    if layer.start is None:
        raise ValueError(
            f"{name}: a state is handed on, but this layer carries none from one segment to the next, expected none; "
            "give whole sequences"
        )
    check_state(name, context.state, jax.eval_shape(lambda: layer.start(params, x.shape[1])))


def check_state(name: str, state: PyTree, expected: PyTree) -> None:
    """Raise unless a state that was handed on has the parts, shapes and dtypes of this layer's."""
    structures: list[Any] = [jax.tree.structure(tree) for tree in (state, expected)]
    if structures[0] != structures[1]:
        raise ValueError(
            f"{name}: state has the structure {structures[0]}, expected {structures[1]}; "
            "take it from this layer's start or step"
        )
    for part, wanted in zip(jax.tree.leaves(state), jax.tree.leaves(expected), strict=True):
        if (part.shape, part.dtype) != (wanted.shape, wanted.dtype):
            raise ValueError(
                f"{name}: state holds {part.dtype} of shape {part.shape}, expected {wanted.dtype} of shape "
                f"{wanted.shape}; take it from start(params, N) with the N of this batch"
            )


def check_image(shape: Sequence[int], layer: str, window: Any = None, channels: int | None = None) -> None:
    """Raise unless `shape` is that of one image, (H, W, C), with room for a window and the expected channels.

    >>> from fnnets.kernels import windows
    >>> check_image((1, 28, 28), "convolution", windows.window("convolution", 5, 1))
    Traceback (most recent call last):
    ValueError: convolution: a window of 5 x 5 pixels finds no place in an image of shape (1, 28, 28), \
expected at least (5, 5, C); axis 0 looks like the channels: move it last with jnp.moveaxis(images, 1, -1)
    """
    if len(shape) != 3:
        raise ValueError(
            f"{layer}: examples have shape {tuple(shape)}, expected three axes (H, W, C); {_channel(shape, channels)}"
        )
    if channels is not None and shape[2] != channels:
        raise ValueError(
            f"{layer}: x holds images of shape {tuple(shape)} with {shape[2]} channels, expected {channels}, "
            f"as its weights have; {remedy(shape, channels, 'give it the images that it was made for')}"
        )
    if window is not None and min(window.positions(shape[:2])) < 1:
        least = window.least()
        raise ValueError(
            f"{layer}: a window of {window.extent[0]} x {window.extent[1]} pixels finds no place in an image of shape "
            f"{tuple(shape)}, expected at least ({least[0]}, {least[1]}, C); "
            f"{remedy(shape, None, 'give larger images, a smaller window or padding')}"
        )


def _channel(shape: Sequence[int], channels: int | None) -> str:
    """The remedy for an image that has not three axes."""
    if len(shape) == 2 and shape[1] in (1, channels):
        return "for a single image write x[None]"
    if len(shape) == 2:
        return "give grey images one channel with images[..., None]"
    return "reshape each to its height, width and channels"


def remedy(shape: Sequence[int], channels: int | None, otherwise: str) -> str:
    """The remedy for a wrong image: move its channels last where the first axis looks like them, or `otherwise`.

    >>> remedy((3, 32, 32), 3, "look again")
    'axis 0 looks like the channels: move it last with jnp.moveaxis(images, 1, -1)'
    """
    is_first = shape[0] == channels if channels is not None else shape[0] in (1, 3) and min(shape[1:]) > 3
    if not is_first:
        return otherwise
    return "axis 0 looks like the channels: move it last with jnp.moveaxis(images, 1, -1)"
