"""The sampler of a small Boltzmann machine against its enumeration: what no gradient can show.

    keys           the same key gives the same samples, another key others
    held fixed     samples are zeros and ones without a derivative by the parameters
    independence   neighbours in a draw, and those half a draw apart, are uncorrelated given their starts
    stationary     starts drawn from p(v): frequencies of all states, and means of all units, are those of p(v)
    mean           starts given: ⟨h vᵀ⟩, ⟨v⟩, ⟨h⟩ of the samples are those of k steps, alone and times the starts
    gradient       `net.gradient` with these samples: the exact statistics after k steps, minus those of the data
    memory         persistent chains: the second draw given where the first ended, alone and times that

| symbol | name in code | shape |
|---|---|---|
| starts, ends | positions of states, `chains.numbers` | (R, M) |
| M | samples in a draw | () |
| R | draws, each with a key of its own | () |

Where one cause is found, what rests on it is downstream: a wrong conditional distribution moves the mean too. z-scores
and their probabilities are those of `fnnets.verify.statistics`, with exact variances.

Source: [Hinton2002] (contrastive divergence); [Tieleman2008] (persistent chains).
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fnnets import checks
from fnnets.core import Network, Sampler
from fnnets.layers.free_energy import BoltzmannParams
from fnnets.networks import energies
from fnnets.verify import chains, guard, precision, statistics
from fnnets.verify.report import Report, Row
from fnnets.verify.statistics import Sums

MOST, LONGEST, LEAST_DRAWS, STILL = 10, 32, 16, 30
ROUNDING = 8
PERSISTENT = "Tieleman2008"


class Facts(NamedTuple):
    """What the rows read.

    Attributes:
        chain: the machine, enumerated.
        values: ⟨h vᵀ⟩, v and E[h | v] of each state (S, d).
        names: of those, alone and times the units of the starts.
        starts: positions (R, M) of the states in which the first draw began.
        drawn: what was drawn.
        source: of the rule that the chain follows.
        slack: the probability of another sample for rounding, a step.
        rounding: of the gradient, relative to its parts.
    """

    chain: chains.Chain
    values: np.ndarray
    names: list[str]
    starts: np.ndarray
    drawn: chains.Drawn
    source: str
    slack: float
    rounding: float


class Fit(NamedTuple):
    """The number of steps that the rows assume, how well the mean fits what was asked for, and a sentence on it."""

    k: int
    outcome: statistics.Outcome
    sums: Sums
    note: str


def sampler(
    net: Network, params: Any, key: Any, *, draws: int = 20_000, examples: Any = None, k: int | None = None
) -> Report:
    """Hold a machine's sampler, `net.sampler`, against the exact distribution of its chain.

    Args:
        net: a machine from `fn.boltzmann` with binary units, at most 10 visible and 10 hidden ones; for a sampler of
            one's own `net._replace(sampler=fn.core.Sampler(start, draw))`. Chains may be kept in its memory as one
            array (M, p) of visible states.
        params: the machine's parameters; in half precision they are taken to float32.
        key: PRNG key; the report is a function of the arguments.
        draws: how many samples each row looks at, at least; 100 times as many find faults a tenth as large.
        examples: (N, p) states in which the chains begin, of contrastive divergence and of persistent chains alike;
            None takes eight different ones.
        k: Gibbs steps that the sampler is to make; None takes the first number up to 32 that fits, and says which.

    Raises:
        TypeError, ValueError: no machine, units that are not binary or too many, parameters of other shapes or NaN,
            no key, numbers that are no ints ≥ 1, examples that are no states, tempered chains, samples of another
            shape.

    >>> import jax, fnnets as fn
    >>> rbm = fn.boltzmann(3, 2, deviation=1.0)
    >>> report = sampler(rbm, rbm.init(jax.random.key(0)), jax.random.key(1), k=1)
    >>> report.ok, [row.where for row in report.rows]
    (True, ['keys', 'held fixed', 'independence', 'stationary', 'mean', 'gradient'])
    """
    params = _checked(net, params)
    checks.is_key(key, "sampler: key")
    checks.count(draws, "sampler: draws", "give the number of samples")
    if k is not None:
        k = checks.count(k, "sampler: k", "give the number of Gibbs steps, or None")
    keys = jax.random.split(key, 3)
    subject = chains.subject(net, params, keys[0], chains.examples_of(net, params, keys[0], examples))
    chain, size = chains.enumerated(params), len(subject.begin)
    count = max(LEAST_DRAWS, -(-draws // size))
    seed = np.asarray(jax.random.key_data(keys[1]))
    drawn_from_p = np.random.default_rng(seed).choice(len(chain.p), (count, size), p=chain.p)
    with precision.pinned():
        settled = jnp.asarray(chain.states[drawn_from_p], params.weights.dtype)
        args = params, keys[2], subject.examples, subject.begin, settled
        program = precision.program((count, net.sampler, net.gradient), chains.experiment(subject, count), *args)
        drawn, again = (jax.tree.map(np.asarray, program(*args)) for _ in range(2))
    return Report("sampler", precision.name(params), _rows(_facts(subject, params, chain, drawn), again, k))


def _checked(net, params):
    """The parameters, at least in float32, after what can be said about them and the machine."""
    machine = energies.of(net, "sampler")
    checks.is_instance(net.sampler, Sampler, "sampler: net.sampler", "take one from fnnets.networks.sampling")
    sides = ("visible", machine.visible.name, *net.input_shape), ("hidden", machine.hidden.name, *net.output_shape)
    for side, kind, size in sides:
        if kind != "binary":
            raise ValueError(f"sampler: net has {kind} {side} units, expected binary ones; only those are enumerated")
        if size > MOST:
            raise ValueError(
                f"sampler: net has {size} {side} units, expected at most {MOST}, as all states are enumerated; "
                "check the same sampler in a smaller machine"
            )
    checks.like(params, jax.eval_shape(net.init, jax.random.key(0)), "sampler: params")
    params = guard.floating(params, "params")
    for name, leaf in zip(BoltzmannParams._fields, params, strict=True):
        checks.finite(leaf, f"sampler: params.{name}")
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float32) if jnp.finfo(leaf.dtype).bits < 32 else leaf, params)


def _facts(subject, params, chain, drawn) -> Facts:
    q, p = params.weights.shape
    names = [f"h[{j}] v[{i}]" for j in range(q) for i in range(p)]
    names += [f"v[{i}]" for i in range(p)] + [f"h[{j}]" for j in range(q)]
    starts = np.broadcast_to(chains.numbers(np.asarray(subject.begin)), drawn.first.shape)
    noise = ROUNDING * chains.noise(params)
    source = PERSISTENT if subject.is_persistent else "Hinton2002"
    rounding, values = precision.tolerance(params.weights.dtype) + noise, chains.statistics(params, chain.states)
    return Facts(chain, values, chains.places(chain, names), starts, drawn, source, (p + q) * noise, rounding)


def _rows(facts: Facts, again, k) -> tuple[Row, ...]:
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
    """The rows, those downstream that rest on a wrong one; a memory that is not read is a cause, else a consequence."""
    order = ["keys", *["memory"] * is_ignored, "independence", "stationary"]
    resting = ["independence", "stationary", "mean", "gradient", "memory"]
    for cause in order:
        if any(row.where == cause and row.verdict == "wrong" for row in rows):
            below = [where for where in resting if where not in order[: order.index(cause) + 1]]
            return [
                row._replace(verdict="downstream") if row.verdict == "wrong" and row.where in below else row
                for row in rows
            ]
    return rows


def _fit(facts: Facts, k) -> Fit:
    """The mean after k steps; where none are given, after the first number that fits, or else the nearest."""
    asked = None if k is None else _after(facts, k, chains.after(facts.chain, facts.values, k))
    if asked and asked.outcome.p >= statistics.RATE:
        return asked._replace(note=_next_step(facts, asked))
    tried: list[Fit] = []
    for steps, moments in enumerate(itertools.islice(chains.walk(facts.chain, facts.values), LONGEST), 1):
        tried.append(found := _after(facts, steps, moments))
        if found.outcome.p >= statistics.RATE:
            note = f"k = {steps} is the first number of steps that fits"
            if asked:
                return asked._replace(k=steps, note=f"{note}, not {k}")
            return found._replace(note=f"{note}; {_next_step(facts, found)}")
    nearest = asked or min(tried, key=lambda fit: fit.outcome.z.max())
    return nearest._replace(note=f"no number of steps up to {LONGEST} fits")


def _after(facts: Facts, k: int, moments: chains.Moments) -> Fit:
    sums = _given(facts, facts.starts, facts.drawn.first, facts.values, moments, k)
    return Fit(k, statistics.judged(sums), sums, "")


def _next_step(facts: Facts, fit: Fit) -> str:
    """Whether so many draws tell k steps from k + 1."""
    more = chains.after(facts.chain, facts.values, fit.k + 1)
    sums = _given(facts, facts.starts, facts.drawn.first, facts.values, more, fit.k)
    is_told = (np.abs(sums.expected - fit.sums.expected) >= sums.n * fit.outcome.found).any()
    return f"k = {fit.k + 1} would {'be found as well' if is_told else 'not be told from it here'}"


def _given(facts: Facts, starts, ends, values, moments: chains.Moments, k: int) -> Sums:
    return chains.given(facts.chain, starts, ends, values, moments)._replace(slack=k * facts.slack)


def _exact(where, is_right, note, decided) -> Row:
    return Row("", where, "ok" if is_right else "wrong", note="" if is_right else note, decided=decided)


def _keys(facts: Facts, again, fit: Fit) -> Row:
    """Two runs of one program, and the draws of all keys; a chain that hardly moves may give the same for all."""
    pairs = zip(jax.tree.leaves(facts.drawn), jax.tree.leaves(again), strict=True)
    if not all(np.array_equal(x, y, equal_nan=True) for x, y in pairs):
        return _exact("keys", False, "one key gives other samples when it is used again", "two runs differ")
    distinct, draws = len(np.unique(facts.drawn.first, axis=0)), len(facts.drawn.first)
    is_right = distinct > 1 or fit.sums.variance.max() < STILL
    note = f"{draws} keys all give the same samples: the key is not used"
    return _exact("keys", is_right, note, f"{distinct} different draws of {draws} keys, two runs equal")


def _held_fixed(facts: Facts) -> Row:
    """Samples without a derivative. Means in their place are an option of contrastive divergence, and a fault else."""
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
    return statistics.row("independence", "", statistics.judged(sums), sums, names, "covariance of samples of a draw")


def _stationary(facts: Facts, fit: Fit) -> Row:
    """Frequencies of all states and of all units, after starts from p(v)."""
    states, p, _ = facts.chain
    sums = statistics.frequencies(states, p, facts.drawn.settled)._replace(slack=fit.k * facts.slack)
    names = ["state " + "".join(str(int(x)) for x in v) for v in states] + [f"v[{i}]" for i in range(states.shape[1])]
    return statistics.row("stationary", "", statistics.judged(sums), sums, names)


def _gradient(facts: Facts, fit: Fit, mean: Row) -> Row:
    """What `net.gradient` adds to the data's own gradient; where that is the samples' statistics, as the mean is."""
    explicit, data = (
        np.concatenate([np.ravel(np.asarray(leaf, np.float64)) for leaf in jax.tree.leaves(tree)])
        for tree in (facts.drawn.explicit, facts.drawn.data)
    )
    n, alone = fit.sums.n, facts.values.shape[1]
    gap, allowed = (
        np.abs(explicit - data - fit.sums.observed[:alone] / n).max(),
        facts.rounding * (1 + np.abs(data).max()),
    )
    if gap <= allowed:
        verdict = "downstream" if mean.verdict == "wrong" else mean.verdict
        return mean._replace(where="gradient", verdict=verdict, note="the statistics of the samples, minus the data's")
    expected, variance, span = (x[:alone] for x in fit.sums[1:4])
    sums = Sums(n * (explicit - data), expected, variance, span, n, fit.sums.slack)
    note, decided = "not the statistics of the samples, minus the data's", f"error {gap:.1e} > {allowed:.0e}"
    row = statistics.row("gradient", facts.source, statistics.judged(sums), sums, facts.names, note)
    return row._replace(verdict="wrong", decided=decided)


def _memory(facts: Facts, fit: Fit) -> Row | None:
    """The second draw given the first: means of its units, and of their products with those of the first."""
    if facts.source != PERSISTENT:
        return None
    states = facts.chain.states
    moments = chains.after(facts.chain, states, fit.k)
    sums = _given(facts, facts.drawn.first, facts.drawn.second, states, moments, fit.k)
    names = chains.places(facts.chain, [f"v[{i}]" for i in range(states.shape[1])])
    outcome = statistics.judged(sums)
    note = "the second draw given the first"
    if outcome.p < statistics.RATE:
        note = "the second draw does not go on from where the first ended"
        note = "samples are the same wherever the memory says that they begin" if _is_ignored(facts) else note
    return statistics.row("memory", facts.source, outcome, sums, names, note)


def _is_ignored(facts: Facts) -> bool:
    """Whether draws with the same keys are the same from the opposite states in memory."""
    return np.array_equal(facts.drawn.first, facts.drawn.elsewhere)
