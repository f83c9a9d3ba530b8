"""Masks beside anchors: the objective of SiamMask, base and sharp."""

from __future__ import annotations

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp

from siamjax.errors import ConfigError
from siamjax.ops import losses, mask_targets
from siamjax.ops.anchor_targets import AnchorTargets
from siamjax.training.rpn_objective import RPNObjective, centred
from siamjax.types import Array, Metrics, TrainPair


@dataclasses.dataclass(frozen=True)
class MaskObjective:
    """What `rpn` says of anchors, and a mask at each cell with a positive one.

    The mask counts at all cells where a positive anchor was drawn, `rpn.assign.positives` a pair at most, of pairs
    whose mask is known; all other pairs train classes and boxes alone.

    Attributes:
      rpn: of classes and boxes; its anchors and their assignment also say which cells train masks.
      rpn_weight: of its loss: 1 for SiamMask base, 0 for sharp, where classes and boxes are frozen and are only
        looked at.
      mask_weight: of the mask loss.
      window: side of the part of the search crop that a mask is of, px: the exemplar's.
    Source: SiamMask, models/siammask.py `forward`, weights 1, 1.2, 36 and 0, 0, 36. One departure: a batch
    with a single positive anchor, see `ops.losses.two_class`.
    """

    rpn: RPNObjective = dataclasses.field(default_factory=RPNObjective)
    rpn_weight: float = 1.0
    mask_weight: float = 36.0
    window: int = 127

    def __post_init__(self):
        if not (self.rpn_weight >= 0 and self.mask_weight >= 0 and self.rpn_weight + self.mask_weight > 0):
            raise ConfigError(f"rpn_weight {self.rpn_weight}, mask_weight {self.mask_weight}", where="MaskObjective",
                              do="use weights that are not negative, one above 0")
        if self.window < 1:
            raise ConfigError(f"window is {self.window}", where="MaskObjective.window", do="use 1 px or more")

    def __call__(self, outputs: tuple[Array, Array, Array], pair: TrainPair, *, axis_name: str | None = None):
        """Loss of a net's `outputs` and the metrics of it; see `compare`."""
        grid = self.rpn.anchors.grid_of(outputs[0].shape[1])
        wanted = self.rpn.targets(pair.key, centred(pair), pair.similar, grid)
        return self.compare(outputs, wanted, pair, axis_name=axis_name)

    def compare(self, outputs: tuple[Array, Array, Array], wanted: AnchorTargets, pair: TrainPair, *,
                axis_name: str | None = None) -> tuple[Array, Metrics]:
        """Loss of outputs against the targets of the anchors and the masks of the pairs.

        Args:
          outputs: `cls` `[B, N, 2]`, `loc` `[B, N, 4]`, and `masks` `[B, G, G, m * m]` logits of every cell.
          wanted: targets of the anchors, each with a leading `B`.
          pair: with masks (`DataConfig.masks`).
          axis_name: mapped axis that the batch is shared over.
        Returns:
          Loss and metrics: those of `rpn`; `mask`, the loss unweighted; `mask_iou`, mean overlap of the masks that
          count with their targets in their windows, and `mask_sr50` and `mask_sr70`, the shares above 0.5 and 0.7.
        Raises:
          ConfigError: the pair has no masks.
        """
        if pair.mask is None:
            raise ConfigError("the batches have no masks", where="MaskObjective", do="set data.masks=true")
        cls, loc, maps = outputs
        rpn_loss, metrics = self.rpn.compare((cls, loc), wanted, pair, axis_name=axis_name)
        logits, target, chosen = self._masks(maps, wanted.cls, pair)
        loss = losses.soft_margin(logits, target, chosen, axis_name=axis_name)
        overlap = losses.mask_overlap(logits, target)

        def chosen_mean(values):
            return losses.masked_mean(values, chosen, axis_name)[0]

        return self.rpn_weight * rpn_loss + self.mask_weight * loss, {
            **metrics, "mask": loss, "mask_iou": chosen_mean(overlap),
            "mask_sr50": chosen_mean((overlap > 0.5).astype(jnp.float32)),
            "mask_sr70": chosen_mean((overlap > 0.7).astype(jnp.float32))}

    def _masks(self, maps: Array, labels: Array, pair: TrainPair) -> tuple[Array, Array, Array]:
        """Logits and targets `[B, K, window, window]` at the cells that may train, and which do, `[B, K]`."""
        grid, side = maps.shape[1], math.isqrt(maps.shape[-1])
        cells, positive = jax.vmap(
            lambda labels: mask_targets.positive_cells(labels, grid, self.rpn.assign.positives))(labels)
        logits = jax.vmap(mask_targets.at_cells)(maps, cells).reshape(*positive.shape, side, side)
        cut = functools.partial(mask_targets.windows, grid=grid, size=self.window, stride=self.rpn.anchors.stride)
        target = jax.vmap(cut)(mask_targets.signed(pair.mask), cells)
        return losses.upsample_aligned(logits, self.window), target, positive & pair.masked[:, None]
