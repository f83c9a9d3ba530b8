"""An inverted residual computed in bands of rows, so that its expanded features stay in a CPU's cache.

Early in a light net the expanded map is many times the second-level cache: a product writes it, the activation and
the padding copy it, the depthwise convolution reads it, all at the speed of memory. A band of a few output rows takes
all three convolutions before the next one begins; the rows between two bands are expanded twice.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax.numpy as jnp
from jax import lax

from siamjax.ops import conv, shifted
from siamjax.ops.conv import Geometry
from siamjax.ops.lanes import as_batch
from siamjax.types import Array, Float

Folded = tuple[Array, Array]  # kernel `[k, k, C, O]` and bias `[O]` of a convolution
Weights = tuple[Folded, ...]  # three: of the expansion, the depthwise convolution and the projection
LARGEST = 4 << 20  # bytes of an expanded map that is left whole; one of 2 MiB gains nothing by bands
BAND = 1 << 19  # bytes of one that a band may have: a second-level cache


def pays(shape: tuple[int, ...], inside: int) -> bool:
    """Whether bands are faster for an input `[B, H, W, C]` that is expanded to `inside` channels."""
    return 4 * shape[1] * shape[2] * inside > LARGEST


def inverted_residual(x: Float[Array, "B H W C"], weights: Weights, activate: Callable[[Array], Array],
                      geometry: Geometry, *, lowering: str = "auto") -> Float[Array, "B _ _ O"]:
    """Expansion, depthwise convolution and projection, BatchNorm folded, activated twice; without a shortcut.

    Args:
      weights: kernels and biases of the three.
      activate: the activation, which must keep 0 at 0.
      geometry: of the depthwise convolution; its `groups` are the channels inside.
      lowering: as in `ops.conv.conv2d`; "fast" is in bands.
    Returns:
      `[B, H', W', O]`. In bands it has no reverse-mode derivative: prepared nets are not trained.
    """
    whole = functools.partial(_whole, activate=activate, geometry=geometry, lowering=lowering)
    if lowering == "lax":
        return whole(x, weights)
    banded = functools.partial(_banded, activate=activate, geometry=geometry)
    if lowering == "fast":
        return banded(x, weights)
    return lax.platform_dependent(x, weights, cpu=banded, default=whole)


def _whole(x: Array, weights: Weights, *, activate, geometry: Geometry, lowering: str) -> Array:
    (expand, expand_bias), (kernel, bias), (project, project_bias) = weights
    plain = functools.partial(conv.conv2d, lowering=lowering, precision=geometry.precision)
    y = activate(plain(x, expand) + _row(expand_bias))
    y = activate(plain(y, kernel, stride=geometry.stride, padding=geometry.padding, dilation=geometry.dilation,
                       groups=geometry.groups) + _row(bias))
    return plain(y, project) + _row(project_bias)


@as_batch
def _banded(x: Array, weights: Weights, *, activate, geometry: Geometry) -> Array:
    (expand, expand_bias), (kernel, bias), (project, project_bias) = weights
    batch, stride = len(x), geometry.stride
    reach = (len(kernel) - 1) * geometry.dilation
    rows, columns = ((side + 2 * geometry.padding - reach - 1) // stride + 1 for side in x.shape[1:3])
    wide = x.shape[2] + 2 * geometry.padding
    band = _band_rows(rows, stride, reach, 4 * wide * geometry.groups)
    bands, span = rows // band, (band - 1) * stride + reach + 1
    # A channel of ones carries the bias: outside of the image all channels are 0, and so they stay, expanded.
    x = conv.padded(jnp.concatenate([x, jnp.ones_like(x[..., :1])], axis=3), geometry.padding)
    expand = jnp.concatenate([expand[0, 0], expand_bias[None]])

    def one(index):
        start = (index // bands, index % bands * band * stride, 0, 0)
        y = lax.dynamic_slice(x, start, (1, span, *x.shape[2:]))
        y = activate(jnp.matmul(y, expand, precision=geometry.precision))
        y = shifted.depthwise(y, kernel[None, :, :, 0], stride=stride, dilation=geometry.dilation)
        return jnp.matmul(activate(y + _row(bias)), project[0, 0], precision=geometry.precision)

    y = lax.map(one, jnp.arange(batch * bands))
    return y.reshape(batch, rows, columns, -1) + _row(project_bias)


def _row(bias: Array) -> Array:
    return bias.reshape(1, 1, 1, -1)


def _band_rows(rows: int, stride: int, reach: int, row: int) -> int:
    """Output rows a band, a divisor of `rows`, whose input rows of `row` bytes each fit in `BAND`; at least one."""
    return max(count for count in range(1, rows + 1) if rows % count == 0
               and (count == 1 or ((count - 1) * stride + reach + 1) * row <= BAND))
