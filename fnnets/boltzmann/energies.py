"""Energies, conditional means and statistics of a restricted Boltzmann machine.

    E(v, h) = −b·v − c·h − h·Wv − log ν(v) − log ν(h)               p(v, h) = exp −E(v, h) / Z
    F(v)    = −log Σ_h exp −E(v, h)                                 p(v) = exp −F(v) / Z
    h given v:  t = W v + c,   E[h | v] = Φ'(t)                     the hidden units are independent given v
    v given h:  t = h W + b,   E[v | h] = Φ'(t)                     and the visible ones given h
    ∂/∂w of −mean log p(v) = statistics of the model − statistics of the data,      statistics: ⟨h vᵀ⟩, ⟨v⟩, ⟨h⟩

| symbol | name in code | shape |
|---|---|---|
| v, h | `v`, `h` | (N, p), (N, q) |
| W, b, c | `params`, `BoltzmannParams` | (q, p), (p,), (q,) |
| E, F | results, nats | (N,) |

The last line in words: Hebbian learning awake, its opposite asleep [Ackley1985]. Its derivation: log p(v) = −F(v) − log
Z, ∂F/∂w = E[∂E/∂w | v], and ∂ log Z/∂w = −E[∂E/∂w] over the model.

Source: [Hinton2002]; [Hinton2010], sections 2 and 16; `fnnets.core.units` for ν and Φ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from fnnets.core import arrays, batches, calls, units, validate
from fnnets.core.types import Context, Network
from fnnets.layers.free_energy import BoltzmannParams

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree

CHUNK = 1000


class UnitKinds(NamedTuple):
    """The kinds of an RBM's units: `net.family` of what `fn.boltzmann` makes."""

    visible: units.Units
    hidden: units.Units


@calls.strict("energy")
def energy(net: Network, params: BoltzmannParams, v: ArrayLike, h: ArrayLike) -> Float[Array, " n"]:
    """E(v, h) in nats.

    Args:
        net: an RBM from `fn.rbm`.
        params: its parameters.
        v: (N, p) visible states.
        h: (N, q) hidden states.

    Raises:
        TypeError, ValueError: no RBM; parameters of another RBM, or NaN; states of other shapes, out of the units'
            range, or NaN.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> rbm = fn.rbm(3, 2)
    >>> params = jax.tree.map(jnp.ones_like, rbm.init(jax.random.key(0)))
    >>> energy(rbm, params, jnp.ones((1, 3)), jnp.ones((1, 2))).tolist()               # −3 − 2 − 6
    [-11.0]
    """
    v, h = visible_states(net, params, v, "energy: v"), hidden_states(net, params, h, "energy: h")
    if len(v) != len(h):
        raise ValueError(f"energy: h holds {len(h)} states, expected {len(v)} as v does; give pairs")
    field = v @ params.visible_biases + h @ params.hidden_biases + jnp.sum((v @ params.weights.T) * h, axis=-1)
    return -field - units.log_measure(net.family.visible, v) - units.log_measure(net.family.hidden, h)


@calls.strict("free_energy")
def free_energy(net: Network, params: BoltzmannParams, v: ArrayLike) -> Float[Array, " n"]:
    """F(v) in nats: −log p(v) up to the constant log Z.

    Args:
        net, params, v: as for `energy`.

    Raises:
        TypeError, ValueError: as for `energy`.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> rbm = fn.rbm(3, 2)
    >>> params = jax.tree.map(jnp.zeros_like, rbm.init(jax.random.key(0)))
    >>> free_energy(rbm, params, jnp.ones((1, 3))).tolist() == [-2 * float(jnp.log(2))]
    True
    """
    v = visible_states(net, params, v, "free_energy: v")
    return net.layer.forward(params, v, Context())[0][..., 0]


@calls.strict("hidden_given_visible")
def hidden_given_visible(net: Network, params: BoltzmannParams, v: ArrayLike) -> Float[Array, "n q"]:
    """E[h | v]: the probabilities of binary hidden units, the means of Gaussian ones.

    Args:
        net, params, v: as for `energy`.

    Raises:
        TypeError, ValueError: as for `energy`.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> rbm = fn.rbm(3, 2)
    >>> params = jax.tree.map(jnp.zeros_like, rbm.init(jax.random.key(0)))
    >>> hidden_given_visible(rbm, params, jnp.ones((1, 3))).tolist()
    [[0.5, 0.5]]
    """
    v = visible_states(net, params, v, "hidden_given_visible: v")
    return net.family.hidden.mean(hidden_inputs(params, v))


@calls.strict("visible_given_hidden")
def visible_given_hidden(net: Network, params: BoltzmannParams, h: ArrayLike) -> Float[Array, "n p"]:
    """E[v | h]: the probabilities of binary visible units, the means of Gaussian ones.

    Args:
        net, params, h: as for `energy`.

    Raises:
        TypeError, ValueError: as for `energy`.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> rbm = fn.rbm(3, 2)
    >>> params = jax.tree.map(jnp.zeros_like, rbm.init(jax.random.key(0)))
    >>> visible_given_hidden(rbm, params, jnp.ones((1, 2))).tolist()
    [[0.5, 0.5, 0.5]]
    """
    h = hidden_states(net, params, h, "visible_given_hidden: h")
    return net.family.visible.mean(visible_inputs(params, h))


@calls.strict("statistics")
def statistics(net: Network, params: BoltzmannParams, v: ArrayLike) -> BoltzmannParams:
    """⟨h vᵀ⟩, ⟨v⟩ and ⟨h⟩ over the examples, h being E[h | v].

    The hidden units enter as probabilities, not as samples ([Hinton2010], section 3.1). The gradient of contrastive
    divergence is `statistics` of the samples minus `statistics` of the data.

    Args:
        net, params, v: as for `energy`.

    Raises:
        TypeError, ValueError: as for `energy`.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> rbm = fn.rbm(3, 2)
    >>> params, v = rbm.init(jax.random.key(0)), jnp.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    >>> statistics(rbm, params, v).visible_biases.tolist()
    [0.5, 0.0, 1.0]
    """
    v = visible_states(net, params, v, "statistics: v", least=1)
    h = net.family.hidden.mean(hidden_inputs(params, v))
    return BoltzmannParams(h.T @ v / len(v), jnp.mean(v, axis=0), jnp.mean(h, axis=0))


@calls.strict("free_energy_gap")
def free_energy_gap(net: Network, params: BoltzmannParams, train: ArrayLike, validation: ArrayLike) -> Float[Array, ""]:
    """Mean F(validation) − mean F(train) in nats: near 0 at first, and growing as the RBM overfits.

    log Z drops out, so this can be watched where likelihoods cannot be computed. Compare with as many training
    examples as there are validation examples, always the same ones ([Hinton2010], section 6).

    Args:
        net, params: as for `energy`.
        train, validation: (N, p) and (M, p) visible states.

    Raises:
        TypeError, ValueError: as for `energy`.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> rbm = fn.rbm(3, 2)
    >>> params = rbm.init(jax.random.key(0))
    >>> float(free_energy_gap(rbm, params, jnp.ones((4, 3)), jnp.ones((2, 3))))
    0.0
    """
    means = []
    for name, v in (("train", train), ("validation", validation)):
        v = visible_states(net, params, v, f"free_energy_gap: {name}", least=1)
        parts = [net.layer.forward(params, v[i : i + CHUNK], Context())[0][..., 0] for i in range(0, len(v), CHUNK)]
        means.append(jnp.mean(jnp.concatenate(parts)))
    return means[1] - means[0]


def hidden_inputs(params: BoltzmannParams, v: Float[Array, "*n p"]) -> Float[Array, "*n q"]:
    """t = v Wᵀ + c."""
    return v @ params.weights.T + params.hidden_biases


def visible_inputs(params: BoltzmannParams, h: Float[Array, "*n q"]) -> Float[Array, "*n p"]:
    """t = h W + b."""
    return h @ params.weights + params.visible_biases


def of(net: Network, name: str) -> UnitKinds:
    """The kinds of the units of a network that is an RBM; `name` is what messages call it."""
    validate.is_instance(net, Network, name, "make one with fn.rbm")
    if not isinstance(net.family, UnitKinds):
        raise TypeError(f"{name} is a network of {net.layer.name}, expected an RBM; make one with fn.rbm")
    return net.family


def of_params(net: Network, params: PyTree, user: str) -> UnitKinds:
    """The kinds of an RBM's units, once the RBM and its parameters are checked."""
    kinds = of(net, f"{user}: net")
    validate.like(params, jax.eval_shape(net.init, jax.random.key(0)), f"{user}: params")
    for name, leaf in zip(params._fields, params, strict=True):
        leaf = validate.array(leaf, f"{user}: params.{name}")
        # Bernoulli units would take a probability of NaN for 0.
        validate.finite(leaf, f"{user}: params.{name}", "take the last parameters before training diverged")
    return kinds


def visible_states(net: Network, params: PyTree, v: ArrayLike, name: str, least: int = 0) -> Array:
    """`v` as (N, p) states of an RBM's visible units, in the dtype of its parameters; all three are checked."""
    kinds = of_params(net, params, name.split(":")[0])
    return batches.cast(checked_states(v, net.input_shape, kinds.visible, name, least), params)


def hidden_states(net: Network, params: PyTree, h: ArrayLike, name: str) -> Array:
    """`h` as (N, q) states of an RBM's hidden units, in the dtype of its parameters; all three are checked."""
    kinds = of_params(net, params, name.split(":")[0])
    return batches.cast(checked_states(h, net.output_shape, kinds.hidden, name), params)


def checked_states(x: ArrayLike, shape: tuple[int, ...], kind: units.Units, name: str, least: int = 0) -> PyTree:
    """`x` as states of units of a kind, at least so many of them."""
    states: PyTree = arrays.inputs(x, shape, name)
    if kind.domain is not None:
        arrays.in_domain(states, kind.domain, name)
    if len(states) < least:
        raise ValueError(f"{name} holds no states, expected at least one; the mean of none is undefined")
    return states
