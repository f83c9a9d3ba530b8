"""Points as targets: the objective of the anchor-free nets, FEAR and NanoTrack."""

from __future__ import annotations

import dataclasses
import functools
from typing import get_args

import jax
import jax.numpy as jnp

from siamjax.errors import ConfigError
from siamjax.ops import boxes, losses
from siamjax.ops.overlap import OverlapKind, iou_loss
from siamjax.ops.point_targets import EllipseRule, PointRule, PointTargets
from siamjax.ops.points import PointConfig
from siamjax.training.rpn_objective import centred
from siamjax.types import Array, TrainPair


@dataclasses.dataclass(frozen=True)
class PointObjective:
    """Each point says whether it is on the target, and how far the target's sides are; the defaults are NanoTrack's.

    Attributes:
      cls_weight, loc_weight: of the two losses.
      points: of the net; those of the tracker (`anchors` there).
      assign: which points are positive, and which train the box: `EllipseRule()`, or `InsideRule()` for FEAR.
      box_loss: of the box of each of those with the target, see `ops.overlap.iou_loss`; `iou` for FEAR.
    Source: NanoTrack, models/loss.py; FEAR (Borsuk et al. 2022), section 3.4. The cross-entropy of positives and that
    of negatives have half each: so has FEAR's program, whose binary one is that of two logits, the background's 0.
    """

    cls_weight: float = 1.0
    loc_weight: float = 1.0
    points: PointConfig = dataclasses.field(default_factory=PointConfig)
    assign: PointRule = dataclasses.field(default_factory=EllipseRule)
    box_loss: OverlapKind = "smooth"

    def __post_init__(self):
        if not (self.cls_weight >= 0 and self.loc_weight >= 0 and self.cls_weight + self.loc_weight > 0):
            raise ConfigError(f"cls_weight {self.cls_weight}, loc_weight {self.loc_weight}", where="PointObjective",
                              do="use weights that are not negative, one above 0")
        if self.box_loss not in get_args(OverlapKind):
            raise ConfigError(f"box_loss is {self.box_loss!r}", where="PointObjective.box_loss",
                              do=f"use one of {', '.join(get_args(OverlapKind))}")

    def __call__(self, outputs: tuple[Array, Array], pair: TrainPair, *, axis_name: str | None = None):
        """Loss of `outputs`, `cls` `[B, N, 2]` and `loc` `[B, N, 4]`, and the metrics of it.

        Metrics: `cls` and `loc`, the losses unweighted; `positives`, points counted as positive a similar pair; `iou`
        of the box of the likeliest point with the target, and `score`, its probability, both over similar pairs.
        """
        cls, loc = outputs
        grid, box = self.points.grid_of(cls.shape[1]), centred(pair)
        wanted = self.targets(pair.key, box, pair.similar, grid)
        found, given = _xywh(jax.vmap(self.points.proposals)(loc.astype(jnp.float32))), _xywh(box)
        loss_cls = losses.two_class(cls, wanted.cls, axis_name=axis_name)
        loss_loc = losses.masked_mean(iou_loss(found, given[:, None], self.box_loss), wanted.boxed, axis_name)[0]

        def similar_mean(values):
            return losses.masked_mean(values, pair.similar, axis_name)[0]

        score = jax.nn.softmax(cls.astype(jnp.float32))[..., 1]
        best = jnp.take_along_axis(found, score.argmax(-1)[:, None, None], axis=1)[:, 0]
        return self.cls_weight * loss_cls + self.loc_weight * loss_loc, {
            "cls": loss_cls, "loc": loss_loc,
            "positives": similar_mean((wanted.cls == 1).sum(-1).astype(jnp.float32)),
            "iou": similar_mean(boxes.iou(best, given)), "score": similar_mean(score.max(-1))}

    def targets(self, key: Array, box_cxcywh: Array, similar: Array, grid: int) -> PointTargets:
        """Targets of a batch: `key` `[B]`, `box_cxcywh` `[B, 4]` from the crop's middle, `similar` `[B]`."""
        return jax.vmap(functools.partial(self.assign, grid=grid, points=self.points))(key, box_cxcywh, similar)


def _xywh(box_cxcywh: Array) -> Array:
    return boxes.join(box_cxcywh[..., :2], box_cxcywh[..., 2:], half_pixel=False)
