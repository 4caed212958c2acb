"""Restricted Boltzmann machines: a free energy for a layer, and for a cost how much lower it is on the model's samples.

    forward:   C = mean F(v) − mean F(v') + λ/2n Σ w² + S          v data; v' samples of the model, held fixed
    backward:  ∂C/∂w = −⟨∂F/∂w⟩ of the samples, + of the data      `layers.free_energy`: ⟨h v'ᵀ⟩ − ⟨h vᵀ⟩, …
               ∂C/∂w ← ∂C/∂w + λ/n w                               weights, never biases
               δ of S                                             `fnnets.core.sparsity`, on the data's t alone

| symbol | name in code | shape |
|---|---|---|
| v | `batch.inputs` | (N, p) |
| v' | `batch.targets`, None for the data's phase alone | (M, p) |
| W, b, c | `params`, `BoltzmannParams` | (q, p), (p,), (q,) |
| μ, ω | `Offsets`, means of v and of E[h given v] | (p,), (q,) |

C is no likelihood: its value can go up or down while the RBM improves. Its gradient with samples held fixed is
that of −mean log p(v) as far as the samples are the model's. In training the sampler
(`fnnets.boltzmann.sampling`) completes each minibatch; `fit(…, gradient="automatic")` differentiates the same C.

Centred training [Melchior2016] subtracts offsets from the states: E = −(v − μ)·Wᵀ(h − ω) − …. The distributions are the
same and the parameters are kept in the form above; what changes is the direction of a step,

    ∇W = dW − ω dbᵀ − dc μᵀ,    ∇b = db − ∇Wᵀ ω,    ∇c = dc − ∇W μ

A test holds it against `jax.grad` of the centred energy.

Derivation: ⟨(h − ω)(v − μ)ᵀ⟩ of one phase minus the other leaves ⟨h vᵀ⟩ − ω⟨v⟩ᵀ − ⟨h⟩μᵀ, as ω μᵀ cancels; the biases of
the form above are those of the centred one minus Wᵀω and Wμ, and move with W.

Source: [Hinton2002]; [Hinton2010]. The notes name these RBMs, and have no text on them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from fnnets import objectives
from fnnets.boltzmann import energies, sampling
from fnnets.boltzmann.energies import UnitKinds
from fnnets.core import arrays, batches, network, shares, sparsity, units, validate
from fnnets.core.construction import constructor
from fnnets.core.types import Network, Sampler
from fnnets.layers.free_energy import BoltzmannParams, free_energy

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree


class Offsets(NamedTuple):
    """Moving means of v (p,) and of E[h | v] (q,) over minibatches, and what the sampler keeps."""

    visible: Float[Array, " p"]
    hidden: Float[Array, " q"]
    memory: PyTree


class BoltzmannMachine(Network):
    """A network that is an RBM, which prints its units in place of layers."""

    __slots__ = ()

    def __str__(self) -> str:
        """A table: the units of either side, the weights between them, and the number of parameters of each."""
        (p,), (q,) = self.input_shape, self.output_shape
        kinds = self.family.visible.name, self.family.hidden.name
        rows = [
            ("", "size", "units", "parameters"),
            ("visible", str(p), kinds[0], f"{p:,}"),
            ("hidden", str(q), kinds[1], f"{q:,}"),
            ("weights", f"({q}, {p})", "", f"{q * p:,}"),
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        penalty = f", λ = {self.l2:g}" if isinstance(self.l2, int | float) and self.l2 else ""
        activity = "" if self.activity is None else f", {self.activity.name}"
        total = f"{p * q + p + q:,} parameters, restricted Boltzmann machine{penalty}{activity}"
        return "\n".join([*table, total])


CONTRASTIVE_DIVERGENCE = sampling.contrastive_divergence()


@constructor
def rbm(
    visible: int,
    hidden: int,
    *,
    visible_units: str = "binary",
    hidden_units: str = "binary",
    sampler: sampling.Rule = CONTRASTIVE_DIVERGENCE,
    mean: ArrayLike | None = None,
    centred: float | None = None,
    deviation: float = 0.01,
    l2: float = 0.0,
    sparsity: sparsity.Sparsity | float | None = None,
) -> Network:
    """A restricted Boltzmann machine; `predict` gives its features, E[h | v].

    Train it with `fn.fit(rbm, …, fn.Batch(v))`; `fn.boltzmann` has its energies, samplers, log Z and
    likelihood. The cost that `fit` reports is mean F(v), whose gap
    between training and validation data is the monitor of overfitting.

    Args:
        visible: p, the number of visible units.
        hidden: q, the number of hidden units.
        visible_units, hidden_units: "binary", or "gaussian" of variance 1 for real data (standardise them) and
            linear codes; not both Gaussian.
        sampler: `fn.boltzmann.contrastive_divergence(k)`, `.persistent_contrastive_divergence(k, chains=…)` or
            `.parallel_tempering(k, …)`.
        mean: (p,) mean of the data: visible biases begin at its log-odds ([Hinton2010], section 8); None begins at 0.
        centred: how far offsets move towards each minibatch's means, in (0, 1]; 0.01 is common, None does not centre.
        deviation: standard deviation of the initial weights.
        l2: λ of λ/2n Σ w²; the weight cost of [Hinton2010] is λ/n.
        sparsity: the mean activity that hidden units should have, a number or `fn.Sparsity(mean, weight)`.

    Raises:
        TypeError, ValueError: sizes that are no ints ≥ 1, kinds that are none, both Gaussian, a mean of another shape
            or out of [0, 1], numbers out of range, a sparsity target for Gaussian hidden units.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> rbm = fn.rbm(4, 3, sampler=fn.boltzmann.persistent_contrastive_divergence(chains=10))
    >>> v = (jax.random.uniform(jax.random.key(0), (40, 4)) < 0.7).astype(jnp.float32)
    >>> result = fn.fit(rbm, fn.training.momentum(0.1), fn.Batch(v), key=jax.random.key(1), progress=False)
    >>> result.state.memory.shape, rbm.predict(result.params, v[:2]).shape
    ((10, 4), (2, 3))
    """
    visible = validate.count(visible, "rbm: visible", "give the number of visible units")
    hidden = validate.count(hidden, "rbm: hidden", "give the number of hidden units")
    kinds = _kinds(visible_units, hidden_units)
    validate.at_least(l2, 0.0, "rbm: l2", "λ = 0 switches the penalty off")
    biases = None if mean is None else kinds.visible.bias(_mean(mean, visible, kinds))
    activity = None if sparsity is None else _activity(sparsity, kinds)
    layer = free_energy(hidden, *kinds, deviation=deviation, visible_biases=biases, with_inputs=activity is not None)
    expected = jax.eval_shape(lambda key: layer.init(key, (visible,))[0], jax.random.key(0))
    net = network.assemble(
        layer, objectives.difference, (visible,), l2, expected, (hidden,),
        targets=batches.SAMPLES, activity=activity, domain=kinds.visible.domain,
    )  # fmt: skip

    def predict(params, inputs, mask=None):
        if mask is not None:
            raise ValueError("predict: mask is given, but an RBM reads no sequences, expected None; leave mask=None")
        inputs = energies.visible_states(net, params, inputs, "predict: inputs")
        return kinds.hidden.mean(energies.hidden_inputs(params, inputs))

    chain = _sampler(sampler, kinds)
    net = BoltzmannMachine(*net)._replace(
        family=kinds, sampler=chain if centred is None else centring(chain, kinds, centred)
    )
    return net._replace(predict=predict)


@constructor
def centring(sampler: Sampler, kinds: UnitKinds, rate: float) -> Sampler:
    """The sampler with moving offsets, and the direction of a step that they lead to.

    Args:
        sampler: what draws the samples.
        kinds: the kinds of the units.
        rate: how far offsets move towards each minibatch's means, in (0, 1].

    Raises:
        ValueError: a rate out of (0, 1].

    >>> import jax, fnnets as fn
    >>> rbm = fn.rbm(3, 2, centred=0.01)
    >>> rbm.sampler.start(rbm.init(jax.random.key(0)), jax.random.key(1)).hidden.tolist()
    [0.5, 0.5]
    """
    validate.within(rate, 0.0, 1.0, "rbm: centred", "0.01 is common")

    def start(params, key):
        means = kinds.visible.mean(params.visible_biases), kinds.hidden.mean(params.hidden_biases)
        return Offsets(*means, sampler.start(params, key))

    def draw(params, memory, batch, key):
        completed, inner = sampler.draw(params, memory.memory, batch, key)
        v = batches.cast(batch.inputs, params)
        h = kinds.hidden.mean(energies.hidden_inputs(params, v))
        both = shares.mean(jnp.concatenate([v, h], axis=1), batch.weights, batch.total_weight)
        means = jnp.split(both, [v.shape[1]])
        visible, hidden = ((1 - rate) * old + rate * mean for old, mean in zip(memory, means, strict=False))
        return completed, Offsets(visible, hidden, inner)

    def transform_gradient(memory, d_params: BoltzmannParams) -> BoltzmannParams:
        d_weights, d_visible, d_hidden = sampler.transform_gradient(memory.memory, d_params)
        d_weights = d_weights - jnp.outer(memory.hidden, d_visible) - jnp.outer(d_hidden, memory.visible)
        return BoltzmannParams(d_weights, d_visible - memory.hidden @ d_weights, d_hidden - d_weights @ memory.visible)

    return Sampler(start, sampling.of_kinds(draw, kinds), transform_gradient, sampler.means + 1)


def _kinds(visible_units, hidden_units) -> UnitKinds:
    for name, kind in (("visible_units", visible_units), ("hidden_units", hidden_units)):
        validate.choice(kind, tuple(units.KINDS), f"rbm: {name}")
    if visible_units == hidden_units == "gaussian":
        raise ValueError(
            "rbm: visible_units and hidden_units are both 'gaussian', expected at most one; such an RBM has "
            "no finite Z once its weights grow"
        )
    return UnitKinds(units.KINDS[visible_units], units.KINDS[hidden_units])


def _mean(mean, visible, kinds):
    mean = validate.array(mean, "rbm: mean")
    if mean.shape != (visible,):
        raise ValueError(f"rbm: mean has shape {mean.shape}, expected ({visible},); give data.mean(axis=0)")
    validate.finite(mean, "rbm: mean")
    if kinds.visible.domain is not None:
        arrays.in_domain(mean, kinds.visible.domain, "rbm: mean")
    return jnp.asarray(mean, jnp.result_type(float))


def _activity(target, kinds):
    if kinds.hidden.name != "binary":
        raise ValueError("rbm: sparsity is given for Gaussian hidden units, expected binary ones; leave it out")
    return sparsity.activity(target, "rbm: sparsity")


def _sampler(rule, kinds) -> Sampler:
    rules = sampling.contrastive_divergence, sampling.persistent_contrastive_divergence, sampling.parallel_tempering
    if any(rule is each for each in rules):
        raise TypeError(
            f"rbm: sampler is the function {rule.__name__} itself, expected what it makes; call it: {rule.__name__}()"
        )
    made = rule(kinds) if callable(rule) and not isinstance(rule, type) else rule
    remedy = "write fn.boltzmann.contrastive_divergence() or another of its samplers"
    validate.is_instance(made, Sampler, "rbm: sampler", remedy)
    own = getattr(made.draw, "kinds", kinds)
    if own != kinds:
        came, wanted = ((each.visible.name, each.hidden.name) for each in (own, kinds))
        raise ValueError(
            f"rbm: sampler is that of an RBM with {came} units, visible and hidden, expected {wanted}; {remedy}"
        )
    return made
