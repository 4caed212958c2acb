"""Mutants of pooling, and choices among ties, which are conventions: another subgradient is as right as the first's.

| what is changed | where it must be found |
|---|---|
| 1/hw d_y for each pixel of a window | "mean_pooling d_x" |
| d_y for the pixel that won | "max_pooling d_x" |
"""

from __future__ import annotations

from fnnets.mutation.mutant import CONVENTION, Mutant

MAX, MEAN = "fnnets.layers.pooling:max_pooling", "fnnets.layers.pooling:mean_pooling"
WINNER, ALL = "jnp.where(winner == index_dtype(i), d_y, zero)", " for i in range(count)], seen, shape)"
TILED, SHARED = "winner[:, :, None, :, None] == entries, d_y[:, :, None, :, None], zero", "[d_y / count]"

MAXIMUM, AVERAGE = ("max_pooling d_x",), ("mean_pooling d_x",)
OVERLAP, BESIDE, TIES = "max-pooling of windows that overlap", "max-pooling of windows side by side", "ties in a window"

MUTANTS = (
    Mutant("mean-pool missing its 1/(hw)", MEAN, SHARED, "[d_y]", AVERAGE, "dx", "overlapping", "mean-pooling"),
    Mutant("mean-pool divided by the height alone", MEAN, SHARED, "[d_y / seen.size[0]]", AVERAGE, "dx", "overlapping",
           "mean-pooling of windows wider than 1"),
    Mutant("mean-pool's share for one pixel alone", MEAN, f"{SHARED} * count", f"{SHARED} + [0 * d_y] * (count - 1)",
           AVERAGE, "dx", "overlapping", "mean-pooling"),
    Mutant("max-pool gradient to every pixel", MAX, WINNER, "d_y", MAXIMUM, "dx", "overlapping", OVERLAP),
    Mutant("max-pool gradient to the pixel behind", MAX, WINNER, WINNER.replace("(i)", "((i - 1) % count)"), MAXIMUM,
           "dx", "overlapping", OVERLAP),
    Mutant("max-pool gradient divided by hw", MAX, WINNER, f"{WINNER} / count", MAXIMUM, "dx", "overlapping", OVERLAP),
    Mutant("winners in the window's first pixel alone", MAX, f"{WINNER}{ALL}",
           f"{WINNER}{ALL.replace('range(count)', 'range(1)')}", MAXIMUM, "dx", "overlapping", OVERLAP),
    Mutant("winner's row and column swapped", MAX, TILED, TILED.replace("entries", "entries.transpose(2, 1, 0, 3)"),
           MAXIMUM, "dx", "beside", f"{BESIDE}, square ones"),
    Mutant("max-pool as a mean", MAX, TILED, "entries >= 0, d_y[:, :, None, :, None] / count, zero", MAXIMUM, "dx",
           "beside", BESIDE),
    Mutant("the last among ties", MAX, "(tap > y)", "(tap >= y)", MAXIMUM, "", "ties", TIES, CONVENTION),
    Mutant(
        "max-pool gradient split among ties", MAX,
        """MaxPoolingTrace(winner, _outline(x))

    def backward(params, trace: MaxPoolingTrace, d_y: Float[Array, "n y x c"]):
        shape, winner, zero = trace.outline.shape[1:3], trace.winner, jnp.zeros((), d_y.dtype)
""",
        """MaxPoolingTrace(jnp.stack([tap == y for tap in seen.views(x)]), _outline(x))

    def backward(params, trace: MaxPoolingTrace, d_y: Float[Array, "n y x c"]):
        shape, winner, zero = trace.outline.shape[1:3], trace.winner, jnp.zeros((), d_y.dtype)
        d_y = d_y / jnp.sum(winner, axis=0).astype(d_y.dtype)
        return (), windows.fold([jnp.where(winner[i], d_y, zero) for i in range(count)], seen, shape)
""",
        MAXIMUM, "", "ties", TIES, CONVENTION,
    ),
)  # fmt: skip
