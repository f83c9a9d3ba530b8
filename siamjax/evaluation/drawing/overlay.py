"""Boxes and masks drawn on frames, and frames set side by side."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from siamjax.errors import ConfigError
from siamjax.evaluation.drawing.painting import outline_polygon, tint

# Told apart by the colour-blind too (Okabe and Ito 2008, brightened for video); targets beyond eight repeat.
COLOURS = (
    (255, 176, 0), (64, 186, 255), (0, 214, 143), (255, 110, 64),
    (240, 228, 66), (226, 134, 196), (120, 140, 255), (190, 190, 190),
)  # fmt: skip
TRUTH_COLOUR = (255, 255, 255)
SHADE = (0, 0, 0)
LOST_TINT = 0.4  # of a mask's usual tint, where its target is lost


def draw(
    pixels: np.ndarray,
    boxes: np.ndarray,
    *,
    scores: np.ndarray | None = None,
    lost: np.ndarray | None = None,
    truth: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    polygons: np.ndarray | None = None,
) -> np.ndarray:
    """A copy of a frame with boxes on it, each in its target's colour.

    Args:
      pixels: `[H, W, 3]` uint8 RGB.
      boxes: `[N, 4]` xywh, one a target; a row that is not finite is not drawn.
      scores: `[N]` in 0..1, written at the boxes.
      lost: `[N]` bool; a lost target's box is dashed and dimmed.
      truth: `[M, 4]` or `[4]` true boxes, in white.
      labels: `[H, W]` uint8, `n + 1` where target `n` is; its pixels are tinted, those of a lost target less.
      polygons: `[N, 4, 2]` corners (x, y) of a rotated box a target, pixel centres at integers, drawn in the box's
        place.
    Returns:
      `[H, W, 3]` uint8.
    """
    canvas = np.array(pixels, np.uint8)
    shortest = min(canvas.shape[:2])
    thickness = max(2.0, shortest / 240)
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    if labels is not None:
        for target in range(len(boxes)):
            is_lost = lost is not None and bool(lost[target])
            tint(canvas, labels == target + 1, COLOURS[target % len(COLOURS)], LOST_TINT if is_lost else 1.0)
    if truth is not None:
        for box in np.asarray(truth, np.float64).reshape(-1, 4):
            _outline(canvas, box, TRUTH_COLOUR, thickness)
    for target, box in enumerate(boxes):
        colour = COLOURS[target % len(COLOURS)]
        is_lost = lost is not None and bool(lost[target])
        if polygons is None:
            _outline(canvas, box, colour, thickness, dashed=is_lost)
        else:
            outline_polygon(canvas, polygons[target], colour, SHADE, thickness, dashed=is_lost)
            box = np.concatenate([polygons[target].min(axis=0), np.ptp(polygons[target], axis=0)])  # words go there
        words = [f"{target}:"] if len(boxes) > 1 else []
        words += ["lost"] if is_lost else []
        words += [f"{scores[target]:.2f}"] if scores is not None and np.isfinite(scores[target]) else []
        if words and np.isfinite(box).all():
            _label(canvas, box, " ".join(words), colour, max(11, shortest // 28), 0.6 if is_lost else 0.9,
                   centred=polygons is not None)
    return canvas


def contact_sheet(
    pictures: Sequence[np.ndarray], labels: Sequence[str] = (), *, columns: int = 4, width: int = 320
) -> np.ndarray:
    """Pictures side by side, row by row, each scaled to `width` px and centred in its cell.

    Args:
      pictures: uint8 RGB `[h, w, 3]` of any sizes; at least one.
      labels: a word for each picture, written in its corner; none at all, or one each.
      columns: pictures in a row.
      width: of a picture, px.
    Returns:
      `[H, W, 3]` uint8.
    """
    if not pictures or len(labels) not in (0, len(pictures)):
        raise ConfigError(
            f"{len(pictures)} pictures with {len(labels)} labels", "contact sheet", "give one label each"
        )
    tiles = [_scaled(picture, width) for picture in pictures]
    columns = min(columns, len(tiles))
    height = max(tile.shape[0] for tile in tiles)
    gap = 4
    rows = -(-len(tiles) // columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 24, np.uint8)
    for index, tile in enumerate(tiles):
        if labels:
            _label(tile, np.array([0.0, 0, 0, 0]), labels[index], TRUTH_COLOUR, max(11, width // 24), 0.85)
        top = gap + (index // columns) * (height + gap) + (height - tile.shape[0]) // 2
        left = gap + (index % columns) * (width + gap)
        sheet[top : top + tile.shape[0], left : left + width] = tile
    return sheet


def _outline(
    canvas: np.ndarray, box: np.ndarray, colour: tuple, thickness: float, dashed: bool = False
) -> None:
    """Draws a box's edges, `thickness` px wide about its border, over a dark rim that shows on any ground."""
    if not np.isfinite(box).all():
        return
    x0, y0, x1, y1 = box[0], box[1], box[0] + max(box[2], 0.0), box[1] + max(box[3], 0.0)
    for half, paint, alpha in (
        (thickness / 2 + 1, SHADE, 0.3 if dashed else 0.45),
        (thickness / 2, colour, 0.6 if dashed else 1.0),
    ):
        # Top and bottom span the corners, left and right lie between them: no pixel is painted twice.
        edges = [(x0 - half, y - half, x1 + half, y + half, True) for y in (y0, y1)]
        edges += [(x - half, y0 + half, x + half, y1 - half, False) for x in (x0, x1)]
        for left, top, right, bottom, is_level in edges:
            if not dashed:
                _fill(canvas, left, top, right, bottom, paint, alpha)
            elif is_level:
                for start, stop in _dashes(left, right, canvas.shape[1], 5 * thickness):
                    _fill(canvas, start, top, stop, bottom, paint, alpha)
            else:
                for start, stop in _dashes(top, bottom, canvas.shape[0], 5 * thickness):
                    _fill(canvas, left, start, right, stop, paint, alpha)


def _dashes(start: float, stop: float, limit: int, length: float) -> list[tuple[float, float]]:
    """Dashes of `length` with gaps of half of it from `start` to `stop`, those within 0..limit."""
    period = 1.5 * length
    first = max(0, math.floor(-start / period))
    last = math.ceil((min(stop, limit) - start) / period)
    begins = (start + k * period for k in range(first, last))
    return [(begin, min(begin + length, stop)) for begin in begins]


def _fill(
    canvas: np.ndarray, x0: float, y0: float, x1: float, y1: float, colour: tuple, alpha: float
) -> None:
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


def _label(
    canvas: np.ndarray, box: np.ndarray, text: str, colour: tuple, font_size: int, alpha: float, *,
    centred: bool = False
) -> None:
    """Writes `text` on a plate of `colour` above the box, at its left or its middle, or inside where the frame ends."""
    mask = _text_mask(text, font_size)
    high, wide = min(mask.shape[0], canvas.shape[0]), min(mask.shape[1], canvas.shape[1])
    above = box[1] - high - 2
    top = int(np.clip(above if above >= 0 else box[1] + 2, 0, canvas.shape[0] - high))
    start = box[0] + (box[2] - wide) / 2 if centred else box[0] - 1
    left = int(np.clip(start, 0, canvas.shape[1] - wide))
    _fill(canvas, left, top, left + wide, top + high, colour, alpha)
    window = canvas[top : top + high, left : left + wide]
    window[...] = np.rint(window * (1 - mask[:high, :wide, None]))


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


def _scaled(picture: np.ndarray, width: int) -> np.ndarray:
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    return np.array(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))
