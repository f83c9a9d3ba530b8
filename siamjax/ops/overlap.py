"""Box losses by overlap, and for boxes that do not meet by what lies between them."""

from __future__ import annotations

from typing import Literal, get_args

import chex
import jax.numpy as jnp

from siamjax.errors import ConfigError
from siamjax.types import Array, Float

OverlapKind = Literal["iou", "smooth", "giou", "diou"]


def iou_loss(predicted: Float[Array, "#*N 4"], wanted: Float[Array, "#*N 4"],
             kind: OverlapKind = "iou") -> Float[Array, "..."]:
    """One minus a measure of how well two boxes agree: 0 for equal ones, in either order the same.

    `iou`: intersection over union. `smooth`: 1 px^2 is added to both, so that small boxes pull less. `giou`: less the
    part of the least box round both that neither covers. `diou`: less the squared distance of the centres over the
    squared diagonal of that box. The last two also move boxes that do not meet.

    Args:
      predicted, wanted: `[..., 4]` `xywh`, in the same pixels, sides 0 or more; shapes broadcast.
      kind: the measure.
    Returns:
      `[...]` float32, 0 to 1, for `giou` and `diou` 0 to 2. Value and gradient are finite for boxes without an area
      too, whose intersection over union is 0.
    Raises:
      ConfigError: there is no such kind.
    Source: UnitBox (Yu et al. 2016); Rezatofighi et al. 2019; Zheng et al. 2020; NanoTrack, models/iou_loss.py, the
    smooth one.
    """
    chex.assert_equal(predicted.shape[-1], 4)
    chex.assert_equal(wanted.shape[-1], 4)
    if kind not in get_args(OverlapKind):
        raise ConfigError(f"kind is {kind!r}", "iou_loss", f"use one of {', '.join(get_args(OverlapKind))}")
    a, b = (_corners(box.astype(jnp.float32)) for box in (predicted, wanted))
    inter = _area(jnp.maximum(a[0], b[0]), jnp.minimum(a[1], b[1]))
    union = _area(*a) + _area(*b) - inter
    if kind == "smooth":
        return 1 - (inter + 1) / (union + 1)
    overlap = _ratio(inter, union)
    if kind == "iou":
        return 1 - overlap
    low, high = jnp.minimum(a[0], b[0]), jnp.maximum(a[1], b[1])
    if kind == "giou":
        hull = _area(low, high)
        return 1 - overlap + _ratio(hull - union, hull)
    apart = (((a[0] + a[1]) - (b[0] + b[1])) / 2) ** 2
    return 1 - overlap + _ratio(apart.sum(-1), ((high - low) ** 2).sum(-1))


def _corners(box: Array) -> tuple[Array, Array]:
    return box[..., :2], box[..., :2] + box[..., 2:]


def _area(low: Array, high: Array) -> Array:
    """Of the box between two corners; 0 where they are the wrong way round."""
    return jnp.prod(jnp.maximum(high - low, 0), axis=-1)


def _ratio(part: Array, whole: Array) -> Array:
    """`part / whole`; 0, without a gradient, where there is no whole."""
    return jnp.where(whole > 0, part / jnp.where(whole > 0, whole, 1.0), 0.0)
