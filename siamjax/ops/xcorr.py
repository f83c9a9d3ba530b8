"""Cross-correlation of exemplar with search features, as vmapped grouped convolutions (P4)."""

from __future__ import annotations

import chex
import jax
from jax import lax

from siamjax.types import Array


def dense(z: Array, x: Array, *, precision: lax.Precision = lax.Precision.HIGHEST) -> Array:
    """Correlates over all channels.

    Args:
      z: `[B, h, w, C]` exemplar features, or `[1, h, w, C]` for one exemplar against all searches.
      x: `[B, H, W, C]` search features, with `H >= h` and `W >= w`.
    Returns:
      `[B, H-h+1, W-w+1]` response.
    Source: SiamFC (Bertinetto et al. 2016), equation 2.
    """
    chex.assert_rank([z, x], 4)

    def one(z, x):
        return lax.conv_general_dilated(x[None], z[..., None], (1, 1), "VALID",
                                        dimension_numbers=("NHWC", "HWIO", "NHWC"),
                                        precision=precision)[0, ..., 0]

    if z.shape[0] == 1:
        return jax.vmap(one, in_axes=(None, 0))(z[0], x)
    chex.assert_equal(z.shape[0], x.shape[0])
    return jax.vmap(one)(z, x)
