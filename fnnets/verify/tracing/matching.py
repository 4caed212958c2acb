"""Matches of the deltas of a backward pass with the taps of a forward pass.

    forward:   tap("z", …) once, in a loop, or in a loop cut into segments
    backward:  delta("z", …) likewise, from the last to the first

| symbol | name in code | shape |
|---|---|---|
| the true δ of a tap | `Match.taps`, indices of sites forward | |
| the explicit one | `Match.deltas`, indices of sites backward | |

The n-th tap of a name from the front belongs to the n-th delta from the back. Where one side loops in segments and the
other in one go, both are joined along time. The n-th of a name in one branch of a `cond` and the n-th in another are
one quantity, the sum of both, for only one branch is taken. Where the axes of a delta stand in another order, as
`jax.vmap` may leave them, they are put into the tap's where the sizes allow one order only.

Shared weights may be marked in either order, and under `jax.vmap` the sizes may allow several: `pairings` offers all
that the shapes allow, and `best` chooses the one whose values agree. Nothing wrong passes by that: what agrees and is
put in place of the marked values leaves the gradient as it is.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp
import numpy as np

from fnnets.verify.tracing.interpreter import Site, Unfollowed

if TYPE_CHECKING:
    from jaxtyping import Array

Group = tuple[int, ...]
AGREED, OFFERED = 1e-4, 6


class Match(NamedTuple):
    """One quantity that both passes name.

    Attributes:
        label: for reports.
        statement: as the delta has it.
        taps, deltas: its sites on both sides, in the order of time.
        is_stepped: whether it has an axis of time in front.
        axes: those of the joined delta in the order of the tap's, () where they are the same; −n for an axis of
            length n that the delta lacks, since it is the same all along it.
    """

    label: str
    statement: str
    taps: tuple[int, ...]
    deltas: tuple[int, ...]
    is_stepped: bool
    axes: tuple[int, ...] = ()


class Trouble(NamedTuple):
    """What is wrong with the marks of one name."""

    name: str
    note: str


class _Pairs(NamedTuple):
    """The groups of sites of one name, forward and backward, and the order of axes of each pair."""

    taps: list[Group]
    deltas: list[Group]
    axes: list[tuple[int, ...]]


def matches(
    forward: Sequence[Site], backward: Sequence[Site], unfollowed: Sequence[Unfollowed] = ()
) -> tuple[list[Match], str]:
    """All matches in the order of the backward pass, and what is wrong with the others, "" if nothing.

    Taps without a delta are no fault, nor are deltas whose taps are `unfollowed`: nothing is compared there.
    """
    found, trouble = pairings(forward, backward, unfollowed)
    return found[0], trouble.note if trouble else ""


def pairings(
    forward: Sequence[Site], backward: Sequence[Site], unfollowed: Sequence[Unfollowed] = ()
) -> tuple[list[list[Match]], Trouble | None]:
    """As `matches`, the usual one first and then the others that the shapes allow: one for most programs."""
    hidden = {each.name for each in unfollowed if each.kind == "tap"}
    offers: dict[str, list[_Pairs]] = {}
    for name in dict.fromkeys(site.tag.name for site in backward if site.tag.kind == "delta"):
        ahead = [i for i, site in enumerate(forward) if (site.tag.kind, site.tag.name) == ("tap", name)]
        back = [i for i, site in enumerate(backward) if site.tag.kind == "delta" and site.tag.name == name]
        found = None if not ahead and name in hidden else _paired(forward, backward, ahead, back)
        if isinstance(found, str):
            return [[]], Trouble(name, f"the gradient marks {name!r} {found}")
        if found:
            offers[name] = found
    most = max(map(len, offers.values()), default=1)
    chosen = [{name: each[min(n, len(each) - 1)] for name, each in offers.items()} for n in range(most)]
    return [_listed(forward, backward, each) for each in chosen], None


def _listed(forward: Sequence[Site], backward: Sequence[Site], chosen: dict[str, _Pairs]) -> list[Match]:
    found: list[Match] = []
    for name, pairs in chosen.items():
        for number, (taps, deltas, axes) in enumerate(zip(*pairs, strict=True)):
            label = name if len(pairs.taps) == 1 else f"{name} #{number}"
            stepped = bool(forward[taps[0]].lengths)
            found.append(Match(label, backward[deltas[0]].tag.statement, taps, deltas, stepped, axes))
    return sorted(found, key=lambda match: match.deltas[-1])


def best(
    pairings: Sequence[Sequence[Match]], explicit: Sequence[Sequence[Array]], true: Sequence[Sequence[Array]]
) -> int:
    """The pairing whose values agree best, the usual one unless another agrees at more marks.

    Args:
        pairings: as `pairings` gives them.
        explicit, true: for each of them the values of its marks on both sides, on the host.
    """
    agreed = [sum(map(agree, *sides)) for sides in zip(explicit, true, strict=True)]
    return max(range(len(pairings)), key=lambda n: (agreed[n], -n))


def agree(explicit: Array, true: Array) -> bool:
    """Whether both values of a mark are the same but for small errors."""
    e, a = (np.asarray(side).astype(np.float64) for side in (explicit, true))
    return e.shape == a.shape and bool(np.all(np.abs(e - a) <= AGREED * np.abs(a).max(initial=0.0)))


def explicit(sites: Sequence[Site], values: Sequence[Array], match: Match) -> Array:
    """The explicit δ of a match, in the order of the tap's axes; `sites` and `values` of the backward pass."""
    value = joined(sites, values, match.deltas)
    if not match.axes:
        return value
    value = jnp.transpose(value, [axis for axis in match.axes if axis >= 0])
    for i, axis in enumerate(match.axes):
        value = jnp.repeat(jnp.expand_dims(value, i), -axis, i) if axis < 0 else value
    return value


def given(sites: Sequence[Site], true: Array, match: Match) -> list[Array]:
    """The true δ of a match, joined, for each of its deltas: the opposite of `explicit`."""
    if match.axes:
        absent = tuple(i for i, axis in enumerate(match.axes) if axis < 0)
        order = np.argsort([axis for axis in match.axes if axis >= 0])
        true = jnp.transpose(true.mean(absent), tuple(map(int, order)))
    return parted(sites, true, match.deltas)


def joined(sites: Sequence[Site], values: Sequence[Array], indices: tuple[int, ...]) -> Array:
    """The values of some sites as one array, with one axis for all scans around them; the sum of branches."""
    groups = [[values[i].reshape(_merged(sites[i])) for i in group] for group in _groups(sites, indices)]
    parts = [functools.reduce(operator.add, group) for group in groups]
    return parts[0] if len(parts) == 1 else jnp.concatenate(parts)


def parted(sites: Sequence[Site], value: Array, indices: tuple[int, ...]) -> list[Array]:
    """The opposite of `joined`: one array for each of the sites, of its own shape, the same for all branches."""
    groups, found, start = _groups(sites, indices), {}, 0
    for group in groups:
        size = _merged(sites[group[0]])[0] if len(groups) > 1 else len(value) if value.ndim else 0
        part = value if len(groups) == 1 else value[start : start + size]
        found.update({i: part.reshape((*sites[i].lengths, *sites[i].shape)) for i in group})
        start += size
    return [found[i] for i in indices]


def _groups(sites: Sequence[Site], indices: Sequence[int], depth: int = 0) -> list[Group]:
    """The sites as quantities: the n-th of each branch of a `cond` together, where their shapes are the same."""

    def cond(i):
        around = sites[i].branches
        return around[depth][:2] if len(around) > depth else (-1 - i, 0)

    found: list[Group] = []
    for _, run in itertools.groupby(indices, cond):
        members = list(run)
        if len(sites[members[0]].branches) <= depth:
            found.append(tuple(members))
            continue
        numbers = dict.fromkeys(sites[i].branches[depth][2] for i in members)
        branches = [
            _groups(sites, [i for i in members if sites[i].branches[depth][2] == n], depth + 1) for n in numbers
        ]
        for together in itertools.zip_longest(*branches, fillvalue=()):
            group = tuple(itertools.chain(*together))
            is_one = len({_merged(sites[i]) for i in group}) == 1
            found += [group] if is_one else [part for part in together if part]
    return found


def _paired(
    forward: Sequence[Site], backward: Sequence[Site], ahead: list[int], back: list[int]
) -> list[_Pairs] | str | None:
    """Pairs of sites, why there are none, or None where one side has more of them: that is no fault."""
    if not ahead:
        names = list(dict.fromkeys(site.tag.name for site in forward if site.tag.kind == "tap"))
        known = f" but {', '.join(map(repr, names[:6]))}" if names else ""
        return f"as a delta, but the forward pass taps nothing of that name{known}; write tap with the same name there"
    taps, deltas = _groups(forward, ahead), _groups(backward, back)[::-1]
    shapes = [[_merged(side[group[0]]) for group in groups] for side, groups in ((forward, taps), (backward, deltas))]
    usual, others = (_offered(forward, backward, taps, order) for order in (deltas, deltas[::-1]))
    if usual:
        return [*usual, *(each for each in others if each not in usual)][:OFFERED]
    is_loop = all(side[i].lengths for side, indices in ((forward, ahead), (backward, back)) for i in indices)
    if is_loop and _total(shapes[0]) == _total(shapes[1]) is not None:
        whole = [tuple(itertools.chain(*groups)) for groups in (taps, deltas)]
        return [_Pairs([whole[0]], [whole[1]], [()])]
    if others:
        return others[:OFFERED]
    if len(taps) != len(deltas):
        return None
    return f"with shapes {_shown(shapes[1])} from the front, but the forward pass taps {_shown(shapes[0])}"


def _offered(forward: Sequence[Site], backward: Sequence[Site], taps: list[Group], deltas: list[Group]) -> list[_Pairs]:
    """All pairs in this order that the shapes allow: more than one where `jax.vmap` may have moved axes."""
    if len(taps) != len(deltas):
        return []
    sides = [(forward[tap[0]], backward[delta[0]]) for tap, delta in zip(taps, deltas, strict=True)]
    choices = [_axes(*pair) for pair in sides]
    if not all(choices):
        return []
    found = [[each[min(n, len(each) - 1)] for each in choices] for n in range(max(map(len, choices)))]
    return [_Pairs(taps, deltas, axes) for axes in found]


def _axes(tap: Site, delta: Site) -> list[tuple[int, ...]]:
    """The orders of a delta's axes that give the tap's shape: the present one, or the only other one.

    Under `jax.vmap` all those by which one axis moves count.
    """
    wanted, came = _merged(tap), _merged(delta)
    first = 1 if tap.lengths else 0
    if tap.is_batched and len(wanted) == len(came) + 1 and bool(tap.lengths) == bool(delta.lengths):
        return _lacking(wanted, came, first)
    if len(wanted) != len(came) or bool(tap.lengths) != bool(delta.lengths) or wanted[:first] != came[:first]:
        return [()] if wanted == came else []
    moves = _fitting(wanted, came, first, _moves(len(came), first))
    if wanted == came:
        own = tuple(range(len(came)))
        others = [each for each in moves if each != own] if tap.is_batched or delta.is_batched else []
        return [(), *others]
    if (tap.is_batched or delta.is_batched) and moves:
        return moves
    if len(came) > 6:
        return moves if len(moves) == 1 else []
    found = moves if len(moves) == 1 else _fitting(wanted, came, first, itertools.permutations(range(first, len(came))))
    return found if len(found) == 1 else []


def _lacking(wanted, came, first) -> list[tuple[int, ...]]:
    """The axes of a delta that is the same for all examples of a `jax.vmap`: that of the batch is the tap's alone."""
    places = [i for i in range(first, len(wanted)) if wanted[:i] + wanted[i + 1 :] == came]
    return [(*range(i), -wanted[i], *range(i, len(came))) for i in places]


def _fitting(wanted, came, first, orders) -> list[tuple[int, ...]]:
    whole = dict.fromkeys((*range(first), *order) for order in orders)
    return [order for order in whole if tuple(came[i] for i in order) == wanted]


def _moves(count: int, first: int) -> list[tuple[int, ...]]:
    """All orders of axes in which one has moved."""
    axes = range(first, count)
    found = []
    for source, target in itertools.product(axes, axes):
        rest = [i for i in axes if i != source]
        rest.insert(target - first, source)
        found.append(tuple(rest))
    return found


def _merged(site: Site) -> tuple[int, ...]:
    return (math.prod(site.lengths), *site.shape) if site.lengths else site.shape


def _total(shapes):
    """The shape of all joined along their first axis, None where the others differ."""
    return (sum(shape[0] for shape in shapes), *shapes[0][1:]) if len({shape[1:] for shape in shapes}) == 1 else None


def _shown(shapes) -> str:
    return ", ".join(map(str, shapes[:4])) + (", …" if len(shapes) > 4 else "")
