"""How a tracker is run over a sequence: where it starts, what it sees, when it is helped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np

from siamjax.data.images import read_image
from siamjax.data.sequences import Sequence
from siamjax.errors import SourceError
from siamjax.trackers.base import Result

Frames: TypeAlias = Iterable[np.ndarray | None]
# Follows targets from the first of the frames on: (frames, boxes [N, 4] xywh) -> one result a target.
Track: TypeAlias = Callable[[Frames, np.ndarray], list[Result]]


def one_pass(track: Track, sequence: Sequence, seen: Callable[[], None] = lambda: None) -> Result:
    """One-pass evaluation (OPE): starts from the true box of frame 1 and is never helped again.

    Args:
      track: follows targets through frames; a frame that does not decode comes to it as None.
      sequence: with a true box in its first frame.
      seen: called once a frame, when the tracker asks for the next.
    """
    [result] = track(read_frames(sequence.frames, seen), np.asarray(sequence.boxes[:1], np.float32))
    return result


PROTOCOLS = {"ope": one_pass}


def read_frames(
    files: Iterable[Path], seen: Callable[[], None] = lambda: None
) -> Iterator[np.ndarray | None]:
    """Decodes files one by one, `[H, W, 3]` uint8 RGB; None where one does not decode, but for the first.

    Raises:
      SourceError: the first file does not decode: there is nothing to start from.
    """
    for number, file in enumerate(files):
        try:
            frame = read_image(file)
        except SourceError:
            if number == 0:
                raise
            frame = None
        yield frame
        seen()
