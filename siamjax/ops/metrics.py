"""Overlap, centre error and one-pass scores, under named conventions (SPEC 10.1 - 10.3).

Toolkits score the same boxes differently: they count the given first box or not, count absent frames as
misses or leave them out, and average over sequences or over frames. A `Convention` holds those choices; the
same functions follow any of them. Everything here is float64 NumPy on the host.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np

from siamjax.errors import DataError

EPSILON = float(np.finfo(np.float64).eps)  # the got10k toolkit adds it to the union
ERROR_THRESHOLDS = np.arange(0.0, 51.0)  # px
NORMALISED_THRESHOLDS = np.arange(51) / 100.0
PRECISION_INDEX = 20  # 20 px, and 0.2 of the target's size: the values that papers quote


@dataclasses.dataclass(frozen=True)
class Convention:
    """One way to score a sequence of boxes.

    Attributes:
      name: as given on the command line.
      rule: one sentence for reports.
      first_frame: `given`: the result's row 0 is replaced by the ground truth and counted; `as_written`: it
        is counted as it stands; `left_out`: it is not counted.
      absent: what becomes of frames without ground truth (or marked invisible): `left_out`, or `missed`
        (they count as frames that the tracker got wrong).
      thresholds: `[K]` overlap thresholds of the success curve; a frame succeeds with an overlap `>` t.
      clipped: both boxes are cut to the frame before they are compared.
      pooled: averages over all frames of all sequences, not over sequences of equal weight.
      normalised_by: `floor`: the target's size, at least 1 px; `size`: the size + 1e-16.
      normalised_score: the value at 0.2 of the target's size (`at_0.2`), or the curve's mean (`mean`).
    """

    name: str
    rule: str
    first_frame: Literal["given", "as_written", "left_out"]
    absent: Literal["left_out", "missed"]
    thresholds: tuple[float, ...] = tuple(np.linspace(0, 1, 21).tolist())
    clipped: bool = False
    pooled: bool = False
    normalised_by: Literal["floor", "size"] = "floor"
    normalised_score: Literal["at_0.2", "mean"] = "at_0.2"

    def index_of(self, threshold: float) -> int:
        """Index of the overlap threshold nearest to `threshold`."""
        return int(np.argmin(np.abs(np.asarray(self.thresholds) - threshold)))


VISIBLE = Convention(
    "visible",
    "Frame 1 and frames without the target are left out; 21 overlap thresholds; every sequence weighs the "
    "same.",
    first_frame="left_out",
    absent="left_out",
)
OTB = Convention(
    "otb",
    "The given first box counts as a hit, frames without the target count as misses; 21 overlap thresholds; "
    "every sequence weighs the same (got10k toolkit, ExperimentOTB).",
    first_frame="given",
    absent="missed",
)
LASOT = Convention(
    "lasot",
    "The given first box counts as a hit, frames without the target are left out; 21 overlap thresholds; "
    "normalised precision is the mean of its curve; every sequence weighs the same (got10k toolkit, "
    "ExperimentLaSOT; published normalised precisions are the value at 0.2).",
    first_frame="given",
    absent="left_out",
    normalised_score="mean",
)
GOT10K = Convention(
    "got10k",
    "Boxes are cut to the frame; frame 1 and frames without the target are left out; 101 overlap thresholds; "
    "every frame weighs the same (got10k toolkit, ExperimentGOT10k).",
    first_frame="left_out",
    absent="left_out",
    thresholds=tuple(np.linspace(0, 1, 101).tolist()),
    clipped=True,
    pooled=True,
)
PYSOT = Convention(
    "pysot",
    "The first box counts as written, frames without the target count as misses; 21 overlap thresholds; "
    "every sequence weighs the same (PySOT toolkit, but a true centre left of or above the frame is no hit).",
    first_frame="as_written",
    absent="missed",
    thresholds=tuple(np.arange(0, 1.05, 0.05).tolist()),  # float noise and all: 0.15000000000000002
    normalised_by="size",
)
CONVENTIONS = {c.name: c for c in (VISIBLE, OTB, LASOT, GOT10K, PYSOT)}


def iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Overlaps `[N]` in 0..1 of boxes `[N, 4]` with others `[N, 4]`; NaN where either has a NaN.

    Intersection over (union + 2.2e-16), without a pixel added. Negative sizes count as zero.
    """
    a, b = np.asarray(boxes, np.float64), np.asarray(others, np.float64)
    size_a, size_b = np.maximum(a[:, 2:], 0.0), np.maximum(b[:, 2:], 0.0)
    sides = np.minimum(a[:, :2] + size_a, b[:, :2] + size_b) - np.maximum(a[:, :2], b[:, :2])
    intersection = np.prod(np.clip(sides, 0.0, None), axis=1)
    union = np.prod(size_a, axis=1) + np.prod(size_b, axis=1) - intersection
    return np.clip(intersection / (union + EPSILON), 0.0, 1.0)


def centre_error(boxes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distances `[N]` in px between the centres `x + (w - 1) / 2` of boxes `[N, 4]` and those of `truth`."""
    return np.linalg.norm(_centres(boxes) - _centres(truth), axis=1)


def normalised_error(
    boxes: np.ndarray, truth: np.ndarray, by: Literal["floor", "size"] = "floor"
) -> np.ndarray:
    """Distances `[N]` between centres, each axis divided by the true box's size there (see `Convention`)."""
    truth = np.asarray(truth, np.float64)
    size = np.maximum(1.0, truth[:, 2:]) if by == "floor" else truth[:, 2:] + 1e-16
    return np.linalg.norm((_centres(boxes) - _centres(truth)) / size, axis=1)


def clip_to_frame(boxes: np.ndarray, frame_size: tuple[int, int]) -> np.ndarray:
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
    boxes: np.ndarray,
    truth: np.ndarray,
    convention: Convention = VISIBLE,
    *,
    frame_size: tuple[int, int] | None = None,
    visible: np.ndarray | None = None,
) -> Score:
    """Scores one sequence.

    Args:
      boxes: `[T, 4]` a tracker's boxes, row 0 being the given one. A row that is not finite is a miss.
      truth: `[T, 4]` ground truth; NaN where the target is absent.
      convention: whose rules to follow.
      frame_size: `(width, height)` in px; needed where the convention clips.
      visible: `[T]` bool, False where the target does not show (GOT-10k: `cover > 0`).

    Raises:
      DataError: the shapes disagree, or the convention needs a `frame_size`.
    """
    boxes, truth = np.array(boxes, np.float64), np.asarray(truth, np.float64)
    if boxes.shape != truth.shape or boxes.ndim != 2 or boxes.shape[1] != 4:
        raise DataError(
            f"{boxes.shape} boxes against {truth.shape} of ground truth", "result", "give one box a frame"
        )
    present = np.isfinite(truth).all(axis=1)
    if visible is not None:
        present &= np.asarray(visible, bool)
    if convention.first_frame == "given":
        boxes[0] = truth[0]
    if convention.clipped:
        if frame_size is None:
            raise DataError(
                "no frame size", f"convention {convention.name}", "give the frame's width and height"
            )
        boxes, truth = clip_to_frame(boxes, frame_size), clip_to_frame(truth, frame_size)

    counted = np.array(present) if convention.absent == "left_out" else np.ones(len(truth), bool)
    if convention.first_frame == "left_out":
        counted[0] = False
    hit = present & np.isfinite(boxes).all(axis=1)
    overlaps = np.where(hit, iou(boxes, truth), 0.0)[counted]
    errors = np.where(hit, centre_error(boxes, truth), np.inf)[counted]
    normalised = np.where(hit, normalised_error(boxes, truth, convention.normalised_by), np.inf)[counted]
    if len(overlaps) == 0:
        nothing = np.full(len(ERROR_THRESHOLDS), np.nan)
        return Score(np.full(len(convention.thresholds), np.nan), nothing, nothing, float("nan"), 0)
    return Score(
        success=(overlaps[:, None] > np.asarray(convention.thresholds)).mean(axis=0),
        precision=(errors[:, None] <= ERROR_THRESHOLDS).mean(axis=0),
        normalised_precision=(normalised[:, None] <= NORMALISED_THRESHOLDS).mean(axis=0),
        mean_overlap=float(overlaps.mean()),
        frames=len(overlaps),
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


def _centres(boxes: np.ndarray) -> np.ndarray:
    boxes = np.asarray(boxes, np.float64)
    return boxes[:, :2] + (boxes[:, 2:] - 1.0) / 2.0
