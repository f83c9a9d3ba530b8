"""Training targets of a region-proposal net: which anchors are positive, and the box that each should give."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from siamjax.errors import ConfigError
from siamjax.ops import anchors as anchor_ops
from siamjax.ops import boxes
from siamjax.ops.anchors import AnchorConfig
from siamjax.types import Array, Bool, Float, Int, Key

IGNORED = -1


@dataclasses.dataclass(frozen=True)
class AssignConfig:
    """Which anchors train, and how many; the defaults are PySOT's.

    Attributes:
      positive_iou: overlap above which an anchor is positive.
      negative_iou: overlap below which it is negative; those between are ignored.
      box_iou: overlap above which an anchor trains the box, all of them; None for the drawn positives, as
        published. A target 0.7 or 1.4 times as large as last fits no anchor by more than a half: with the published
        rule no box is learned there.
      positives, negatives: most that are drawn for a pair.
      distractors: most negatives that are drawn for a pair of two objects, round the other object.
      block: cells round the other object's that they are drawn from, to each side.
    """

    positive_iou: float = 0.6
    negative_iou: float = 0.3
    box_iou: float | None = None
    positives: int = 16
    negatives: int = 48
    distractors: int = 16
    block: int = 3

    def __post_init__(self):
        if not 0 <= self.negative_iou <= self.positive_iou <= 1:
            raise ConfigError(f"negative_iou {self.negative_iou}, positive_iou {self.positive_iou}",
                              where="AssignConfig", do="use 0 <= negative_iou <= positive_iou <= 1")
        if self.box_iou is not None and not 0 < self.box_iou <= 1:
            raise ConfigError(f"box_iou is {self.box_iou}", where="AssignConfig.box_iou",
                              do="use an overlap above 0 and at most 1, or None")
        for name in ("positives", "negatives", "distractors", "block"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}", where=f"AssignConfig.{name}",
                                  do="use 1 or more")


class AnchorTargets(NamedTuple):
    """Targets of the anchors of one pair, in their flat order.

    Attributes:
      cls: `[N]` int32: 1 target, 0 background, -1 ignored.
      loc: `[N, 4]` differences to the target, of every anchor; 0 for a pair of two objects.
      loc_weight: `[N]`, one over their number at the anchors that train the box, else 0.
    """

    cls: Array
    loc: Array
    loc_weight: Array


def assign(key: Key[Array, ""], box_cxcywh: Float[Array, "4"], similar: Bool[Array, ""], *, grid: int,
           anchors: AnchorConfig, config: AssignConfig) -> AnchorTargets:
    """Targets of one pair; `vmap` over keys, boxes and `similar` for a batch.

    Args:
      key: typed key of the pair; decides which candidates are drawn.
      box_cxcywh: of the object in the search crop, pixels **from the middle of the crop**.
      similar: False where that object is not the exemplar's.
      grid: side `G` of the net's output, cells.
      anchors, config: see there.
    Returns:
      The targets. No anchor is forced to be positive: a box that fits none trains negatives only.
    Source: PySOT, pysot/datasets/anchor_target.py, with another random number generator.
    """
    overlap = _overlap(box_cxcywh, grid, anchors)
    candidates = _labels(overlap, box_cxcywh, similar, grid, anchors, config)
    positive_key, negative_key = jax.random.split(key)
    positive = draw(positive_key, candidates == 1, config.positives, config.positives)
    negative = draw(negative_key, candidates == 0, jnp.where(similar, config.negatives, config.distractors),
                     max(config.negatives, config.distractors))
    cls = jnp.where(positive, 1, jnp.where(negative, 0, IGNORED)).astype(jnp.int32)
    # The box of another object may be of any size: its logarithm must not reach the loss.
    box = jnp.where(similar, box_cxcywh, jnp.ones(4))
    loc = jnp.where(similar, anchor_ops.encode(anchor_ops.make_anchors(anchors, grid), box[None]), 0.0)
    boxed = positive if config.box_iou is None else (overlap > config.box_iou) & similar
    return AnchorTargets(cls, loc, boxed / (boxed.sum() + 1e-6))


def candidate_labels(box_cxcywh: Float[Array, "4"], similar: Bool[Array, ""], *, grid: int, anchors: AnchorConfig,
                     config: AssignConfig) -> Int[Array, " N"]:
    """Labels `[N]` int32 as in `AnchorTargets.cls`, before the draw; arguments as in `assign`."""
    return _labels(_overlap(box_cxcywh, grid, anchors), box_cxcywh, similar, grid, anchors, config)


def _overlap(box_cxcywh: Array, grid: int, anchors: AnchorConfig) -> Array:
    """Overlap `[N]` of every anchor with the box."""
    return boxes.iou(_xywh(jnp.asarray(anchor_ops.make_anchors(anchors, grid))), _xywh(box_cxcywh)[None])


def _labels(overlap: Array, box_cxcywh: Array, similar: Array, grid: int, anchors: AnchorConfig,
            config: AssignConfig) -> Array:
    by_overlap = jnp.where(overlap > config.positive_iou, 1,
                           jnp.where(overlap < config.negative_iou, 0, IGNORED))
    around = _around(box_cxcywh[:2], grid, anchors.stride, config.block)
    around = jnp.broadcast_to(around[None], (anchors.per_cell, grid, grid)).reshape(-1)
    return jnp.where(similar, by_overlap, jnp.where(around, 0, IGNORED)).astype(jnp.int32)


def _around(centre: Array, grid: int, stride: int, block: int) -> Array:
    """Cells `[G, G]` (y, x) within `block` of that of `centre` `[2]` (x, y), pixels from the middle."""
    # PySOT adds the half before it rounds up, so the block lies up to a cell right of and below the object.
    cell = grid // 2 + jnp.ceil(centre / stride + 0.5)
    near = jnp.abs(jnp.arange(grid, dtype=jnp.float32)[None] - cell[:, None]) <= block  # [2, G], x then y
    return near[1][:, None] & near[0][None, :]


def draw(key: Key[Array, ""], candidates: Bool[Array, " N"], limit: Int[Array, ""] | int,
         most: int) -> Bool[Array, " N"]:
    """A random subset of `candidates` `[N]` of at most `limit`, all equally likely; `most` is a static bound on it."""
    tickets = jnp.where(candidates, jax.random.uniform(key, candidates.shape), -1.0)
    best, index = lax.top_k(tickets, min(most, candidates.size))
    drawn = (best >= 0) & (jnp.arange(best.size) < limit)
    return jnp.zeros_like(candidates).at[index].set(drawn)


def _xywh(box_cxcywh: Array) -> Array:
    return boxes.join(box_cxcywh[..., :2], box_cxcywh[..., 2:], half_pixel=False)
