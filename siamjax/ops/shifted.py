"""Convolutions as sums of shifted slices, one slice for each tap of the kernel."""

from __future__ import annotations

import functools

import jax.numpy as jnp
from jax import lax

from siamjax.types import Array, Float


def taps(x: Array, axis: int, size: int, stride: int = 1, dilation: int = 1) -> list[Array]:
    """The `size` shifted slices of `x` along `axis`, one for each tap of a kernel without padding."""
    length = (x.shape[axis] - (size - 1) * dilation - 1) // stride * stride + 1
    return [lax.slice_in_dim(x, i * dilation, i * dilation + length, stride, axis) for i in range(size)]


def add(parts: list[Array]) -> Array:
    """Sum of several arrays, added from left to right."""
    return functools.reduce(jnp.add, parts)


def depthwise(x: Float[Array, "B H W C"], kernel: Float[Array, "_ h w C"], *, stride: int = 1,
              dilation: int = 1) -> Float[Array, "B _ _ C"]:
    """Valid correlation of each channel with its own kernel, as multiply-adds of whole slices.

    Sums over the kernel's rows for each of its columns first, then over these columns, shifted: that touches
    `h + w` slices of the input's size, not `h * w`.

    Args:
      kernel: `[b, h, w, C]`, with `b` = B, or 1 for one kernel against all.
    Returns:
      `[B, H', W', C]`.
    """
    _, height, width, _ = kernel.shape
    rows = taps(x, 1, height, stride, dilation)
    columns = [add([row * kernel[:, i, j][:, None, None] for i, row in enumerate(rows)])
               for j in range(width)]
    return add([taps(column, 2, width, stride, dilation)[j] for j, column in enumerate(columns)])


def convolve(x: Float[Array, "B H W C"], kernel: Float[Array, "h w C O"], *,
             stride: int = 1) -> Float[Array, "B _ _ O"]:
    """Valid convolution of few channels, `[B, H, W, C]` with `[h, w, C, O]`, as `h * w * C` multiply-adds.

    Each takes one number of the input times all features of a tap: nothing is copied, and XLA makes one loop of it.
    Measured at 256 px, 3x3, stride 2, 3 to 16 channels: a third of the time of XLA's own.
    """
    height, width, channels, _ = kernel.shape
    return add([column[..., channel:channel + 1] * kernel[None, i, j:j + 1, channel:channel + 1]
                for i, row in enumerate(taps(x, 1, height, stride))
                for j, column in enumerate(taps(row, 2, width, stride)) for channel in range(channels)])
