"""Several objects' masks as one image of labels."""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp

from siamjax.ops import masks as mask_ops
from siamjax.types import Array, Float, UInt8


def merge(masks: Float[Array, "N m m"], affines: Float[Array, "N 2 3"], shape: tuple[int, int],
          threshold: float | Float[Array, ""], border: float | Float[Array, ""] = 0.0) -> UInt8[Array, "H W"]:
    """Which object each pixel of a frame belongs to: that of the highest probability, if it is above the threshold.

    Args:
      masks: probabilities, one an object; 255 objects at most.
      affines: see `ops.masks`.
      shape: `(H, W)` of the frame, static.
      threshold, border: as in `ops.masks`.
    Returns:
      `[H, W]` uint8: `n + 1` for object `n`, 0 for none; the first of equals.
    Source: SiamMask, tools/test.py `track_vos`.
    """
    chex.assert_rank([masks, affines], [3, 3])
    values = jax.vmap(lambda mask, affine: mask_ops.render(mask, affine, shape, border))(masks, affines)
    return jnp.where(jnp.max(values, axis=0) > threshold, jnp.argmax(values, axis=0) + 1, 0).astype(jnp.uint8)
