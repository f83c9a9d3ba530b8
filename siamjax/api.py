"""The public verbs: they join the reading of videos with the tracking of frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from siamjax.data.video import open_source
from siamjax.trackers import loop
from siamjax.trackers.base import LoadedTracker, Result
from siamjax.types import Boxes

Source = str | Path | int | Iterable


def track(tracker: LoadedTracker, source: Source, box: Boxes, *, chunk: int = loop.CHUNK,
          keep_masks: bool = True) -> Result:
    """Follows one target through a video.

    Args:
      tracker: what `siamjax.load` returned.
      source: video file, folder or glob of images, iterable of images, or camera index.
      box: `(x, y, w, h)` in the first frame, pixels, 0-based.
      chunk: frames handed to the device at once, at most.
      keep_masks: whether the result holds the masks of a tracker that has them; a long video's are large.
    Returns:
      boxes `[T, 4]`, scores, lost, valid, seconds `[T]`, and masks and polygons where there are any, see `Result`;
      row 0 is the given box.
    Raises:
      SourceError, BoxError: a source or a box that cannot be used.
    """
    return track_many(tracker, source, [box], chunk=chunk, keep_masks=keep_masks)[0]


def track_many(tracker: LoadedTracker, source: Source, boxes: Boxes, *, chunk: int = loop.CHUNK,
               keep_masks: bool = True) -> list[Result]:
    """Follows several targets through one video, all in one compiled step; see `track`."""
    with open_source(source) as frames:
        return loop.track_frames(tracker.tracker, tracker.params, frames, boxes, chunk=chunk, keep_masks=keep_masks)


def track_videos(tracker: LoadedTracker, sources: Sequence[Source], boxes: Boxes, *,
                 chunk: int = loop.CHUNK, keep_masks: bool = True) -> list[Result]:
    """Follows one target in each of several videos, all in one compiled step; see `track`."""
    with ExitStack() as stack:
        videos = [stack.enter_context(open_source(source)) for source in sources]
        return loop.track_videos(tracker.tracker, tracker.params, videos, boxes, chunk=chunk, keep_masks=keep_masks)
