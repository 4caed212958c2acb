"""Matrix calculus: gradients by identities that automatic differentiation does not use.

| symbol | name in code | shape |
|---|---|---|
| matrices | `a`, `s` | (d, d) |
| the adjoint, A⁻ᵀ ∂C/∂u | `adjoint` | (d,) |
"""

from __future__ import annotations

import jax.numpy as jnp
import jax.scipy.linalg as linalg

from fnnets.verify.selftest.family import Call, Catalogue, Draw, gradient

CATALOGUE = Catalogue()
family = CATALOGUE.family


@family("log determinant by Cholesky", {"a factor of two missing": "a", "the ridge forgotten": "a"}, is_unusual=True)
def _log_determinant(draw: Draw, fault: str) -> Call:
    d = draw.size(2, 4)
    ridge = draw.number(0.5, 2)

    def spd(a, ridge):
        return a @ a.T + ridge * jnp.eye(d, dtype=a.dtype)

    def cost(a):
        return 2 * jnp.sum(jnp.log(jnp.diagonal(jnp.linalg.cholesky(spd(a, ridge)))))

    def by_hand(a):
        used = 0.5 * ridge if fault == "the ridge forgotten" else ridge
        return (1 if fault == "a factor of two missing" else 2) * jnp.linalg.solve(spd(a, used), a)

    return gradient(cost, by_hand, draw(d, d))


SOLVED = {"A for its transpose": ("a", "b"), "the sign of ∂C/∂A": "a", "∂C/∂A transposed": "a"}


@family("a linear system by the adjoint method", SOLVED, is_unusual=True)
def _solve(draw: Draw, fault: str) -> Call:
    d = draw.size(2, 4)
    c = draw(d)

    def cost(p):
        return jnp.sum(jnp.sin(c * jnp.linalg.solve(p["a"], p["b"])))

    def by_hand(p):
        u = jnp.linalg.solve(p["a"], p["b"])
        adjoint = jnp.linalg.solve(p["a"] if "A for" in fault else p["a"].T, c * jnp.cos(c * u))
        d_a = jnp.outer(adjoint, u)
        d_a = d_a.T if "transposed" in fault else d_a
        return {"a": d_a if "sign" in fault else -d_a, "b": adjoint}

    return gradient(cost, by_hand, {"a": draw(d, d) + 3 * jnp.eye(d), "b": draw(d)})


@family("distinct eigenvalues", {"eigenvectors of the other end": "w"}, is_unusual=True)
def _eigenvalues(draw: Draw, fault: str) -> Call:
    d = draw.size(2, 4)
    c, spread = draw(d), jnp.diag(3.0 * jnp.arange(d, dtype=jnp.float32))

    def symmetric(w):
        return 0.25 * (w + w.T) + spread.astype(w.dtype)

    def by_hand(w):
        vectors = jnp.linalg.eigh(symmetric(w))[1]
        return 0.5 * (vectors * (c[::-1] if fault else c)) @ vectors.T

    return gradient(lambda w: c @ jnp.linalg.eigvalsh(symmetric(w)), by_hand, draw(d, d))


@family("a trilinear form", {"a sum over the wrong axis": "u", "the other factor": "v"})
def _trilinear(draw: Draw, fault: str) -> Call:
    i, j = draw.sizes(2, 2, 5)

    def cost(p, t):
        return jnp.sum(jnp.sin(jnp.einsum("ijk,j,k->i", t, p["u"], p["v"])))

    def by_hand(p, t):
        d = jnp.cos(jnp.einsum("ijk,j,k->i", t, p["u"], p["v"]))
        d_u = jnp.einsum("ijk,i,j->k" if "axis" in fault else "ijk,i,k->j", t, d, p["u"] if "axis" in fault else p["v"])
        return {"u": d_u, "v": jnp.einsum("ijk,i,j->k", t, d, p["v"] if "other" in fault else p["u"])}

    return gradient(cost, by_hand, {"u": draw(j), "v": draw(j)}, draw(i, j, j))


@family("a rotation among the arguments", {"R for its transpose": "w"}, is_unusual=True)
def _rotation(draw: Draw, fault: str) -> Call:
    d = draw.size(3, 5)
    args = draw(d), draw.rotation(d), draw(d)

    def by_hand(w, r, y):  # RᵀR = 1
        return w - (r if fault else r.T) @ y

    return gradient(lambda w, r, y: 0.5 * jnp.sum((r @ w - y) ** 2), by_hand, *args)


@family(
    "standardised data",
    {"the mean of the targets forgotten": "b", "columns of the data exchanged": "w"},
    is_unusual=True,
)
def _standardised(draw: Draw, fault: str) -> Call:
    n, d = draw.sizes(2, 4, 9)
    raw = draw.double(n, d)
    x = jnp.asarray((raw - raw.mean(0)) / raw.std(0), jnp.float32)

    def cost(p, x, y):
        return 0.5 * jnp.mean((x @ p["w"] + p["b"] - y) ** 2)

    def by_hand(p, x, y):  # the columns of x sum to zero
        seen = x[:, ::-1] if "columns" in fault else x
        return {"w": seen.T @ (x @ p["w"] - y) / n, "b": p["b"] - (0 if "mean" in fault else y.mean())}

    return gradient(cost, by_hand, {"w": draw(d), "b": draw()}, x, draw(n))


@family("projections on unit rows", {"the square of a projection": "w"}, is_unusual=True)
def _unit_rows(draw: Draw, fault: str) -> Call:
    n, d = draw.sizes(2, 3, 6)
    raw = draw.double(n, d)
    x = jnp.asarray(raw / ((raw**2).sum(1, keepdims=True) ** 0.5), jnp.float32)

    def cost(w, x):
        along = x @ w
        return 0.5 * jnp.sum((w - along[:, None] * x) ** 2)

    def by_hand(w, x):  # |x| = 1, so that the projection's own square drops out
        along = x @ w
        return n * w - x.T @ (along**2 if fault else along)

    return gradient(cost, by_hand, draw(d), x)


@family("a matrix of transitions", {"P for its transpose": "w", "the mean in place of the sum": "b"}, is_unusual=True)
def _stochastic(draw: Draw, fault: str) -> Call:
    d = draw.size(3, 5)

    def cost(p, rows, y):
        return 0.5 * jnp.sum((rows @ (p["w"] + p["b"]) - y) ** 2)

    def by_hand(p, rows, y):  # rows sum to one
        error = rows @ p["w"] + p["b"] - y
        return {"w": (rows if "P" in fault else rows.T) @ error, "b": error.mean() if "mean" in fault else error.sum()}

    return gradient(cost, by_hand, {"w": draw(d), "b": draw()}, draw.shares(d, d), draw(d))


@family("a quadratic form of a symmetric matrix", {"one half of the matrix": "w"}, is_unusual=True)
def _symmetric(draw: Draw, fault: str) -> Call:
    d = draw.size(3, 5)
    raw = draw.double(d, d)
    s = jnp.asarray(raw + raw.T, jnp.float32)
    return gradient(lambda w, s: 0.5 * w @ s @ w, lambda w, s: (jnp.triu(s) if fault else s) @ w, draw(d), s)


@family(
    "a triangular system", {"the factor for its transpose": "w", "the diagonal taken for ones": "w"}, is_unusual=True
)
def _triangular(draw: Draw, fault: str) -> Call:
    d = draw.size(3, 5)
    factor = jnp.tril(draw(d, d), -1) + jnp.diag(draw.positive(d, least=0.8))

    def cost(w, factor):
        return 0.5 * jnp.sum(linalg.solve_triangular(factor, w, lower=True) ** 2)

    def by_hand(w, factor):
        u = linalg.solve_triangular(factor, w, lower=True)
        trans, is_one = 0 if "transpose" in fault else 1, "ones" in fault
        return linalg.solve_triangular(factor, u, lower=True, trans=trans, unit_diagonal=is_one)

    return gradient(cost, by_hand, draw(d), factor)


@family(
    "interpolation between sorted knots",
    {"the knot above alone": "heights", "the share of the other knot": "heights"},
    is_unusual=True,
)
def _interpolation(draw: Draw, fault: str) -> Call:
    k, n = draw.size(4, 6), draw.size(5, 8)
    knots = jnp.asarray(draw.random.uniform(0.5, 1.5, k).cumsum(), jnp.float32)
    low, high = float(knots[0]) + 0.1, float(knots[-1]) - 0.1

    def by_hand(heights, knots, x):
        above = jnp.clip(jnp.searchsorted(knots, x), 1, k - 1)
        share = (x - knots[above - 1]) / (knots[above] - knots[above - 1])
        d = jnp.cos(heights[above - 1] * (1 - share) + heights[above] * share)
        share = 1 - share if "other" in fault else share
        below = 0.0 if "alone" in fault else d * (1 - share)
        return jnp.zeros_like(heights).at[above].add(d * share).at[above - 1].add(below)

    def cost(heights, knots, x):
        return jnp.sum(jnp.sin(jnp.interp(x, knots, heights)))

    return gradient(cost, by_hand, draw(k), knots, draw.between(low, high, n))
