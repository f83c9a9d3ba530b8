"""Context patches: the square around an object, at the scale where its exemplar square is 127 px wide."""

from __future__ import annotations

import numpy as np

from siamjax.ops.crops import context_side


def context_patch(
    image: np.ndarray,
    box: np.ndarray,
    mean: np.ndarray,
    *,
    size: int,
    exemplar_size: int = 127,
    context: float = 0.5,
) -> tuple[np.ndarray, np.ndarray]:
    """Cuts the square centred on a box and resizes it bilinearly.

    Unlike the references' crops (SPEC 1.3), which round centre and side to whole pixels, the square is cut
    where it is, to a fraction of a pixel. Where it shrinks by 2 or more, blocks of whole pixels are averaged
    first, so that fine texture does not alias.

    Args:
      image: `[H, W, 3]` uint8 RGB.
      box: `[4]` `xywh` of the object, image pixels; its sides are positive.
      mean: `[3]` mean colour of the image, rounded to fill what lies outside it.
      size: side of the patch, px.
      exemplar_size: px that the exemplar square takes in the patch.
      context: margin of the exemplar square (SPEC 1.1).

    Returns:
      `[size, size, 3]` uint8 patch, and `[4]` float32 `xywh` of the object in it, patch pixels.
    """
    x, y, width, height = (float(value) for value in box)
    scale = exemplar_size / context_side(width, height, context)  # patch px per image px
    side = size / scale
    left, top = x + width / 2 - side / 2, y + height / 2 - side / 2
    step = max(1, int(1 / scale))

    x0, y0 = int(np.floor(left)) - step, int(np.floor(top)) - step
    cells = int(np.ceil(side / step)) + 3
    canvas = _window(image, x0, y0, cells * step, np.rint(mean).astype(np.uint8))
    if step > 1:
        canvas = canvas.reshape(cells, step, cells, step, 3).mean(axis=(1, 3), dtype=np.float32)

    offsets = (np.arange(size) + 0.5) / scale  # of patch pixels' centres from the square's corner, image px
    columns = _taps((left - x0 + offsets) / step - 0.5)
    rows = _taps((top - y0 + offsets) / step - 0.5)
    patch = _mix_columns(_mix_rows(canvas, *rows), *columns)
    half = size / 2
    new_box = np.array([half - width * scale / 2, half - height * scale / 2, width * scale, height * scale])
    return np.rint(patch).astype(np.uint8), new_box.astype(np.float32)


def _window(image: np.ndarray, x0: int, y0: int, side: int, colour: np.ndarray) -> np.ndarray:
    """`[side, side, 3]` uint8 of the image from `(x0, y0)`, `colour` outside it."""
    height, width = image.shape[:2]
    if 0 <= x0 <= width - side and 0 <= y0 <= height - side:
        return image[y0 : y0 + side, x0 : x0 + side]
    canvas = np.empty((side, side, 3), np.uint8)
    canvas.reshape(side, -1)[:] = np.tile(colour, side)  # whole rows at once: filling pixel by pixel is slow
    ys, xs = slice(max(0, y0), min(height, y0 + side)), slice(max(0, x0), min(width, x0 + side))
    if ys.start < ys.stop and xs.start < xs.stop:
        canvas[ys.start - y0 : ys.stop - y0, xs.start - x0 : xs.stop - x0] = image[ys, xs]
    return canvas


def _taps(position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    floor = np.floor(position)
    return floor.astype(np.intp), (position - floor).astype(np.float32)


def _mix_rows(pixels: np.ndarray, index: np.ndarray, weight: np.ndarray) -> np.ndarray:
    first = pixels[index].astype(np.float32)
    second = pixels[index + 1].astype(np.float32)
    second -= first
    second *= weight[:, None, None]
    first += second
    return first


def _mix_columns(pixels: np.ndarray, index: np.ndarray, weight: np.ndarray) -> np.ndarray:
    # Gathering single values of flat rows is 2.5 times faster in numpy than gathering pixels of three.
    flat = pixels.reshape(len(pixels), -1)
    values = (3 * index[:, None] + np.arange(3)).ravel()
    first, second = flat[:, values], flat[:, values + 3]
    second -= first
    second *= np.repeat(weight, 3)
    first += second
    return first.reshape(len(pixels), -1, 3)
