"""How a tracker is run over a sequence: where it starts, what it sees, when it is helped."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Sequence as Listing
from typing import TypeAlias

import numpy as np

from siamjax import stopping
from siamjax.data.sequences import Sequence
from siamjax.errors import SourceError
from siamjax.trackers.base import Result

Frames: TypeAlias = Iterable[np.ndarray | None]
# Follows targets from the first of the frames on: (frames, boxes [N, 4] xywh) -> one result a target.
Track: TypeAlias = Callable[[Frames, np.ndarray], list[Result]]


def one_pass(track: Track, sequence: Sequence, seen: Callable[[], object] = lambda: None) -> Result:
    """One-pass evaluation (OPE): starts from the true box of frame 1 and is never helped again.

    Args:
      track: follows targets through frames; a frame that does not decode comes to it as None.
      sequence: with a true box in its first frame.
      seen: called once a frame, when the tracker asks for the next.
    """
    [result] = from_first_frame(track, [sequence], seen)
    return result


def from_first_frame(track: Track, objects: Listing[Sequence], seen: Callable[[], object]) -> list[Result]:
    """Follows objects of one video together, from their boxes in frame 1 on without help; see `one_pass`."""
    boxes = np.stack([np.asarray(one.boxes[0], np.float32) for one in objects])
    return track(read_frames(objects[0], seen), boxes)


def by_video(sequences: Listing[Sequence]) -> list[list[Sequence]]:
    """The objects of each video, in the order in which they come."""
    videos: dict[str, list[Sequence]] = {}
    for sequence in sequences:
        videos.setdefault(sequence.group, []).append(sequence)
    return list(videos.values())


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How sequences are run.

    Attributes:
      split: sequences to those that are followed together.
      follow: such sequences to a result each.
      masks: whether label images are written, and scored.
    """

    split: Callable[[Listing[Sequence]], list[list[Sequence]]]
    follow: Callable[[Track, Listing[Sequence], Callable[[], object]], list[Result]] = from_first_frame
    masks: bool = False


PROTOCOLS = {"ope": Protocol(lambda sequences: [[one] for one in sequences]), "davis": Protocol(by_video, masks=True)}


def read_frames(
    sequence: Sequence, seen: Callable[[], object] = lambda: None
) -> Iterator[np.ndarray | None]:
    """Decodes frames one by one, `[H, W, 3]` uint8 RGB; None where one does not decode, but for the first.

    Raises:
      SourceError: the first file does not decode: there is nothing to start from.
      DataError: a frame is not as large as the first; it is named.
      KeyboardInterrupt: a stop was asked for.
    """
    for number in range(len(sequence.frames)):
        stopping.check()
        try:
            frame = sequence.read(number)
        except SourceError:
            if number == 0:
                raise
            frame = None
        yield frame
        seen()
