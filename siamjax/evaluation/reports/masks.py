"""Reports on masks: report.json with every figure, report.html for people, a table for terminals."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from siamjax.data import sequences as data
from siamjax.evaluation.protocols.video_objects import MaskFigures, MaskTrackerScore, ObjectScore, ranked
from siamjax.evaluation.reports import mask_page
from siamjax.evaluation.reports.boxes import circumstances, lined, plain
from siamjax.outputs import write_text

NAME = "davis2017"
RULE = (
    "J: intersection over union of a mask and the true one. F: how much of their boundaries agrees within 0.8 % of the "
    "frame's diagonal. Frames count that have a true mask, but for the first and the last. Recall: share of frames "
    "above 0.5; decay: mean of the first quarter less that of the last. Overall figures are means over objects. "
    "Filled box and ellipse: what the tracker's box gives by itself."
)
ROTATED_RULE = (
    "Mean overlap with the true rotated box, cut to the frame, over the frames after the first; of the tracker's "
    "rotated box, and of its upright one."
)


def write_reports(output: Path, trackers: Sequence[MaskTrackerScore], sequences: Sequence[data.Sequence], *,
                  data_folder: Path, protocol: str) -> Path:
    """Writes `report.json` and `report.html` into `output` and returns the path of the page.

    Raises:
      OutputError: they cannot be written.
    """
    trackers = ranked(trackers)
    report = as_json(trackers, sequences, data_folder=data_folder, protocol=protocol)
    write_text(output / "report.json", json.dumps(report, indent=1, allow_nan=False) + "\n")
    write_text(output / "report.html", mask_page.render(report, trackers, sequences, output))
    return output / "report.html"


def as_json(trackers: Sequence[MaskTrackerScore], sequences: Sequence[data.Sequence], *, data_folder: Path,
            protocol: str) -> dict[str, Any]:
    """Everything there is to say, as JSON; a figure that does not exist is null."""
    return plain({
        **circumstances(sequences, data_folder=data_folder, protocol=protocol),
        "convention": {"name": NAME, "rule": RULE, "rotated_rule": ROTATED_RULE},
        "trackers": [{
            "name": tracker.name,
            **_figures(tracker),
            "frames_per_second": tracker.frames_per_second,
            "sequences": [{"name": row.name, "frames": len(row.values), "frames_counted": row.frames, **_figures(row),
                           "j_of_frames": row.values, "worst_frame": row.worst_frame} for row in tracker.objects],
            "run": tracker.record,
        } for tracker in trackers],
    })


def table(trackers: Sequence[MaskTrackerScore], *, markdown: bool = False) -> str:
    """The overall figures, the best tracker first and below each what its box gives, as lines of text."""
    heads = ["tracker", "J&F", "J mean", "J recall", "J decay", "F mean", "F recall", "F decay", "frames/s"]
    rows = []
    for tracker in ranked(trackers):
        for kind, figures in tracker.figures.items():
            name, rate = (tracker.name, tracker.frames_per_second) if kind == "mask" else (f"  {kind}", float("nan"))
            rows.append([name, *(_text(value) for value in mask_page.row_of(figures)), _text(rate, 1)])
    text = lined(heads, rows, markdown=markdown)
    turned = [[tracker.name, _text(tracker.rotated.polygon), _text(tracker.rotated.box)]
              for tracker in ranked(trackers) if tracker.rotated is not None]
    if turned:
        text += "\n\n" + lined(["overlap with rotated boxes", "rotated", "upright"], turned, markdown=markdown)
    return text


def _figures(score: MaskTrackerScore | ObjectScore) -> dict[str, Any]:
    """The tracker's figures, and beside them those of its box."""
    own, *others = ((kind.replace(" ", "_"), _of_kind(figures)) for kind, figures in score.figures.items())
    return {"figures": own[1], "baselines": dict(others),
            "rotated_box": None if score.rotated is None else dataclasses.asdict(score.rotated)}


def _of_kind(figures: MaskFigures) -> dict[str, Any]:
    return {"j_and_f": figures.j_and_f, **dataclasses.asdict(figures)}


def _text(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"
