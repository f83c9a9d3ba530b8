"""Siamese visual tracking in JAX and Flax.

    tracker = siamjax.load("siamfc")
    result = siamjax.track(tracker, "video.mp4", box=(x, y, w, h))
"""

from siamjax.api import track, track_many, track_videos
from siamjax.cpu import tune_cpu
from siamjax.trackers.base import LoadedTracker, Output, Result
from siamjax.trackers.stream import Stream
from siamjax.weights.zoo import VERSION as __version__
from siamjax.weights.zoo import load

__all__ = ["LoadedTracker", "Output", "Result", "Stream", "__version__", "load", "track", "track_many",
           "track_videos", "tune_cpu"]
