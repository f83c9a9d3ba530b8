"""Siamese visual tracking in JAX and Flax.

    tracker = siamjax.load("fear_xs")
    result = siamjax.track(tracker, "video.mp4", box=(x, y, w, h))
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from siamjax.api import track, track_many, track_videos
    from siamjax.cpu import tune_cpu
    from siamjax.trackers.base import LoadedTracker, Output, Result
    from siamjax.trackers.stream import Stream
    from siamjax.weights.published import convert
    from siamjax.weights.zoo import VERSION as __version__
    from siamjax.weights.zoo import load

__all__ = ["LoadedTracker", "Output", "Result", "Stream", "__version__", "convert", "load", "track", "track_many",
           "track_videos", "tune_cpu"]

_HOMES = {"track": "api", "track_many": "api", "track_videos": "api", "tune_cpu": "cpu",
          "LoadedTracker": "trackers.base", "Output": "trackers.base", "Result": "trackers.base",
          "Stream": "trackers.stream", "convert": "weights.published", "load": "weights.zoo",
          "__version__": "weights.zoo"}


def __getattr__(name: str) -> Any:
    """Loads a name when it is first used: JAX takes seconds, in which the command line can be stopped already."""
    if name in _HOMES:
        found = getattr(importlib.import_module(f"siamjax.{_HOMES[name]}"), name.replace("__version__", "VERSION"))
    elif name.startswith("_"):
        raise AttributeError(f"module 'siamjax' has no attribute '{name}'")
    else:
        try:  # modules of the package, such as `siamjax.errors`
            found = importlib.import_module(f"siamjax.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"siamjax.{name}":
                raise
            raise AttributeError(f"module 'siamjax' has no attribute '{name}'") from error
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
