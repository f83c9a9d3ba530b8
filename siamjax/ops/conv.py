"""One convolution, with a lowering for each platform (DESIGN 7).

XLA's convolution is good on accelerators and often poor on a CPU, where matrix products run at the machine's
peak. The CPU form ("fast") therefore becomes products wherever it can:

  1x1                        one matrix product
  depthwise                  shifted multiply-adds, rows first
  3x3, 5x5 of stride 1       Winograd F(2x2) (`ops.winograd`), dilated too
  large and strided on few   rows of patches in bands that stay in the cache, one product a band
  channels (11x11 stems)
  groups                     each by itself, then concatenated
  everything else            `jax.lax`
"""

from __future__ import annotations

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
from jax import lax

from siamjax.errors import ConfigError
from siamjax.ops import winograd
from siamjax.types import Array

MIN_WINOGRAD_CHANNELS = 32  # below, the transforms cost more than the products save
BAND_ROWS = 8  # output rows a band of a stem


@dataclasses.dataclass(frozen=True)
class Geometry:
    """What a convolution does besides its kernel: integers for both axes, and the precision of products."""

    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1
    precision: lax.Precision = lax.Precision.HIGHEST


def conv2d(x: Array, kernel: Array, *, stride: int = 1, padding: int = 0, dilation: int = 1, groups: int = 1,
           lowering: str = "auto", precision: lax.Precision = lax.Precision.HIGHEST) -> Array:
    """Cross-correlates `x` with `kernel`, zeros outside of `x`.

    Args:
      x: `[B, H, W, C]`.
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


def conv2d_transformed(x: Array, kernels: tuple[Array, ...], *, padding: int = 0, dilation: int = 1,
                       precision: lax.Precision = lax.Precision.HIGHEST) -> Array:
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
        return jax.vjp(functools.partial(_lax, geometry), x, kernel)[1](dy)

    fast = functools.partial(_fast_gradients, geometry)
    if by_platform:
        return lax.platform_dependent(*saved, dy, cpu=fast, default=plain)
    return fast(*saved, dy)


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
    if takes_winograd(size, channels, geometry.stride) and x.dtype == jnp.float32:
        return _winograd
    if size >= 9 and channels <= 4 and geometry.stride == 2 and geometry.dilation == 1:
        return _banded
    return _lax


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
    if form is _banded:
        dx, = jax.vjp(lambda x: _lax(geometry, x, kernel), x)[1](dy)
        return dx, _banded_kernel_gradient(geometry, x, kernel, dy)
    return jax.vjp(functools.partial(form, geometry), x, kernel)[1](dy)


def _split(groups: int, x: Array, kernel: Array) -> tuple[list[Array], list[Array]]:
    return jnp.split(x, groups, axis=3), jnp.split(kernel, groups, axis=3)


def _join(parts: list[Array]) -> Array:
    return parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=3)


def _grouped(geometry: Geometry, x: Array, kernel: Array) -> Array:
    alone = dataclasses.replace(geometry, groups=1)
    return _join([_fast(alone, *part) for part in zip(*_split(geometry.groups, x, kernel))])


def _product(geometry: Geometry, x: Array, kernel: Array) -> Array:
    x = _padded(x, geometry.padding)[:, ::geometry.stride, ::geometry.stride]
    return lax.dot_general(x, kernel[0, 0], (((3,), (0,)), ((), ())), precision=geometry.precision)


def _padded(x: Array, padding: int) -> Array:
    return jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0))) if padding else x


def taps(x: Array, axis: int, size: int, stride: int = 1, dilation: int = 1) -> list[Array]:
    """The `size` shifted slices of `x` along `axis` that the taps of a valid kernel meet."""
    length = (x.shape[axis] - (size - 1) * dilation - 1) // stride * stride + 1
    return [lax.slice_in_dim(x, i * dilation, i * dilation + length, stride, axis) for i in range(size)]


def add(parts: list[Array]) -> Array:
    """Their sum, from left to right."""
    return functools.reduce(jnp.add, parts)


def _depthwise(geometry: Geometry, x: Array, kernel: Array) -> Array:
    """Sums over the kernel's rows for each of its columns, then over these columns, shifted."""
    size = kernel.shape[0]
    rows = taps(_padded(x, geometry.padding), 1, size, geometry.stride, geometry.dilation)
    columns = [add([row * kernel[None, None, i, j] for i, row in enumerate(rows)]) for j in range(size)]
    return add([taps(c, 2, size, geometry.stride, geometry.dilation)[j] for j, c in enumerate(columns)])


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


def _bands(geometry: Geometry, x: Array, kernel: Array):
    """What a stem's bands share: patch length, bands an image, and the function that cuts one.

    Pairs of columns become channels, so that a patch row is one contiguous run; `cut(x, index)` gives the
    patches `[BAND_ROWS * W', K]` of band `index`, counted over images and then downwards.
    """
    batch, height, width, channels = x.shape
    size, rows_out, columns_out = kernel.shape[0], *_output_sides(geometry, x, kernel)
    pairs = -(-size // 2)
    bands = -(-rows_out // BAND_ROWS)
    span = 2 * (BAND_ROWS - 1) + size
    tall, wide = 2 * (bands * BAND_ROWS - 1) + size, 2 * (columns_out + pairs - 1)
    p = geometry.padding
    x = lax.pad(x, jnp.zeros((), x.dtype),
                [(0, 0, 0), (p, tall - height - p, 0), (p, wide - width - p, 0), (0, 0, 0)])
    x = x.reshape(batch, tall, wide // 2, 2 * channels)
    x = jnp.concatenate(taps(x, 2, pairs), axis=3)

    def cut(index):
        band = lax.dynamic_slice(x, (index // bands, index % bands * 2 * BAND_ROWS, 0, 0),
                                 (1, span, *x.shape[2:]))
        return jnp.concatenate(taps(band, 1, size, 2), axis=3).reshape(BAND_ROWS * columns_out, -1)

    return cut, bands


def _output_sides(geometry: Geometry, x: Array, kernel: Array) -> tuple[int, int]:
    reach = (kernel.shape[0] - 1) * geometry.dilation + 1
    height, width = ((side + 2 * geometry.padding - reach) // geometry.stride + 1 for side in x.shape[1:3])
    return height, width


def _banded(geometry: Geometry, x: Array, kernel: Array) -> Array:
    size, features = kernel.shape[0], kernel.shape[3]
    rows, columns = _output_sides(geometry, x, kernel)
    cut, bands = _bands(geometry, x, kernel)
    matrix = jnp.pad(kernel, ((0, 0), (0, size % 2), (0, 0), (0, 0))).reshape(-1, features)
    y = lax.map(lambda index: jnp.matmul(cut(index), matrix, precision=geometry.precision),
                jnp.arange(len(x) * bands))
    return y.reshape(len(x), bands * BAND_ROWS, columns, features)[:, :rows]


def _banded_kernel_gradient(geometry: Geometry, x: Array, kernel: Array, dy: Array) -> Array:
    size, _, channels, features = kernel.shape
    rows, columns = dy.shape[1:3]
    cut, bands = _bands(geometry, x, kernel)
    dy = jnp.pad(dy, ((0, 0), (0, bands * BAND_ROWS - rows), (0, 0), (0, 0)))
    dy = dy.reshape(len(x) * bands, BAND_ROWS * columns, features)

    def accumulate(total, band):
        index, dy = band
        return total + jnp.matmul(cut(index).T, dy, precision=geometry.precision), None

    wide = size + size % 2
    zero = jnp.zeros((size * wide * channels, features), dy.dtype)
    total, _ = lax.scan(accumulate, zero, (jnp.arange(len(dy)), dy))
    return total.reshape(size, wide, channels, features)[:, :size]
