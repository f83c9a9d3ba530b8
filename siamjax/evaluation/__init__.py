"""Trackers and embedding nets put to the test: what users need of it, each loaded when it is first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from siamjax.evaluation.calibrating import Calibration, calibrate
    from siamjax.evaluation.drawing.annotators import (
        Annotator,
        Answer,
        Box,
        Mask,
        RotatedBox,
        Score,
        Trace,
        annotate,
        draw,
    )
    from siamjax.evaluation.drawing.sheets import contact_sheet
    from siamjax.evaluation.embedding import Embedded, crop_for, embed, make_embed
    from siamjax.evaluation.evaluating import Evaluation, evaluate, rescore
    from siamjax.evaluation.files.embeddings import Embeddings
    from siamjax.evaluation.files.track_files import TrackFiles
    from siamjax.evaluation.files.track_folder import default_folder, noted
    from siamjax.evaluation.files.video_writer import VideoWriter
    from siamjax.evaluation.matching import Match, Matches, match
    from siamjax.evaluation.protocols import PROTOCOLS
    from siamjax.evaluation.protocols.base import Protocol, TrackerScore, Unit
    from siamjax.evaluation.protocols.one_pass import OnePass
    from siamjax.evaluation.protocols.video_objects import VideoObjects
    from siamjax.evaluation.reports.report import Report
    from siamjax.evaluation.reports.table import Column, Table
    from siamjax.evaluation.tuning import Trial, Tuning, best, grid, scatter, trials, tune
    from siamjax.evaluation.verifying import Verification, verify

__all__ = [
    "PROTOCOLS", "Annotator", "Answer", "Box", "Calibration", "Column", "Embedded", "Embeddings", "Evaluation",
    "Mask", "Match", "Matches", "OnePass", "Protocol", "Report", "RotatedBox", "Score", "Table", "Trace", "TrackFiles",
    "TrackerScore", "Trial", "Tuning", "Unit", "Verification", "VideoObjects", "VideoWriter", "annotate", "best",
    "calibrate", "contact_sheet", "crop_for", "default_folder", "draw", "embed", "evaluate", "grid", "make_embed",
    "match", "noted", "rescore", "scatter", "trials", "tune", "verify",
]

_NAMES = {
    "calibrating": ("Calibration", "calibrate"),
    "drawing.annotators": ("Annotator", "Answer", "Box", "Mask", "RotatedBox", "Score", "Trace", "annotate", "draw"),
    "drawing.sheets": ("contact_sheet",),
    "embedding": ("Embedded", "crop_for", "embed", "make_embed"),
    "evaluating": ("Evaluation", "evaluate", "rescore"),
    "files.embeddings": ("Embeddings",),
    "files.track_files": ("TrackFiles",),
    "files.track_folder": ("default_folder", "noted"),
    "files.video_writer": ("VideoWriter",),
    "matching": ("Match", "Matches", "match"),
    "protocols": ("PROTOCOLS",),
    "protocols.base": ("Protocol", "TrackerScore", "Unit"),
    "protocols.one_pass": ("OnePass",),
    "protocols.video_objects": ("VideoObjects",),
    "reports.report": ("Report",),
    "reports.table": ("Column", "Table"),
    "tuning": ("Trial", "Tuning", "best", "grid", "scatter", "trials", "tune"),
    "verifying": ("Verification", "verify"),
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    found = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
