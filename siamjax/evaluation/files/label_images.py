"""Trackers' answers as label images of the frame: `n + 1` where target `n` is, 0 where none is."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from siamjax.evaluation.metrics import davis
from siamjax.ops import labels as label_ops
from siamjax.trackers.siammask import SiamMaskConfig

_merge = jax.jit(label_ops.merge, static_argnames="shape")


@dataclasses.dataclass(frozen=True)
class MaskRule:
    """How a tracker's masks become labels.

    Attributes:
      threshold: a pixel belongs to the target above it, 0..1.
      border: value beyond a mask's rim, see `ops.masks`.
    """

    threshold: float
    border: float


def rule_of(tracker: Any) -> MaskRule | None:
    """The rule of a tracker; None for one without masks."""
    config = tracker.config
    return MaskRule(config.mask_threshold, config.mask_border) if isinstance(config, SiamMaskConfig) else None


def from_masks(masks: np.ndarray, affines: np.ndarray, size: tuple[int, int], rule: MaskRule) -> np.ndarray:
    """Labels `[H, W]` uint8 of targets' masks `[N, m, m]` with `affines` `[N, 2, 3]`; of two, the likelier one."""
    return np.asarray(_merge(np.asarray(masks, np.float32), affines, size, rule.threshold, rule.border))


def from_boxes(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Labels `[H, W]` uint8 of filled `xywh` boxes `[N, 4]`; of two, the first one."""
    return stacked([davis.box_mask(box, size) for box in boxes])


def stacked(masks: list[np.ndarray]) -> np.ndarray:
    """Labels `[H, W]` uint8 of masks `[H, W]` bool, one a target; of two, the first one."""
    labels = np.zeros(masks[0].shape, np.uint8)
    for number in range(len(masks), 0, -1):
        labels[masks[number - 1]] = number
    return labels
