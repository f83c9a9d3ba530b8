"""Masks against true masks: region similarity J and boundary accuracy F of DAVIS.

Everything here is NumPy on the host. Masks are boolean `[H, W]`, one object each. Which frames and objects count
(all but the first and last frame; every object of every sequence alike) is the protocol's business.
Source: Perazzi et al. 2016; davis2017-evaluation, metrics.py and utils.py.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from siamjax.errors import DataError

BOUND = 0.008  # of the frame's diagonal: how far boundaries that agree may lie apart
BINS = 4  # in time; the decay is the first bin's mean less the last one's


@dataclasses.dataclass(frozen=True)
class Statistics:
    """What the values of an object's frames come to.

    Attributes:
      mean: over frames.
      recall: share of frames with a value above 0.5.
      decay: mean of the first quarter less that of the last.
    """

    mean: float
    recall: float
    decay: float


def region_similarity(mask: np.ndarray, truth: np.ndarray, void: np.ndarray | None = None) -> float:
    """J: intersection over union of two masks `[H, W]`; 1 where both are empty.

    Args:
      mask, truth: bool.
      void: bool, pixels that count for neither.
    """
    _check(mask, truth, void)
    counted = np.ones_like(truth) if void is None else ~void
    union = np.count_nonzero((mask | truth) & counted)
    return 1.0 if union == 0 else np.count_nonzero(mask & truth & counted) / union


def boundary_accuracy(mask: np.ndarray, truth: np.ndarray, void: np.ndarray | None = None, *,
                      bound: float = BOUND) -> float:
    """F: harmonic mean of the shares of each mask's boundary that lie near the other's.

    Args:
      mask, truth, void: as in `region_similarity`; void pixels are background to both.
      bound: how near, as a share of the diagonal rounded up to whole pixels, or pixels where it is 1 or more.
    Returns:
      0..1. An empty boundary against an empty one gives 1, against any other 0.
    """
    _check(mask, truth, void)
    if void is not None:
        mask, truth = mask & ~void, truth & ~void
    radius = bound if bound >= 1 else math.ceil(bound * math.hypot(*mask.shape))
    ours, true = boundary(mask), boundary(truth)
    if not ours.any() or not true.any():
        return float(ours.any() == true.any())
    # Boundaries are short: nothing outside of the square round both can be near either.
    rows, columns = (np.flatnonzero((ours | true).any(axis=axis)) for axis in (1, 0))
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    ours, true = ours[part], true[part]
    precision = np.count_nonzero(ours & dilated(true, radius)) / np.count_nonzero(ours)
    recall = np.count_nonzero(true & dilated(ours, radius)) / np.count_nonzero(true)
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def boundary(mask: np.ndarray) -> np.ndarray:
    """Pixels `[H, W]` unlike their right, lower or lower right neighbour; the last row and column look one way."""
    edge = np.zeros(mask.shape, bool)
    edge[:-1, :-1] = (mask[:-1, :-1] ^ mask[:-1, 1:]) | (mask[:-1, :-1] ^ mask[1:, :-1]) \
        | (mask[:-1, :-1] ^ mask[1:, 1:])
    edge[-1, :-1] = mask[-1, :-1] ^ mask[-1, 1:]
    edge[:-1, -1] = mask[:-1, -1] ^ mask[1:, -1]
    return edge


def dilated(image: np.ndarray, radius: float) -> np.ndarray:
    """A binary image `[H, W]` grown by a disk: pixels within `radius` px of a True one."""
    height, width = image.shape
    reach = math.floor(radius)
    # A disk is a stack of rows; the pixels that a row of it reaches are found by differences of a running count.
    count = np.pad(np.cumsum(image, axis=1, dtype=np.int32), ((0, 0), (1, 0)))
    columns = np.arange(width)
    grown = np.zeros_like(image)
    for dy in range(-min(reach, height - 1), min(reach, height - 1) + 1):
        half = math.isqrt(math.floor(radius**2 - dy**2 + 1e-9))
        wide = count[:, np.minimum(columns + half + 1, width)] > count[:, np.maximum(columns - half, 0)]
        grown[max(dy, 0):height + min(dy, 0)] |= wide[max(-dy, 0):height + min(-dy, 0)]
    return grown


def statistics(values: np.ndarray) -> Statistics:
    """Mean, recall and decay of the values `[T]` of one object's frames, in order; NaN values are left out.

    Neighbouring bins of the decay share a frame. Departure: the reference keeps the bins' ends in 8 bits, so its
    decay is wrong, or NaN, for objects of more than 256 frames; this one is not.
    Raises:
      DataError: no value.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or not np.isfinite(values).any():
        raise DataError(f"values of shape {values.shape} without a number", "davis.statistics",
                        "give one value for each frame")
    ends = np.round(np.linspace(1, len(values), BINS + 1) + 1e-10).astype(int) - 1
    first, last = values[ends[0]:ends[1] + 1], values[ends[-2]:ends[-1] + 1]
    return Statistics(mean=float(np.nanmean(values)), recall=float(np.nanmean(np.where(np.isnan(values), np.nan,
                                                                                       values > 0.5))),
                      decay=_mean(first) - _mean(last))


def box_mask(box: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The pixels `[H, W]` whose middles lie in an `xywh` box `[4]`: what a tracker of boxes says of a mask.

    A box that is not finite has none.
    """
    x, y = _middles(shape)
    left, top, width, height = np.asarray(box, np.float64)
    return (x >= left) & (x < left + width) & (y >= top) & (y < top + height)


def ellipse_mask(box: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The pixels `[H, W]` whose middles lie in the upright ellipse inside an `xywh` box `[4]`."""
    x, y = _middles(shape)
    left, top, width, height = np.asarray(box, np.float64)
    across, down = (np.maximum(side, 1e-9) / 2 for side in (width, height))
    return ((x - left - width / 2) / across)**2 + ((y - top - height / 2) / down)**2 <= 1


def _middles(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Places of columns `[1, W]` and rows `[H, 1]`, a pixel `i` covering `i` to `i + 1`."""
    return np.arange(shape[1])[None] + 0.5, np.arange(shape[0])[:, None] + 0.5


def _mean(values: np.ndarray) -> float:
    return float("nan") if np.isnan(values).all() else float(np.nanmean(values))


def _check(mask: np.ndarray, truth: np.ndarray, void: np.ndarray | None) -> None:
    shapes = [np.shape(image) for image in (mask, truth, void) if image is not None]
    if len(set(shapes)) > 1 or len(shapes[0]) != 2:
        raise DataError(f"masks of shapes {', '.join(map(str, shapes))}", "result",
                        "give masks of the frames' size, one object each")
    if any(np.asarray(image).dtype != bool for image in (mask, truth, void) if image is not None):
        raise DataError("masks that are not True or False", "result", "compare each object's number with the mask")
