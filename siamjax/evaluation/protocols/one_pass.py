"""Result files + ground truth -> figures, for one tracker or several, in order of merit."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from siamjax.data import sequences as data
from siamjax.errors import DataError
from siamjax.evaluation.files import results
from siamjax.ops import metrics
from siamjax.ops.metrics import Convention, Figures, Score


@dataclasses.dataclass(frozen=True)
class SequenceScore:
    """One tracker on one sequence.

    Attributes:
      name: of the sequence.
      score, figures: under the convention; NaN where no frame counts.
      overlaps: `[T]` with the true boxes; NaN where the target is absent.
      boxes: `[T, 4]` the tracker's.
      scores: `[T]` its own confidence, or None.
      seconds: `[T]` its times, or None; row 0 is the start.
    """

    name: str
    score: Score
    figures: Figures
    overlaps: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray | None
    seconds: np.ndarray | None

    @property
    def worst_frame(self) -> int | None:
        """The first of the frames with the lowest overlap, frame 0 left aside; None without any."""
        later = self.overlaps[1:]
        return None if np.isnan(later).all() else int(np.nanargmin(later)) + 1

    @property
    def frames_per_second(self) -> float:
        """Frames after the first over the time they took; NaN where unknown."""
        return _rate([self])


@dataclasses.dataclass(frozen=True)
class TrackerScore:
    """One tracker on all sequences.

    Attributes:
      name: of the tracker.
      score, figures: overall, under the convention.
      sequences: one by one.
      record: what the run was made with.
    """

    name: str
    score: Score
    figures: Figures
    sequences: tuple[SequenceScore, ...]
    record: dict[str, object]

    @property
    def frames_per_second(self) -> float:
        """Frames after the first of each sequence over the time they all took; NaN where unknown."""
        return _rate(self.sequences)


def check_labels(sequences: Sequence[data.Sequence]) -> None:
    """Checks, before anything is tracked, that there is a frame to score.

    Raises:
      DataError: only first frames are annotated.
    """
    if not any(sequence.known[1:].any() for sequence in sequences):
        raise DataError("only first frames are annotated: there is nothing to score", "data",
                        "give labels of later frames; --protocol davis writes masks without them")


def score_tracker(
    folder: Path, sequences: Sequence[data.Sequence], convention: Convention = metrics.VISIBLE
) -> TrackerScore:
    """Scores the result files of one tracker, `folder` being `OUT/TRACKER`.

    Raises:
      DataError: results are missing or do not fit the sequences; or no frame counts at all.
    """
    rows = []
    for sequence in sequences:
        stored = results.read_run(folder, sequence.name, sequence.boxes)
        known = sequence.known  # the others were tracked, and nobody says where the target is in them
        score = metrics.score_sequence(
            stored.boxes[known], sequence.boxes[known], convention, frame_size=(sequence.size[1], sequence.size[0]),
            visible=None if sequence.listed is None else ~sequence.listed[known],
        )
        overlaps = metrics.iou(np.nan_to_num(stored.boxes), sequence.boxes)
        rows.append(
            SequenceScore(
                sequence.name,
                score,
                score.figures(convention),
                overlaps,
                stored.boxes,
                stored.scores,
                stored.seconds,
            )
        )
    overall = metrics.score_overall([row.score for row in rows], convention)
    file = folder / results.RECORD
    record = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return TrackerScore(folder.name, overall, overall.figures(convention), tuple(rows), record)


def ranked(trackers: Sequence[TrackerScore]) -> list[TrackerScore]:
    """The best first, by AUC."""
    return sorted(trackers, key=lambda tracker: -tracker.figures.auc)


def _rate(rows: Sequence[SequenceScore]) -> float:
    if any(row.seconds is None for row in rows):
        return float("nan")
    frames = sum(len(row.boxes) - 1 for row in rows)
    spent = sum(float(row.seconds[1:].sum()) for row in rows if row.seconds is not None)
    return frames / spent if spent > 0 else float("nan")
