"""Masks of a run against the true ones: J and F of each object, beside those of its box; and rotated boxes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from siamjax.data import sequences as data
from siamjax.data.labels import box_of
from siamjax.errors import DataError
from siamjax.evaluation.files import masks as mask_files
from siamjax.evaluation.files import results
from siamjax.evaluation.metrics import davis
from siamjax.evaluation.metrics.davis import Statistics
from siamjax.evaluation.protocols.base import by_video
from siamjax.ops import polygons

KINDS = ("mask", "filled box", "ellipse")  # what is scored: the tracker's answer, and two that any box gives
UNKNOWN = Statistics(float("nan"), float("nan"), float("nan"))


@dataclasses.dataclass(frozen=True)
class MaskFigures:
    """J and F of an object, or the means of several objects'; NaN where no frame counts."""

    j: Statistics
    f: Statistics

    @property
    def j_and_f(self) -> float:
        """The mean of both means."""
        return (self.j.mean + self.f.mean) / 2


@dataclasses.dataclass(frozen=True)
class Rotated:
    """Mean overlap with the true rotated box, over the frames after the first: of the tracker's rotated box (NaN
    without any) and of its upright one."""

    polygon: float
    box: float


@dataclasses.dataclass(frozen=True)
class ObjectScore:
    """One tracker on one object.

    Attributes:
      name: of the sequence.
      figures: of each of `KINDS`.
      values: `[T]` J of the masks; NaN where a frame does not count.
      rotated: None where the data has no rotated boxes.
      seconds: `[T]`, or None.
    """

    name: str
    figures: dict[str, MaskFigures]
    values: np.ndarray
    rotated: Rotated | None
    seconds: np.ndarray | None

    @property
    def frames(self) -> int:
        """Frames that count."""
        return int(np.isfinite(self.values).sum())

    @property
    def worst_frame(self) -> int | None:
        """The first of the frames with the lowest J; None without any."""
        return int(np.nanargmin(self.values)) if self.frames else None


@dataclasses.dataclass(frozen=True)
class MaskTrackerScore:
    """One tracker on all objects; `figures` and `rotated` are means over objects, of whatever sequence.

    Attributes:
      frames_per_second: frames after the first of each video over the time they took; NaN where unknown.
      record: what the run was made with.
    """

    name: str
    figures: dict[str, MaskFigures]
    rotated: Rotated | None
    objects: tuple[ObjectScore, ...]
    frames_per_second: float
    record: dict[str, object]


def scorable(sequences: Sequence[data.Sequence]) -> list[data.Sequence]:
    """Sequences with masks or rotated boxes; where there are masks the first gives the box to start from.

    Raises:
      DataError: there are none; or masks whose first one is missing or empty.
    """
    kept = []
    for sequence in sequences:
        if sequence.masked.any():
            first = sequence.mask(0) if sequence.masked[0] else None
            if first is None or not first.any():
                raise DataError("the first mask is " + ("missing" if first is None else "empty"), sequence.name,
                                "cut the sequence to start with a mask of the object")
            boxes = np.concatenate([box_of(first)[None], sequence.boxes[1:]])
            kept.append(dataclasses.replace(sequence, boxes=boxes))
        elif sequence.polygons is not None:
            kept.append(sequence)
    if not kept:
        raise DataError("no sequence has masks or rotated boxes", "data",
                        "give NAME/masks/*.png named as the frames, or NAME/polygon.txt; or use --protocol ope")
    return kept


def score_tracker(folder: Path, sequences: Sequence[data.Sequence]) -> MaskTrackerScore:
    """Scores the result files of one tracker, `folder` being `OUT/TRACKER`.

    Frames count that have a true mask, but for the first and the last. An object that is not in a mask is empty.
    Raises:
      DataError: results are missing or do not fit the sequences.
    Source: davis2017-evaluation, davis2017/metrics.py.
    """
    rows, frames, spent = [], 0, 0.0
    for objects in by_video(sequences):
        scores = [_score(folder, objects, number) for number in range(len(objects))]
        rows += scores
        seconds = scores[0].seconds
        frames += len(objects[0].frames) - 1
        spent += float("nan") if seconds is None else float(seconds[1:].sum())
    overall = {kind: MaskFigures(*(_mean([getattr(row.figures[kind], measure) for row in rows]) for measure in "jf"))
               for kind in KINDS}
    turned = [row.rotated for row in rows if row.rotated is not None]
    rotated = Rotated(*(_finite_mean([getattr(one, name) for one in turned]) for name in ("polygon", "box")))
    file = folder / results.RECORD
    record = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return MaskTrackerScore(folder.name, overall, rotated if turned else None, tuple(rows),
                            frames / spent if spent > 0 else float("nan"), record)


def ranked(trackers: Sequence[MaskTrackerScore]) -> list[MaskTrackerScore]:
    """The best first, by the mean of J and F; those without any last."""
    return sorted(trackers, key=lambda tracker: -np.nan_to_num(tracker.figures["mask"].j_and_f, nan=-1.0))


def _score(folder: Path, objects: Sequence[data.Sequence], number: int) -> ObjectScore:
    one = objects[number]
    stored = results.read_run(folder, one.name, one.boxes)
    values = {kind: np.full((2, len(one.frames)), np.nan) for kind in KINDS}
    masked = one.masked
    for frame in range(1, len(one.frames) - 1):
        if not masked[frame]:
            continue
        truth = one.mask(frame)
        box = stored.boxes[frame]
        answers = (mask_files.read(folder, objects[0], frame) == number + 1, davis.box_mask(box, one.size),
                   davis.ellipse_mask(box, one.size))
        for kind, answer in zip(KINDS, answers):
            values[kind][:, frame] = davis.region_similarity(answer, truth), davis.boundary_accuracy(answer, truth)
    figures = {kind: MaskFigures(*map(_statistics, values[kind][:, 1:-1])) for kind in KINDS}
    return ObjectScore(one.name, figures, values["mask"][0], _rotated(one, stored), stored.seconds)


def _rotated(one: data.Sequence, stored: results.StoredRun) -> Rotated | None:
    """Overlaps with the four corners that the data has of a frame, cut to the frame, without a shift of half a pixel:
    as the VOT toolkit compares them."""
    if one.polygons is None:
        return None
    frame_size = one.size[1], one.size[0]
    overlaps = []
    for number, outlines in enumerate(one.polygons):
        if number == 0 or len(outlines) != 1 or len(outlines[0]) != 4:
            continue
        x, y, w, h = stored.boxes[number]
        upright = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])
        own = float("nan") if stored.polygons is None else polygons.iou(stored.polygons[number], outlines[0],
                                                                       frame_size)
        overlaps.append((own, polygons.iou(upright, outlines[0], frame_size)))
    return Rotated(*map(float, np.mean(overlaps, axis=0))) if overlaps else None


def _statistics(values: np.ndarray) -> Statistics:
    return davis.statistics(values) if np.isfinite(values).any() else UNKNOWN


def _mean(rows: Sequence[Statistics]) -> Statistics:
    return Statistics(*(_finite_mean([getattr(row, field.name) for row in rows])
                        for field in dataclasses.fields(Statistics)))


def _finite_mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
