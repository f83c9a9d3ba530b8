"""One-pass evaluation (OPE) of boxes: a tracker starts from the true box of frame 1 and is never helped again."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from collections.abc import Sequence as Listing
from pathlib import Path
from typing import Any

import numpy as np

from siamjax.data.sequences import Sequence
from siamjax.errors import ConfigError, DataError
from siamjax.evaluation.drawing import annotators
from siamjax.evaluation.files import results
from siamjax.evaluation.metrics import intervals
from siamjax.evaluation.protocols.base import Protocol, Unit, frames_per_second, from_the_first_frame, ranked
from siamjax.evaluation.reports import gallery, plots
from siamjax.evaluation.reports.parts import Entry, Figure, Figures, Folded, Picture, Section, Text, named
from siamjax.evaluation.reports.report import Report, circumstances, evaluation_page
from siamjax.evaluation.reports.table import Column, Rich, Table, Value
from siamjax.ops import metrics
from siamjax.ops.metrics import Convention

COLUMNS = {key: Column(head, about, compared=True) for key, head, about in (
    ("auc", "AUC", "Mean of the success curve"),
    ("precision", "Precision", "Share of frames with a centre error of at most 20 px"),
    ("normalised_precision", "Norm. precision", "Precision with the error in units of the target's size"),
    ("mean_overlap", "Mean overlap", "Average overlap over the frames that count (AO)"),
    ("success_50", "SR 0.5", "Share of frames with an overlap above 0.5"),
    ("success_75", "SR 0.75", "Share of frames with an overlap above 0.75"),
)}
SPEED = Column("Frames/s", digits=1, compared=True)
OVER_TIME = Column("Overlap over time", kind="picture")


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
    score: metrics.Score
    figures: metrics.Figures
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
        return frames_per_second([self.seconds])


@dataclasses.dataclass(frozen=True)
class BoxTrackerScore:
    """One tracker on all sequences.

    Attributes:
      name: of the tracker.
      score, figures: overall, under the convention.
      sequences: one by one.
      record: what the run was made with.
    """

    name: str
    score: metrics.Score
    figures: metrics.Figures
    sequences: tuple[SequenceScore, ...]
    record: dict[str, object]

    @property
    def merit(self) -> float:
        """The figure that trackers are ranked by."""
        return self.figures.auc

    @property
    def by_sequence(self) -> dict[str, metrics.Figures]:
        """The figures of each sequence by its name."""
        return {row.name: row.figures for row in self.sequences}

    @property
    def frames_per_second(self) -> float:
        """Frames after the first of each sequence over the time they all took; NaN where unknown."""
        return frames_per_second([row.seconds for row in self.sequences])


@dataclasses.dataclass(frozen=True)
class OnePass(Protocol):
    """One pass over each sequence, its boxes scored after the rules of a convention."""

    name = "ope"

    convention: Convention = metrics.VISIBLE

    def under(self, convention: str) -> OnePass:
        if convention not in metrics.CONVENTIONS:
            known = ", ".join(metrics.CONVENTIONS)
            raise ConfigError(f"unknown convention '{convention}'", "--convention", f"choose one of: {known}")
        return OnePass(metrics.CONVENTIONS[convention])

    def prepare(self, sequences: Listing[Sequence], say: Callable[[str], object] = print) -> list[Unit]:
        if sequences and not any(sequence.known[1:].any() for sequence in sequences):
            raise DataError("only first frames are annotated: there is nothing to score", "data",
                            "give labels of later frames; --protocol davis writes masks without them")
        return super().prepare(from_the_first_frame(sequences, say), say)

    def score(self, folder: Path, units: Listing[Unit]) -> BoxTrackerScore:
        """Scores the result files of one tracker, `folder` being `OUT/TRACKER`.

        Raises:
          DataError: results are missing or do not fit the sequences; or no frame counts at all.
        """
        rows = [_score(folder, one, self.convention) for unit in units for one in unit.objects]
        overall = metrics.score_overall([row.score for row in rows], self.convention)
        return BoxTrackerScore(folder.name, overall, overall.figures(self.convention), tuple(rows),
                            results.read_record(folder))

    def report(self, scores: Listing[Any], units: Listing[Unit], *, data_folder: Path, output: Path) -> Report:
        scores, convention = ranked(scores), self.convention
        sequences = [one for unit in units for one in unit.objects]
        about = circumstances(sequences, data_folder=data_folder, protocol=self.name) | {
            "convention": dataclasses.asdict(convention),
            "thresholds": {"success": convention.thresholds, "precision": metrics.ERROR_THRESHOLDS,
                           "normalised_precision": metrics.NORMALISED_THRESHOLDS},
            "trackers": list(map(_as_data, scores))}
        page = evaluation_page(about, {score.name: score.record for score in scores}, [
            Section("Overall", [_overall(scores)]),
            Section("Curves", [_curves(scores, convention)]),
            Section("By sequence", [
                Text(f"Frames are those that count under the convention '{convention.name}'. Overlap (0 to 1) over "
                     "time has gaps where the target is absent."), *_by_sequence(scores)]),
            Section("Worst frames", [_worst(score, sequences, is_open=place == 0) for place, score in
                                     enumerate(scores)])])
        return Report(about, page, [summary(scores)], f"{convention.name}: {convention.rule}")


def summary(scores: Listing[BoxTrackerScore]) -> Table:
    """The overall figures, the best first, as terminals show them."""
    columns = [Column("tracker", kind="name"), Column("AUC"), Column("precision 20 px"), Column("norm. precision"),
               Column("frames/s", digits=1)]
    return Table(columns, [[score.name, score.figures.auc, score.figures.precision, score.figures.normalised_precision,
                            score.frames_per_second] for score in ranked(scores)])


def interval_of(tracker: BoxTrackerScore, name: str, convention: Convention, *,
              against: BoxTrackerScore | None = None) -> intervals.Interval:
    """The interval of a tracker's figure, or of its difference to that of another tracker on the same sequences.

    Args:
      tracker: scored under `convention`.
      name: of a field of `metrics.Figures`.
      convention: whether sequences weigh the same or by their frames.
      against: the other one, which is taken off sequence by sequence.
    Raises:
      DataError: the two were scored on different sequences.
    """
    rows = [row for row in tracker.sequences if row.score.frames]
    values = np.array([getattr(row.figures, name) for row in rows])
    if against is not None:
        others = {row.name: row for row in against.sequences if row.score.frames}
        if others.keys() != {row.name for row in rows}:
            raise DataError(f"{tracker.name} and {against.name} were scored on different sequences", "bootstrap",
                            "score both on all of them")
        values = values - [getattr(others[row.name].figures, name) for row in rows]
    return intervals.bootstrap(values, np.array([row.score.frames if convention.pooled else 1 for row in rows]))


def _score(folder: Path, sequence: Sequence, convention: Convention) -> SequenceScore:
    stored = results.read_run(folder, sequence.name, sequence.boxes)
    known = sequence.known  # the others were tracked, and nobody says where the target is in them
    score = metrics.score_sequence(
        stored.boxes[known], sequence.boxes[known], convention, frame_size=(sequence.size[1], sequence.size[0]),
        visible=None if sequence.listed is None else ~sequence.listed[known])
    overlaps = metrics.iou(np.nan_to_num(stored.boxes), sequence.boxes)
    return SequenceScore(sequence.name, score, score.figures(convention), overlaps, stored.boxes, stored.scores,
                         stored.seconds)


def _as_data(tracker: BoxTrackerScore) -> dict[str, Any]:
    return {
        "name": tracker.name,
        "figures": dataclasses.asdict(tracker.figures),
        "frames_counted": tracker.score.frames,
        "frames_per_second": tracker.frames_per_second,
        "curves": {key: getattr(tracker.score, key) for key in ("success", "precision", "normalised_precision")},
        "sequences": [{
            "name": row.name,
            "frames": len(row.boxes),
            "frames_counted": row.score.frames,
            "figures": dataclasses.asdict(row.figures),
            "frames_per_second": row.frames_per_second,
            "worst_frame": None if row.worst_frame is None else {
                "frame": row.worst_frame, "overlap": row.overlaps[row.worst_frame]},
        } for row in tracker.sequences],
        "run": tracker.record,
    }


def _overall(scores: Listing[BoxTrackerScore]) -> Table:
    return Table([Column("Rank"), Column("Tracker", kind="name"), *COLUMNS.values(), SPEED], [
        [place + 1, named(place, score.name), *(getattr(score.figures, key) for key in COLUMNS),
         score.frames_per_second] for place, score in enumerate(scores)],
        "Ranked by AUC; a dot marks the best of a column.", best="column")


def _curves(scores: Listing[BoxTrackerScore], convention: Convention) -> Figures:
    normalised = "mean of the curve" if convention.normalised_score == "mean" else "at 0.2"
    figures = []
    for title, key, field, thresholds, x_label, unit in (
            ("Success", "auc", "success", np.asarray(convention.thresholds), "overlap threshold", "AUC"),
            ("Precision", "precision", "precision", metrics.ERROR_THRESHOLDS, "centre error, px", "at 20 px"),
            ("Normalised precision", "normalised_precision", "normalised_precision", metrics.NORMALISED_THRESHOLDS,
             "centre error / target size", normalised)):
        values = [getattr(score.figures, key) for score in scores]
        order = sorted(range(len(scores)), key=lambda place: -values[place])
        curves = [plots.Curve(place, thresholds, getattr(scores[place].score, field)) for place in order]
        said = "; ".join(f"{scores[place].name} {values[place]:.3f}" for place in order)
        legend = [Entry(place, scores[place].name, f"{values[place]:.3f}" if math.isfinite(values[place]) else "–")
                  for place in order]
        drawing = plots.line_plot(title, f"{unit}: {said}", x_label, "share of frames", curves)
        figures.append(Figure(title, f"{unit} in the legend", drawing, legend))
    return Figures(figures)


def _by_sequence(scores: Listing[BoxTrackerScore]) -> list[Table]:
    """All figures of the only tracker; or AUC, then precision, of several side by side."""
    rows = list(zip(*(score.sequences for score in scores)))
    sparks = [Rich("", plots.sparkline([one.overlaps for one in row], range(len(row)), f"overlaps on {row[0].name}"))
              for row in rows]
    firsts = [Column("Sequence", kind="name"), Column("Frames")]
    heads: list[list[Value]] = [[row[0].name, row[0].score.frames] for row in rows]
    if len(scores) == 1:
        columns = [*firsts, *(dataclasses.replace(column, bar=True) for column in COLUMNS.values()), SPEED, OVER_TIME]
        return [Table(columns, [[*head, *(getattr(row.figures, key) for key in COLUMNS), row.frames_per_second, spark]
                                for head, (row,), spark in zip(heads, rows, sparks)], "All figures")]
    columns = [*firsts, *(Column(named(place, score.name), compared=True, bar=True)
                          for place, score in enumerate(scores))]
    auc, precision = ([[*head, *(getattr(one.figures, key) for one in row)] for head, row in zip(heads, rows)]
                      for key in ("auc", "precision"))
    return [Table([*columns, OVER_TIME], [[*row, spark] for row, spark in zip(auc, sparks)],
                  "AUC: mean of the success curve", best="row"),
            Table(columns, precision, "Precision: share of frames within 20 px", best="row")]


def _worst(score: BoxTrackerScore, sequences: Listing[Sequence], *, is_open: bool) -> Folded:
    """The frame of lowest overlap of each sequence, those that went worst first."""
    found = [(row, row.worst_frame, one) for row, one in zip(score.sequences, sequences) if row.worst_frame is not None]

    def picture(entry: tuple[SequenceScore, int, Sequence]) -> Picture:
        row, frame, sequence = entry

        def draw(pixels: np.ndarray, scale: float) -> np.ndarray:
            scores = None if row.scores is None else row.scores[frame:frame + 1]
            return annotators.draw(pixels, row.boxes[frame] * scale, scores=scores,
                                   truth=sequence.boxes[frame] * scale)

        return gallery.frame_picture(row.name, f"frame {frame}, overlap {row.overlaps[frame]:.2f}",
                                     "the tracker's box and the true one", sequence, frame, draw)

    return gallery.worst(score.name, found, lambda entry: float(np.nanmin(entry[0].overlaps[1:])),
                         "The first frame with the lowest overlap, of {of}. The tracker's box is orange, with its "
                         "score; the true box is white.", picture, is_open=is_open)
