"""Where windows stand: counted, padded and spread, against NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest

from fnnets.kernels import windows

CASES = [
    ((2, 3), (1, 1), "valid", (1, 1)),
    ((3, 2), (2, 3), "same", (1, 2)),
    ((2, 2), (3, 1), ((4, 0), (1, 2)), (2, 1)),
]


@pytest.mark.parametrize(("size", "stride", "padding", "dilation"), CASES)
def test_taps_and_their_adjoint(size, stride, padding, dilation):
    """Each tap against padding and slices in NumPy, and ⟨taps(x), s⟩ = ⟨x, spread(s)⟩."""
    seen = windows.window("test", size, stride, padding, dilation)
    random = np.random.default_rng(0)
    x = random.normal(size=(2, 7, 8, 1)).astype(np.float32)
    taps = [np.asarray(tap) for tap in seen.views(jnp.asarray(x))]
    padded = np.pad(x, ((0, 0), *seen.pads((7, 8)), (0, 0)))
    count = seen.positions((7, 8))
    for (i, j), tap in zip(np.ndindex(*size), taps, strict=True):
        rows = i * dilation[0] + stride[0] * np.arange(count[0])
        columns = j * dilation[1] + stride[1] * np.arange(count[1])
        np.testing.assert_array_equal(tap, padded[:, rows][:, :, columns])
    shares = [random.normal(size=tap.shape).astype(np.float32) for tap in taps]
    inner = sum(np.vdot(tap, share) for tap, share in zip(taps, shares, strict=True))
    spread = windows.fold([jnp.asarray(share) for share in shares], seen, (7, 8))
    assert np.vdot(x, spread) == pytest.approx(inner, abs=1e-4)


def test_same_padding_has_as_many_positions_as_strides_fit():
    for pixels in range(1, 12):
        for stride in (1, 2, 3):
            seen = windows.window("test", 3, stride, "same")
            assert seen.positions((pixels, pixels))[0] == -(-pixels // stride)


@pytest.mark.parametrize(("size", "stride", "padding", "dilation"), CASES)
def test_the_least_image_has_so_many_positions_and_a_smaller_one_fewer(size, stride, padding, dilation):
    seen = windows.window("test", size, stride, padding, dilation)
    height, width = seen.least((3, 2))
    assert np.all(np.greater_equal(seen.positions((height, width)), (3, 2)))
    assert seen.positions((height - 1, width))[0] < 3 or height == 1
    assert seen.positions((height, width - 1))[1] < 2 or width == 1
