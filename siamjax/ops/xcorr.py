"""Cross-correlation of exemplar with search features: valid, stride 1, not normalised.

Each is defined as a convolution vmapped over samples, which accelerators run (`lowering="lax"`). The CPU
form ("fast") takes the channels first, as one matrix product, and then sums shifted slices of the result;
"auto" chooses by platform. The forms agree within 3e-6 of the largest response.
"""

from __future__ import annotations

import functools

import chex
import jax
from jax import lax

from siamjax.errors import ConfigError
from siamjax.ops import shifted
from siamjax.types import Array, Float


def dense(z: Float[Array, "#B h w C"], x: Float[Array, "B H W C"], *, lowering: str = "auto",
          precision: lax.Precision = lax.Precision.HIGHEST) -> Float[Array, "B H-h+1 W-w+1"]:
    """Correlates over all channels.

    Args:
      z: `[B, h, w, C]` exemplar features, or `[1, h, w, C]` for one exemplar against all searches.
      x: search features, with `H >= h` and `W >= w`.
      lowering: "auto", "lax" or "fast".
      precision: of the products.
    Returns:
      `[B, H-h+1, W-w+1]` response.
    Source: SiamFC (Bertinetto et al. 2016), equation 2.
    """
    return upchannel(z, x, lowering=lowering, precision=precision)[..., 0]


def upchannel(z: Float[Array, "#B h w _"], x: Float[Array, "B H W C"], *, lowering: str = "auto",
              precision: lax.Precision = lax.Precision.HIGHEST) -> Float[Array, "B H-h+1 W-w+1 O"]:
    """Correlates over all channels with several kernels a sample.

    Args:
      z: `[B, h, w, O * C]` exemplar features, output-major: kernel `o` is `z[..., o * C:(o + 1) * C]`; a
        batch of one is compared with every search.
      x: search features, with `H >= h` and `W >= w`.
      lowering, precision: as in `dense`.
    Returns:
      `[B, H-h+1, W-w+1, O]` response.
    Source: SiamRPN (Li et al. 2018), section 3.2; PySOT, core/xcorr.py.
    """
    chex.assert_rank([z, x], 4)
    channels = x.shape[3]
    chex.assert_is_divisible(z.shape[3], channels)
    kernels = z.reshape(*z.shape[:3], -1, channels)
    return _lowered(lowering, functools.partial(_upchannel_lax, precision=precision),
                    functools.partial(_upchannel_fast, precision=precision), *_broadcast(kernels, x))


def depthwise(z: Float[Array, "#B h w C"], x: Float[Array, "B H W C"], *, lowering: str = "auto",
              precision: lax.Precision = lax.Precision.HIGHEST) -> Float[Array, "B H-h+1 W-w+1 C"]:
    """Correlates each search channel with the same exemplar channel.

    Args:
      z: `[B, h, w, C]` exemplar features, or `[1, h, w, C]` for one exemplar against all searches.
      x: search features, with `H >= h` and `W >= w`.
      lowering, precision: as in `dense`.
    Returns:
      `[B, H-h+1, W-w+1, C]` response.
    Source: SiamRPN++ (Li et al. 2019), section 3.4.
    """
    chex.assert_rank([z, x], 4)
    chex.assert_equal(z.shape[3], x.shape[3])
    return _lowered(lowering, functools.partial(_depthwise_lax, precision=precision),
                    lambda z, x: shifted.depthwise(x, z), *_broadcast(z, x))


def pixelwise(z: Float[Array, "#B h w C"], x: Float[Array, "B H W C"], *, lowering: str = "auto",
              precision: lax.Precision = lax.Precision.HIGHEST) -> Float[Array, "B H W h*w"]:
    """Correlates over all channels with every pixel of the exemplar for itself.

    Args:
      z: exemplar features, each of whose pixels is a 1x1 kernel; a batch of one is compared with
        every search.
      x: search features.
      lowering, precision: as in `dense`.
    Returns:
      `[B, H, W, h * w]` response; the exemplar's pixels row by row.
    Source: RANet (Wang et al. 2019), section 3.2; Alpha-Refine (Yan et al. 2021).
    """
    chex.assert_rank([z, x], 4)
    chex.assert_equal(z.shape[3], x.shape[3])
    return upchannel(z.reshape(len(z), 1, 1, -1), x, lowering=lowering, precision=precision)


def _lowered(lowering: str, plain, fast, z: Array, x: Array) -> Array:
    if lowering == "auto":
        return lax.platform_dependent(z, x, cpu=fast, default=plain)
    if lowering not in ("lax", "fast"):
        raise ConfigError(f"lowering {lowering!r} is unknown", where="xcorr", do="use auto, lax or fast")
    return (plain if lowering == "lax" else fast)(z, x)


def _broadcast(z: Array, x: Array) -> tuple[Array, Array]:
    if z.shape[0] != 1:
        chex.assert_equal(z.shape[0], x.shape[0])
    return z, x


def _per_sample(one, z: Array, x: Array) -> Array:
    if z.shape[0] == 1:
        return jax.vmap(one, in_axes=(None, 0))(z[0], x)
    return jax.vmap(one)(z, x)


def _convolve(x: Array, kernel: Array, groups: int, precision: lax.Precision) -> Array:
    return lax.conv_general_dilated(x[None], kernel, (1, 1), "VALID", feature_group_count=groups,
                                    dimension_numbers=("NHWC", "HWIO", "NHWC"), precision=precision)[0]


def _upchannel_lax(z: Array, x: Array, *, precision: lax.Precision) -> Array:
    return _per_sample(lambda z, x: _convolve(x, z.swapaxes(2, 3), 1, precision), z, x)


def _depthwise_lax(z: Array, x: Array, *, precision: lax.Precision) -> Array:
    return _per_sample(lambda z, x: _convolve(x, z[:, :, None], x.shape[2], precision), z, x)


def _upchannel_fast(z: Array, x: Array, *, precision: lax.Precision) -> Array:
    """Products of every cell with every tap, then the taps' maps shifted and summed."""
    height, width = (x.shape[axis] - z.shape[axis] + 1 for axis in (1, 2))

    def one(z, x):
        maps = lax.dot_general(x, z, (((2,), (3,)), ((), ())), precision=precision)  # [H, W, h, w, O]
        return shifted.add([maps[i:i + height, j:j + width, i, j]
                            for i in range(z.shape[0]) for j in range(z.shape[1])])

    return _per_sample(one, z, x)
