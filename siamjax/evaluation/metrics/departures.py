"""How a tracker fares where its target comes and goes: frames wrongly called tracked or lost, frames until found."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from siamjax.ops import metrics

ON_TARGET = 0.1  # overlap from which a box is on the target at all


@dataclasses.dataclass(frozen=True)
class Verdicts:
    """What was claimed of the frames after the first, against what was so.

    Attributes:
      absent, seen: frames in which the target was away, and in which it could be seen.
      false_tracked: frames called tracked although the target was away or the box not on it.
      false_absent: of these, the frames in which it was away.
      false_lost: frames called lost although the target could be seen.
      until_found: of each return, frames from the first in which the target can be seen until one is called tracked
        with the box on it, 0 for that very frame; the length of the visit where that never happens.
      found: of each return, whether it happened.
    """

    absent: int
    seen: int
    false_tracked: int
    false_absent: int
    false_lost: int
    until_found: tuple[int, ...]
    found: tuple[bool, ...]


def judge(boxes: np.ndarray, lost: np.ndarray, truth: np.ndarray) -> Verdicts:
    """Verdicts on a track.

    Args:
      boxes: `[T, 4]` `xywh` answers; row 0 is given and does not count.
      lost: `[T]` bool, what the tracker called lost.
      truth: `[T, 4]` `xywh`, NaN where the target is away.
    """
    there = np.asarray(np.isfinite(truth).all(axis=1))
    on_target = there & (np.nan_to_num(metrics.iou(boxes, truth)) >= ON_TARGET)
    tracked = ~np.asarray(lost, bool)
    counted = np.arange(len(truth)) > 0
    waits, found = [], []
    for start, stop in visits(there)[int(there[0]):]:
        hits = np.flatnonzero((tracked & on_target)[start:stop])
        waits.append(int(hits[0]) if len(hits) else stop - start)
        found.append(bool(len(hits)))
    return Verdicts(
        absent=int((counted & ~there).sum()), seen=int((counted & there).sum()),
        false_tracked=int((counted & tracked & ~on_target).sum()),
        false_absent=int((counted & tracked & ~there).sum()), false_lost=int((counted & ~tracked & there).sum()),
        until_found=tuple(waits), found=tuple(found))


def visits(there: np.ndarray) -> list[tuple[int, int]]:
    """First frame and the one after the last of each unbroken run of `there` `[T]` bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist()))


def total(verdicts: Sequence[Verdicts]) -> Verdicts:
    """Counts of several tracks added up, returns side by side."""
    sums = {name: sum(getattr(one, name) for one in verdicts)
            for name in ("absent", "seen", "false_tracked", "false_absent", "false_lost")}
    return Verdicts(**sums, until_found=tuple(wait for one in verdicts for wait in one.until_found),
                    found=tuple(each for one in verdicts for each in one.found))
