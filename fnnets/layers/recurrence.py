"""Recurrent layers: a cell, the options that all of them have, and the implementation that runs it.

    plain      the cell's page, by the plain scan                `fnnets.layers.cell`
    fast       its kernel, by the scan of segments               `fnnets.kernels.scan`; both are equal to rounding

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (T, N, m), time-major; (N, m) for `step` |
| s[0] | `params.initial_state` where it is learnt, zeros where not, `context.state` where it is handed on | (N, h) |
| padding | `context.mask` | (T, N) bool |

Source: [Rauber], section 6, for the simple layer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from fnnets.core import validate
from fnnets.core.types import Context, Layer
from fnnets.initializers import Initializer
from fnnets.kernels import paths, scan
from fnnets.kernels.scan import Options
from fnnets.layers import cell as plain
from fnnets.layers.cell import Cell

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree


class CellTrace(NamedTuple):
    """The trace of the plain scan: the cell's own of each step, the mask (T, N), and whether s[0] was handed on."""

    steps: PyTree
    mask: Array
    is_carried: PyTree


class Run(NamedTuple):
    """An implementation of a recurrent layer.

    Attributes:
        forward: `(params, start, x, mask, is_carried) -> (y, trace)`.
        backward: `(params, trace, d_y) -> (d_params, d_x, ds[0])`.
        step: `(params, state, x) -> state`.
    """

    forward: Callable[..., tuple[PyTree, PyTree]]
    backward: Callable[..., tuple[PyTree, PyTree, PyTree]]
    step: Callable[..., PyTree]


def options(
    name: str, learn_initial_state: bool, truncate: int | None, checkpoint_every: int | None, return_sequences: bool,
    initializer: Initializer, implementation: str,
) -> Options:  # fmt: skip
    """The checked options of the layer `name`.

    >>> import fnnets as fn
    >>> options("lstm", False, 5, None, True, fn.initializers.glorot, "plain").truncate
    5
    """
    validate.is_instance(initializer, Initializer, f"{name}: initializer", "take one from fnnets.initializers")
    for flag, value in {"learn_initial_state": learn_initial_state, "return_sequences": return_sequences}.items():
        validate.flag(value, f"{name}: {flag}", "write True or False")
    for option, steps in {"truncate": truncate, "checkpoint_every": checkpoint_every}.items():
        if steps is not None:
            validate.count(steps, f"{name}: {option}", "give a number of steps, or None")
    is_fast = paths.is_fast(implementation, name)
    if checkpoint_every is not None and not is_fast:
        raise ValueError(
            f'{name}: checkpoint_every is {checkpoint_every} with implementation="plain", expected None; only '
            'fnnets/kernels/scan.py keeps checkpoints: write implementation="fast"'
        )
    return Options(learn_initial_state, truncate, checkpoint_every, return_sequences, is_fast)


def layer(cell: Cell, kernel: scan.Cell, chosen: Options, detail: str = "") -> Layer:
    """The layer that runs a cell, or its kernel, over (T, N, m), with `start` and `step` for streams."""
    run = fast_run(kernel, chosen) if chosen.is_fast else plain_run(cell, chosen)

    def init(key, shape):
        params = cell.init(key, shape[0])
        if chosen.learn_initial_state:
            zeros = cell.start(jnp.zeros(cell.units, jnp.result_type(float)))
            params = params._replace(initial_state=zeros)
        return params, (cell.units,)

    def start(params, n):
        if chosen.learn_initial_state:
            return tuple(jnp.broadcast_to(part, (n, *part.shape)) for part in params.initial_state)
        return cell.start(jnp.zeros((n, cell.units), jax.tree.leaves(params)[0].dtype))

    def forward(params, x, context: Context):
        n, is_own = x.shape[1], context.state is None
        began = start(params, n) if is_own else context.state
        return run.forward(params, began, x, context.mask, None if is_own else jnp.zeros((n, 0), x.dtype))

    def backward(params, trace, d_y):
        d_params, d_x, d_start = run.backward(params, trace, d_y)
        if chosen.learn_initial_state:  # a state that was handed on is a constant
            counted = 1 if trace.is_carried is None else 0
            d_params = d_params._replace(initial_state=tuple(counted * jnp.sum(part, axis=0) for part in d_start))
        return d_params, d_x

    def step(params, state, x):
        state = run.step(params, state, x)
        return state, state[0]

    def answer(params, trace):
        steps = (trace.x if chosen.is_fast else trace.mask).shape[:2]
        return (*(steps if chosen.return_sequences else steps[1:]), cell.units)

    statements = cell.statements
    if chosen.learn_initial_state:
        statements = statements._replace(initial_state=("ds[0]",) * len(cell.start(jnp.zeros(1))))
    return Layer(
        init, forward, backward, cell.name, statements, start=start, step=step, expects=cell.expects,
        time="sequence to sequence" if chosen.return_sequences else "sequence to vector",
        approximation=f"its backward pass is truncated to {chosen.truncate} steps" if chosen.truncate else "",
        input_statement=cell.input_statement, detail=detail, trace=scan.ScanTrace if chosen.is_fast else CellTrace,
        answer=answer, plain=_page(cell, kernel, chosen, detail) if chosen.is_fast else None,
    )  # fmt: skip


def _page(cell: Cell, kernel: scan.Cell, chosen: Options, detail: str) -> Layer:
    """The layer that runs the page in place of the kernel; checkpoints are the kernel's."""
    return layer(cell, kernel, chosen._replace(is_fast=False, checkpoint_every=None), detail)


def plain_run(cell: Cell, chosen: Options) -> Run:
    """The cell by the plain scan."""

    def forward(params, start, x, mask, is_carried):
        mask = jnp.ones(x.shape[:2], bool) if mask is None else jnp.asarray(mask)
        y, steps = plain.forward(cell, params, start, x, mask, plain.cuts(chosen.truncate, len(x)))
        return y if chosen.return_sequences else y[-1], CellTrace(steps, mask, is_carried)

    def backward(params, trace, d_y):
        steps = len(trace.mask)
        if not chosen.return_sequences:
            d_y = jnp.zeros((steps, *d_y.shape), d_y.dtype).at[-1].set(d_y)
        return plain.backward(cell, params, trace.steps, d_y, trace.mask, plain.cuts(chosen.truncate, steps))

    return Run(forward, backward, lambda params, state, x: cell.step(params, state, x)[0])


def fast_run(kernel: scan.Cell, chosen: Options) -> Run:
    """The kernel by the scan of segments."""

    def forward(params, start, x, mask, is_carried):
        y, states, saved = scan.forward(kernel, chosen, kernel.pack(params), start, x, mask)
        return y, scan.ScanTrace(x, mask, start, states, saved, is_carried)

    def backward(params, trace, d_y):
        d_packed, d_start, d_x = scan.backward(kernel, chosen, kernel.pack(params), trace, d_y)
        return kernel.unpack(params, d_packed), d_x, d_start

    def step(params, state, x):
        packed = kernel.pack(params)
        return kernel.step(packed, state, kernel.project(packed, x[None])[0])[0]

    return Run(forward, backward, step)
