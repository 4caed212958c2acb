"""Valid calls of the verifier, of the table of statements and of planted faults."""

import jax
import jax.numpy as jnp
import numpy as np

import fnnets as fn
from fnnets import mutation
from fnnets.verify import selftest
from tests.invalid.calls import call
from tests.invalid.kinds import (
    array,
    batch,
    choice,
    count,
    fixed,
    flag,
    function,
    instance,
    key,
    network,
    number,
    params,
    shape,
)

NET = fn.feedforward([4, 3, 2], objective=fn.objectives.softmax_log_likelihood)
PARAMS = NET.init(jax.random.key(0))
X = np.linspace(-1, 1, 20, dtype=np.float32).reshape(5, 4)
DATA = fn.Batch(X, np.arange(5) % 2, None, 17)
LAYER = fn.layers.dense(3, fn.activations.tanh)
OWN, _ = LAYER.init(jax.random.key(1), (4,))
RBM = fn.rbm(3, 2, deviation=1.0)
BOLTZMANN = RBM.init(jax.random.key(2))
STATES = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]], np.float32)
Z = np.linspace(-1, 1, 6, dtype=np.float32)
W = {"w": np.linspace(0.5, 1.5, 4, dtype=np.float32), "b": np.float32(0.3)}
KEY = key().but("none")
BOTH = flag(True)
EXPECTS = fixed(
    None, number=3, text="z", list=["z"], unknown={"y": 0.0}, names={3: 0.0}, words={"z": "0"}, infinite={"z": np.inf}
)
ARGNUMS = fixed(0, none=None, text="w", float=0.0, flag=True, below=-3, twice=(0, 0), nothing=(), array=np.arange(2))


def cost(params, x):
    return jnp.sum(params["w"] * x) ** 2 + params["b"] ** 2


def gradient(params, x):
    return {"w": 2 * jnp.sum(params["w"] * x) * x, "b": 2 * params["b"]}


def plain(x):
    return jnp.sin(x)


@jax.custom_vjp
def sine(x):
    return jnp.sin(x)


sine.defvjp(lambda x: (jnp.sin(x), x), lambda x, d_y: (d_y * jnp.cos(x),))

WRONG_PARAMS = params(W).but("leaves", "shape").also(list=[], words=["w"], flags={"w": np.array([True]), "b": W["b"]})
FLOATS = array(Z, sized=False).but("more axes", "number").also(integers=np.arange(3), empty=Z[:0], flags=Z > 0)
ANY = {"integers", "flags", "empty", "nan", "infinite"}


def make():
    return NET, PARAMS, DATA


def applied(**arguments):
    with mutation.applied(**arguments):
        pass


SHAPES = {"batch": count(4).but("none"), "steps": count(4).but("none")}
text = fixed("epoch", none=None, number=3, list=["epoch"])
TRIED = {
    "x64": BOTH,
    "progress": function(print),
    "names": fixed(["db zero"], text="db zero", misspelt=["db zer"], number=3, numbers=[3]),
}

ROWS = [
    call(
        "fn.intermediates",
        fn.intermediates,
        net=network(NET).also(own=NET._replace(gradient=gradient)),
        params=params(PARAMS).but("nan"),
        batch=batch(DATA),
        key=KEY.also(batch=DATA),
    ),
    call("fn.statements", fn.statements, family=choice("rbm").but("none")),
    call(
        "fn.verify.activation",
        fn.verify.activation,
        activation=instance(fn.activations.sigmoid, jnp.tanh, fn.objectives.sigmoid_cross_entropy, NET),
        x64=BOTH,
        z=FLOATS.but("none"),
    ),
    call(
        "fn.verify.network",
        fn.verify.network,
        net=network(NET).also(params=PARAMS),
        params=params(PARAMS),
        batch=batch(DATA),
        key=KEY.also(batch=DATA),
        x64=BOTH,
    ),
    call(
        "fn.verify.layer",
        fn.verify.layer,
        layer=instance(LAYER, NET, OWN),
        params=params(OWN).also(input=X),
        x=array(X).but("more axes").also(params=OWN),
        context=instance(fn.Context(), jax.random.key(0)).but("none"),
        key=KEY,
        x64=BOTH,
        expects=EXPECTS,
    ),
    call(
        "fn.verify.gradient",
        lambda cost, gradient, params, x, **options: fn.verify.gradient(cost, gradient, params, x, **options),
        cost=function(cost).also(
            swapped=gradient,
            array=lambda p, x: p["w"],
            whole=lambda p, x: 3,
            text=lambda p, x: "c",
            pair=lambda p, x: (p["b"], 1),
            nothing=lambda p, x: None,
            integer=lambda p, x: jnp.int32(3),
            number=3,
        ),
        gradient=function(gradient),
        params=WRONG_PARAMS,
        argnums=ARGNUMS.also(others=2),
        has_aux=flag(False),
        x64=BOTH,
        expects=EXPECTS,
        x=fixed(X[0]),
    ),
    call(
        "fn.verify.custom_vjp",
        lambda f, reference, x, **options: fn.verify.custom_vjp(f, reference, x, **options),
        {"x": "args"},
        argnums=ARGNUMS.also(others=1).but("none"),
        f=function(sine).also(plain=plain, shape=lambda x: sine(x)[0]),
        reference=function(plain).also(shape=lambda x: x[0], text=lambda x: "y"),
        x=fixed(
            Z, integers=np.arange(3), none=None, text="abc", list=[], nan=np.full(3, np.nan, np.float32), complex=1j * Z
        ),
        x64=BOTH,
        expects=EXPECTS,
    ),
    call(
        "fn.verify.sampler",
        fn.verify.sampler,
        net=network(RBM).also(feedforward=NET),
        params=params(BOLTZMANN).also(net=RBM),
        key=key(),
        draws=count(400),
        examples=array(STATES).but("none").also(shares=STATES / 2, empty=STATES[:0]),
        k=count(1).but("none"),
    ),
    call(
        "fn.verify.nan_origin",
        lambda function, x: fn.verify.nan_origin(function, x),
        function=function(plain).also(
            array=Z, result=plain(Z), branches=lambda x: x if x.sum() > 0 else -x, text=lambda x: "y"
        ),
        x=fixed(Z),
    ),
    call(
        "fn.verify.audit",
        lambda function, x, sweep, accept, seed, eager: fn.verify.audit(
            function, x, sweep=sweep, accept=accept, seed=seed, eager=eager
        ),
        function=function(plain).also(array=Z, result=plain(Z), branches=lambda x: x if x.sum() > 0 else -x),
        x=fixed(Z),
        sweep=flag(False),
        accept=fixed(()),
        seed=count(0, least=0),
        eager=flag(False),
    ),
    call(
        "fn.verify.tap",
        fn.verify.tap,
        name=fixed("z", none=None, number=3, bar="a|b", empty=""),
        value=FLOATS.but(*ANY - {"integers", "flags"}),
        scale=number(1.0),
    ),
    call(
        "fn.verify.delta",
        fn.verify.delta,
        name=fixed("z", none=None, number=3, bar="a|b", empty=""),
        statement=fixed("2", none=None, number=2, bar="|"),
        value=FLOATS.but(*ANY - {"integers", "flags"}),
    ),
    call(
        "fnnets.mutation.run",
        mutation.run,
        family=choice("dense"),
        sizes=shape((4, 3, 2)).but("none").also(two=(4, 3), nothing=()),
        seed=count(1, least=0),
        **SHAPES,
        **TRIED,
    ),
    call(
        "fnnets.verify.selftest.run",
        selftest.run,
        **TRIED | {"names": fixed(["cumulative sum"], text="kinks", misspelt=["kniks"], number=3, numbers=[3])},
        seeds=count(1),
    ),
    call(
        "fnnets.mutation.of",
        mutation.of,
        name=text,
        **TRIED,
        make=function(make).also(
            probe=make(), pair=lambda: (NET, PARAMS), nothing=lambda: None, other=lambda: (PARAMS, NET, DATA)
        ),
    ),
    call(
        "fnnets.mutation.applied",
        applied,
        mutant=instance(
            mutation.Mutant("db zero", "fnnets.layers.dense:dense", "jnp.sum", "0 * jnp.sum", ("dense",)), "db zero"
        ),
    ),
]
