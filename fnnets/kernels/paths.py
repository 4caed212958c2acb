"""Which path runs where: the one place that decides between the plain and the fast form, and among the fast ones.

| decision | by what |
|---|---|
| the plain page or its kernel | `implementation` of the layer: "fast", the default, or "plain" |
| steps of a segment of the scan | options, the device, bytes of δ |
| dW and dω by one product or by two | features of x |
| max-pooling by comparisons or by the page | whether windows stand side by side |
| a convolution by Winograd's form | the device, the window, channels and filters |
| a convolution's gradients by patches or by XLA's convolution | the device, sizes |

Sizes and devices are known while JAX traces, so that a choice costs nothing when the program runs. On an accelerator
there is one segment and XLA's own convolution.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import jax

if TYPE_CHECKING:
    from fnnets.kernels.windows import Window

IMPLEMENTATIONS = ("fast", "plain")
SEGMENT_BYTES, ONE_SEGMENT_BYTES = 3 << 20, 8 << 20
FEW_FEATURES = 8
MANY_CHANNELS, MANY_PRODUCTS = 16, 32


def is_fast(implementation: Any, name: str) -> bool:
    """Whether the layer `name` runs its kernel.

    Raises:
        ValueError: neither "fast" nor "plain".

    >>> is_fast("quick", "lstm")
    Traceback (most recent call last):
    ValueError: lstm: implementation is 'quick', expected "fast" (the kernel) or "plain" (the page); choose one
    """
    if not isinstance(implementation, str) or implementation not in IMPLEMENTATIONS:
        raise ValueError(
            f'{name}: implementation is {implementation!r}, expected "fast" (the kernel) or "plain" (the page); '
            "choose one"
        )
    return implementation == "fast"


def segment_length(steps: int, bytes_of_a_step: int, checkpoint_every: int | None) -> int:
    """k: the steps of one segment: `checkpoint_every`, all of them, or as many as have a δ of `SEGMENT_BYTES`.

    On a CPU a fresh page of memory costs more than the product that fills it; elsewhere one contraction is better than
    many.
    """
    if checkpoint_every:
        return min(checkpoint_every, steps)
    if not is_cpu():
        return steps
    size = steps * bytes_of_a_step
    count = -(-size // SEGMENT_BYTES) if size > ONE_SEGMENT_BYTES else 1
    return -(-steps // min(count, steps))  # segments of one length, as nearly as can be


def is_one_product(features: int) -> bool:
    """Whether dW and dω are one product: x has so few features that its own would crawl."""
    return features < FEW_FEATURES


def by_winograd(window: Window, x_shape: tuple[int, ...], weights_shape: tuple[int, ...]) -> bool:
    """Whether z and dx of a convolution are by Winograd's form: on a CPU, 3 x 3 pixels side by side.

    Its transforms cost as much for each of C channels and K filters, its products as much for each pair of them, so
    that their ratio is that of CK to C + K; with few products XLA's own convolution is faster.
    """
    c, k = weights_shape[2:]
    return weights_by_winograd(window, x_shape, weights_shape) and c * k >= MANY_PRODUCTS * (c + k)


def weights_by_winograd(window: Window, x_shape: tuple[int, ...], weights_shape: tuple[int, ...]) -> bool:
    """Whether dW is by Winograd's form: where z may be, and with fewer channels, since P δ is slower than z."""
    is_form = (*window.size, *window.stride, *window.dilation) == (3, 3, 1, 1, 1, 1)
    return is_cpu() and is_form and 0 not in x_shape and min(weights_shape[2:]) >= MANY_CHANNELS


def weights_by_patches(x_shape: tuple[int, ...]) -> bool:
    """Whether dW is P δ: on a CPU, where XLA has no good code for windows as large as images."""
    return is_cpu() and 0 not in x_shape


def inputs_by_patches(delta_shape: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether dx is by δ Wᵀ: on a CPU, if there are far fewer positions than pixels to correlate at."""
    is_sparse = math.prod(delta_shape[1:3]) < 0.6 * math.prod(shape)
    return is_cpu() and 0 not in delta_shape and is_sparse


def pools_by_comparison(size: tuple[int, int], stride: tuple[int, int]) -> bool:
    """Whether max-pooling runs its kernel: where windows stand side by side, so that no pixel is under two."""
    return size == stride


def is_cpu() -> bool:
    """Whether the program runs on CPUs, where each device has a core, or all of them."""
    return jax.default_backend() == "cpu"
