"""Trackers' answers as label images of the frame: `n + 1` where target `n` is, 0 where none is."""

from __future__ import annotations

import jax
import numpy as np

from siamjax.evaluation.metrics import davis
from siamjax.ops import labels as label_ops
from siamjax.trackers.base import MaskRule

_merge = jax.jit(label_ops.merge, static_argnames="shape")


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
