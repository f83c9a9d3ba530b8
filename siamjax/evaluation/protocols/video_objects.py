"""Video objects (DAVIS): objects are followed from their masks in frame 1, and their masks are scored by J and F."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from collections.abc import Sequence as Listing
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from siamjax.data.labels import box_of
from siamjax.data.sequences import Sequence
from siamjax.errors import DataError
from siamjax.evaluation.drawing.annotators import Answer, Mask, annotate
from siamjax.evaluation.drawing.painting import WHITE
from siamjax.evaluation.files import masks as mask_files
from siamjax.evaluation.files import results
from siamjax.evaluation.metrics import davis
from siamjax.evaluation.metrics.davis import Statistics
from siamjax.evaluation.protocols.base import Protocol, Unit, by_video, frames_per_second, from_the_first_frame, ranked
from siamjax.evaluation.reports import gallery, plots
from siamjax.evaluation.reports.parts import Folded, Picture, Section, below, named
from siamjax.evaluation.reports.report import Report, circumstances, evaluation_page
from siamjax.evaluation.reports.table import Column, Rich, Table, Value
from siamjax.ops import polygons
from siamjax.trackers.base import MaskRule, Result

KINDS = ("mask", "filled box", "ellipse")  # what is scored: the tracker's answer, and two that any box gives
UNKNOWN = Statistics(float("nan"), float("nan"), float("nan"))
COLUMNS = tuple(map(Column, ("J&F", "J mean", "J recall", "J decay", "F mean", "F recall", "F decay")))
CONVENTION = "davis2017"
ROTATED_RULE = (
    "Mean overlap with the true rotated box, cut to the frame, over the frames after the first; of the tracker's "
    "rotated box, and of its upright one."
)


@dataclasses.dataclass(frozen=True)
class MaskFigures:
    """J and F of an object, or the means of several objects'; NaN where no frame counts."""

    j: Statistics
    f: Statistics

    @property
    def j_and_f(self) -> float:
        """The mean of both means."""
        return (self.j.mean + self.f.mean) / 2

    @property
    def row(self) -> list[Value]:
        """The values of `COLUMNS`."""
        return [self.j_and_f, *dataclasses.astuple(self.j), *dataclasses.astuple(self.f)]


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

    @property
    def merit(self) -> float:
        """The figure that trackers are ranked by."""
        return self.figures["mask"].j_and_f

    @property
    def by_sequence(self) -> dict[str, MaskFigures]:
        """The figures of each object's masks by its name."""
        return {row.name: row.figures["mask"] for row in self.objects}


@dataclasses.dataclass(frozen=True)
class VideoObjects(Protocol):
    """One pass over each video, all of its objects together; masks are written and scored."""

    name = "davis"
    rule = (
        "J: intersection over union of a mask and the true one. F: how much of their boundaries agrees within 0.8 % of "
        "the frame's diagonal. Frames count that have a true mask, but for the first and the last. Recall: share of "
        "frames above 0.5; decay: mean of the first quarter less that of the last. Overall figures are means over "
        "objects. Filled box and ellipse: what the tracker's box gives by itself."
    )
    masks = True

    def prepare(self, sequences: Listing[Sequence], say: Callable[[str], object] = print) -> list[Unit]:
        present = from_the_first_frame(sequences, say)
        kept = scorable(present)
        if len(kept) < len(present):
            say(f"left out, without masks or rotated boxes: {len(present) - len(kept)} of {len(present)} sequences")
        if not any(one.masked[1:-1].any() for one in kept):
            say("no frame between the first and the last has a true mask: masks are written and nothing is scored")
        units = by_video(kept)
        for unit in units:
            mask_files.check_names(unit.objects)
        return units

    def write(self, folder: Path, unit: Unit, answers: Listing[Result], rule: MaskRule | None) -> None:
        mask_files.write(folder, unit.objects, answers, rule)
        super().write(folder, unit, answers, rule)

    def score(self, folder: Path, units: Listing[Unit]) -> MaskTrackerScore:
        """Scores the result files of one tracker, `folder` being `OUT/TRACKER`.

        Frames count that have a true mask, but for the first and the last. An object that is not in a mask is empty.
        Raises:
          DataError: results are missing or do not fit the sequences.
        Source: davis2017-evaluation, davis2017/metrics.py.
        """
        videos = [[_score(folder, unit.objects, number) for number in range(len(unit.objects))] for unit in units]
        rows = [row for video in videos for row in video]
        overall = {kind: MaskFigures(*(_mean([getattr(row.figures[kind], measure) for row in rows])
                                       for measure in "jf")) for kind in KINDS}
        turned = [row.rotated for row in rows if row.rotated is not None]
        rotated = Rotated(*(_finite_mean([getattr(one, name) for one in turned]) for name in ("polygon", "box")))
        return MaskTrackerScore(folder.name, overall, rotated if turned else None, tuple(rows),
                                frames_per_second([video[0].seconds for video in videos]),
                                results.read_record(folder))

    def report(self, scores: Listing[Any], units: Listing[Unit], *, data_folder: Path, output: Path) -> Report:
        scores = ranked(scores)
        sequences = [one for unit in units for one in unit.objects]
        about = circumstances(sequences, data_folder=data_folder, protocol=self.name) | {
            "convention": {"name": CONVENTION, "rule": self.rule, "rotated_rule": ROTATED_RULE},
            "trackers": list(map(_as_data, scores))}
        turned = _rotated_table(scores)
        page = evaluation_page(about, {score.name: score.record for score in scores}, [
            Section("Overall", [_overall(scores)]),
            *([Section("Rotated boxes", [turned])] if turned.rows else []),
            Section("By object", [_by_object(score, is_open=place == 0) for place, score in enumerate(scores)]),
            Section("Worst frames", [_worst(score, units, output / score.name, is_open=place == 0)
                                     for place, score in enumerate(scores)])])
        return Report(about, page, summary(scores), f"{CONVENTION}: {self.rule}")


def scorable(sequences: Listing[Sequence]) -> list[Sequence]:
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


def summary(scores: Listing[MaskTrackerScore]) -> list[Table]:
    """The overall figures, the best tracker first and below each what its box gives; and those of rotated boxes."""
    scores = ranked(scores)
    overall = Table([Column("tracker", kind="name"), *COLUMNS, Column("frames/s", digits=1)], [
        [score.name if kind == "mask" else f"  {kind}", *figures.row,
         score.frames_per_second if kind == "mask" else float("nan")]
        for score in scores for kind, figures in score.figures.items()])
    turned = Table([Column("overlap with rotated boxes", kind="name"), Column("rotated"), Column("upright")],
                   [[score.name, score.rotated.polygon, score.rotated.box] for score in scores if score.rotated])
    return [overall, turned] if turned.rows else [overall]


def _score(folder: Path, objects: Listing[Sequence], number: int) -> ObjectScore:
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


def _rotated(one: Sequence, stored: results.StoredRun) -> Rotated | None:
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


def _mean(rows: Listing[Statistics]) -> Statistics:
    return Statistics(*(_finite_mean([getattr(row, field.name) for row in rows])
                        for field in dataclasses.fields(Statistics)))


def _finite_mean(values: Listing[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def _as_data(score: MaskTrackerScore) -> dict[str, Any]:
    return {
        "name": score.name, **_figures(score), "frames_per_second": score.frames_per_second,
        "sequences": [{"name": row.name, "frames": len(row.values), "frames_counted": row.frames, **_figures(row),
                       "j_of_frames": row.values, "worst_frame": row.worst_frame} for row in score.objects],
        "run": score.record,
    }


def _figures(score: MaskTrackerScore | ObjectScore) -> dict[str, Any]:
    """The tracker's figures, and beside them those of its box."""
    own, *others = ({"j_and_f": figures.j_and_f, **dataclasses.asdict(figures)} for figures in score.figures.values())
    names = [kind.replace(" ", "_") for kind in score.figures]
    return {"figures": own, "baselines": dict(zip(names[1:], others)),
            "rotated_box": None if score.rotated is None else dataclasses.asdict(score.rotated)}


def _overall(scores: Listing[MaskTrackerScore]) -> Table:
    rows = [[named(place, score.name) if kind == "mask" else below(f"its {kind}"), *figures.row,
             score.frames_per_second if kind == "mask" else ""]
            for place, score in enumerate(scores) for kind, figures in score.figures.items()]
    return Table([Column("Tracker", kind="name"), *COLUMNS, Column("Frames/s", digits=1)], rows,
                 "Ranked by J&F; below each tracker what its box gives by itself.")


def _rotated_table(scores: Listing[MaskTrackerScore]) -> Table:
    """Each tracker's mean, and below it the objects that have rotated boxes, if any."""
    rows = [[named(place, one.name) if one is score else below(f"on {one.name}"), one.rotated.polygon, one.rotated.box]
            for place, score in enumerate(scores) for one in (score, *score.objects) if one.rotated is not None]
    return Table([Column("Tracker", kind="name"), Column("Rotated"), Column("Upright")], rows, ROTATED_RULE)


def _by_object(score: MaskTrackerScore, *, is_open: bool) -> Folded:
    columns = [Column("Object", kind="name"), Column("Frames"), *COLUMNS, Column("J, box"), Column("J, ellipse"),
               Column("J over time", kind="picture")]
    rows = [[row.name, row.frames, *row.figures["mask"].row,
             *(row.figures[kind].j.mean for kind in ("filled box", "ellipse")),
             Rich("", plots.sparkline([row.values], [0], f"J on {row.name}"))] for row in score.objects if row.frames]
    caption = "Objects with frames that count; J of the masks, of the filled box and of the ellipse"
    return Folded(score.name, [Table(columns, rows, caption)], is_open)


def _worst(score: MaskTrackerScore, units: Listing[Unit], folder: Path, *, is_open: bool) -> Folded:
    """The frame of lowest J of each object, those that went worst first."""
    rows = {row.name: row for row in score.objects}
    found = [(rows[one.name], frame, unit.objects, number) for unit in units for number, one in enumerate(unit.objects)
             if (frame := rows[one.name].worst_frame) is not None]

    def picture(entry: tuple[ObjectScore, int, Listing[Sequence], int]) -> Picture:
        row, frame, objects, number = entry

        def draw(pixels: np.ndarray, scale: float) -> np.ndarray:
            own, true = (np.asarray(Image.fromarray(mask).resize(pixels.shape[1::-1], Image.Resampling.NEAREST))
                         for mask in (mask_files.read(folder, objects[0], frame) == number + 1,
                                      objects[number].mask(frame)))
            canvas = annotate(pixels, [Answer(np.full(4, np.nan), mask=own)], [Mask()])
            canvas[davis.boundary(true)] = WHITE
            return canvas

        return gallery.frame_picture(row.name, f"frame {frame}, J {row.values[frame]:.2f}",
                                     "the tracker's mask and the true one's outline", objects[number], frame, draw)

    return gallery.worst(score.name, found, lambda entry: float(np.nanmin(entry[0].values)),
                         "The first frame with the lowest J of each object. The tracker's mask is orange; the true "
                         "mask is outlined in white.", picture, is_open=is_open)
