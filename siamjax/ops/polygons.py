"""Convex polygons, such as rotated boxes: areas and overlaps, exact. NumPy on the host, float64.

Corners are `[P, 2]` (x, y), in order, either way round.
"""

from __future__ import annotations

import numpy as np

from siamjax.types import Float, Real


def area(polygon: Real[np.ndarray, "P 2"]) -> float:
    """Area of a polygon `[P, 2]`; 0 for fewer than three corners."""
    return abs(_signed_area(np.asarray(polygon, np.float64)))


def intersection(polygon: Real[np.ndarray, "P 2"], other: Real[np.ndarray, "Q 2"]) -> Float[np.ndarray, "_ 2"]:
    """Corners `[Q, 2]` of what two convex polygons share; none where they are apart.

    Source: Sutherland and Hodgman 1974.
    """
    left = np.asarray(polygon, np.float64)
    window = np.asarray(other, np.float64)
    window = window if _signed_area(window) >= 0 else window[::-1]
    for start, end in zip(window, np.roll(window, -1, axis=0)):
        if not len(left):
            break
        edge = end - start
        side = edge[0] * (left[:, 1] - start[1]) - edge[1] * (left[:, 0] - start[0])
        kept = []
        for i, corner in enumerate(left):
            if (side[i] >= 0) != (side[i - 1] >= 0):
                kept.append(left[i - 1] + (corner - left[i - 1]) * side[i - 1] / (side[i - 1] - side[i]))
            if side[i] >= 0:
                kept.append(corner)
        left = np.array(kept).reshape(-1, 2)
    return left


def iou(polygon: Real[np.ndarray, "P 2"], other: Real[np.ndarray, "Q 2"],
        frame_size: tuple[int, int] | None = None) -> float:
    """Intersection over union of two convex polygons; 0 where the union has no area.

    Args:
      frame_size: `(width, height)`; what lies beyond the frame counts for neither, as in VOT.
    """
    if frame_size is not None:
        width, height = frame_size
        frame = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
        polygon, other = intersection(polygon, frame), intersection(other, frame)
    shared = area(intersection(polygon, other)) if len(polygon) and len(other) else 0.0
    union = area(polygon) + area(other) - shared
    return shared / union if union > 0 else 0.0


def _signed_area(polygon: np.ndarray) -> float:
    if len(polygon) < 3:
        return 0.0
    x, y = (polygon - polygon[:1]).T  # short coordinates keep the difference of large products
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
