"""One convolution, with a lowering for each platform.

XLA's convolution is good on accelerators and often poor on a CPU, where matrix products run at the machine's
peak. The CPU form ("fast") therefore becomes products wherever it can:

  1x1                        one matrix product
  depthwise                  shifted multiply-adds (`ops.shifted`)
  3x3, 5x5 of stride 1       Winograd F(2x2) (`ops.winograd`), dilated too
  11x11 stems of stride 2    patches in bands of rows (`ops.stem`)
  3x3 stems                  shifted multiply-adds, a channel each
  groups                     each by itself, then concatenated
  everything else            `jax.lax`

Three of them in a row, an inverted residual, may go through the image in bands (`ops.bands`).
"""

from __future__ import annotations

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
from jax import lax

from siamjax.errors import ConfigError
from siamjax.ops import shifted, stem, winograd
from siamjax.types import Array, Float

MIN_WINOGRAD_CHANNELS = 32  # below, the transforms cost more than the products save
MIN_STEM_SIZE = 9  # XLA's own 7x7 is as fast
MOST_SUMMED = 27  # numbers that an output of a summed convolution sees: a 3x3 stem on colours


@dataclasses.dataclass(frozen=True)
class Geometry:
    """What a convolution does besides its kernel: integers for both axes, and the precision of products."""

    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1
    precision: lax.Precision = lax.Precision.HIGHEST


def conv2d(x: Float[Array, "B H W C"], kernel: Float[Array, "k k _ O"], *, stride: int = 1, padding: int = 0,
           dilation: int = 1, groups: int = 1, lowering: str = "auto",
           precision: lax.Precision = lax.Precision.HIGHEST) -> Float[Array, "B _ _ O"]:
    """Cross-correlates `x` with `kernel`, zeros outside of `x`.

    Args:
      kernel: `[k, k, C/groups, O]`.
      stride, padding, dilation, groups: as in `torch.nn.Conv2d`, the same for both axes.
      lowering: "lax", "fast" (the CPU form), or "auto": fast on a CPU and lax elsewhere. The forms agree
        within 3e-6 of the largest output (6e-6 for 5x5). "auto" and "fast" have gradients of their own and
        no forward-mode derivative; take "lax" for that.
      precision: of the products.
    Returns:
      `[B, H', W', O]`.
    Raises:
      ConfigError: for an unknown lowering.
    """
    chex.assert_rank([x, kernel], 4)
    chex.assert_equal(x.shape[3], kernel.shape[2] * groups)
    geometry = Geometry(stride, padding, dilation, groups, precision)
    if lowering == "lax":
        return _lax(geometry, x, kernel)
    if lowering not in ("auto", "fast"):
        raise ConfigError(f"lowering {lowering!r} is unknown", where="conv2d", do="use auto, lax or fast")
    return _conv(geometry, lowering == "auto", x, kernel)


def conv2d_transformed(x: Float[Array, "B H W C"], kernels: tuple[Float[Array, "n _ _"], ...], *, padding: int = 0,
                       dilation: int = 1, precision: lax.Precision = lax.Precision.HIGHEST) -> Float[Array, "B _ _ _"]:
    """Stride-1 convolution with one Winograd-transformed kernel `[n * n, C/groups, O/groups]` a group."""
    parts = jnp.split(x, len(kernels), axis=3)
    return _join([winograd.convolve(part, kernel, padding=padding, dilation=dilation, precision=precision)
                  for part, kernel in zip(parts, kernels)])


def takes_winograd(size: int, channels: int, stride: int) -> bool:
    """Whether the fast form of a group with this kernel size and number of input channels is Winograd's."""
    return stride == 1 and size in winograd.POINTS and channels >= MIN_WINOGRAD_CHANNELS


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _conv(geometry: Geometry, by_platform: bool, x: Array, kernel: Array) -> Array:
    """The convolution and its gradient choose their form each, so that only `x` and `kernel` are kept."""
    fast = functools.partial(_fast, geometry)
    if by_platform:
        return lax.platform_dependent(x, kernel, cpu=fast, default=functools.partial(_lax, geometry))
    return fast(x, kernel)


def _conv_forward(geometry, by_platform, x, kernel):
    return _conv(geometry, by_platform, x, kernel), (x, kernel)


def _conv_backward(geometry, by_platform, saved, dy):
    def plain(x, kernel, dy):
        _, back = jax.vjp(functools.partial(_lax, geometry), x, kernel)
        return back(dy)

    (x, kernel), fast = saved, functools.partial(_fast_gradients, geometry)
    if by_platform:
        return lax.platform_dependent(x, kernel, dy, cpu=fast, default=plain)
    return fast(x, kernel, dy)


_conv.defvjp(_conv_forward, _conv_backward)


def _lax(geometry: Geometry, x: Array, kernel: Array) -> Array:
    around = (geometry.padding, geometry.padding)
    return lax.conv_general_dilated(
        x, kernel, (geometry.stride,) * 2, (around, around), rhs_dilation=(geometry.dilation,) * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=geometry.groups,
        precision=geometry.precision)


def _form(geometry: Geometry, x: Array, kernel: Array):
    """The function `(geometry, x, kernel)` that computes a convolution fastest on a CPU."""
    size, _, channels, features = kernel.shape
    if geometry.groups > 1:
        return _depthwise if channels == 1 and features == geometry.groups else _grouped
    if size == 1:
        return _product
    reach = (size - 1) * geometry.dilation
    if takes_winograd(size, channels, geometry.stride) and x.dtype == jnp.float32 and geometry.padding <= reach:
        return _winograd
    if size >= MIN_STEM_SIZE and channels <= 4 and geometry.stride == stem.STRIDE and geometry.dilation == 1:
        return _stem
    return _summed if size**2 * channels <= MOST_SUMMED and geometry.dilation == 1 else _lax


def _fast(geometry: Geometry, x: Array, kernel: Array) -> Array:
    return _form(geometry, x, kernel)(geometry, x, kernel)


def _fast_gradients(geometry: Geometry, x: Array, kernel: Array, dy: Array) -> tuple[Array, Array]:
    """Gradients in `x` and `kernel`; where one is not needed jit drops its half."""
    form = _form(geometry, x, kernel)
    if form is _grouped:
        alone = dataclasses.replace(geometry, groups=1)
        parts = [_fast_gradients(alone, *part) for part in zip(
            *_split(geometry.groups, x, kernel), jnp.split(dy, geometry.groups, axis=3))]
        return _join([dx for dx, _ in parts]), _join([dk for _, dk in parts])
    if form is _winograd:
        return _winograd_gradients(geometry, x, kernel, dy)
    if form is _stem:
        (dx,) = jax.vjp(lambda x: _lax(geometry, x, kernel), x)[1](dy)
        return dx, stem.kernel_gradient(x, kernel, dy, padding=geometry.padding, precision=geometry.precision)
    form = _lax if form is _summed else form  # the sum of a kernel's gradient is another one
    return jax.vjp(functools.partial(form, geometry), x, kernel)[1](dy)


def _split(groups: int, x: Array, kernel: Array) -> tuple[list[Array], list[Array]]:
    return jnp.split(x, groups, axis=3), jnp.split(kernel, groups, axis=3)


def _join(parts: list[Array]) -> Array:
    return parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=3)


def _grouped(geometry: Geometry, x: Array, kernel: Array) -> Array:
    alone = dataclasses.replace(geometry, groups=1)
    return _join([_fast(alone, *part) for part in zip(*_split(geometry.groups, x, kernel))])


def _product(geometry: Geometry, x: Array, kernel: Array) -> Array:
    x = padded(x, geometry.padding)[:, ::geometry.stride, ::geometry.stride]
    return lax.dot_general(x, kernel[0, 0], (((3,), (0,)), ((), ())), precision=geometry.precision)


def padded(x: Float[Array, "B H W C"], padding: int) -> Float[Array, "B H+2*{padding} W+2*{padding} C"]:
    """`x` `[B, H, W, C]` with that many zeros on each side of each image."""
    return jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0))) if padding else x


def _depthwise(geometry: Geometry, x: Array, kernel: Array) -> Array:
    return shifted.depthwise(padded(x, geometry.padding), kernel[None, :, :, 0], stride=geometry.stride,
                             dilation=geometry.dilation)


def _stem(geometry: Geometry, x: Array, kernel: Array) -> Array:
    return stem.convolve(x, kernel, padding=geometry.padding, precision=geometry.precision)


def _summed(geometry: Geometry, x: Array, kernel: Array) -> Array:
    return shifted.convolve(padded(x, geometry.padding), kernel, stride=geometry.stride)


def _winograd(geometry: Geometry, x: Array, kernel: Array) -> Array:
    return winograd.convolve(x, winograd.transform_kernel(kernel), padding=geometry.padding,
                             dilation=geometry.dilation, precision=geometry.precision)


def _winograd_gradients(geometry: Geometry, x: Array, kernel: Array, dy: Array) -> tuple[Array, Array]:
    size, dilation = kernel.shape[0], geometry.dilation
    turned = kernel[::-1, ::-1].swapaxes(2, 3)
    around = dataclasses.replace(geometry, padding=(size - 1) * dilation - geometry.padding)
    dx = _winograd(around, dy, turned)
    return dx, winograd.kernel_gradient(x, dy, size, padding=geometry.padding, dilation=dilation,
                                        precision=geometry.precision)
