"""The frames on which a tracker did worst, as pictures inside the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from siamjax.data import sequences as data
from siamjax.data.images import read_image
from siamjax.errors import SourceError
from siamjax.evaluation.drawing.sheets import reduced
from siamjax.evaluation.reports.parts import Folded, Gallery, Picture, Text, jpeg

MOST_PICTURES = 24  # a tracker
Entry = TypeVar("Entry")


def worst(name: str, found: Sequence[Entry], badness: Callable[[Entry], float], explained: str,
          picture: Callable[[Entry], Picture], *, is_open: bool) -> Folded:
    """Pictures of the entries of lowest `badness`, at most `MOST_PICTURES`, under a tracker's name.

    Args:
      name: of the tracker.
      found: one a sequence.
      badness: of an entry.
      explained: what the pictures show, with a place `{of}` for the sequences that they are of.
      picture: of an entry.
      is_open: whether they are seen before they are asked for.
    """
    chosen = sorted(found, key=badness)[:MOST_PICTURES]
    of = "every sequence" if len(chosen) == len(found) else (
        f"the {len(chosen)} of {len(found)} sequences that went worst")
    return Folded(name, [Text(explained.format(of=of)), Gallery(list(map(picture, chosen)))], is_open)


def frame_picture(name: str, what: str, shown: str, sequence: data.Sequence, frame: int,
                  draw: Callable[[np.ndarray, float], np.ndarray]) -> Picture:
    """A frame with what `draw` makes of it, at most as wide as a page's pictures; empty where it cannot be read.

    Args:
      name: of the sequence.
      what: is to be seen.
      shown: what is drawn, for those who cannot see it.
      sequence: that it is of.
      frame: its number.
      draw: (pixels `[h, w, 3]`, their scale) to a picture of the same size.
    """
    alt = f"{name}, {what}: {shown}"
    try:
        pixels = read_image(sequence.frames[frame], among=sequence.frames)
    except SourceError:
        return Picture(name, what, alt, "")
    return Picture(name, what, alt, jpeg(draw(*reduced(pixels))))
