"""The invariants as functions that raise, and the one table of tolerances."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import fnnets as fn

# Largest |explicit − automatic| of a leaf over its largest |automatic|. float64 is where derivations are
# judged; in float32 the two sides add in another order, and the bound is the one the issue of the first
# release sets; bfloat16 has 8 bits, and a sum of tens of terms loses three of them.
TOLERANCE = {"float64": 1e-12, "float32": 1e-5, "bfloat16": 6e-2}


def assert_equal_leaves(explicit, automatic, dtype, condition=1.0):
    """Leaf by leaf, the failing leaf named by its path; NaN on either side fails.

    `condition` is the factor by which the probe itself magnifies rounding.
    """
    assert jax.tree.structure(explicit) == jax.tree.structure(automatic)
    pairs = zip(jax.tree_util.tree_leaves_with_path(explicit), jax.tree.leaves(automatic), strict=True)
    for (path, e), a in pairs:
        e, a = np.asarray(e, np.float64), np.asarray(a, np.float64)
        assert e.shape == a.shape, jax.tree_util.keystr(path)
        if e.size == 0:
            continue
        scale = np.abs(a).max()
        error = np.abs(e - a).max() / scale if scale > 0 else np.abs(e).max()
        assert error <= condition * TOLERANCE[dtype], f"{jax.tree_util.keystr(path)}: relative error {error:.2e}"


def assert_type_of(gradient, params):
    """Same structure, shapes and dtypes: a gradient has the type of the parameters."""
    assert jax.tree.structure(gradient) == jax.tree.structure(params)
    for (path, g), p in zip(jax.tree_util.tree_leaves_with_path(gradient), jax.tree.leaves(params), strict=True):
        assert (g.shape, g.dtype) == (p.shape, p.dtype), jax.tree_util.keystr(path)


def scaled_leaves(tree, factor=1.001, added=0.0):
    """The tree once for each of its leaves, with that leaf scaled or moved: faults that every check must see."""
    leaves, structure = jax.tree.flatten(tree)
    for position in range(len(leaves)):
        yield jax.tree.unflatten(
            structure, [np.asarray(leaf) * factor + added if i == position else leaf for i, leaf in enumerate(leaves)]
        )


def generic(seed, tree):
    """The tree with every floating leaf replaced by asymmetric, non-zero numbers of order one."""
    random = np.random.default_rng(seed)
    return jax.tree.map(
        lambda leaf: (
            jnp.asarray(0.1 + random.normal(size=leaf.shape), leaf.dtype)
            if jnp.issubdtype(leaf.dtype, jnp.floating)
            else leaf
        ),
        tree,
    )


def drawn(layer, steps, n=3, features=3, padded=None, seed=1):
    """(params, x, d_y, mask) of a layer of sequences, of order one half: long sequences stay well conditioned."""
    params, x = layer.init(jax.random.key(0), (features,))[0], jnp.zeros((steps, n, features))
    y = jax.eval_shape(lambda params, x: layer.forward(params, x, fn.Context())[0], params, x)
    arrays = generic(seed, (params, x, jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), y)))
    return *jax.tree.map(lambda leaf: 0.5 * leaf, arrays), padded


def drawn_images(layer, shape, dtype, n=3, seed=1):
    """(params, x, d_y) of a layer of images (H, W, C), of order one."""
    params, y_shape = layer.init(jax.random.key(0), shape)
    return generic(seed, (params, jnp.zeros((n, *shape), dtype), jnp.zeros((n, *y_shape), dtype)))


@functools.partial(jax.jit, static_argnums=0)
def of_both(layers, params, x, d_y):
    """The output and (d_params, d_x) of each of the layers: one program."""

    def of_one(layer):
        y, trace = layer.forward(params, x, fn.Context())
        return y, layer.backward(params, trace, d_y)

    return tuple(map(of_one, layers))


@functools.partial(jax.jit, static_argnums=0)
def derivations(layer, params, x, d_y, mask=None, state=None):
    """The output, (d_params, d_x) by hand, and the same by `jax.vjp`: one program."""
    context = fn.Context(mask=mask, state=state)
    y, trace = layer.forward(params, x, context)
    automatic = jax.vjp(lambda params, x: layer.forward(params, x, context)[0], params, x)[1](d_y)
    return y, layer.backward(params, trace, d_y), automatic
