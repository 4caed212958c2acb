"""Convolutional networks, written as the table of a paper.

    conv5-20        20 filters of 5 x 5 pixels            conv3x5-20, conv7-64/2: 3 x 5 pixels, stride 2
    local5-6        6 filters at each position, its own ones: a convolution that shares nothing
    maxpool2        the greatest of each 2 x 2 pixels      maxpool3/2: overlapping windows, stride 2
    meanpool2       their mean
    fc-100          100 fully connected units; the images are flattened before the first
    dropout0.5      each unit is dropped with probability 0.5 in training
    |               ends a line of the table; nothing else

The hidden activation follows every layer with weights but the last, which is linear: the objective owns its activation.
Both orders of the literature: activation before pooling [Simonyan2014], and with `pool_first` the pooling of weighted
inputs, which are activated afterwards [Nielsen2015].

| symbol | name in code | shape |
|---|---|---|
| w of a convolution | `params[i].weights` | (h, w, C, K) |
| w, not shared | `params[i].weights` | (H', W', h, w, C, K) |
| W of a fully connected layer | `params[i].weights` | (q, p) |
| b | `params[i].biases` | (K,), (H', W', K) or (q,) |

The i-th entry of `params` belongs to the i-th layer of the chain; layers without parameters hold the empty tuple.
Source: [Rauber], section 5.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fnnets import activations, initializers, layers
from fnnets.core import calls, remedies, shapes, validate
from fnnets.core.chain import chain
from fnnets.core.construction import constructor
from fnnets.core.network import check_outputs, network
from fnnets.core.types import Layer, Network, Objective
from fnnets.kernels import paths, windows
from fnnets.networks import arguments

PIXELS = r"(?P<height>\d+)(x(?P<width>\d+))?"
ENTRIES = {
    "conv": re.compile(rf"conv{PIXELS}-(?P<units>\d+)(/(?P<stride>\d+))?"),
    "local": re.compile(rf"local{PIXELS}-(?P<units>\d+)(/(?P<stride>\d+))?"),
    "maxpool": re.compile(rf"maxpool{PIXELS}(/(?P<stride>\d+))?"),
    "meanpool": re.compile(rf"meanpool{PIXELS}(/(?P<stride>\d+))?"),
    "fc": re.compile(r"fc-(?P<units>\d+)"),
    "dropout": re.compile(r"dropout(?P<rate>\d*\.?\d+)"),
}


@constructor
def convolutional(
    input_shape: Sequence[int],
    table: str | Sequence[str | Layer],
    activation: activations.Activation = activations.sigmoid,
    *,
    objective: Objective,
    padding: windows.Padding = "valid",
    pool_first: bool = False,
    l2: float = 0.0,
    initializer: initializers.Initializer = initializers.default,
    implementation: str = "fast",
) -> Network:
    """A network of convolutions, poolings and fully connected layers, read from a table.

    Args:
        input_shape: (H, W, C) of one image.
        table: entries as above, in one string or a sequence; a sequence may hold layers of any kind too, which
            are taken as they are.
        activation: σ of the hidden layers.
        objective: output activation and cost.
        padding: of every convolution of the table, shared or not: "valid", "same" or explicit pixels.
        pool_first: whether weighted inputs are pooled before they are activated.
        l2: λ of λ/2n Σ w².
        initializer: initial values of weights and biases.
        implementation: of convolutions and max-poolings of the table: "fast", their kernels, or "plain", their pages;
            both give the same to rounding.

    Raises:
        TypeError, ValueError: an entry that cannot be read, a table that does not end in a fully connected
            layer, an image smaller than the table needs, λ < 0, an objective or an implementation that is none.

    >>> import jax, fnnets as fn
    >>> lenet = fn.convolutional((32, 32, 1), "conv5-6 meanpool2 | conv5-16 meanpool2 | conv5-120 | fc-84 fc-10",
    ...                          fn.activations.tanh, objective=fn.objectives.softmax_log_likelihood)
    >>> sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(lenet.init, jax.random.key(0))))
    61706
    """
    if isinstance(input_shape, int) and not isinstance(input_shape, bool):
        raise TypeError(
            f"convolutional: input_shape is the number {input_shape}, expected (H, W, C); write "
            f"({input_shape}, {input_shape}, 1) for grey images"
        )
    input_shape = validate.shape(input_shape, "convolutional: input_shape")
    shapes.check_image(input_shape, "convolutional: input_shape")
    arguments.objective(objective, "convolutional")
    arguments.activation(activation, "convolutional")
    arguments.initializer(initializer, "convolutional")
    validate.flag(pool_first, "convolutional: pool_first", "True pools weighted inputs")
    validate.at_least(l2, 0.0, "convolutional: l2", "λ = 0 switches the penalty off")
    paths.is_fast(implementation, "convolutional")
    padding = windows.checked_padding(padding, "convolutional")
    entries = _entries(table)
    after = [*entries[1:], None]
    parts: list[Layer] = []
    waiting: list[Layer] = []  # an activation that stands behind the pooling that comes next
    for entry, following in zip(entries, after, strict=True):
        with calls.named_as(f"convolutional: table has the entry {entry!r}"):
            made = _layers(entry, following, activation, padding, pool_first, initializer, implementation)
        is_first_fc = _kind(entry) == "fc" and "flatten" not in (part.name for part in parts)
        parts += [layers.flatten()] * is_first_fc + made[:1] + waiting
        waiting = made[1:]
    _check_size(parts, input_shape)
    check_outputs(objective, (int(str(entries[-1]).removeprefix("fc-")),), "convolutional: table")
    return network(chain(*parts), objective, input_shape, l2)


def _entries(table) -> list[str | Layer]:
    """The table as a list of readable entries, the last of which is fully connected."""
    if isinstance(table, str):
        table = [table]
    if not isinstance(table, Sequence) or isinstance(table, bytes):
        raise TypeError(
            f"convolutional: table is {table!r}, expected a string or a sequence of entries and layers; write "
            "'conv5-20 maxpool2 fc-10'"
        )
    entries: list[str | Layer] = []
    for entry in table:
        entries += entry.lower().replace("|", " ").split() if isinstance(entry, str) else [entry]
    for entry in entries:
        if not isinstance(entry, Layer) and _kind(entry) is None:
            raise ValueError(
                f"convolutional: table has the entry {entry!r}, expected something like conv5-20, conv3-64/2, "
                f"local5-6, maxpool2, meanpool3/2, fc-100, dropout0.5 or a layer; {_remedy(entry)}"
            )
    if not entries or _kind(entries[-1]) != "fc":
        raise ValueError(
            f"convolutional: table ends in {entries[-1] if entries else 'nothing'!r}, expected a fully connected layer "
            "with an output for each target; add fc-10, or join other layers with fnnets.chain and fnnets.network"
        )
    return entries


def _remedy(entry: object) -> str:
    """What to do about an entry that cannot be read."""
    if isinstance(entry, str) and entry.endswith(","):
        return "leave the commas out"
    word, *rest = str(entry).split("-", 1)
    if isinstance(entry, str) and word in ("dense", "linear", "full"):
        return f"write {'-'.join(['fc', *rest])}"
    if isinstance(entry, str) and word.startswith(("avg", "average")):
        return f"write meanpool{word.removeprefix('average').removeprefix('avg').removeprefix('pool')}"
    if isinstance(entry, str) and word in ("relu", "sigmoid", "tanh", "softplus"):
        return f"write activation=fnnets.activations.{word}, which is that of all layers but the last"
    if word == "softmax":
        return "leave it out: the objective owns the activation of the outputs"
    if word == "flatten":
        return "leave it out: fully connected layers flatten what they read"
    return remedies.instead(entry, Layer, "correct it")


def _kind(entry: Any) -> str | None:
    if not isinstance(entry, str):
        return None
    return next((kind for kind, pattern in ENTRIES.items() if pattern.fullmatch(entry)), None)


def _layers(entry, following, activation, padding, pool_first, initializer, implementation) -> list[Layer]:
    """The entry's layer, and the activation that the layer after it is to be followed by, if any."""
    kind = _kind(entry)
    if kind is None:
        return [entry]
    found = ENTRIES[kind].fullmatch(entry).groupdict()  # type: ignore[union-attr]
    if kind == "dropout":
        return [layers.dropout(float(found["rate"]))]
    if kind == "fc":
        last = activations.identity if following is None else activation
        return [layers.dense(int(found["units"]), last, initializer)]
    size = int(found["height"]), int(found["width"] or found["height"])
    stride = None if found["stride"] is None else int(found["stride"])
    if kind == "maxpool":
        return [layers.max_pooling(size, stride, implementation)]
    if kind == "meanpool":
        return [layers.mean_pooling(size, stride)]
    is_pooled_first = pool_first and _kind(following) in ("maxpool", "meanpool")
    own = activations.identity if is_pooled_first else activation
    settings = int(found["units"]), size, 1 if stride is None else stride, padding, own
    if kind == "conv":
        made = layers.convolution(*settings, initializer=initializer, implementation=implementation)
    else:
        made = layers.locally_connected(*settings, initializer=initializer)
    return [made, layers.activate(activation)] if is_pooled_first else [made]


def _check_size(parts: list[Layer], shape: tuple[int, ...]) -> None:
    least = (1, 1)
    for part in reversed(parts):
        if part.window is not None:
            least = part.window.least(least)
    if min(have - need for have, need in zip(shape, least, strict=False)) < 0:
        raise ValueError(
            f"convolutional: input_shape is {shape}, expected at least ({least[0]}, {least[1]}, C), which the "
            f"windows of the table need; {shapes.remedy(shape, None, 'give larger images or fewer poolings')}"
        )
