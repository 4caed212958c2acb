"""A small RBM of binary units, enumerated, and the samples of its sampler as positions among the enumerated states.

    p(v)        ∝ exp(b·v + Σ_j log(1 + exp t_j)),    t = W v + c
    P(h|v)      = exp(h·t − Σ_j log(1 + exp t_j)),    P(v'|h) likewise with h W + b
    T[v, v']    = Σ_h P(h|v) P(v'|h),                 p T = p
    E[s | v]    = (T^k s)[v],                         Var[s | v] = (T^k s²)[v] − E[s | v]²

| symbol | name in code | shape, with S = 2^p |
|---|---|---|
| v | `chain.states` | (S, p) |
| p(v) | `chain.p` | (S,) |
| T | `chain.step` | (S, S) |
| s | `values` | (S, d) |

The enumeration is NumPy in float64 and shares no code with the networks, so that it is independent of them.

Source: [Hinton2002]; `fnnets.boltzmann.energies` for the energy.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import arrays
from fnnets.core.types import Batch, Network, Sampler
from fnnets.layers.free_energy import BoltzmannParams
from fnnets.verify.markov.statistics import Sums
from fnnets.verify.tracing import precision

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

EXAMPLES = 8


class Chain(NamedTuple):
    """All states (S, p), their probabilities (S,), and the matrix (S, S) of one Gibbs step."""

    states: np.ndarray
    p: np.ndarray
    step: np.ndarray


class Moments(NamedTuple):
    """Mean and variance (S, d) of each statistic, given the state in which a chain began."""

    mean: np.ndarray
    variance: np.ndarray


class Subject(NamedTuple):
    """A network, its sampler, `(memory, v) -> memory` that places states v, the examples (N, p), the starts (M, p)."""

    net: Network
    sampler: Sampler
    place: Callable[[PyTree, Array], PyTree]
    is_persistent: bool
    examples: Array
    begin: Array


class Drawn(NamedTuple):
    """Positions (R, M) of the samples of R draws, their gradient and their derivative; NumPy or JAX.

    Attributes:
        first, second: of a draw from the given starts, and of the draw after it.
        settled: of draws whose starts come from p(v).
        elsewhere: of draws with the keys of the first, whose memory holds the complements of the starts.
        explicit, data: the mean of `net.gradient` with the first samples, and `jax.grad(net.cost)` of the data alone.
        tangent: the largest derivative of a sample along the parameters.
        are_states: whether all samples are zeros and ones.
    """

    first: np.ndarray
    second: np.ndarray
    settled: np.ndarray
    elsewhere: np.ndarray
    explicit: BoltzmannParams
    data: BoltzmannParams
    tangent: np.ndarray
    are_states: np.ndarray


def enumerated(params: BoltzmannParams) -> Chain:
    """The chain of an RBM with these parameters; memory and time grow as 2^(p + q) and 2^(2p + q).

    >>> import jax, fnnets as fn
    >>> chain = enumerated(fn.rbm(3, 2, deviation=1.0).init(jax.random.key(0)))
    >>> bool(np.allclose(chain.p @ chain.step, chain.p)), chain.step.shape
    (True, (8, 8))
    """
    weights, b, c = _float64(params)
    v, h = states(len(b)), states(len(c))
    t, u = v @ weights.T + c, h @ weights + b
    log_p = v @ b + np.logaddexp(0, t).sum(axis=1)
    p = np.exp(log_p - log_p.max())
    return Chain(v, p / p.sum(), _conditional(t, h) @ _conditional(u, v))


def states(m: int) -> np.ndarray:
    """All 2^m rows of zeros and ones, in the order of `numbers`.

    >>> states(2).tolist()
    [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    """
    return np.array(list(itertools.product((0.0, 1.0), repeat=m)))


def numbers(v: np.ndarray) -> np.ndarray:
    """Rows of zeros and ones (…, p) as positions (…) among `states(p)`; NumPy or JAX.

    >>> numbers(states(2)).tolist()
    [0, 1, 2, 3]
    """
    return v.astype("int32") @ (2 ** np.arange(v.shape[-1], dtype=np.int32)[::-1])


def statistics(params: BoltzmannParams, v: np.ndarray) -> np.ndarray:
    """E[h | v] vᵀ, v and E[h | v] of each state (…, p), in one row (…, q p + p + q) as the leaves of the parameters.

    >>> import jax, fnnets as fn
    >>> params = jax.tree.map(np.zeros_like, fn.rbm(2, 1).init(jax.random.key(0)))
    >>> statistics(params, np.array([1.0, 0.0])).tolist()
    [0.5, 0.0, 1.0, 0.0, 0.5]
    """
    weights, _, c = _float64(params)
    h = np.exp(-np.logaddexp(0, -(v @ weights.T + c)))
    products = h[..., :, None] * v[..., None, :]
    return np.concatenate([products.reshape(*v.shape[:-1], -1), v, h], axis=-1)


def walk(chain: Chain, values: np.ndarray) -> Iterator[Moments]:
    """Moments of `values` (S, d) after 1, 2, 3, … steps from each state, without end.

    >>> chain = Chain(states(1), np.array([0.5, 0.5]), np.array([[0.9, 0.1], [0.1, 0.9]]))
    >>> [moments.mean.ravel().round(2).tolist() for moments in itertools.islice(walk(chain, chain.states), 2)]
    [[0.1, 0.9], [0.18, 0.82]]
    """
    both, width = np.concatenate([values, values**2], axis=1), values.shape[1]
    while True:
        both = chain.step @ both
        mean, square = both[:, :width], both[:, width:]
        yield Moments(mean, np.maximum(square - mean**2, 0))


def after(chain: Chain, values: np.ndarray, k: int) -> Moments:
    """Moments of `values` after k ≥ 1 steps from each state.

    >>> chain = Chain(states(1), np.array([0.5, 0.5]), np.array([[0.9, 0.1], [0.1, 0.9]]))
    >>> after(chain, chain.states, 2).mean.ravel().round(2).tolist()
    [0.18, 0.82]
    """
    return next(itertools.islice(walk(chain, values), k - 1, None))


def given(chain: Chain, starts: np.ndarray, ends: np.ndarray, values: np.ndarray, moments: Moments) -> Sums:
    """Sums over samples of `values` (S, d) of their ends, alone (d,) and times the units of their starts (p, d).

    The products keep what the sums may lose: starts on either side of the mean, from which it is reached alike.

    >>> still = Chain(states(1), np.ones(2) / 2, np.eye(2))
    >>> sums = given(still, np.array([0, 1, 1]), np.array([0, 1, 0]), still.states, after(still, still.states, 1))
    >>> sums.observed.tolist(), sums.expected.tolist(), sums.variance.tolist(), sums.n
    ([1.0, 1.0], [2.0, 2.0], [0.0, 0.0], 3)
    """
    weights = np.concatenate([np.ones((len(values), 1)), chain.states], axis=1)
    often = np.bincount(starts.ravel(), minlength=len(chain.p))[:, None]
    observed = weights[starts.ravel()].T @ values[ends.ravel()]
    expected, variance = ((often * weights).T @ moment for moment in moments)
    span = np.broadcast_to(np.ptp(values, axis=0), observed.shape)
    return Sums(observed.ravel(), expected.ravel(), variance.ravel(), span.ravel(), starts.size)


def places(chain: Chain, names: list[str]) -> list[str]:
    """The names of the sums of `given`.

    >>> places(Chain(states(1), np.ones(2) / 2, np.eye(2)), ["h[0]"])
    ['h[0]', 'h[0] after v[0]']
    """
    return names + [f"{name} after v[{i}]" for i in range(chain.states.shape[1]) for name in names]


def rounding(params: BoltzmannParams) -> float:
    """The rounding of the odds of a coin: about ε times the largest sum of terms of a weighted input.

    >>> rounding(BoltzmannParams(np.ones((1, 2), np.float32), np.ones(2), np.ones(1))) == 4 * 2.0**-23
    True
    """
    weights, b, c = map(np.abs, _float64(params))
    terms = 1 + max((weights.sum(axis=1) + c).max(), (weights.sum(axis=0) + b).max())
    return float(terms) * precision.epsilon(params.weights.dtype)


def examples_of(net: Network, params: BoltzmannParams, key: Array, examples: PyTree) -> Array:
    """(N, p) states in the parameters' dtype: those given, or different ones drawn without replacement."""
    if examples is None:
        every = states(net.input_shape[0])
        chosen = jax.random.permutation(key, len(every))[:EXAMPLES]
        return jnp.asarray(every[np.asarray(chosen)], params.weights.dtype)
    examples = np.asarray(arrays.inputs(examples, net.input_shape, "sampler: examples"))
    if len(examples) == 0:
        raise ValueError("sampler: examples holds no states, expected at least one; None takes eight")
    if not np.isin(examples, (0, 1)).all():
        other = examples[~np.isin(examples, (0, 1))][0]
        raise ValueError(f"sampler: examples holds {other:g}, expected states, 0 or 1; round them, or draw from them")
    return jnp.asarray(examples, params.weights.dtype)


def subject(net: Network, params: BoltzmannParams, key: Array, examples: Array) -> Subject:
    """The starts of the chains: in the one array of states that the memory holds, else at the examples."""
    sampler = cast(Sampler, net.sampler)
    memory = jax.eval_shape(sampler.start, params, key)
    leaves, structure = jax.tree.flatten(memory)
    kept = _kept(leaves, net.input_shape)

    def place(memory, v):
        return jax.tree.unflatten(structure, [v if i == kept else x for i, x in enumerate(jax.tree.leaves(memory))])

    begin = examples if kept is None else examples[np.arange(len(leaves[kept])) % len(examples)]
    made = jax.eval_shape(sampler.draw, params, memory, Batch(examples), key)[0].targets
    if getattr(made, "shape", None) != begin.shape:
        raise ValueError(
            f"sampler: net.sampler.draw gives targets of shape {getattr(made, 'shape', None)}, expected {begin.shape}, "
            "a sample for each chain; set them with batch._replace(targets=samples)"
        )
    return Subject(net, sampler, place, kept is not None, examples, begin)


def experiment(subject: Subject, count: int) -> Callable[..., Drawn]:
    """`(params, key, examples (N, p), begin (M, p), settled (R, M, p)) -> Drawn`: all draws as one program."""
    net, sampler = subject.net, subject.sampler

    def run(params, key, examples, begin, settled):
        keys = [jax.random.split(jax.random.fold_in(key, i), count) for i in (1, 2, 3)]
        memory = sampler.start(params, key)
        samples = lambda params: _draws(subject, params, memory, keys, examples, begin, settled)  # noqa: E731
        v, tangent, aux = jax.jvp(samples, (params,), (jax.tree.map(jnp.ones_like, params),), has_aux=True)
        batch, kept = jax.tree.map(lambda leaf: leaf[:count], aux)
        again = lambda memory, key: sampler.draw(params, memory, Batch(examples), key)[0].targets  # noqa: E731
        second = jax.vmap(again)(kept, keys[2]) if subject.is_persistent else v[:count]
        explicit = jax.tree.map(lambda g: g.mean(axis=0), jax.vmap(lambda batch: net.gradient(params, batch))(batch))
        are_states = jnp.all((v == 0) | (v == 1)) & jnp.all((second == 0) | (second == 1))
        first, settled, elsewhere = jnp.split(numbers(v), 3)
        data, tangent = jax.grad(net.cost)(params, Batch(examples)), jnp.abs(tangent).max()
        return Drawn(first, numbers(second), settled, elsewhere, explicit, data, tangent, are_states)  # type: ignore[arg-type]

    return run


def _draws(subject, params, memory, keys, examples, begin, settled):
    """Samples (3 R, M, p) from the given starts, from p(v), and with the first keys from elsewhere; and memories.

    They are drawn side by side, so that the sampler is compiled once.
    """
    repeated = lambda v: jnp.broadcast_to(v, (len(settled), *v.shape))  # noqa: E731
    starts = jnp.concatenate([repeated(begin), settled, repeated(1 - begin)])
    data = settled[:, np.arange(len(examples)) % len(begin)]
    inputs = jnp.concatenate([repeated(examples), data, repeated(examples)])

    def draw(v, inputs, key):
        return subject.sampler.draw(params, subject.place(memory, v), Batch(inputs), key)

    batch, kept = jax.vmap(draw)(starts, inputs, jnp.concatenate([keys[0], keys[1], keys[0]]))
    return batch.targets, (batch, kept)


def _kept(leaves: list[jax.ShapeDtypeStruct], shape: tuple[int, ...]) -> int | None:
    """The position of the memory's leaf that holds chains (M, p) of visible states; None where none does."""
    kept = [i for i, leaf in enumerate(leaves) if leaf.ndim >= 2]
    shapes = ", ".join(str(leaves[i].shape) for i in kept)
    if len(kept) > 1 or (kept and leaves[kept[0]].ndim > 2):
        raise ValueError(
            f"sampler: net.sampler keeps chains of shape {shapes}, expected one array (M, p) or none: tempered chains "
            "have too many joint states to be enumerated; check persistent(k) in its place"
        )
    if kept and leaves[kept[0]].shape[1:] != shape:
        raise ValueError(
            f"sampler: net.sampler keeps chains of shape {shapes}, expected (M, {shape[0]}), visible states; keep those"
        )
    return kept[0] if kept else None


def _conditional(t: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Probabilities (n, 2^m) of the states x of independent units with weighted inputs t (n, m)."""
    return np.exp(t @ x.T - np.logaddexp(0, t).sum(axis=1, keepdims=True))


def _float64(params: BoltzmannParams) -> list[np.ndarray]:
    return [np.asarray(leaf, np.float64) for leaf in params]
