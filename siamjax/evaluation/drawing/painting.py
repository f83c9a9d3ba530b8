"""Masks, outlines and words painted onto frames, in place."""

from __future__ import annotations

import functools
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
WHITE = (255, 255, 255)
SHADE = (0, 0, 0)
INNER, RIM = 0.4, 0.85  # how much of a mask's pixels is its colour, inside and along its outline
DASH, GAP = 5.0, 2.5  # of a dashed line, in its thicknesses


def strokes(thickness: float, colour: Colour, *, dashed: bool) -> tuple[tuple[float, Colour, float], ...]:
    """A line over a dark rim that shows on any ground: half its width, its colour and its share, in order."""
    return ((thickness / 2 + 1, SHADE, 0.3 if dashed else 0.45), (thickness / 2, colour, 0.6 if dashed else 1.0))


def tint(canvas: np.ndarray, mask: np.ndarray, colour: Colour, strength: float = 1.0) -> None:
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


def outline_polygon(canvas: np.ndarray, corners: np.ndarray, colour: Colour, thickness: float, *,
                    dashed: bool = False, closed: bool = True) -> None:
    """Draws the edges of a polygon `[P, 2]` over a dark rim, `thickness` px wide, smooth at any angle.

    Without the last edge unless it is `closed`. Corners are (x, y), pixel centres at integers. One that is not finite
    is not drawn.
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
    ends = np.roll(corners, -1, axis=0)
    for start, end in list(zip(corners, ends))[:None if closed else -1]:
        length = max(float(np.hypot(*(end - start))), 1e-6)
        dx, dy = (end - start) / length
        along = (x - np.float32(start[0])) * np.float32(dx) + (y - np.float32(start[1])) * np.float32(dy)
        across = (y - np.float32(start[1])) * np.float32(dx) - (x - np.float32(start[0])) * np.float32(dy)
        beyond = np.maximum(np.maximum(-along, along - np.float32(length)), 0)
        far = np.hypot(across, beyond)
        if dashed:
            far[(along % ((DASH + GAP) * thickness)) > DASH * thickness] = np.inf
        distance = np.minimum(distance, far)
    window = canvas[top:bottom, left:right]
    for half, paint, alpha in strokes(thickness, colour, dashed=dashed):
        share = alpha * np.clip(np.float32(half) + 0.5 - distance, 0, 1)[..., None]
        window[...] = np.rint(window + share * (np.asarray(paint, np.float32) - window))


def outline_box(canvas: np.ndarray, box: np.ndarray, colour: Colour, thickness: float, *,
                dashed: bool = False) -> None:
    """Draws the edges of an `xywh` box `[4]`, `thickness` px wide about its border, over a dark rim.

    One that is not finite is not drawn.
    """
    if not np.isfinite(box).all():
        return
    x0, y0, x1, y1 = box[0], box[1], box[0] + max(box[2], 0.0), box[1] + max(box[3], 0.0)
    for half, paint, alpha in strokes(thickness, colour, dashed=dashed):
        # Top and bottom span the corners, left and right lie between them: no pixel is painted twice.
        edges = [(x0 - half, y - half, x1 + half, y + half, True) for y in (y0, y1)]
        edges += [(x - half, y0 + half, x + half, y1 - half, False) for x in (x0, x1)]
        for left, top, right, bottom, is_level in edges:
            if not dashed:
                fill(canvas, left, top, right, bottom, paint, alpha)
            elif is_level:
                for start, stop in _dashes(left, right, canvas.shape[1], DASH * thickness):
                    fill(canvas, start, top, stop, bottom, paint, alpha)
            else:
                for start, stop in _dashes(top, bottom, canvas.shape[0], DASH * thickness):
                    fill(canvas, left, start, right, stop, paint, alpha)


def fill(canvas: np.ndarray, x0: float, y0: float, x1: float, y1: float, colour: Colour, alpha: float) -> None:
    """Blends an upright rectangle in, each pixel by the share of its area that is covered."""
    height, width = canvas.shape[:2]
    left, right = max(0, math.floor(min(x0, width))), min(width, math.ceil(max(x1, 0)))
    top, bottom = max(0, math.floor(min(y0, height))), min(height, math.ceil(max(y1, 0)))
    if left >= right or top >= bottom:
        return
    columns, rows = np.arange(left, right), np.arange(top, bottom)
    across = np.clip(np.minimum(x1, columns + 1) - np.maximum(x0, columns), 0, 1)
    down = np.clip(np.minimum(y1, rows + 1) - np.maximum(y0, rows), 0, 1)
    share = alpha * down[:, None, None] * across[None, :, None]
    window = canvas[top:bottom, left:right]
    window[...] = np.rint(window + share * (np.asarray(colour) - window.astype(np.float64)))


def label(canvas: np.ndarray, box: np.ndarray, text: str, colour: Colour, font_size: int, alpha: float, *,
          centred: bool = False) -> None:
    """Writes `text` on a plate of `colour` above the box, at its left or its middle, or inside where the frame ends."""
    mask = _text_mask(text, font_size)
    high, wide = min(mask.shape[0], canvas.shape[0]), min(mask.shape[1], canvas.shape[1])
    above = box[1] - high - 2
    top = int(np.clip(above if above >= 0 else box[1] + 2, 0, canvas.shape[0] - high))
    start = box[0] + (box[2] - wide) / 2 if centred else box[0] - 1
    left = int(np.clip(start, 0, canvas.shape[1] - wide))
    fill(canvas, left, top, left + wide, top + high, colour, alpha)
    window = canvas[top : top + high, left : left + wide]
    window[...] = np.rint(window * (1 - mask[:high, :wide, None]))


def _dashes(start: float, stop: float, limit: int, length: float) -> list[tuple[float, float]]:
    """Dashes of `length` with gaps of half of it from `start` to `stop`, those within 0..limit."""
    period = (1 + GAP / DASH) * length
    first = max(0, math.floor(-start / period))
    last = math.ceil((min(stop, limit) - start) / period)
    begins = (start + k * period for k in range(first, last))
    return [(begin, min(begin + length, stop)) for begin in begins]


@functools.lru_cache(maxsize=256)
def _text_mask(text: str, font_size: int) -> np.ndarray:
    """Coverage `[h, w]` in 0..1 of a line of text with a small margin; ascenders set the height."""
    font = ImageFont.load_default(font_size)
    left, _, right, _ = font.getbbox(text)
    margin = max(2, font_size // 5)
    size = (math.ceil(right - left) + 2 * margin, font_size + 2 * margin)
    image = Image.new("L", size)
    ImageDraw.Draw(image).text((margin - left, size[1] / 2), text, fill=255, font=font, anchor="lm")
    return np.asarray(image, np.float64) / 255
