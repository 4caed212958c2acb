"""Mutants of pooling, and choices among ties, which are conventions: another subgradient is as right as the first's.

| what is changed | where it must be found |
|---|---|
| 1/hw d_y for each pixel of a window | "mean_pooling d_x" |
| d_y for the pixel that won | "max_pooling d_x" |

Mutants of the page of max-pooling are called "…", and are tried at settings of the page.
"""

from __future__ import annotations

from fnnets.mutation.mutant import CONVENTION, Mutant

MAX, MEAN = "fnnets.layers.pooling:max_pooling", "fnnets.layers.pooling:mean_pooling"
SHARED, KERNEL = "[d_y / count]", "fnnets.kernels.pooling:passes"
TILED = "winner[:, :, None, :, None] == entries, d_y[:, :, None, :, None], zero"

FIRST, WON = "jnp.argmax(u, axis=3)", "trace.winner[:, :, :, None] == entries[:, None]"
GIVEN, ONTO = "jnp.where(is_winner, d_y[:, :, :, None], 0)", "windows.fold_patches(d_u, seen,"

MAXIMUM, AVERAGE = ("max_pooling d_x",), ("mean_pooling d_x",)
OVERLAPPING, SIDE = "overlapping", "beside, plain"
OVERLAP, BESIDE, TIES = "max-pooling of windows that overlap", "max-pooling of windows side by side", "ties in a window"

MUTANTS = (
    Mutant("mean-pool missing its 1/(hw)", MEAN, SHARED, "[d_y]", AVERAGE, "dx", "overlapping", "mean-pooling"),
    Mutant("mean-pool divided by the height alone", MEAN, SHARED, "[d_y / seen.size[0]]", AVERAGE, "dx", "overlapping",
           "mean-pooling of windows wider than 1"),
    Mutant("mean-pool's share for one pixel alone", MEAN, f"{SHARED} * count", f"{SHARED} + [0 * d_y] * (count - 1)",
           AVERAGE, "dx", "overlapping", "mean-pooling"),
    Mutant("max-pool gradient to every pixel", MAX, GIVEN, GIVEN.replace("is_winner", "is_winner | True"),
           MAXIMUM, "dx", OVERLAPPING, OVERLAP),
    Mutant("max-pool gradient to the pixel behind", MAX, WON,
           WON.replace("entries", "np.roll(entries, 1)"), MAXIMUM, "dx", OVERLAPPING, OVERLAP),
    Mutant("max-pool gradient divided by hw", MAX, GIVEN, f"{GIVEN} / count", MAXIMUM, "dx", OVERLAPPING,
           OVERLAP),
    Mutant("winners in the window's first pixel alone", MAX, ONTO,
           ONTO.replace("d_u", "d_u.at[:, :, :, 1:].set(0)"), MAXIMUM, "dx", OVERLAPPING, OVERLAP),
    Mutant("winner's row and column swapped", MAX, ONTO,
           ONTO.replace("d_u", "d_u.reshape(*d_u.shape[:3], *seen.size, -1).swapaxes(3, 4)"), MAXIMUM, "dx", SIDE,
           f"{BESIDE}, square ones"),
    Mutant("max-pool as a mean", MAX, GIVEN, "jnp.where(is_winner | True, d_y[:, :, :, None] / count, 0)",
           MAXIMUM, "dx", SIDE, BESIDE),
    Mutant("the last among ties", MAX, FIRST, "count - 1 - jnp.argmax(u[:, :, :, ::-1], axis=3)", MAXIMUM, "",
           "ties, plain", TIES, CONVENTION),
    Mutant(
        "max-pool gradient split among ties", MAX,
        """traced(winner, x)

    def backward(params, trace: MaxPoolingTrace, d_y: Float[Array, "n y x c"]):
        is_winner = trace.winner[:, :, :, None] == entries[:, None]
""",
        """traced(u == y[:, :, :, None], x)

    def backward(params, trace: MaxPoolingTrace, d_y: Float[Array, "n y x c"]):
        is_winner = trace.winner
        d_y = d_y / jnp.sum(is_winner, axis=3).astype(d_y.dtype)
""",
        MAXIMUM, "", "ties, plain", TIES, CONVENTION,
    ),
    Mutant("kernel: winner's row and column swapped", KERNEL, TILED,
           TILED.replace("entries", "entries.transpose(2, 1, 0, 3)"), MAXIMUM, "dx", "beside",
           f"{BESIDE}, square ones"),
    Mutant("kernel: max-pool as a mean", KERNEL, TILED, "entries >= 0, d_y[:, :, None, :, None] / count, zero", MAXIMUM,
           "dx", "beside", BESIDE),
    Mutant("kernel: max-pool gradient divided by hw", KERNEL, "tile(shares, trace", "tile(shares / count, trace",
           MAXIMUM, "dx", "beside", BESIDE),
    Mutant("kernel: max-pool gradient to the pixel behind", KERNEL, TILED,
           TILED.replace("== entries", "== np.roll(entries, 1, axis=2)"), MAXIMUM, "dx", "beside", BESIDE),
    Mutant("kernel: the last among ties", KERNEL, "(tap > y)", "(tap >= y)", MAXIMUM, "", "ties", TIES, CONVENTION),
)  # fmt: skip
