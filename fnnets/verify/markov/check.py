"""The sampler of a small RBM against its enumerated Markov chain.

    keys           the same key gives the same samples, another key others
    held fixed     samples are zeros and ones without a derivative by the parameters
    independence   neighbours in a draw, and those half a draw apart, are uncorrelated given their starts
    stationary     starts drawn from p(v): frequencies of all states, and means of all units, are those of p(v)
    mean           starts given: ⟨h vᵀ⟩, ⟨v⟩, ⟨h⟩ of the samples are those of k steps, alone and times the starts
    gradient       `net.gradient` with these samples: the exact statistics after k steps, minus those of the data
    memory         persistent chains: the second draw given where the first ended, alone and times that

| symbol | name in code | shape |
|---|---|---|
| starts, ends | positions of states, `enumeration.numbers` | (R, M) |
| M | samples in a draw | () |
| R | draws, each with a key of its own | () |

Rows that rest on a wrong one are downstream: a wrong conditional distribution moves the mean too. z-scores
and their probabilities are those of `fnnets.verify.markov.statistics`, with exact variances.

Source: [Hinton2002] (contrastive divergence); [Tieleman2008] (persistent chains).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.boltzmann import energies
from fnnets.core import calls, validate
from fnnets.core.types import Network, Sampler
from fnnets.layers.free_energy import BoltzmannParams
from fnnets.verify.markov import enumeration, statistics
from fnnets.verify.markov.enumeration import Chain, Drawn, Moments, Subject
from fnnets.verify.markov.statistics import Sums
from fnnets.verify.reference import arguments, settings
from fnnets.verify.report.data import Row
from fnnets.verify.report.report import Report
from fnnets.verify.tracing import compiled, precision

if TYPE_CHECKING:
    from jax.typing import ArrayLike
    from jaxtyping import Array

MOST, LONGEST, LEAST_DRAWS, STILL, ROUNDING = 10, 32, 16, 30, 8
PERSISTENT = "Tieleman2008"


class Facts(NamedTuple):
    """The chain, the samples and the tolerances that rows are made of.

    Attributes:
        chain: the RBM, enumerated.
        values: ⟨h vᵀ⟩, v and E[h | v] of each state (S, d).
        names: of those, alone and times the units of the starts.
        starts: positions (R, M) of the states in which the first draw began.
        drawn: the samples.
        source: source of the chain's rule.
        slack: the probability, for each step, of another sample for rounding.
        rounding: rounding of the gradient, relative to its parts.
    """

    chain: Chain
    values: np.ndarray
    names: list[str]
    starts: np.ndarray
    drawn: Drawn
    source: str
    slack: float
    rounding: float


class Fit(NamedTuple):
    """The number of steps that the rows assume, how well the mean fits, and a sentence on it."""

    k: int
    outcome: statistics.Outcome
    sums: Sums
    note: str


@calls.strict("sampler")
def sampler(
    net: Network, params: BoltzmannParams, *, key: Array, draws: int = 20_000, examples: ArrayLike | None = None,
    k: int | None = None,
) -> Report:  # fmt: skip
    """Hold an RBM's sampler, `net.sampler`, against the exact distribution of its chain.

    Args:
        net: an RBM from `fn.boltzmann` with binary units, at most 10 visible and 10 hidden ones; for a sampler of
            one's own `net._replace(sampler=fn.Sampler(start, draw))`. Chains may be kept in its memory as one
            array (M, p) of visible states.
        params: the RBM's parameters; in half precision they are taken to float32.
        key: PRNG key; the report is a function of the arguments.
        draws: number of samples of each row, at least; 100 times as many find faults a tenth as large.
        examples: (N, p) states in which all chains begin, persistent or not; None takes eight different ones.
        k: Gibbs steps of the sampler; None takes the first number up to 32 that fits, which the report names.

    Raises:
        TypeError, ValueError: no RBM; units not binary, or too many; parameters of other shapes, or NaN; no key;
            numbers that are no ints ≥ 1; examples that are no states; tempered chains; samples of another shape.

    >>> import jax, fnnets as fn
    >>> rbm = fn.rbm(3, 2, deviation=1.0)
    >>> report = sampler(rbm, rbm.init(jax.random.key(0)), key=jax.random.key(1), k=1)
    >>> report.ok, [row.where for row in report.rows]
    (True, ['keys', 'held fixed', 'independence', 'stationary', 'mean', 'gradient'])
    """
    params = _checked(net, params)
    validate.is_key(key, "sampler: key")
    validate.count(draws, "sampler: draws", "give the number of samples")
    if k is not None:
        k = validate.count(k, "sampler: k", "give the number of Gibbs steps, or None")
    keys = jax.random.split(key, 3)
    subject = enumeration.subject(net, params, keys[0], enumeration.examples_of(net, params, keys[0], examples))
    chain, size = enumeration.enumerated(params), len(subject.begin)
    count = max(LEAST_DRAWS, -(-draws // size))
    random = np.random.default_rng(np.asarray(jax.random.key_data(keys[1])))
    with precision.pinned(), settings.allowing():
        settled = jnp.asarray(chain.states[random.choice(len(chain.p), (count, size), p=chain.p)], params.weights.dtype)
        args = params, keys[2], subject.examples, subject.begin, settled
        program = compiled.program((count, net.sampler, net.gradient), enumeration.experiment(subject, count), *args)
        drawn, again = (jax.tree.map(np.asarray, program(*args)) for _ in range(2))
    return Report("sampler", precision.name(params), _rows(_facts(subject, params, chain, drawn), again, k))


def _checked(net: Network, params: BoltzmannParams) -> BoltzmannParams:
    """The parameters, at least in float32, after the validation of them and the network."""
    rbm = energies.of(net, "sampler: net")
    validate.is_instance(net.sampler, Sampler, "sampler: net.sampler", "take one from fnnets.boltzmann.sampling")
    sides = ("visible", rbm.visible.name, net.input_shape[0]), ("hidden", rbm.hidden.name, net.output_shape[0])
    for side, kind, size in sides:
        if kind != "binary":
            raise ValueError(f"sampler: net has {kind} {side} units, expected binary ones; only those are enumerated")
        if size > MOST:
            remedy = "as all states are enumerated; check the same sampler in a smaller RBM"
            raise ValueError(f"sampler: net has {size} {side} units, expected at most {MOST}, {remedy}")
    validate.like(params, jax.eval_shape(net.init, jax.random.key(0)), "sampler: params")
    params = arguments.floating(params, "sampler: params")
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float32) if jnp.finfo(leaf.dtype).bits < 32 else leaf, params)


def _facts(subject: Subject, params: BoltzmannParams, chain: Chain, drawn: Drawn) -> Facts:
    q, p = params.weights.shape
    names = [f"h[{j}] v[{i}]" for j in range(q) for i in range(p)]
    names += [f"v[{i}]" for i in range(p)] + [f"h[{j}]" for j in range(q)]
    starts = np.broadcast_to(enumeration.numbers(np.asarray(subject.begin)), drawn.first.shape)
    odds = ROUNDING * enumeration.rounding(params)
    source = PERSISTENT if subject.is_persistent else "Hinton2002"
    rounding, values = precision.tolerance(params.weights.dtype) + odds, enumeration.statistics(params, chain.states)
    return Facts(chain, values, enumeration.places(chain, names), starts, drawn, source, (p + q) * odds, rounding)


def _rows(facts: Facts, again: Drawn, k: int | None) -> tuple[Row, ...]:
    """All rows in the order of the module's table; what rests on a wrong one is downstream."""
    held = _held_fixed(facts)
    if not facts.drawn.are_states:
        return (held,)
    fit = _fit(facts, k)
    keys, independence, stationary = _keys(facts, again, fit), _independence(facts), _stationary(facts, fit)
    mean = statistics.row("mean", facts.source, fit.outcome, fit.sums, facts.names, fit.note)
    gradient, memory = _gradient(facts, fit, mean), _memory(facts, fit)
    rows = [row for row in (keys, held, independence, stationary, mean, gradient, memory) if row]
    return tuple(_caused(rows, _is_ignored(facts)))


def _caused(rows: list[Row], is_ignored: bool) -> list[Row]:
    """The rows, downstream where they rest on a wrong one; a memory that is not read is a cause, else a consequence."""
    order = ["keys", *["memory"] * is_ignored, "independence", "stationary"]
    wrong = [row.where for row in rows if row.verdict == "wrong"]
    cause = next((where for where in order if where in wrong), None)
    if cause is None:
        return rows
    above = order[: order.index(cause) + 1]
    below = [each for each in wrong if each not in above and each != "held fixed"]
    return [row._replace(verdict="downstream") if row.where in below else row for row in rows]


def _fit(facts: Facts, k: int | None) -> Fit:
    """The mean after k steps; where none are given, after the first number that fits, or else the nearest."""
    given = None if k is None else _after(facts, k, enumeration.after(facts.chain, facts.values, k))
    if given and given.outcome.p >= statistics.RATE:
        return given._replace(note=_next_step(facts, given))
    tried: list[Fit] = []
    for steps, moments in enumerate(itertools.islice(enumeration.walk(facts.chain, facts.values), LONGEST), 1):
        tried.append(found := _after(facts, steps, moments))
        if found.outcome.p >= statistics.RATE:
            note = f"k = {steps} is the first number of steps that fits"
            if given:
                return given._replace(k=steps, note=f"{note}, not {k}")
            return found._replace(note=f"{note}; {_next_step(facts, found)}")
    nearest = given or min(tried, key=lambda fit: fit.outcome.z.max())
    return nearest._replace(note=f"no number of steps up to {LONGEST} fits")


def _after(facts: Facts, k: int, moments: Moments) -> Fit:
    sums = _given(facts, facts.starts, facts.drawn.first, facts.values, moments, k)
    return Fit(k, statistics.compared(sums), sums, "")


def _next_step(facts: Facts, fit: Fit) -> str:
    """A sentence: whether so many draws distinguish k steps from k + 1."""
    more = enumeration.after(facts.chain, facts.values, fit.k + 1)
    sums = _given(facts, facts.starts, facts.drawn.first, facts.values, more, fit.k)
    is_distinct = (np.abs(sums.expected - fit.sums.expected) >= sums.n * fit.outcome.found).any()
    return f"k = {fit.k + 1} would {'be found as well' if is_distinct else 'fit as well here'}"


def _given(facts: Facts, starts: np.ndarray, ends: np.ndarray, values: np.ndarray, moments: Moments, k: int) -> Sums:
    return enumeration.given(facts.chain, starts, ends, values, moments)._replace(slack=k * facts.slack)


def _exact(where: str, is_right: bool, note: str, decided: str) -> Row:
    return Row("", where, "ok" if is_right else "wrong", note="" if is_right else note, decided=decided)


def _keys(facts: Facts, again: Drawn, fit: Fit) -> Row:
    """Two runs of one program, and the draws of all keys; a chain that hardly moves may give the same for all."""
    pairs = zip(jax.tree.leaves(facts.drawn), jax.tree.leaves(again), strict=True)
    if not all(np.array_equal(x, y, equal_nan=True) for x, y in pairs):
        return _exact("keys", False, "one key gives other samples when it is used again", "two runs differ")
    distinct, draws = len(np.unique(facts.drawn.first, axis=0)), len(facts.drawn.first)
    is_right = distinct > 1 or fit.sums.variance.max() < STILL
    note = f"{draws} keys all give the same samples: the key is not used"
    return _exact("keys", is_right, note, f"{distinct} different draws of {draws} keys, two runs equal")


def _held_fixed(facts: Facts) -> Row:
    """Samples without a derivative. Means in their place are an option of contrastive divergence, else a fault."""
    tangent = float(facts.drawn.tangent)
    if facts.drawn.are_states:
        note = "samples depend on the parameters: automatic differentiation would go through the chain"
        return _exact("held fixed", tangent == 0, note, f"largest derivative of a sample {tangent:.1e}")
    note = "samples are no zeros and ones; for contrastive_divergence(means=True), check the chain without means"
    row = _exact("held fixed", False, note, "samples between 0 and 1")
    return row if facts.source == PERSISTENT else row._replace(verdict="inconclusive")


def _independence(facts: Facts) -> Row | None:
    """Residuals of two samples of a draw, whose starts may differ; nothing where a draw has one sample."""
    if facts.starts.shape[1] < 2:
        return None
    v = facts.chain.states[facts.drawn.first]
    sums = statistics.covariances(v, np.unique(facts.starts[0], return_inverse=True)[1])
    names = [f"v[{i}], {how}" for how in ("neighbours", "half a draw apart") for i in range(v.shape[2])]
    return statistics.row("independence", "", statistics.compared(sums), sums, names, "covariance of samples of a draw")


def _stationary(facts: Facts, fit: Fit) -> Row:
    """Frequencies of all states and of all units, after starts from p(v)."""
    states, p, _ = facts.chain
    sums = statistics.frequencies(states, p, facts.drawn.settled)._replace(slack=fit.k * facts.slack)
    names = ["state " + "".join(str(int(x)) for x in v) for v in states] + [f"v[{i}]" for i in range(states.shape[1])]
    return statistics.row("stationary", "", statistics.compared(sums), sums, names)


def _gradient(facts: Facts, fit: Fit, mean: Row) -> Row:
    """The part of `net.gradient` beside the data's own; where that is the samples' statistics, as the mean is."""
    explicit, data = (
        np.concatenate([np.ravel(np.asarray(leaf, np.float64)) for leaf in jax.tree.leaves(tree)])
        for tree in (facts.drawn.explicit, facts.drawn.data)
    )
    n, alone = fit.sums.n, facts.values.shape[1]
    gap = np.abs(explicit - data - fit.sums.observed[:alone] / n).max()
    allowed = facts.rounding * (1 + np.abs(data).max())
    if gap <= allowed:
        verdict = "downstream" if mean.verdict == "wrong" else mean.verdict
        return mean._replace(where="gradient", verdict=verdict, note="the statistics of the samples, minus the data's")
    expected, variance, span = (x[:alone] for x in fit.sums[1:4])
    sums = Sums(n * (explicit - data), expected, variance, span, n, fit.sums.slack)
    note, decided = "not the statistics of the samples, minus the data's", f"error {gap:.1e} > {allowed:.0e}"
    row = statistics.row("gradient", facts.source, statistics.compared(sums), sums, facts.names, note)
    return row._replace(verdict="wrong", decided=decided)


def _memory(facts: Facts, fit: Fit) -> Row | None:
    """The second draw given the first: means of its units, and of their products with those of the first."""
    if facts.source != PERSISTENT:
        return None
    states = facts.chain.states
    moments = enumeration.after(facts.chain, states, fit.k)
    sums = _given(facts, facts.drawn.first, facts.drawn.second, states, moments, fit.k)
    names = enumeration.places(facts.chain, [f"v[{i}]" for i in range(states.shape[1])])
    outcome = statistics.compared(sums)
    note = "the second draw given the first"
    if outcome.p < statistics.RATE:
        note = "the second draw does not go on from where the first ended"
        note = "samples are the same whatever start the memory holds" if _is_ignored(facts) else note
    return statistics.row("memory", facts.source, outcome, sums, names, note)


def _is_ignored(facts: Facts) -> bool:
    """Whether draws with the same keys are the same from the opposite states in memory."""
    return np.array_equal(facts.drawn.first, facts.drawn.elsewhere)
