"""Trackers and embedding nets put to the test: what users need of it, each loaded when it is first used."""

from typing import TYPE_CHECKING

from siamjax.faces import face

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
    from siamjax.evaluation.exporting import Form as ExportForm
    from siamjax.evaluation.exporting import export
    from siamjax.evaluation.files.embeddings import Embeddings
    from siamjax.evaluation.files.inputs import Inputs
    from siamjax.evaluation.files.results import claim, has_run, read_record, read_run
    from siamjax.evaluation.files.results import stem as run_stem
    from siamjax.evaluation.files.track_files import TrackFiles
    from siamjax.evaluation.files.track_folder import default_folder, noted
    from siamjax.evaluation.files.video_writer import VideoWriter
    from siamjax.evaluation.held_out import STILL
    from siamjax.evaluation.inspecting import Inspection, inspect
    from siamjax.evaluation.matching import Match, Matches, match
    from siamjax.evaluation.metrics.calibration import OVERLAP, Logistic, brier, log_odds, reliability
    from siamjax.evaluation.metrics.calibration import fit as fit_logistic
    from siamjax.evaluation.metrics.departures import Verdicts
    from siamjax.evaluation.metrics.departures import judge as judge_departures
    from siamjax.evaluation.metrics.departures import total as total_verdicts
    from siamjax.evaluation.metrics.verification import roc
    from siamjax.evaluation.protocols import PROTOCOLS
    from siamjax.evaluation.protocols.base import Protocol, TrackerScore, Unit, ranked
    from siamjax.evaluation.protocols.one_pass import OnePass, interval_of
    from siamjax.evaluation.protocols.pairs import UNSEEN, score_pairs
    from siamjax.evaluation.protocols.video_objects import VideoObjects
    from siamjax.evaluation.reports.report import Report
    from siamjax.evaluation.reports.table import Column, Table
    from siamjax.evaluation.tuning import Trial, Tuning, best, grid, scatter, trials, tune
    from siamjax.evaluation.verifying import Verification, verify

__all__ = [
    "OVERLAP",
    "PROTOCOLS",
    "STILL",
    "UNSEEN",
    "Annotator",
    "Answer",
    "Box",
    "Calibration",
    "Column",
    "Embedded",
    "Embeddings",
    "Evaluation",
    "ExportForm",
    "Inputs",
    "Inspection",
    "Logistic",
    "Mask",
    "Match",
    "Matches",
    "OnePass",
    "Protocol",
    "Report",
    "RotatedBox",
    "Score",
    "Table",
    "Trace",
    "TrackFiles",
    "TrackerScore",
    "Trial",
    "Tuning",
    "Unit",
    "Verdicts",
    "Verification",
    "VideoObjects",
    "VideoWriter",
    "annotate",
    "best",
    "brier",
    "calibrate",
    "claim",
    "contact_sheet",
    "crop_for",
    "default_folder",
    "draw",
    "embed",
    "evaluate",
    "export",
    "fit_logistic",
    "grid",
    "has_run",
    "inspect",
    "interval_of",
    "judge_departures",
    "log_odds",
    "make_embed",
    "match",
    "noted",
    "ranked",
    "read_record",
    "read_run",
    "reliability",
    "rescore",
    "roc",
    "run_stem",
    "scatter",
    "score_pairs",
    "total_verdicts",
    "trials",
    "tune",
    "verify",
]

__getattr__, __dir__ = face(__name__)
