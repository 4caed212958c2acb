"""Matches of the deltas of a backward pass with the taps of a forward pass.

    forward:   tap("z", …) once, in a loop, or in a loop cut into segments
    backward:  delta("z", …) likewise, from the last to the first

| symbol | name in code | shape |
|---|---|---|
| the true δ of a tap | `Match.taps`, indices of sites forward | |
| the explicit one | `Match.deltas`, indices of sites backward | |

The n-th tap of a name from the front belongs to the n-th delta from the back. Where one side loops in segments and the
other in one go, both are joined along time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp

from fnnets.verify.tracing.interpreter import Site

if TYPE_CHECKING:
    from jaxtyping import Array


class Match(NamedTuple):
    """One quantity that both passes name: `label` for reports, and its sites on both sides, in the order of time."""

    label: str
    statement: str
    taps: tuple[int, ...]
    deltas: tuple[int, ...]
    is_stepped: bool


def matches(forward: Sequence[Site], backward: Sequence[Site]) -> tuple[list[Match], str]:
    """All matches in the order of the backward pass, and what is wrong with the others, "" if nothing.

    Taps without a delta are no fault: nothing is compared there.
    """
    found: list[Match] = []
    for name in dict.fromkeys(site.tag.name for site in backward if site.tag.kind == "delta"):
        ahead = [i for i, site in enumerate(forward) if (site.tag.kind, site.tag.name) == ("tap", name)]
        back = [i for i, site in enumerate(backward) if site.tag.kind == "delta" and site.tag.name == name][::-1]
        pairs = _paired(forward, backward, ahead, back)
        if pairs is None:
            continue
        if isinstance(pairs, str):
            return [], f"the gradient marks {name!r} {pairs}"
        for number, (taps, deltas) in enumerate(pairs):
            label = name if len(pairs) == 1 else f"{name} #{number}"
            stepped = bool(forward[taps[0]].lengths)
            found.append(Match(label, backward[deltas[0]].tag.statement, taps, deltas, stepped))
    return sorted(found, key=lambda match: match.deltas[-1]), ""


def joined(sites: Sequence[Site], values: Sequence[Array], indices: tuple[int, ...]) -> Array:
    """The values of some sites as one array, with one axis for all scans around them."""
    parts = [values[i].reshape(_merged(sites[i])) for i in indices]
    return parts[0] if len(parts) == 1 else jnp.concatenate(parts)


def parted(sites: Sequence[Site], value: Array, indices: tuple[int, ...]) -> list[Array]:
    """The opposite of `joined`: one array for each of the sites, of its own shape."""
    if len(indices) == 1:
        return [value.reshape((*sites[indices[0]].lengths, *sites[indices[0]].shape))]
    parts, start = [], 0
    for i in indices:
        size = _merged(sites[i])[0]
        parts.append(value[start : start + size].reshape((*sites[i].lengths, *sites[i].shape)))
        start += size
    return parts


def _paired(forward, backward, ahead, back) -> list[tuple[tuple[int, ...], tuple[int, ...]]] | str | None:
    """Pairs of sites, why there are none, or None where one side has more of them: that is no fault."""
    if not ahead:
        names = list(dict.fromkeys(site.tag.name for site in forward if site.tag.kind == "tap"))
        known = f" but {', '.join(map(repr, names[:6]))}" if names else ""
        return f"as a delta, but the forward pass taps nothing of that name{known}; write tap with the same name there"
    shapes = [[_merged(side[i]) for i in indices] for side, indices in ((forward, ahead), (backward, back))]
    if shapes[0] == shapes[1]:
        return [((one,), (other,)) for one, other in zip(ahead, back, strict=True)]
    is_loop = all(side[i].lengths for side, indices in ((forward, ahead), (backward, back)) for i in indices)
    if is_loop and _total(shapes[0]) == _total(shapes[1]) is not None:
        return [(tuple(ahead), tuple(back))]
    if len(ahead) != len(back):
        return None
    return f"with shapes {_shown(shapes[1])} from the front, but the forward pass taps {_shown(shapes[0])}"


def _merged(site: Site) -> tuple[int, ...]:
    return (math.prod(site.lengths), *site.shape) if site.lengths else site.shape


def _total(shapes):
    """The shape of all joined along their first axis, None where the others differ."""
    return (sum(shape[0] for shape in shapes), *shapes[0][1:]) if len({shape[1:] for shape in shapes}) == 1 else None


def _shown(shapes) -> str:
    return ", ".join(map(str, shapes[:4])) + (", …" if len(shapes) > 4 else "")
