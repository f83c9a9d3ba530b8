"""Overlap, centre error and one-pass scores, under named conventions.

Toolkits score the same boxes differently; `ops.conventions` says how, and the same functions follow any of them.
Everything here is float64 NumPy on the host.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np

from siamjax.errors import DataError
from siamjax.ops.conventions import (
    CONVENTIONS,
    GOT10K,
    GOT10K_LASOT,
    LASOT,
    OTB,
    PYSOT,
    PYTRACKING,
    PYTRACKING_UAV,
    PYTRACKING_VALID,
    UAV123,
    VISIBLE,
    Convention,
)
from siamjax.types import Bool, Float, Real

__all__ = [
    "CONVENTIONS", "ERROR_THRESHOLDS", "GOT10K", "GOT10K_LASOT", "LASOT", "NORMALISED_THRESHOLDS", "OTB", "PYSOT",
    "PYTRACKING", "PYTRACKING_UAV", "PYTRACKING_VALID", "UAV123", "VISIBLE", "Convention", "Figures", "Score",
    "centre_error", "clip_to_frame", "iou", "normalised_error", "score_overall", "score_sequence",
]  # fmt: skip

EPSILON = float(np.finfo(np.float64).eps)  # the got10k toolkit adds it to the union
ERROR_THRESHOLDS = np.arange(0.0, 51.0)  # px
NORMALISED_THRESHOLDS = np.arange(51) / 100.0
PRECISION_INDEX = 20  # 20 px, and 0.2 of the target's size: the values that papers quote


def iou(boxes: Real[np.ndarray, "N 4"], others: Real[np.ndarray, "N 4"],
        rule: Literal["clipped", "inclusive"] = "clipped") -> Float[np.ndarray, " N"]:
    """Overlaps `[N]` of boxes `[N, 4]` with others `[N, 4]`; NaN where either has a NaN.

    Intersection over union, without a pixel added. Negative sizes count as zero. `clipped` adds 2.2e-16 to the union
    and clips to 0..1; `inclusive` does neither and reckons with inclusive corners, as `x + w - 1`, so that its rounding
    is that of the toolkits which do so.
    """
    a, b = np.asarray(boxes, np.float64), np.asarray(others, np.float64)
    size_a, size_b = np.maximum(a[:, 2:], 0.0), np.maximum(b[:, 2:], 0.0)
    pixel = float(rule == "inclusive")
    far = np.minimum(a[:, :2] + size_a - pixel, b[:, :2] + size_b - pixel)
    intersection = np.prod(np.clip(far - np.maximum(a[:, :2], b[:, :2]) + pixel, 0.0, None), axis=1)
    union = np.prod(size_a, axis=1) + np.prod(size_b, axis=1) - intersection
    if rule == "clipped":
        return np.clip(intersection / (union + EPSILON), 0.0, 1.0)
    return np.divide(intersection, union, out=np.zeros_like(union), where=union != 0)


def centre_error(boxes: Real[np.ndarray, "N 4"], truth: Real[np.ndarray, "N 4"]) -> Float[np.ndarray, " N"]:
    """Distances `[N]` in px between the centres `x + (w - 1) / 2` of boxes `[N, 4]` and those of `truth`."""
    return np.linalg.norm(_centres(boxes) - _centres(truth), axis=1)


def normalised_error(boxes: Real[np.ndarray, "N 4"], truth: Real[np.ndarray, "N 4"],
                     by: Literal["floor", "size"] = "floor") -> Float[np.ndarray, " N"]:
    """Distances `[N]` between centres, each axis divided by the true box's size there (see `Convention`)."""
    truth = np.asarray(truth, np.float64)
    if by == "floor":
        return np.linalg.norm((_centres(boxes) - _centres(truth)) / np.maximum(1.0, truth[:, 2:]), axis=1)
    size = truth[:, 2:] + 1e-16  # the toolkits divide each centre: an error that lies on a threshold stays there
    return np.linalg.norm(_centres(boxes) / size - _centres(truth) / size, axis=1)


def clip_to_frame(boxes: Real[np.ndarray, "N 4"], frame_size: tuple[int, int]) -> Float[np.ndarray, "N 4"]:
    """Boxes `[N, 4]` cut to a frame of `(width, height)` px, by the got10k toolkit's rule.

    The corner moves into the frame and the size, kept as it was, is then cut at the frame's far side.
    """
    boxes = np.asarray(boxes, np.float64)
    far = np.asarray(frame_size, np.float64)
    corner = np.clip(boxes[:, :2], 0.0, far)
    return np.concatenate([corner, np.clip(boxes[:, 2:], 0.0, far - corner)], axis=1)


@dataclasses.dataclass(frozen=True)
class Figures:
    """The numbers that a sequence, or a set of them, comes to. NaN where no frame counts.

    Attributes:
      auc: mean of the success curve.
      precision: share of frames with a centre error of at most 20 px.
      normalised_precision: by the convention's rule.
      mean_overlap: average overlap (GOT-10k's AO).
      success_50: share of frames with an overlap above 0.5 (SR.5).
      success_75: likewise 0.75 (SR.75).
    """

    auc: float
    precision: float
    normalised_precision: float
    mean_overlap: float
    success_50: float
    success_75: float


@dataclasses.dataclass(frozen=True)
class Score:
    """Curves and figures of one sequence, or of a set of them.

    Attributes:
      success: `[K]` share of frames with an overlap above each of the convention's thresholds.
      precision: `[51]` share of frames with a centre error of at most 0, 1, ... 50 px.
      normalised_precision: `[51]` likewise, at 0, 0.01, ... 0.5 of the target's size.
      mean_overlap: mean over the counted frames; a missed frame has 0.
      frames: number of frames counted.
    """

    success: np.ndarray
    precision: np.ndarray
    normalised_precision: np.ndarray
    mean_overlap: float
    frames: int

    def figures(self, convention: Convention) -> Figures:
        """The numbers that `convention` quotes of these curves."""
        normalised = self.normalised_precision
        at_mean = convention.normalised_score == "mean"
        return Figures(
            auc=float(self.success.mean()),
            precision=float(self.precision[PRECISION_INDEX]),
            normalised_precision=float(normalised.mean() if at_mean else normalised[PRECISION_INDEX]),
            mean_overlap=self.mean_overlap,
            success_50=float(self.success[convention.index_of(0.5)]),
            success_75=float(self.success[convention.index_of(0.75)]),
        )


def score_sequence(
    boxes: Real[np.ndarray, "T 4"],
    truth: Real[np.ndarray, "T 4"],
    convention: Convention = VISIBLE,
    *,
    frame_size: tuple[int, int] | None = None,
    visible: Bool[np.ndarray, " T"] | None = None,
) -> Score:
    """Scores one sequence.

    Args:
      boxes: a tracker's boxes, row 0 being the given one. A row that is not finite is a miss.
      truth: ground truth. Where the target is absent it may be NaN, zeros, or the box of an earlier frame
        with an absence list beside it; the convention says what it makes of each.
      convention: whose rules to follow.
      frame_size: `(width, height)` in px; needed where the convention clips.
      visible: the absence list: False where the target does not show (LaSOT: neither `full_occlusion` nor
        `out_of_view`; GOT-10k: `cover > 0`). None: there is no such list.

    Raises:
      DataError: the shapes disagree, or the convention needs a `frame_size`.
    """
    boxes, truth = np.array(boxes, np.float64), np.asarray(truth, np.float64)
    if boxes.shape != truth.shape or boxes.ndim != 2 or boxes.shape[1] != 4:
        raise DataError(
            f"{boxes.shape} boxes against {truth.shape} of ground truth", "result", "give one box a frame"
        )
    if visible is not None and np.shape(visible) != (len(truth),):
        raise DataError(f"{np.shape(visible)} entries of an absence list for {len(truth)} frames", "absence list",
                        "give one a frame")
    if convention.empty_result == "previous":
        _repeat_empty(boxes)
    if convention.first_frame == "given":
        boxes[0] = truth[0]
    if convention.clipped:
        if frame_size is None:
            raise DataError(
                "no frame size", f"convention {convention.name}", "give the frame's width and height"
            )
        boxes, truth = clip_to_frame(boxes, frame_size), clip_to_frame(truth, frame_size)

    success, precision, normalised = _fates(truth, visible, convention)
    known = np.isfinite(boxes).all(axis=1) & np.isfinite(truth).all(axis=1)
    with np.errstate(invalid="ignore", over="ignore"):
        overlaps = np.where(known, iou(boxes, truth, convention.overlap), 0.0)
        errors = np.where(known, centre_error(boxes, truth), np.inf)
        relative = np.where(known, normalised_error(boxes, truth, convention.normalised_by), np.inf)
    counted = _counted(success)
    frames = int(counted.sum())
    return Score(
        success=_curve(overlaps[:, None] > np.asarray(convention.thresholds), success),
        precision=_curve(errors[:, None] <= ERROR_THRESHOLDS, precision),
        normalised_precision=_curve(relative[:, None] <= NORMALISED_THRESHOLDS, normalised),
        mean_overlap=float(np.where(success == "measured", overlaps, 0.0)[counted].mean()) if frames else float("nan"),
        frames=frames,
    )


def score_overall(scores: Sequence[Score], convention: Convention = VISIBLE) -> Score:
    """Joins the scores of sequences: equal weights, or weighted by their frames where the convention pools.

    Sequences of which no frame counts are left out.

    Raises:
      DataError: no sequence has a frame that counts.
    """
    counted = [score for score in scores if score.frames]
    if not counted:
        raise DataError(
            "no frame counts in any sequence",
            f"convention {convention.name}",
            "score sequences of at least two frames with ground truth",
        )
    weights = np.array([score.frames if convention.pooled else 1.0 for score in counted], np.float64)

    def joined(field: str) -> np.ndarray:
        return np.average([getattr(score, field) for score in counted], axis=0, weights=weights)

    return Score(
        success=joined("success"),
        precision=joined("precision"),
        normalised_precision=joined("normalised_precision"),
        mean_overlap=float(joined("mean_overlap")),
        frames=sum(score.frames for score in counted),
    )


def _fates(truth: np.ndarray, visible: np.ndarray | None, convention: Convention) -> list[np.ndarray]:
    """`[T]` `Fate` of every frame in each of the three measures."""
    no_size = ~(truth[:, 2:] > 0).all(axis=1)  # NaN is not above 0
    absent = np.zeros(len(truth), bool) if convention.told_by == "list" else np.isnan(truth).any(axis=1)
    if visible is not None and convention.reads_list:
        absent |= ~np.asarray(visible, bool)
    elif convention.told_by == "no_size":
        absent |= no_size
    not_positive = ~(truth > 0).all(axis=1)
    of_success, of_precision = {
        "never": (np.zeros(len(truth), bool),) * 2,
        "no_size": (no_size, no_size),
        "not_positive": (not_positive, not_positive),
        "no_size_or_centre": (no_size, ~(_centres(truth) > 0).all(axis=1)),
    }[convention.odd_if]
    fates = []
    for measure, odd in (("success", of_success), ("precision", of_precision), ("normalised", of_precision)):
        fate = np.where(absent, getattr(convention.absent, measure),
                        np.where(odd, getattr(convention.odd, measure), "measured"))
        if convention.first_frame == "left_out":
            fate[:1] = "left_out"
        fates.append(fate)
    return fates


def _counted(fates: np.ndarray) -> np.ndarray:
    """`[T]` bool, frames that hits are divided by."""
    return (fates != "left_out") & (fates != "extra")


def _curve(reached: np.ndarray, fates: np.ndarray) -> np.ndarray:
    """`[K]` share of the frames that reach each threshold, of `[T, K]` which measured frames do; NaN without any."""
    hits = np.where((fates == "measured")[:, None], reached, np.isin(fates, ("hit", "extra"))[:, None])
    counted = _counted(fates).sum()
    if not counted:
        return np.full(reached.shape[1], np.nan)
    return hits.sum(axis=0, where=(fates != "left_out")[:, None]) / counted


def _repeat_empty(boxes: np.ndarray) -> None:
    """Puts the box before it in place of each box `[T, 4]` without a positive size, or with a NaN; the first stays."""
    for i in range(1, len(boxes)):
        if not (np.isfinite(boxes[i]).all() and (boxes[i, 2:] > 0).all()):
            boxes[i] = boxes[i - 1]


def _centres(boxes: np.ndarray) -> np.ndarray:
    boxes = np.asarray(boxes, np.float64)
    return boxes[:, :2] + (boxes[:, 2:] - 1.0) / 2.0
