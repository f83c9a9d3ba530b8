"""Masks and rotated boxes painted onto frames, in place."""

from __future__ import annotations

import math

import numpy as np

INNER, RIM = 0.4, 0.85  # how much of a mask's pixels is its colour, inside and along its outline


def tint(canvas: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int], strength: float = 1.0) -> None:
    """Colours the pixels of `mask` `[H, W]` bool, its outline more than its inside, to a share `strength` of 0..1."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    window, inside = canvas[part], mask[part]
    around = np.pad(inside, 1)  # beyond the frame there is nothing, so the outline is closed there too
    core = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:] & inside
    share = strength * np.where(core, INNER, np.where(inside, RIM, 0.0)).astype(np.float32)[..., None]
    window[...] = np.rint(window + share * (np.asarray(colour, np.float32) - window))


def outline_polygon(canvas: np.ndarray, corners: np.ndarray, colour: tuple[int, int, int], shade: tuple[int, int, int],
                    thickness: float, *, dashed: bool = False) -> None:
    """Draws the edges of a polygon `[P, 2]` over a dark rim, `thickness` px wide, smooth at any angle.

    Corners are (x, y), pixel centres at integers. One that is not finite is not drawn.
    """
    corners = np.asarray(corners, np.float64)
    if not np.isfinite(corners).all():
        return
    reach = thickness / 2 + 2
    height, width = canvas.shape[:2]
    # A coordinate far outside would overflow the arithmetic of its line, and nobody sees it.
    corners = np.clip(corners, [-8 * width, -8 * height], [9 * width, 9 * height])
    low, high = corners.min(axis=0) - reach, corners.max(axis=0) + reach
    left, right = max(0, math.floor(low[0])), min(width, math.ceil(high[0]) + 1)
    top, bottom = max(0, math.floor(low[1])), min(height, math.ceil(high[1]) + 1)
    if left >= right or top >= bottom:
        return
    x, y = np.arange(left, right, dtype=np.float32)[None], np.arange(top, bottom, dtype=np.float32)[:, None]
    distance = np.full((bottom - top, right - left), np.inf, np.float32)
    for start, end in zip(corners, np.roll(corners, -1, axis=0)):
        length = max(float(np.hypot(*(end - start))), 1e-6)
        dx, dy = (end - start) / length
        along = (x - np.float32(start[0])) * np.float32(dx) + (y - np.float32(start[1])) * np.float32(dy)
        across = (y - np.float32(start[1])) * np.float32(dx) - (x - np.float32(start[0])) * np.float32(dy)
        beyond = np.maximum(np.maximum(-along, along - np.float32(length)), 0)
        far = np.hypot(across, beyond)
        if dashed:
            far[(along % (7.5 * thickness)) > 5 * thickness] = np.inf
        distance = np.minimum(distance, far)
    window = canvas[top:bottom, left:right]
    for half, paint, alpha in ((thickness / 2 + 1, shade, 0.3 if dashed else 0.45),
                               (thickness / 2, colour, 0.6 if dashed else 1.0)):
        share = alpha * np.clip(np.float32(half) + 0.5 - distance, 0, 1)[..., None]
        window[...] = np.rint(window + share * (np.asarray(paint, np.float32) - window))
