"""Masks of crops: the objective of `nets.crop_mask`."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from siamjax.errors import ConfigError
from siamjax.ops import losses
from siamjax.types import Array, Metrics, TrainPair


@dataclasses.dataclass(frozen=True)
class CropMaskObjective:
    """Which pixels of the search are the target's: cross-entropy, and what the overlap lacks.

    Attributes:
      overlap_weight: of the lacking overlap, in which small masks count as much as large ones.
    """

    overlap_weight: float = 1.0

    def __post_init__(self):
        if not 0 <= self.overlap_weight < float("inf"):
            raise ConfigError(f"overlap_weight is {self.overlap_weight}", where="CropMaskObjective.overlap_weight",
                              do="use a weight that is not negative")

    def __call__(self, outputs: Array, pair: TrainPair, *, axis_name: str | None = None) -> tuple[Array, Metrics]:
        """Loss of logits `[B, m, m]` and the metrics of it; pairs whose mask is not known have no part.

        Metrics: `mask`, the cross-entropy; `mask_iou`, mean overlap of masks above 0.5 with their targets.
        Raises:
          ConfigError: the pair has no masks.
        """
        if pair.mask is None:
            raise ConfigError("the batches have no masks", where="CropMaskObjective", do="set data.masks=true")
        target = targets_of(pair.mask, outputs.shape[-1])
        entropy = losses.logistic(outputs, target).mean((1, 2))
        both = {"mask": entropy, "lacking": 1 - soft_overlap(outputs, target),
                "mask_iou": hard_overlap(outputs > 0, target > 0.5)}
        metrics = {name: losses.masked_mean(values, pair.masked, axis_name)[0] for name, values in both.items()}
        return metrics["mask"] + self.overlap_weight * metrics.pop("lacking"), metrics


def targets_of(mask: Array, size: int) -> Array:
    """Masks `[B, S, S]`, 0..1, on a grid of `size` cells whose cell `i` lies at pixel `round(S / size) * i`."""
    step = round(mask.shape[-1] / size)
    if step == 1:
        return mask
    for axis in (1, 2):
        before, after = (jnp.roll(mask, by, axis) for by in (1, -1))
        mask = (before + 2 * mask + after) / 4
    return mask[:, ::step, ::step]


def soft_overlap(logits: Array, target: Array) -> Array:
    """Overlap `[B]` of probabilities with targets `[B, m, m]`, 0..1."""
    probability = jax.nn.sigmoid(logits)
    both = (probability * target).sum((1, 2))
    return (both + 1) / ((probability + target).sum((1, 2)) - both + 1)


def hard_overlap(mask: Array, target: Array) -> Array:
    """Overlap `[B]` of bool masks; 1 where both are empty."""
    union = (mask | target).sum((1, 2))
    return jnp.where(union > 0, (mask & target).sum((1, 2)) / jnp.maximum(union, 1), 1.0)
