"""Unusual calls of `verify.gradient` and `verify.custom_vjp`, by what is unusual about them."""

import collections
import dataclasses
import decimal
import fractions
import functools
import itertools
import math
import random
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import fnnets as fn

W = jnp.array([0.4, -1.2, 0.7])
M = jnp.array([[0.4, -1.2, 0.7], [0.1, 0.9, -0.3]])
HOST = np.array([0.4, -1.2, 0.7], np.float32)
KEY = jax.random.key(0)
RANDOM, ONE, OTHER = np.random.default_rng(0), itertools.count(), itertools.count()
Pair = collections.namedtuple("Pair", ["a", "b"])


class OwnError(Exception):
    """An exception of the caller's own."""


@dataclasses.dataclass
class Unregistered:
    """A class that is no pytree."""

    w: Any


class Called:
    """A function that is an object."""

    def __call__(self, w, *args):
        return jnp.sum(w**2)


def fails(*_, **__):
    raise OwnError("mine")


def asserts(w, *args):
    assert w.shape == (99,), "another shape"
    return jnp.sum(w)


def recursive(w, *args):
    return recursive(w, *args)


def squares(w, *args):
    return jnp.sum(w**2)


def by_w(w, *args):
    return 2 * w


def keyword(w, *, scale):
    return jnp.sum(w) * scale


def default(w, scale=2.0):
    return scale * jnp.sum(w**2)


def generator(w):
    yield jnp.sum(w)


memory: dict[str, Any] = {}


def leaking(w):
    memory.setdefault("all", []).append(w)
    return sum(jnp.sum(each) for each in memory["all"])


def global_rng(w):
    return w * random.random()


COSTS: dict[str, Any] = {
    "none": None, "number": 3, "text": "cost", "list": [squares], "module": jnp, "class": Unregistered,
    "object": Called(), "method": Called().__call__, "partial": functools.partial(default, scale=3.0),
    "jit": jax.jit(squares), "builtin sum": sum, "builtin max": max, "math.sin": math.sin, "np.sum": np.sum,
    "np.mean": np.mean, "np.linalg.norm": np.linalg.norm, "jnp.sum": jnp.sum, "lambda none": lambda w: None,
    "lambda text": lambda w: "c", "lambda int": lambda w: 3, "lambda float": lambda w: 3.0,
    "lambda bool": lambda w: True, "lambda complex": lambda w: jnp.sum(w.astype(jnp.complex64)),
    "lambda list": lambda w: [jnp.sum(w)], "lambda dict": lambda w: {"cost": jnp.sum(w)},
    "lambda pair": lambda w: (jnp.sum(w), 1), "lambda vector": lambda w: w[:2],
    "lambda one": lambda w: jnp.sum(w)[None], "lambda int32": lambda w: jnp.sum(w > 0),
    "lambda nan": lambda w: jnp.sum(w) * jnp.nan, "lambda inf": lambda w: jnp.sum(w) / 0, "raises": fails,
    "asserts": asserts, "recursion": recursive, "keyword only": keyword, "default": default,
    "generator": generator, "no argument": lambda: 0.0, "two arguments": lambda w, x: 0.0,
    "float of array": lambda w: float(jnp.sum(w**2)), "int of array": lambda w: jnp.sum(w) * int(w[0] + 3),
    "item": lambda w: jnp.sum(w**2).item(), "branch": lambda w: jnp.sum(w**2) if jnp.all(w < 9) else 0.0,
    "while": lambda w: jnp.sum(w**2) if bool(w[0] > 0) else jnp.sum(w),
    "index": lambda w: jnp.sum(w[jnp.nonzero(w > 0)] ** 2), "boolean mask": lambda w: jnp.sum(w[w > 0] ** 2),
    "range": lambda w: sum(w[i] for i in range(int(w[0] + 2))),
    "wrong shape": lambda w: jnp.sum(w @ jnp.ones((5, 5))), "missing key": lambda w: jnp.sum(w["a"]),
    "attribute": lambda w: w.weights.sum(), "item assignment": lambda w: w.__setitem__(0, 1.0),
    "while loop": lambda w: lax.while_loop(lambda c: c < 9, lambda c: c + 1.5, jnp.sum(w**2)),
    "fori": lambda w: lax.fori_loop(0, 3, lambda i, c: c * 1.5, jnp.sum(w**2)),
    "eigh": lambda w: jnp.sum(jnp.linalg.eigvalsh(jnp.outer(w, w) + jnp.diag(w))), "leaking": leaking,
    "random": lambda w: jnp.sum(w) * random.random(),
    "np random": lambda w: jnp.sum(w) * np.float32(RANDOM.random()), "abs": lambda w: jnp.sum(jnp.abs(w)),
    "sort": lambda w: jnp.sort(w)[0], "argmax": lambda w: w[jnp.argmax(w)], "constant": lambda w: jnp.float32(2.0),
    "float16": lambda w: jnp.sum(w.astype(jnp.float16) ** 2), "decimal": lambda w: decimal.Decimal(1),
    "fraction": lambda w: fractions.Fraction(1, 2),
    "callback": lambda w: jax.pure_callback(lambda a: np.float32(np.sum(a)), jax.ShapeDtypeStruct((), jnp.float32), w),
    "debug": lambda w: (jax.debug.print(""), jnp.sum(w**2))[1], "gradient itself": by_w,
    "jax.grad": jax.grad(squares), "stop": lambda w: lax.stop_gradient(jnp.sum(w)),
    "np scalar": lambda w: np.float64(2.0), "np in jnp": lambda w: jnp.sum(np.square(w)),
    "string format": lambda w: jnp.sum(w) * len(f"{w}"),
}  # fmt: skip

GRADIENTS: dict[str, Any] = {
    "none": None, "number": 2, "text": "gradient", "returns none": lambda w: None, "returns text": lambda w: "g",
    "returns number": lambda w: 2.0, "returns int": lambda w: 2, "returns list": lambda w: [2 * w],
    "returns pair": lambda w: (2 * w, 1), "returns dict": lambda w: {"w": 2 * w}, "returns object": Unregistered,
    "returns function": lambda w: by_w, "other shape": lambda w: 2 * w[:2], "more axes": lambda w: 2 * w[None],
    "scalar": lambda w: jnp.sum(w), "int32": lambda w: w.astype(jnp.int32), "bool": lambda w: w > 0,
    "complex": lambda w: 2 * w.astype(jnp.complex64), "float16": lambda w: (2 * w).astype(jnp.float16),
    "nan": lambda w: jnp.nan * w, "raises": fails, "asserts": asserts, "recursion": recursive,
    "no argument": lambda: 0.0, "two arguments": lambda w, x: w, "numpy": lambda w: 2 * np.asarray(w),
    "numpy list": lambda w: [2 * float(each) for each in w], "numpy float64": lambda w: np.asarray(w, np.float64) * 2,
    "numpy shape": lambda w: np.asarray(w)[:2], "numpy none": lambda w: print(end=str(np.asarray(w))[:0]),
    "numpy raises": lambda w: np.asarray(w)[7], "numpy text": lambda w: str(np.asarray(w)),
    "numpy ints": lambda w: np.asarray(w).astype(int),
    "numpy object": lambda w: np.array([1, None, 2]) if np.asarray(w) is not None else 0,
    "in place": lambda w: w.__imul__(2), "item assignment": lambda w: w.__setitem__(0, 1.0), "global": global_rng,
    "leaking": lambda w: leaking(w) * w, "counter": lambda w: 2 * w + next(ONE),
    "numpy counter": lambda w: 2 * np.asarray(w) + next(OTHER), "jax.grad": jax.grad(squares),
    "value_and_grad": jax.value_and_grad(squares), "jit": jax.jit(by_w),
    "partial": functools.partial(lambda s, w: s * w, 2.0), "generator": generator,
    "wrong product": lambda w: w @ jnp.ones((5, 5)), "missing key": lambda w: w["a"],
    "branch": lambda w: 2 * w if w[0] > 0 else w, "delta": lambda w: fn.verify.delta("z", 2 * w),
    "float0": lambda w: np.zeros(3, jax.dtypes.float0), "key": lambda w: KEY, "empty": lambda w: (),
    "the class": Called, "callback": lambda w: jax.pure_callback(lambda a: 2 * np.asarray(a), w, w),
    "callback raises": lambda w: jax.pure_callback(fails, w, w),
    "while loop": lambda w: lax.while_loop(lambda c: jnp.sum(c) < 99, lambda c: c * 2, jnp.abs(w)),
    "nested": lambda w: {"a": {"b": 2 * w}}, "set": lambda w: {1, 2}, "weak": lambda w: jnp.asarray(2.0),
    "np.float32": lambda w: np.float32(2),
}  # fmt: skip

PARAMS: dict[str, Any] = {
    "none": None, "empty tuple": (), "empty dict": {}, "text": "w", "bytes": b"w", "int": 3, "bool": True,
    "float": 2.0, "nan": math.nan, "inf": math.inf, "complex": 1j, "list of floats": [0.5, 1.5],
    "list of ints": [1, 2], "list of text": ["a"], "mixed": [0.5, "a", None, 3], "set": {1.0, 2.0}, "range": range(3),
    "function": jnp.sin, "object": Unregistered(W), "class": Unregistered,
    "int32": jnp.arange(3), "bools": W > 0, "complex64": W.astype(jnp.complex64), "float16": W.astype(jnp.float16),
    "bfloat16": W.astype(jnp.bfloat16), "numpy": HOST, "numpy float64": HOST.astype(np.float64),
    "longdouble": HOST.astype(np.longdouble), "object array": np.array([1.0, "a"], object),
    "text array": np.array(["a"]), "dates": np.array(["2020-01-01"], "datetime64[D]"),
    "masked": np.ma.masked_array(HOST, [True, False, False]), "big endian": HOST.astype(">f4"),
    "read only": np.broadcast_to(np.float32(2), (3,)), "zero-d": np.float32(2), "empty": W[:0],
    "no rows": jnp.zeros((0, 3)), "key": KEY, "old key": jax.random.PRNGKey(0), "keys": jax.random.split(KEY, 3),
    "nan array": W * jnp.nan, "inf array": W / 0, "dict": {"a": W, "b": 2.0}, "int keys": {1: W, 2: M},
    "mixed keys": {1: W, "a": M}, "nested": {"a": {"b": [W, (M,)]}}, "named": Pair(W, M), "named int": Pair(W, 3),
    "with none": [W, None], "with text": {"w": W, "name": "a"}, "with key": {"w": W, "key": KEY},
    "with function": {"w": W, "f": jnp.sin}, "with empty": {"w": W, "e": W[:0]},
    "with complex": {"w": W, "c": 1j * W}, "with object": {"w": W, "o": Unregistered(W)},
    "with ints": {"w": W, "n": jnp.arange(2), "m": 4}, "with bools": [W, W > 0],
    "ordered": collections.OrderedDict(b=W, a=M), "default": collections.defaultdict(list, a=W),
    "batch": fn.Batch(M, None),
    "network": fn.feedforward([2, 2], objective=fn.objectives.squared_error(fn.activations.tanh)),
    "layer": fn.layers.dense(2), "shape": jax.ShapeDtypeStruct((3,), jnp.float32), "same twice": [W, W],
    "large": jnp.ones(5000), "tiny": 1e-30 * W, "huge": 1e30 * W, "decimal": decimal.Decimal(1),
    "matrix": np.ones((1, 2), order="F"), "memory": memoryview(b"abc"), "deque": collections.deque([W]),
}  # fmt: skip

OPTIONS: dict[str, dict[str, Any]] = {
    "argnums 1": {"argnums": 1}, "argnums -1": {"argnums": -1}, "argnums -2": {"argnums": -2},
    "argnums 2": {"argnums": 2}, "argnums -3": {"argnums": -3}, "argnums float": {"argnums": 0.0},
    "argnums text": {"argnums": "w"}, "argnums none": {"argnums": None}, "argnums bool": {"argnums": False},
    "argnums empty": {"argnums": ()}, "argnums list": {"argnums": [0]}, "argnums both": {"argnums": (0, 1)},
    "argnums twice": {"argnums": (0, 0)}, "argnums same": {"argnums": (0, -2)},
    "argnums mixed": {"argnums": (0, "x")}, "argnums array": {"argnums": np.array([0, 1])},
    "argnums numpy": {"argnums": np.int64(1)}, "argnums nested": {"argnums": ((0,), 1)},
    "argnums set": {"argnums": {0}}, "argnums nan": {"argnums": math.nan}, "aux": {"has_aux": True},
    "aux text": {"has_aux": "yes"}, "aux none": {"has_aux": None}, "aux one": {"has_aux": 1},
    "x64 none": {"x64": None}, "x64 text": {"x64": "no"}, "x64 false": {"x64": False}, "float64": {"float64": True},
    "argnum": {"argnum": 0}, "unknown": {"tolerance": 1e-3}, "params by name": {"params": W},
    "argnums huge": {"argnums": 10**30}, "argnums array scalar": {"argnums": jnp.int32(0)},
    "argnums range": {"argnums": range(2)},
}  # fmt: skip


@jax.custom_vjp
def sine(x):
    return jnp.sin(x)


sine.defvjp(lambda x: (jnp.sin(x), x), lambda x, d: (d * jnp.cos(x),))


def made(plain: Callable[..., Any], forward: Callable[..., Any], backward: Callable[..., Any]) -> Any:
    """A function of a rule that may be wrong in form."""
    f = jax.custom_vjp(plain)
    f.defvjp(forward, backward)
    return f


undefined = jax.custom_vjp(jnp.sin)
keep = lambda x: (jnp.sin(x), x)  # noqa: E731
RULES: dict[str, tuple[Any, ...]] = {
    "no f": (None, jnp.sin, W), "no reference": (sine, None, W), "same": (sine, sine, W),
    "no rule": (jnp.sin, jnp.cos, W), "undefined": (undefined, jnp.sin, W), "no args": (sine, jnp.sin),
    "too many": (sine, jnp.sin, W, W), "int": (sine, jnp.sin, 3), "float": (sine, jnp.sin, 0.3),
    "text": (sine, jnp.sin, "x"), "none": (sine, jnp.sin, None), "ints": (sine, jnp.sin, jnp.arange(3)),
    "complex": (sine, jnp.sin, 1j * W), "nan": (sine, jnp.sin, jnp.nan * W), "empty": (sine, jnp.sin, W[:0]),
    "list": (sine, jnp.sin, [W]), "key": (sine, jnp.sin, KEY), "float16": (sine, jnp.sin, W.astype(jnp.float16)),
    "numpy": (sine, jnp.sin, HOST), "numpy reference": (sine, np.sin, W),
    "numpy f": (lambda x: np.sin(sine(x)), np.sin, W), "raises f": (fails, jnp.sin, W),
    "raises reference": (sine, fails, W), "other shape": (sine, lambda x: x[:2], W),
    "other dtype": (sine, lambda x: x.astype(jnp.float16), W), "other structure": (sine, lambda x: (x,), W),
    "text output": (sine, lambda x: "y", W), "none output": (sine, lambda x: None, W),
    "int output": (made(lambda x: x > 0, lambda x: (x > 0, x), lambda x, d: (x,)), lambda x: x > 0, W),
    "nan output": (sine, lambda x: jnp.log(-jnp.abs(x)), W),
    "rule of other shape": (made(jnp.sin, keep, lambda x, d: (d[:2],)), jnp.sin, W),
    "rule of two": (made(jnp.sin, keep, lambda x, d: (d, d)), jnp.sin, W),
    "rule of none": (made(jnp.sin, keep, lambda x, d: (None,)), jnp.sin, W),
    "rule no tuple": (made(jnp.sin, keep, lambda x, d: d), jnp.sin, W),
    "rule raises": (made(jnp.sin, keep, fails), jnp.sin, W),
    "forward raises": (made(jnp.sin, fails, lambda x, d: (d,)), jnp.sin, W),
    "forward no pair": (made(jnp.sin, jnp.sin, lambda x, d: (d,)), jnp.sin, W),
    "forward shape": (made(jnp.sin, lambda x: (x[:2], x), lambda x, d: (d,)), jnp.sin, W),
    "forward dtype": (made(jnp.sin, lambda x: (x.astype(jnp.float16), x), lambda x, d: (d,)), jnp.sin, W),
    "rule in numpy": (made(jnp.sin, keep, lambda x, d: (np.asarray(d),)), jnp.sin, W),
    "rule text": (made(jnp.sin, keep, lambda x, d: ("d",)), jnp.sin, W),
    "rule dtype": (made(jnp.sin, keep, lambda x, d: (d.astype(jnp.float16),)), jnp.sin, W),
    "rule int": (made(jnp.sin, keep, lambda x, d: (0,)), jnp.sin, W),
    "leaking": (made(jnp.sin, keep, lambda x, d: (leaking(d) * x,)), jnp.sin, W), "jit": (jax.jit(sine), jnp.sin, W),
    "vmap": (jax.vmap(sine), jnp.sin, W), "grad of it": (jax.grad(lambda x: jnp.sum(sine(x))), jnp.cos, W),
    "partial": (functools.partial(sine), jnp.sin, W), "relu": (jax.nn.relu, lambda x: jnp.maximum(x, 0), W),
    "softmax": (jax.nn.softmax, lambda x: jnp.exp(x) / jnp.sum(jnp.exp(x)), W),
    "logsumexp": (jax.nn.logsumexp, lambda x: jnp.log(jnp.sum(jnp.exp(x))), W),
    "branch": (lambda x: sine(x) if x[0] > 0 else x, jnp.sin, W), "swapped": (W, sine, jnp.sin),
    "tree": (lambda p: sine(p["w"]), lambda p: jnp.sin(p["w"]), {"w": W, "n": 3}),
    "dict with text": (lambda p: sine(p["w"]), lambda p: jnp.sin(p["w"]), {"w": W, "t": "a"}),
    "object": (sine, jnp.sin, Unregistered(W)), "shape": (sine, jnp.sin, jax.ShapeDtypeStruct((3,), jnp.float32)),
}  # fmt: skip


def floats(tree: Any) -> list[Any]:
    """The floating leaves of a tree, numbers among them."""
    leaves = [leaf for leaf in jax.tree.leaves(tree) if hasattr(leaf, "dtype") or isinstance(leaf, float)]
    return [leaf for leaf in leaves if jnp.issubdtype(jnp.result_type(leaf), jnp.floating)]


def of_tree(params: Any) -> Any:
    """Σ w² of all floats of a tree."""
    return sum(jnp.sum(jnp.square(leaf)) for leaf in floats(params))


def double(leaf: Any) -> Any:
    """2w of a float, anything else as it is."""
    return 2 * leaf if floats(leaf) else leaf


def by_tree(params: Any) -> Any:
    """The gradient of `of_tree`."""
    return jax.tree.map(double, params)


def calls() -> dict[str, Callable[[], Any]]:
    """The calls by name."""
    found: dict[str, Callable[[], Any]] = {}
    for name, cost in COSTS.items():
        found[f"cost {name}"] = lambda cost=cost: fn.verify.gradient(cost, by_w, W)
    for name, gradient in GRADIENTS.items():
        found[f"gradient {name}"] = lambda gradient=gradient: fn.verify.gradient(squares, gradient, W)
        if name in ("numpy", "branch", "raises", "returns pair", "counter"):
            found[f"gradient {name}, cost in NumPy"] = lambda g=gradient: fn.verify.gradient(
                lambda w: np.sum(np.square(w)), g, W
            )
    for name, params in PARAMS.items():
        found[f"params {name}"] = lambda params=params: fn.verify.gradient(of_tree, by_tree, params)
        found[f"params {name}, plain"] = lambda params=params: fn.verify.gradient(squares, by_w, params, x64=False)
    for name, options in OPTIONS.items():
        found[f"option {name}"] = lambda options=options: fn.verify.gradient(
            lambda w, x: jnp.sum(w * x), lambda w, x: x, W, W, **options
        )
        found[f"option {name} of a rule"] = lambda options=options: fn.verify.custom_vjp(
            lambda w, x: sine(w) * x, lambda w, x: jnp.sin(w) * x, W, W, **options
        )
    for name, given in RULES.items():
        found[f"rule {name}"] = lambda given=given: fn.verify.custom_vjp(*given)
    return found
