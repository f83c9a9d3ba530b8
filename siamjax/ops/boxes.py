"""Forms of a box, centre conventions, overlap.

Public boxes are `xywh`: left, top, width, height in frame pixels, 0-based continuous corners. The published
systems place the centre of a box differently (`half_pixel` below); a tracker states which it follows.
"""

from __future__ import annotations

import chex
import jax.numpy as jnp
import numpy as np

from siamjax.errors import BoxError
from siamjax.types import Array, Float, Real


def centre_and_size(box: Real[Array, "*N 4"], *, half_pixel: bool) -> tuple[Float[Array, "*N 2"], Float[Array, "*N 2"]]:
    """Splits `xywh` boxes `[..., 4]` into centres `[..., 2]` (x, y) and sizes `[..., 2]` (w, h), pixels.

    Args:
      box: `xywh`.
      half_pixel: True puts the centre at `x + (w - 1) / 2`, the middle of the pixels covered (SiamFC, PySOT's
        `init`); False at `x + w / 2` (SiamMask, PySOT's answers).
    """
    corner, size = box[..., :2], box[..., 2:]
    return corner + (size - half_pixel) / 2, size


def join(centre: Float[Array, "#*N 2"], size: Float[Array, "#*N 2"], *, half_pixel: bool) -> Float[Array, "... 4"]:
    """Inverse of `centre_and_size`: `xywh` boxes `[..., 4]`."""
    return jnp.concatenate([centre - (size - half_pixel) / 2, size], axis=-1)


def iou(a: Real[Array, "#*N 4"], b: Real[Array, "#*N 4"]) -> Float[Array, "..."]:
    """Intersection over union of `xywh` boxes `[..., 4]`, in 0..1; 0 where both are empty."""
    chex.assert_equal(a.shape[-1], 4)
    low = jnp.maximum(a[..., :2], b[..., :2])
    high = jnp.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    inter = jnp.prod(jnp.maximum(high - low, 0), axis=-1)
    union = jnp.prod(a[..., 2:], axis=-1) + jnp.prod(b[..., 2:], axis=-1) - inter
    return jnp.where(union > 0, inter / jnp.where(union > 0, union, 1), 0)


def checked(boxes, extent: tuple[int, int], *, where: str) -> Float[np.ndarray, "N 4"]:
    """Checks that boxes can be targets in a frame of `extent` `(height, width)`; gives them as `[N, 4]` float32.

    Args:
      boxes: one `xywh` box or several.
      extent: `(height, width)` of the first frame, pixels.
      where: where the boxes come from, for the message.
    Raises:
      BoxError: not four finite numbers each, no positive size, or without overlap with the frame.
    """
    try:
        array = np.asarray(boxes, np.float64)
    except (TypeError, ValueError) as error:
        raise BoxError(f"boxes are not numbers: {boxes!r}", where, "give x,y,w,h in pixels") from error
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or array.shape[-1] != 4 or not len(array):
        raise BoxError(f"boxes have shape {np.shape(boxes)}", where, "give x,y,w,h in pixels for each target")
    height, width = extent
    for box in array:
        shown = ",".join(f"{v:g}" for v in box)
        if not np.isfinite(box).all():
            raise BoxError(f"box {shown} is not finite", where, "give x,y,w,h in pixels")
        x, y, w, h = box
        if w <= 0 or h <= 0:
            raise BoxError(f"box {shown} has no area", where, "width and height must be positive")
        if x >= width or y >= height or x + w <= 0 or y + h <= 0:
            raise BoxError(f"box {shown} lies outside the {width}x{height} frame", where,
                           "give a box that overlaps it")
        if w > 4 * width or h > 4 * height:
            raise BoxError(f"box {shown} is far larger than the {width}x{height} frame", where,
                           "give a box of the target's size in pixels")
    return array.astype(np.float32)
