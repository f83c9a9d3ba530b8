"""report.json, every figure of an evaluation; report.html, the same for people; a table for terminals."""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from siamjax.data import sequences as data
from siamjax.evaluation.protocols.one_pass import SequenceScore, TrackerScore, ranked
from siamjax.evaluation.reports import page
from siamjax.evaluation.runner import versions
from siamjax.ops import metrics
from siamjax.ops.metrics import Convention
from siamjax.outputs import write_text

SPEED_RULE = (
    "Frames/s are the frames after the first of each sequence over the seconds that the result files give "
    "for them. The start on the first frame and compilation are not in them; the next frames are decoded "
    "meanwhile."
)


def write_reports(
    output: Path,
    trackers: Sequence[TrackerScore],
    sequences: Sequence[data.Sequence],
    *,
    data_folder: Path,
    convention: Convention,
    protocol: str = "ope",
) -> Path:
    """Writes `report.json` and `report.html` into `output` and returns the path of the page.

    Raises:
      OutputError: they cannot be written.
    """
    trackers = ranked(trackers)
    report = as_json(trackers, sequences, data_folder=data_folder, convention=convention, protocol=protocol)
    write_text(output / "report.json", json.dumps(report, indent=1, allow_nan=False) + "\n")
    html = page.render(report, trackers, sequences, convention)
    write_text(output / "report.html", html)
    return output / "report.html"


def as_json(
    trackers: Sequence[TrackerScore],
    sequences: Sequence[data.Sequence],
    *,
    data_folder: Path,
    convention: Convention,
    protocol: str,
) -> dict[str, Any]:
    """Everything there is to say, as JSON; a figure that does not exist is null."""
    return plain(
        {
            **circumstances(sequences, data_folder=data_folder, protocol=protocol),
            "convention": dataclasses.asdict(convention),
            "thresholds": {
                "success": convention.thresholds,
                "precision": metrics.ERROR_THRESHOLDS,
                "normalised_precision": metrics.NORMALISED_THRESHOLDS,
            },
            "trackers": [_tracker(tracker) for tracker in trackers],
        }
    )


def circumstances(sequences: Sequence[data.Sequence], *, data_folder: Path, protocol: str) -> dict[str, Any]:
    """What every report begins with."""
    return {
        "created": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "data": {
            "name": data_folder.resolve().name,
            "folder": str(data_folder),
            "sequences": len(sequences),
            "frames": sum(len(sequence.frames) for sequence in sequences),
        },
        "protocol": protocol,
        "seed": None,  # nothing is drawn at random in a one-pass run
        "speed": SPEED_RULE,
        "versions": versions(),
    }


def table(trackers: Sequence[TrackerScore], *, markdown: bool = False) -> str:
    """The overall figures, the best first, as lines of text."""
    heads = ["tracker", "AUC", "precision 20 px", "norm. precision", "frames/s"]
    rows = [
        [
            tracker.name,
            f"{tracker.figures.auc:.3f}",
            f"{tracker.figures.precision:.3f}",
            f"{tracker.figures.normalised_precision:.3f}",
            f"{tracker.frames_per_second:.1f}" if math.isfinite(tracker.frames_per_second) else "-",
        ]
        for tracker in ranked(trackers)
    ]
    return lined(heads, rows, markdown=markdown)


def lined(heads: Sequence[str], rows: Sequence[Sequence[str]], *, markdown: bool = False) -> str:
    """A table as lines of text, its first column to the left and the others to the right."""
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]

    def line(cells: Sequence[str]) -> str:
        padded = [cells[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(cells[1:], widths[1:]))]
        return f"| {' | '.join(padded)} |" if markdown else "  ".join(padded)

    ruler = ["-" * widths[0], *("-" * (w - 1) + ":" if markdown else "-" * w for w in widths[1:])]
    return "\n".join(line(cells) for cells in [heads, ruler, *rows])


def _tracker(tracker: TrackerScore) -> dict[str, Any]:
    return {
        "name": tracker.name,
        "figures": dataclasses.asdict(tracker.figures),
        "frames_counted": tracker.score.frames,
        "frames_per_second": tracker.frames_per_second,
        "curves": {
            "success": tracker.score.success,
            "precision": tracker.score.precision,
            "normalised_precision": tracker.score.normalised_precision,
        },
        "sequences": [_sequence(row) for row in tracker.sequences],
        "run": tracker.record,
    }


def _sequence(row: SequenceScore) -> dict[str, Any]:
    worst = row.worst_frame
    return {
        "name": row.name,
        "frames": len(row.boxes),
        "frames_counted": row.score.frames,
        "figures": dataclasses.asdict(row.figures),
        "frames_per_second": row.frames_per_second,
        "worst_frame": None if worst is None else {"frame": worst, "overlap": row.overlaps[worst]},
    }


def plain(value: Any) -> Any:
    """`value` as what strict JSON can hold: no NaN, no NumPy."""
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
