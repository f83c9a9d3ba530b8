"""Whether the boxes of a data set are `xywh` in pixels of their frames, or of another format: one rule for all readers.

What is said is said of all boxes of a file, and of all of a set: a target may leave its frame, and the best of sets
hold a box that is far off. A set is refused where its boxes cannot be what they should; the likely format is named.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from collections.abc import Sequence as Listing
from typing import NamedTuple

import numpy as np

from siamjax.errors import DataError

MANY = 8  # videos or images: so many do not all have their targets at one side
NEARLY_ALL = 0.95


@dataclasses.dataclass(frozen=True)
class BoxFile:
    """Boxes of one file.

    Attributes:
      path: of the file.
      boxes: `[N, 4]` `xywh`, NaN where absent.
      size: `[N, 2]` or `[2]` `(height, width)` px of the frame of each.
      place: where in the file a box stands, for messages, e.g. `a/groundtruth.txt, line 3`.
      scenes: number of videos or images that they are from.
    """

    path: str
    boxes: np.ndarray
    size: np.ndarray | tuple[int, int]
    place: Callable[[int], str]
    scenes: int = 1


class Fault(NamedTuple):
    """What is wrong with boxes, and what to do."""

    what: str
    do: str


def check_boxes(files: Listing[BoxFile], *, alone: bool | None = None) -> None:
    """Refuses the boxes of a data set that are not in pixels of their frames, and warns of what only may be wrong.

    Args:
      files: all files of a set.
      alone: look at each file alone, or else at all of them together; None for both.
    Raises:
      DataError: the boxes of a file, or of all together, are normalised, corners, centres, of frames that lie on their
        side, outside of the frames, or smaller than a pixel; the file is named, and the likely format.
    """
    for file in files if alone is not False else ():
        fault = find_fault(file.boxes, np.asarray(file.size), file.scenes)
        if fault is not None:
            raise DataError(fault.what, file.path, fault.do)
    if not files or alone:
        return
    boxes = np.concatenate([file.boxes for file in files])
    sizes = np.concatenate([np.broadcast_to(file.size, (len(file.boxes), 2)) for file in files])
    fault = find_fault(boxes, sizes, sum(file.scenes for file in files))
    if fault is not None:
        raise DataError(fault.what, f"{files[0].path} and the others" if len(files) > 1 else files[0].path, fault.do)
    _warn(files, boxes, sizes)


def find_fault(boxes: np.ndarray, sizes: np.ndarray, scenes: int = 1) -> Fault | None:
    """What shows that boxes are no `xywh` of their frames; None where nothing does.

    Args:
      boxes: `[N, 4]`, NaN where absent.
      sizes: `[N, 2]` or `[2]` `(height, width)` px.
      scenes: number of videos or images that they are from.
    """
    at = _present(boxes, sizes)
    if not len(at.x):
        return None
    sticks_out, is_lost = at.beyond().max(axis=0) > at.slack, at.is_lost()
    count, said = len(at.x), f"{is_lost.sum()} of {len(at.x)} boxes have their middle outside of the frame"
    if np.mean(at.reads_as_normalised()) >= 0.9:
        return Fault(f"{count} boxes within 0 to 1, as if normalised", "write pixels: multiply x and w by the frame's "
                     "width, y and h by its height (in YOLO's format x and y are the middle)")
    as_corners = at.reads_as_corners()
    if np.mean(as_corners) >= NEARLY_ALL and np.mean(as_corners & sticks_out) >= 0.1 and (
            np.mean(as_corners & is_lost) >= 0.05 or scenes >= MANY or at.moves_as_corners()):
        return Fault(f"{sticks_out.sum()} of {count} boxes stick out of the frame and all fit as two corners",
                     "write x,y,w,h: these look like x1,y1,x2,y2, so subtract x1 and y1 from the last two")
    if scenes >= MANY and at.reads_as_centres(sticks_out):
        return Fault(f"{sticks_out.sum()} of {count} boxes stick out of the frame and all fit round their x and y",
                     "write the left and top edge: these look like the middle, so subtract w/2 from x and h/2 from y")
    if np.mean(is_lost) >= 0.3 and np.mean(at.fits_on_its_side()) >= NEARLY_ALL:
        return Fault(f"{said}, and all fit the frame on its side", "draw them on the frames as they are shown, "
                     "which is turned by their EXIF orientation; or remove that from the images")
    if np.mean(is_lost) >= (0.5 if scenes >= MANY else 0.8):  # one target may well leave for most of a video
        return Fault(said, "give x,y,w,h in pixels of the frames as they are; were they drawn on larger ones?")
    if np.mean(np.maximum(at.w, at.h) < 1) >= 0.5:
        return Fault(f"most of {count} boxes are smaller than a pixel", "give x,y,w,h in pixels of the frames")
    return None


class _Boxes(NamedTuple):
    """Boxes `[N]` each, float64, and the sides of their frames."""

    x: np.ndarray
    y: np.ndarray
    w: np.ndarray
    h: np.ndarray
    height: np.ndarray
    width: np.ndarray

    @property
    def slack(self) -> np.ndarray:
        """`[N]` px that a box may stick out by rounding, by counting from 1 or by a resized frame."""
        return 1.01 + 0.01 * np.maximum(self.width, self.height)

    def beyond(self) -> np.ndarray:
        """`[4, N]` px that boxes stick out at the left, top, right and bottom; below 0 where they do not."""
        return np.stack([-self.x, -self.y, self.x + self.w - self.width, self.y + self.h - self.height])

    def is_lost(self) -> np.ndarray:
        """Whether the middle is outside of the frame."""
        x, y = self.x + self.w / 2, self.y + self.h / 2
        return (np.maximum(-x, x - self.width) > self.slack) | (np.maximum(-y, y - self.height) > self.slack)

    def reads_as_normalised(self) -> np.ndarray:
        """Whether a box lies in the first pixel or near it, as a target does that is partly outside of a unit frame."""
        near = (np.minimum(self.x, self.y) >= -1) & (np.maximum(self.x + self.w, self.y + self.h) <= 2)
        return near & (np.minimum(self.width, self.height) >= 16)

    def reads_as_corners(self) -> np.ndarray:
        """Whether `x,y,w,h` could be the corners of a box in the frame."""
        return ((self.w > self.x) & (self.h > self.y) & (self.w <= self.width + self.slack)
                & (self.h <= self.height + self.slack))

    def moves_as_corners(self) -> bool:
        """Whether the last two numbers follow the first two, as corners of one object do and no sizes."""
        spread = self.w.var() + self.h.var()
        steady = (self.w - self.x).var() + (self.h - self.y).var()
        return len(self.x) >= 8 and np.sqrt(spread) >= 4 and steady <= 0.1 * spread

    def reads_as_centres(self, sticks_out: np.ndarray) -> bool:
        """Whether boxes leave the frame to the right and down alone, and none would round its x and y."""
        halves = np.stack([self.w / 2 - self.x, self.h / 2 - self.y,
                           self.x + self.w / 2 - self.width, self.y + self.h / 2 - self.height])
        left, top, right, bottom = np.mean(self.beyond() > self.slack, axis=1)
        return bool(np.mean(sticks_out) >= 0.1 and left + top == 0 and min(right, bottom) >= 0.03
                    and np.mean((halves <= self.slack).all(axis=0)) >= 0.99)

    def fits_on_its_side(self) -> np.ndarray:
        """Whether a box lies in the frame turned by 90 degrees."""
        return self._replace(height=self.width, width=self.height).beyond().max(axis=0) <= self.slack


def _present(boxes: np.ndarray, sizes: np.ndarray) -> _Boxes:
    known = np.isfinite(boxes).all(axis=1)
    height, width = np.broadcast_to(sizes, (len(boxes), 2))[known].T.astype(np.float64)
    x, y, w, h = boxes[known].T.astype(np.float64)
    return _Boxes(x, y, w, h, height, width)


def _warn(files: Listing[BoxFile], boxes: np.ndarray, sizes: np.ndarray) -> None:
    """Says, once a set, what may be wrong; the first place of each kind is named."""
    known, at = np.isfinite(boxes).all(axis=1), _present(boxes, sizes)

    def say(found: np.ndarray, what: str) -> None:
        number = int(np.flatnonzero(known)[np.argmax(found)])
        for file in files:
            if number < len(file.boxes):
                message = f"{found.sum()} of {len(found)} boxes {what} (first: {file.place(number)})"
                return warnings.warn(message, RuntimeWarning, stacklevel=4)
            number -= len(file.boxes)
        return None

    _, _, right, bottom = at.beyond()
    apart = (at.x >= at.width) | (at.y >= at.height) | (at.x + at.w <= 0) | (at.y + at.h <= 0)
    if apart.any():
        say(apart, "lie wholly outside of their frames")
    tiny = np.minimum(at.w, at.h) < 1
    if tiny.any():
        say(tiny, "are less than a pixel wide or high")
    far = np.maximum(right, bottom)
    ends = (np.abs(right - 1) < 0.01) | (np.abs(bottom - 1) < 0.01)
    if ends.sum() >= 2 and min(at.x.min(), at.y.min()) >= 1 and (far > 1.01).sum() < ends.sum():
        say(ends, "end one pixel behind their frames and none begins before 1: if x and y count from 1, subtract 1")
    inside = (np.minimum(at.x, at.y) >= 0) & (np.maximum(at.x + at.w, at.y + at.h) <= 100)
    if sum(file.scenes for file in files) >= MANY and (inside & (np.minimum(at.width, at.height) >= 300)).all():
        say(inside, "lie within 100 px of their frames' first corner: if they are percent, write pixels")
    follow = [file for file in files if file.scenes == 1 and _may_be_corners(file)]
    if follow:
        warnings.warn(f"the boxes of {follow[0].path}" + (f" and {len(follow) - 1} others" if follow[1:] else "")
                      + " move as corners x1,y1,x2,y2 do: if they are, subtract x1 and y1 from the last two",
                      RuntimeWarning, stacklevel=3)


def _may_be_corners(file: BoxFile) -> bool:
    at = _present(file.boxes, np.asarray(file.size))
    return len(at.x) > 0 and at.moves_as_corners() and bool(at.reads_as_corners().all())
