"""Siamese visual tracking in JAX and Flax.

    tracker = siamjax.load("fear_xs")
    result = siamjax.track(tracker, "video.mp4", box=(x, y, w, h))
"""

from typing import TYPE_CHECKING

from siamjax.faces import face

if TYPE_CHECKING:
    from siamjax.api import track, track_many, track_videos
    from siamjax.cpu import tune_cpu
    from siamjax.data.preparing import prepare
    from siamjax.evaluation.calibrating import calibrate
    from siamjax.evaluation.embedding import embed
    from siamjax.evaluation.evaluating import evaluate
    from siamjax.evaluation.exporting import export
    from siamjax.evaluation.inspecting import inspect
    from siamjax.evaluation.matching import match
    from siamjax.evaluation.tuning import tune
    from siamjax.evaluation.verifying import verify
    from siamjax.trackers.base import LoadedTracker, Output, Result
    from siamjax.trackers.stream import Stream
    from siamjax.training.run import train
    from siamjax.weights.published import convert
    from siamjax.weights.zoo import VERSION as __version__
    from siamjax.weights.zoo import load

__all__ = ["LoadedTracker", "Output", "Result", "Stream", "__version__", "calibrate", "convert", "embed", "evaluate",
           "export", "inspect", "load", "match", "prepare", "track", "track_many", "track_videos", "train", "tune",
           "tune_cpu", "verify"]

__getattr__, __dir__ = face(__name__)
