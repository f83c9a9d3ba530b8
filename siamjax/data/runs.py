"""Masks as run lengths: those of COCO, plain and packed, and those of VOT."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np

from siamjax.ops.frames import MAX_SIDE


@dataclasses.dataclass(frozen=True)
class RunLengths:
    """A mask of a frame as lengths of runs, the first being of pixels that are not the object's.

    Attributes:
      counts: lengths of the runs; their sum is the number of pixels of the window.
      window: `(x, y, w, h)` px in the frame, which they fill.
      by_columns: whether they go down the columns (COCO), or along the rows (VOT).
    """

    counts: np.ndarray = dataclasses.field(repr=False)
    window: tuple[int, int, int, int]
    by_columns: bool

    def mask(self, size: tuple[int, int]) -> np.ndarray:
        """`[H, W]` bool of a frame of `size` `(height, width)` px; what lies beyond it is cut off."""
        x, y, w, h = self.window
        height, width = size
        runs = np.repeat(np.arange(len(self.counts)) % 2 == 1, self.counts)
        part = runs.reshape((w, h)).T if self.by_columns else runs.reshape((h, w))
        found = np.zeros((height, width), bool)
        top, left = max(y, 0), max(x, 0)
        bottom, right = min(y + h, height), min(x + w, width)
        if bottom > top and right > left:
            found[top:bottom, left:right] = part[top - y:bottom - y, left - x:right - x]
        return found

    def box(self) -> np.ndarray | None:
        """The least box `[4]` float32 `xywh` round the object's pixels, in the frame; None where there are none."""
        ends = np.cumsum(self.counts)
        first, last = ends[:-1:2], ends[1::2] - 1  # of each run of the object, numbers of pixels in the window
        kept = last >= first
        first, last = first[kept], last[kept]
        x, y, w, h = self.window
        side = h if self.by_columns else w
        if not len(first):
            return None
        lines, ends_at = first // side, last // side
        whole = (ends_at > lines).any()  # a run that goes round a corner touches both sides
        across = (0, side - 1) if whole else ((first % side).min(), (last % side).max())
        along = lines.min(), ends_at.max()
        (left, right), (top, bottom) = (along, across) if self.by_columns else (across, along)
        return np.array([x + left, y + top, right + 1 - left, bottom + 1 - top], np.float32)


def coco_runs(counts: object, size: object) -> RunLengths | None:
    """COCO's run lengths: `counts` a list, or COCO's packed text; `size` `[h, w]`. None where they are no such mask."""
    sides = size if isinstance(size, list) and len(size) == 2 else []
    if not sides or not all(_is_count(side) and 0 < side <= MAX_SIDE for side in sides):
        return None
    if isinstance(counts, list):
        found = counts if all(map(_is_count, counts)) else None
    elif isinstance(counts, (str, bytes)):
        found = unpacked(counts)
    else:
        found = None
    height, width = sides
    return None if found is None else _checked(found, (0, 0, width, height), by_columns=True)


def vot_runs(numbers: Iterable[int]) -> RunLengths | None:
    """VOT's mask: `x, y, w, h` of a window, then run lengths along its rows. None where they are no such mask."""
    numbers = list(numbers)
    if len(numbers) < 4 or min(numbers, default=0) < 0 or max(numbers, default=0) > MAX_SIDE**2:
        return None
    x, y, w, h = numbers[:4]
    if max(x + w, y + h) > MAX_SIDE:
        return None
    return _checked(numbers[4:], (x, y, w, h), by_columns=False)


def unpacked(text: str | bytes) -> list[int] | None:
    """Run lengths of COCO's packed text, None where it is none: five bits a character, differences at last."""
    codes = text.encode("latin-1", "replace") if isinstance(text, str) else text
    counts: list[int] = []
    value = shift = 0
    for code in codes:
        code -= 48
        if not 0 <= code < 64 or shift > 30:
            return None
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            if code & 16:
                value -= 1 << shift
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    return counts if shift == 0 and min(counts, default=0) >= 0 else None


def _checked(counts: list[int], window: tuple[int, int, int, int], *, by_columns: bool) -> RunLengths | None:
    rest = window[2] * window[3] - sum(counts)
    if rest < 0 or (by_columns and rest > 0):
        return None
    runs = np.array([*counts, rest] if len(counts) % 2 == 0 else [*counts[:-1], counts[-1] + rest], np.int64)
    return RunLengths(runs, window, by_columns)  # VOT leaves a last run of zeros out


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_SIDE**2
