"""Valid calls of `fn.rbm` and of the functions of `fn.boltzmann`."""

import jax
import numpy as np

import fnnets as fn
from fnnets.core import sparsity
from tests.invalid.calls import call
from tests.invalid.kinds import array, choice, count, fixed, flag, function, key, number, params
from tests.invalid.kinds import network as any_network

FEEDFORWARD = fn.feedforward([3, 2], objective=fn.objectives.softmax_log_likelihood)
RBM = fn.rbm(3, 2)
PARAMS = jax.tree.map(np.asarray, RBM.init(jax.random.key(0)))
V = np.array([[0, 1, 1], [1, 0, 1], [0, 0, 1], [1, 1, 0]], np.float32)
H = np.array([[0, 1], [1, 1], [0, 0], [1, 0]], np.float32)
OUT_OF_RANGE = {"above": np.full((4, 3), 1.5, np.float32), "below": -V, "of one": V[0], "of two RBMs": V[:, :2]}

network = any_network(RBM).also(feedforward=FEEDFORWARD, autoencoder=fn.autoencoder([3, 2]))
its_params = params(PARAMS).also(of_another=fn.rbm(4, 2).init(jax.random.key(0)), pair=(PARAMS, PARAMS))
visible = array(V).also(**OUT_OF_RANGE)
binary = visible.also(between=V / 2)
hidden = array(H).also(above=2 * H, below=-H, rows=H[:2])
steps = count(2)


def of_rbm(name, **arguments):
    """A row for a function that takes an RBM and its parameters first."""
    called = getattr(fn.boltzmann, name)
    return call(f"fn.boltzmann.{name}", called, net=network, params=its_params, **arguments)


SAMPLER = fn.boltzmann.contrastive_divergence()
ROWS = [
    call(
        "fn.rbm",
        fn.rbm,
        visible=count(3),
        hidden=count(2),
        visible_units=choice("binary").also(kind=fn.boltzmann.units.binary),
        hidden_units=choice("gaussian").also(kind=fn.boltzmann.units.gaussian),
        sampler=function(SAMPLER).also(
            itself=fn.boltzmann.contrastive_divergence, other=lambda kinds: 3, type=fn.Network, array=np.ones(2)
        ),
        mean=array(np.array([0.2, 0.5, 0.9])).but("none").also(above=np.full(3, 1.5), below=np.full(3, -0.5)),
        centred=number(0.01, 0, 1, open="low").but("none"),
        deviation=number(0.01, 0),
        l2=number(0.1, 0),
        sparsity=fixed(None, text="0.1"),
    ),
    call(
        "fn.rbm",
        lambda sparsity, **sizes: fn.rbm(3, 2, sparsity=sparsity, **sizes),
        sparsity=number(0.1, 0, 1, open="low high")
        .but("none")
        .also(mean=sparsity.Sparsity(1.5), weight=sparsity.Sparsity(0.1, -1.0), words=sparsity.Sparsity("a", "b")),
        hidden_units=fixed("binary"),
    ),
    call(
        "fn.boltzmann.contrastive_divergence",
        fn.boltzmann.contrastive_divergence,
        k=count(1),
        means=flag(True),
    ),
    call(
        "fn.boltzmann.persistent_contrastive_divergence",
        fn.boltzmann.persistent_contrastive_divergence,
        k=count(1),
        chains=count(5),
    ),
    call(
        "fn.boltzmann.parallel_tempering",
        fn.boltzmann.parallel_tempering,
        k=count(1),
        chains=count(5),
        temperatures=count(3, least=2),
    ),
    of_rbm("energy", v=visible, h=hidden),
    of_rbm("free_energy", v=visible),
    of_rbm("hidden_given_visible", v=visible),
    of_rbm("visible_given_hidden", h=hidden.but("rows")),
    of_rbm("statistics", v=visible.also(empty=V[:0])),
    of_rbm("free_energy_gap", train=visible.also(empty=V[:0]), validation=visible.also(empty=V[:0])),
    of_rbm("gibbs_step", v=visible, key=key()),
    of_rbm(
        "sample",
        key=key(),
        chains=count(4),
        steps=steps,
        start=visible.but("none").also(few=V[:2]),
        annealed=flag(True),
        means=flag(False),
    ),
    of_rbm("log_likelihood", v=binary, log_partition=number(3.0).also(words="3", several=np.zeros(2))),
    of_rbm("pseudo_log_likelihood", v=binary.also(empty=V[:0]), key=key().but("none")),
    of_rbm("log_partition", limit=count(5), chunk=count(4)),
    of_rbm("exact_samples", n=count(5), key=key(), limit=count(5)),
    of_rbm(
        "annealed_importance_sampling",
        key=key(),
        chains=count(4, least=2),
        temperatures=count(5, least=2).also(
            array=np.array([0.0, 0.5]),
            falling=np.array([1.0, 0.5, 0.0]),
            nan_array=np.array([0.0, np.nan, 1.0]),
            equal=np.array([0.0, 1e-60, 1.0]),
        ),
        base=array(np.zeros(3)).but("none"),
        reverse=binary.but("none").also(one=V[:1]),
    ),
]
