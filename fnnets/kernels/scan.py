"""The run of a cell over time and back, which every recurrent layer shares.

    forward:   s[t] = cell(s[t−1], x[t]),  y[t] = the first part of s[t]          t = 1 … T, one scan
               a padded step leaves the state as it was: s[t] = s[t−1]
    backward:  d_s[t] ← d_s[t] + (d_y[t], 0, …)
               d_s[t−1], δ[t] = cell's own backward step                          (8), the reverse scan
               ∂C/∂weights = Σ_t Σ_n δ[t,n] ⊗ (x[t,n], s[t−1,n])                  (9)-(14), after the scan
               ∂C/∂s[0] = Σ_n d_s[0,n]                                            where the initial state is learnt

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (T, N, m), time-major |
| s[t] | `states`, stacked over t | a tuple of (T, N, h); s[t−1] is `previous` |
| s[0] | `start` | a tuple of (N, h) |
| what a step keeps for its backward | `saved` | a pytree of (T, N, ·) |
| δ[t] | `delta` | a pytree of (T, N, ·) |
| padding | `mask` | (T, N) bool, True at real steps |
| k | `checkpoint_every` | () |

*Memory.* All of `saved` and `states` is O(T). With `checkpoint_every=k` the forward pass keeps only the state before
every k-th step, T/k of them, and the backward pass runs each segment of k steps forward again before it walks back
through it: two nested reverse scans, O(√T) for k = √T [Chen2016], and the same gradient to rounding.

*Segments.* A reverse scan over a segment is followed by the segment's contractions, so that δ is held for one segment
alone; the sums over segments are those over all steps. A segment is k steps with checkpoints, as memory would be O(T)
again with all steps in one. Without them it is all T steps, with one contraction over all of (T · N), or on a CPU,
where a fresh page of memory costs more than the product that fills it, as many as `fnnets.kernels.paths` has it.

*Truncation* to k steps cuts the sequence into segments of k steps that δ does not leave [Williams1990]: an
approximation. `forward` stops the gradient of the state there too, so that `jax.grad` agrees and central differences do
not.

Source: [Rauber], section 6, statements (8)-(14), for the simple layer; [Werbos1990].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from fnnets.core import taps
from fnnets.kernels import paths

if TYPE_CHECKING:
    from jaxtyping import PyTree


class Cell(NamedTuple):
    """The kernel of a cell: what the scan runs, on weights packed for it; arrays of a step are (N, ·).

    Attributes:
        pack: `(params) -> packed`, the weights as the steps read them.
        project: `(packed, x) -> inputs`: what is done with the inputs of all steps (T, N, m) at once.
        step: `(packed, state, input) -> (state, saved)`.
        back: `(packed, saved, previous, state, d_state) -> (d_previous, delta)`, statement (8): the page's with the
            product δ[t+1] ω at the end of step t + 1 in place of the beginning of step t.
        weigh: `(x, previous, states, delta) -> d_packed`, the contractions over the steps of a segment.
        d_input: `(packed, delta) -> d_x`.
        unpack: `(params, d_packed) -> d_params`.
        width: numbers of δ in a step, for one sequence.
        parts: the state's parts by name, with the statement of the gradient of each.
    """

    pack: Callable[..., PyTree]
    project: Callable[..., PyTree]
    step: Callable[..., PyTree]
    back: Callable[..., PyTree]
    weigh: Callable[..., PyTree]
    d_input: Callable[..., PyTree]
    unpack: Callable[..., PyTree]
    width: int
    parts: dict[str, str]


class Options(NamedTuple):
    """The options of a run: a learnt initial state, truncation, checkpoints, one output or all, kernel or page."""

    learn_initial_state: bool = False
    truncate: int | None = None
    checkpoint_every: int | None = None
    return_sequences: bool = True
    is_fast: bool = True


class ScanTrace(NamedTuple):
    """The trace of a recurrent layer.

    Attributes:
        x: (T, N, m).
        mask: (T, N), or None.
        start: s[0], a tuple of (N, h).
        states: a tuple of (T, N, h); with checkpoints the states before each segment, (segments, N, h).
        saved: what the steps kept, (T, N, ·); () with checkpoints.
        is_carried: (N, 0) where s[0] came with the context and is no parameter, else None.
    """

    x: PyTree
    mask: PyTree
    start: PyTree
    states: PyTree
    saved: PyTree
    is_carried: PyTree


def segment_length(cell: Cell, chosen: Options, x) -> int:
    """k, the steps of one segment."""
    steps, n, _ = x.shape
    return paths.segment_length(steps, n * cell.width * x.dtype.itemsize, chosen.checkpoint_every)


def contract(delta, x):
    """Σ_t Σ_n δ[t,n] ⊗ x[t,n], (g, m): one contraction over time and batch.

    It is written as δᵀ x: XLA's CPU code takes 1.2 to 1.7 times as long for (xᵀ δ)ᵀ, a training step with it on shares
    of two devices 1.2 times (LSTM of 64 and 128 units, 100 steps of 32 sequences), on one device 1.1 to 1.2 times.
    """
    return jnp.tensordot(delta, x, axes=((0, 1), (0, 1)))


def contract_both(delta, x, a):
    """`contract` with x and with a; as one product where x has so few features that its own would crawl."""
    m = x.shape[-1]
    if not paths.is_one_product(m):
        return contract(delta, x), contract(delta, a)
    both = contract(delta, jnp.concatenate([x, a], axis=-1))
    return both[:, :m], both[:, m:]


def _cuts(chosen: Options, steps: int):
    """At which steps the state's gradient stops, (T,), or None."""
    if not chosen.truncate:
        return None
    t = jnp.arange(steps)
    return (t % chosen.truncate == 0) & (t > 0)


def _where(condition, states, others):
    return tuple(jnp.where(condition, one, other) for one, other in zip(states, others, strict=True))


def _tapped(cell: Cell, state):
    """Each part of a state, named for verification."""
    return tuple(taps.tap(f"{part}[t]", value) for part, value in zip(cell.parts, state, strict=True))


def _marked(cell: Cell, d_state):
    """The gradient of each part of a state, marked for verification with its statement."""
    marks = zip(cell.parts.items(), d_state, strict=True)
    return tuple(taps.delta(f"{part}[t]", value, statement) for (part, statement), value in marks)


def _scan_forward(cell, packed, state, x, mask, cuts):
    """The state after the last step, and all states and all that is saved, stacked."""

    def step(state, inputs):
        x_t, mask_t, cut_t = inputs
        if cut_t is not None:
            state = _where(cut_t, lax.stop_gradient(state), state)
        new, saved = cell.step(packed, state, x_t)
        new = _tapped(cell, new if mask_t is None else _where(mask_t[:, None], new, state))
        return new, (new, saved)

    return lax.scan(step, state, (cell.project(packed, x), mask, cuts))


def forward(cell: Cell, chosen: Options, packed: PyTree, start: PyTree, x: PyTree, mask: PyTree):
    """The output, the states for the trace, and what the steps saved."""
    if chosen.checkpoint_every:
        return _with_checkpoints(cell, chosen, packed, start, x, mask)
    end, (states, saved) = _scan_forward(cell, packed, start, x, mask, _cuts(chosen, len(x)))
    return states[0] if chosen.return_sequences else end[0], states, saved


def _with_checkpoints(cell, chosen, packed, start, x, mask):
    """The output, and the states before each segment."""
    k = segment_length(cell, chosen, x)

    def segment(state, inputs):
        end, (states, _) = _scan_forward(cell, packed, state, *inputs)
        return end, (state, states[0] if chosen.return_sequences else ())

    whole, rest = _segments((x, mask, _cuts(chosen, len(x))), k)
    end, (befores, y) = lax.scan(segment, start, whole)
    y = y.reshape(len(y) * k, *y.shape[2:]) if chosen.return_sequences else y
    if rest is not None:
        end, (before, y_rest) = segment(end, rest)
        befores = jax.tree.map(lambda a, b: jnp.concatenate([a, b[None]]), befores, before)
        y = jnp.concatenate([y, y_rest]) if chosen.return_sequences else y
    return y if chosen.return_sequences else end[0], befores, ()


def _segments(tree, k):
    """Arrays (T, …) as whole segments (T // k, k, …), and the rest (T mod k, …), None where there is none."""
    steps = len(jax.tree.leaves(tree)[0])
    count = steps // k
    whole = jax.tree.map(lambda a: a[: count * k].reshape(count, k, *a.shape[1:]), tree)
    return whole, jax.tree.map(lambda a: a[count * k :], tree) if steps % k else None


def backward(cell, chosen, packed, trace: ScanTrace, d_y):
    """(d_packed, d_start, d_x): from the last segment to the first."""
    x, k = trace.x, segment_length(cell, chosen, trace.x)
    befores = trace.states
    if not chosen.checkpoint_every:
        befores = jax.tree.map(lambda s0, s: jnp.concatenate([s0[None], s[k - 1 : -1 : k]]), trace.start, trace.states)
    kept = () if chosen.checkpoint_every else (trace.states, trace.saved)
    d_state = tuple(jnp.zeros_like(part) for part in trace.start)
    if not chosen.return_sequences:
        d_state, d_y = (d_y, *d_state[1:]), None
    whole, rest = _segments((x, trace.mask, _cuts(chosen, len(x)), d_y, kept), k)

    def segment(d_state, inputs):
        before, (x, mask, cuts, d_y, kept) = inputs
        states, saved = kept or _scan_forward(cell, packed, before, x, mask, cuts)[1]
        previous = jax.tree.map(lambda s0, s: jnp.concatenate([s0[None], s[:-1]]), before, states)
        d_state, delta = _scan_backward(cell, packed, d_state, (saved, previous, states), mask, cuts, d_y)
        return d_state, cell.weigh(x, previous, states, delta), cell.d_input(packed, delta)

    d_packed = d_x = None
    if rest is not None:
        d_state, d_packed, d_x = segment(d_state, (jax.tree.map(lambda a: a[-1], befores), rest))
        befores = jax.tree.map(lambda a: a[:-1], befores)
    if len(x) == k:  # one segment, no loop around it
        d_state, d_packed, d_x = segment(d_state, jax.tree.map(lambda a: a[0], (befores, whole)))
        return d_packed, d_state, d_x
    if d_packed is None:
        shapes = jax.eval_shape(segment, d_state, jax.tree.map(lambda a: a[0], (befores, whole)))[1]
        d_packed = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)

    def accumulate(carry, inputs):
        d_state, total = carry
        d_state, d_packed, d_x = segment(d_state, inputs)
        return (d_state, jax.tree.map(jnp.add, total, d_packed)), d_x

    (d_state, d_packed), d_whole = lax.scan(accumulate, (d_state, d_packed), (befores, whole), reverse=True)
    d_whole = d_whole.reshape(len(d_whole) * k, *d_whole.shape[2:])
    return d_packed, d_state, d_whole if d_x is None else jnp.concatenate([d_whole, d_x])


def _scan_backward(cell, packed, d_state, kept, mask, cuts, d_y):
    """(d_s before the first step, δ of all steps): statement (8)."""

    def back(d_state, inputs):
        (saved, previous, state), mask_t, cut_t, d_y_t = inputs
        if d_y_t is not None:
            d_state = (d_state[0] + d_y_t, *d_state[1:])
        d_state = _marked(cell, d_state)
        d_new = d_state
        if mask_t is not None:
            d_new = tuple(jnp.where(mask_t[:, None], part, 0) for part in d_state)
        d_previous, delta = cell.back(packed, saved, previous, state, d_new)
        if mask_t is not None:
            d_previous = _where(mask_t[:, None], d_previous, d_state)
        if cut_t is not None:
            d_previous = tuple(jnp.where(cut_t, jnp.zeros_like(part), part) for part in d_previous)
        return d_previous, delta

    return lax.scan(back, d_state, (kept, mask, cuts, d_y), reverse=True)
