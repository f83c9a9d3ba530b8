"""Anchors as targets: the objective of the region-proposal family (SiamRPN, SiamRPN++)."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp

from siamjax.errors import ConfigError
from siamjax.ops import anchor_targets, anchors, boxes, losses
from siamjax.ops.anchor_targets import AnchorTargets, AssignConfig
from siamjax.ops.anchors import AnchorConfig
from siamjax.types import Array, TrainPair


@dataclasses.dataclass(frozen=True)
class RPNObjective:
    """Each anchor says whether it is the target, and what leads from it to the target's box.

    Attributes:
      cls_weight, loc_weight: of the two losses.
      anchors: shapes of the anchors; those of the tracker.
      assign: which anchors train.
    Source: PySOT, pysot/models/model_builder.py `forward`.
    """

    cls_weight: float = 1.0
    loc_weight: float = 1.2
    anchors: AnchorConfig = dataclasses.field(default_factory=AnchorConfig)
    assign: AssignConfig = dataclasses.field(default_factory=AssignConfig)

    def __post_init__(self):
        if not (self.cls_weight >= 0 and self.loc_weight >= 0 and self.cls_weight + self.loc_weight > 0):
            raise ConfigError(f"cls_weight {self.cls_weight}, loc_weight {self.loc_weight}", where="RPNObjective",
                              do="use weights that are not negative, one above 0")

    def __call__(self, outputs: tuple[Array, Array], pair: TrainPair, *, axis_name: str | None = None):
        """Loss of `outputs`, `cls` `[B, N, 2]` and `loc` `[B, N, 4]`, and the metrics of it; see `compare`."""
        grid = self.anchors.grid_of(outputs[0].shape[1])
        wanted = self.targets(pair.key, centred(pair), pair.similar, grid)
        return self.compare(outputs, wanted, pair, axis_name=axis_name)

    def compare(self, outputs: tuple[Array, Array], wanted: AnchorTargets, pair: TrainPair, *,
                axis_name: str | None = None):
        """Loss of outputs against targets, each with a leading `B`, and the metrics of it.

        Metrics: `cls` and `loc`, the losses unweighted; `positives`, anchors drawn as positive a similar pair;
        `iou` of the box of the likeliest anchor with the target, and `score`, its probability, both over similar
        pairs.
        """
        cls, loc = outputs
        loss_cls = losses.two_class(cls, wanted.cls, axis_name=axis_name)
        loss_loc = losses.weighted_l1(loc, wanted.loc, wanted.loc_weight)

        def similar_mean(values):
            return losses.masked_mean(values, pair.similar, axis_name)[0]

        score = jax.nn.softmax(cls.astype(jnp.float32))[..., 1]
        return self.cls_weight * loss_cls + self.loc_weight * loss_loc, {
            "cls": loss_cls, "loc": loss_loc,
            "positives": similar_mean((wanted.cls == 1).sum(-1).astype(jnp.float32)),
            "iou": similar_mean(self._overlap(score, loc, centred(pair))), "score": similar_mean(score.max(-1))}

    def targets(self, key: Array, box_cxcywh: Array, similar: Array, grid: int) -> AnchorTargets:
        """Targets of a batch: `key` `[B]`, `box_cxcywh` `[B, 4]` from the crop's middle, `similar` `[B]`."""
        assign = functools.partial(anchor_targets.assign, grid=grid, anchors=self.anchors, config=self.assign)
        return jax.vmap(assign)(key, box_cxcywh, similar)

    def _overlap(self, score: Array, loc: Array, box: Array) -> Array:
        """Overlap `[B]` of the likeliest proposal with the target."""
        boxed = jnp.asarray(anchors.make_anchors(self.anchors, self.anchors.grid_of(score.shape[1])))
        best = score.argmax(-1)
        chosen = jnp.take_along_axis(loc, best[:, None, None], axis=1)[:, 0].astype(jnp.float32)
        return boxes.iou(_xywh(anchors.decode(boxed[best], chosen)), _xywh(box))


def centred(pair: TrainPair) -> Array:
    """The search box as `cxcywh` `[B, 4]`, pixels from the middle of the crop."""
    size = jnp.array([pair.search.shape[2], pair.search.shape[1]], jnp.float32)
    centre, extent = boxes.centre_and_size(pair.search_box, half_pixel=False)
    return jnp.concatenate([centre - size[None] / 2, extent], axis=-1)


def _xywh(box_cxcywh: Array) -> Array:
    return boxes.join(box_cxcywh[..., :2], box_cxcywh[..., 2:], half_pixel=False)
