"""Whether it pays to share a minibatch among the cores of a CPU, by an estimate of the step's work.

    saved    seconds of the gradient's work that one core does, of the whole minibatch, minus those of a share
    spent    `MEETING` a step, in which the devices wait for each other, and `SUM` for each byte of the gradient
    pays     saved > MARGIN · spent

One device runs large products on all cores already, and small products, loops over time and elementwise functions on
one (XLA's CPU backend): so large products save nothing, and a network of them alone is not shared. In a loop over time
each device reads the weights of such a product anew at every step, which one device's cores divide. Convolutions count
as work of one core; some of XLA's run on more, and save less than is estimated. What every device does for itself, the
optimiser's step and work on parameters alone, is in the difference of both estimates.

| symbol | name in code | unit |
|---|---|---|
| work of one core | `seconds(program)` | s |
| rates | `RATES`, `PRODUCTS` | s an element, s a FLOP |

The rates are those of a core of today's CPUs, within a factor of two; the decision needs no more, as the times of one
device and of several are close where it could go either way. It is made from shapes alone, before anything is compiled,
so that the same call always has the same program.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
from jax.sharding import Mesh

from fnnets.core import jaxprs, sequences
from fnnets.core.types import Batch, Network
from fnnets.data.sources import FIELDS
from fnnets.training.distributed import cores

if TYPE_CHECKING:
    from jaxtyping import PyTree

MEETING, SUM, MARGIN = 1.2e-4, 0.35e-9, 3.0  # s a step, s a byte, and how much better it has to be
PRODUCTS = 1 / 60e9  # s a FLOP of convolutions, and of products in loops
READING = 1 / 20e9  # s a byte of weights that a large product reads at each step of a loop, on each device anew
LARGE, LARGE_IN_LOOP = 2e6, 8e6  # FLOP of a product that runs on all cores; in a loop over time each step waits for it
FUNCTIONS = {"tanh", "exp", "exp2", "log", "log1p", "expm1", "logistic", "erf", "erf_inv", "sin", "cos", "pow", "sqrt"}
RATES = {"random_bits": 5e-9, "threefry2x32": 5e-9, "function": 2e-9, "other": 0.2e-9}  # s an element


def chosen(mesh: Mesh | None, net: Network, gradient: Callable[..., PyTree], train: PyTree, size: int) -> Mesh | None:
    """The devices of "all" that share: accelerators and several processes all of them, a CPU's if it pays, else None.

    Where a process has more CPU devices than processors, so many share as there are processors. The minibatches of an
    iterable are not known before they are read: one device trains.
    """
    if mesh is None or not is_one_cpu(mesh):
        return mesh
    count = min(mesh.size, cores.processors())
    if not hasattr(train, "inputs") or not pays(net, gradient, train, size, count):
        return None
    return Mesh(mesh.devices[:count], mesh.axis_names, axis_types=mesh.axis_types)


def is_one_cpu(mesh: Mesh) -> bool:
    """Whether the devices are those of this process's CPU."""
    return jax.process_count() == 1 and mesh.devices.flat[0].platform == "cpu"


def pays(net: Network, gradient: Callable[..., PyTree], batch: PyTree, size: int, devices: int) -> bool:
    """Whether `devices` of a CPU are faster together than one of them, with minibatches of `size` examples.

    Args:
        net: the network.
        gradient: `(params, batch, *, key) -> ∂C/∂params`.
        batch: examples, or a source of them, of which shapes and dtypes are read.
        size: examples in a minibatch.
        devices: how many share it, one a core.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> images = fn.Batch(jnp.ones((64, 28, 28, 1)), jnp.zeros(64, int))
    >>> net = fn.convolutional((28, 28, 1), "conv5-20 maxpool2 | fc-10", fn.activations.relu,
    ...                        objective=fn.objectives.softmax_log_likelihood)
    >>> [pays(net, net.gradient, images, size, 2) for size in (1, 64)]
    [False, True]
    """
    if devices == 1:
        return False
    whole = _of_step(net, gradient, batch, size, devices)
    share = _of_step(net, gradient, batch, -(-size // devices), 1)
    leaves = jax.tree.leaves(jax.eval_shape(net.init, jax.random.key(0)))
    spent = MEETING + SUM * sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)
    return whole - share > MARGIN * spent


def _of_step(net: Network, gradient: Callable[..., PyTree], batch: PyTree, size: int, cores: int) -> float:
    """Seconds of a device with so many cores for the gradient of `size` examples, and for what the sampler draws."""
    key = jax.eval_shape(lambda: jax.random.key(0))
    params = jax.eval_shape(net.init, key)
    part = _abstract(net, batch, size)

    transform = getattr(batch, "transform", None)

    def step(params, batch, key):
        batch = batch if transform is None else transform(batch)
        if net.sampler is not None:
            memory = net.sampler.start(params, key)
            batch, _ = net.sampler.draw(params, memory, batch, key)
        return gradient(params, batch._replace(dataset_size=size), key=key)

    return seconds(jax.make_jaxpr(step)(params, part, key).jaxpr, cores=cores)


def _abstract(net: Network, batch: PyTree, size: int) -> PyTree:
    """The shapes and dtypes of `size` examples."""
    axes = sequences.axes_of_fields(net.layer.time, batch.weights)

    def one(array, axis):
        shape = (*array.shape[:axis], size, *array.shape[axis + 1 :])
        return jax.ShapeDtypeStruct(shape, jax.dtypes.canonicalize_dtype(array.dtype))

    given = {name: (getattr(batch, name), axis) for name, axis in zip(FIELDS, axes, strict=True)}
    return Batch(**{name: one(array, axis) for name, (array, axis) in given.items() if array is not None})


def seconds(jaxpr: Any, in_loop: bool = False, cores: int = 1) -> float:
    """Seconds that one core takes for a program; of large products, which all cores share, the reading of weights.

    >>> import jax.numpy as jnp
    >>> x = jnp.ones((100, 100))
    >>> round(1e6 * seconds(jax.make_jaxpr(jnp.tanh)(x).jaxpr))                                     # µs
    20
    """
    return sum(_of_equation(equation, in_loop, cores) for equation in jaxpr.eqns)


def _of_equation(equation: Any, in_loop: bool, cores: int) -> float:
    name = equation.primitive.name
    out = sum(math.prod(each.aval.shape) for each in equation.outvars if hasattr(each.aval, "shape"))
    if name == "dot_general":
        flops = 2 * out * _contracted(equation)
        if flops < (LARGE_IN_LOOP if in_loop else LARGE):
            return flops * PRODUCTS
        weights = equation.invars[1].aval  # the second factor, as layers write their products
        return weights.size * weights.dtype.itemsize * READING / cores if in_loop else 0.0
    if name == "conv_general_dilated":
        kernel = equation.invars[1].aval.shape
        features = kernel[equation.params["dimension_numbers"].rhs_spec[0]]
        return 2 * out * math.prod(kernel) / max(1, features) * PRODUCTS
    inner = jaxprs.inner(equation)
    if name == "scan":
        return jaxprs.loop(equation).length * sum(seconds(each, True, cores) for each in inner)
    if inner:
        return max(seconds(each, in_loop or name == "while", cores) for each in inner)
    rate = RATES.get(name, RATES["function" if name in FUNCTIONS else "other"])
    return rate * out


def _contracted(equation: Any) -> int:
    """The number of products in each sum."""
    (axes, _), _ = equation.params["dimension_numbers"]
    return math.prod(equation.invars[0].aval.shape[axis] for axis in axes)
