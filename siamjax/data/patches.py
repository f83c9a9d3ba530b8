"""Context patches: what lies around an object, and its mask, where its exemplar crop is 127 px wide."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from siamjax.ops.crops import context_side

ALIGNED = 1 / 1024  # px


def context_patch(
    image: np.ndarray,
    box: np.ndarray,
    *,
    size: int,
    exemplar_size: float = 127,
    context: float = 0.5,
    squeezed: bool = False,
    colour: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Cuts the square centred on a box, or what is squeezed to one, and resizes it bilinearly.

    Unlike the references' crops, which round centre and side to whole pixels, the square is cut
    where it is, to a fraction of a pixel. Where it shrinks by 2 or more, blocks of whole pixels are averaged
    first, so that fine texture does not alias.

    Args:
      image: `[H, W, 3]` uint8 RGB.
      box: `[4]` `xywh` of the object, image pixels; its sides are positive.
      size: side of the patch, px.
      exemplar_size, context, squeezed: see `patch_scale`.
      colour: `[3]` uint8 of what lies outside the image; None for the image's mean, rounded.

    Returns:
      `[size, size, 3]` uint8 patch, and `[4]` float32 `xywh` of the object in it, patch pixels.
    """
    corner, scale = _window(box, size, exemplar_size, context, squeezed)
    patch = _resample(image, corner, scale, size, colour)
    sides = np.asarray(box[2:], np.float64) * scale
    return patch, np.concatenate([size / 2 - sides / 2, sides]).astype(np.float32)


def context_mask(
    mask: np.ndarray, box: np.ndarray, *, size: int, exemplar_size: float = 127, context: float = 0.5,
    squeezed: bool = False,
) -> np.ndarray:
    """Cuts an object's mask `[H, W]` bool as `context_patch` cuts its image.

    Returns:
      `[size, size]` uint8, how much of each pixel is the object's, 0..255; 0 outside the image.
    """
    corner, scale = _window(box, size, exemplar_size, context, squeezed)
    # Not a view of the bytes: those of Pillow's bools are 255.
    levels = np.where(mask[..., None], np.uint8(255), np.uint8(0))
    return _resample(levels, corner, scale, size, np.zeros(1, np.uint8))[..., 0]


def patch_scale(
    width: float, height: float, *, exemplar_size: float, context: float, squeezed: bool = False
) -> np.ndarray:
    """Patch px per image px, `[2]` along x and y, for a `width` x `height` object.

    Args:
      width, height: of the object's box, image pixels.
      exemplar_size: px that the exemplar crop takes in the patch.
      context: margin of the exemplar crop: of a square as `ops.crops.context_side` has it; of a squeezed one, as
        `ops.crops.box_window` does.
      squeezed: the exemplar crop has the box's aspect, and is squeezed to a square.
    """
    if squeezed:
        return exemplar_size / ((1 + 2 * context) * np.array([width, height]))
    return np.full(2, exemplar_size / context_side(width, height, context))


def _window(
    box: np.ndarray, size: int, exemplar_size: float, context: float, squeezed: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Left upper corner `[2]`, image px, of what a patch shows; and patch px per image px `[2]`."""
    x, y, width, height = (float(value) for value in box)
    scale = patch_scale(width, height, exemplar_size=exemplar_size, context=context, squeezed=squeezed)
    return np.array([x + width / 2, y + height / 2]) - size / scale / 2, scale


def mean_colour(image: np.ndarray) -> np.ndarray:
    """`[C]` float64 mean of `[H, W, C]` uint8, exact; rows are added as integers, 15 times as fast as `mean` is."""
    columns = image.reshape(len(image), -1).sum(axis=0, dtype=np.uint32)
    return columns.reshape(image.shape[1:]).sum(axis=0, dtype=np.int64) / (image.shape[0] * image.shape[1])


def _resample(
    image: np.ndarray, corner: np.ndarray, scale: np.ndarray, size: int, colour: np.ndarray | None
) -> np.ndarray:
    """`[size, size, C]` uint8 of the part of an image `[H, W, C]` at `corner`, `colour` (or its mean) outside."""
    # Only what the image reaches is resampled: the rest, most of the patch of a large object, has one colour.
    columns, rows = (_Axis.make(corner[axis], scale[axis], size, image.shape[1 - axis]) for axis in (0, 1))
    place = columns.start, rows.start, columns.cells * columns.step, rows.cells * rows.step
    whole = columns.fills(size) and rows.fills(size)
    if whole and _lies_in(image, *place):
        patch, colour = np.empty((size, size, image.shape[2]), np.uint8), np.zeros(image.shape[2], np.uint8)
    else:
        colour = np.rint(mean_colour(image)).astype(np.uint8) if colour is None else colour
        patch = _filled(size, size, colour)
    if columns.cells and rows.cells:
        canvas = _cut(image, *place, colour)
        if columns.aligned and rows.aligned:
            mixed = canvas[rows.index[0] : rows.index[-1] + 1, columns.index[0] : columns.index[-1] + 1]
        else:
            canvas = _block_means(canvas, rows.step, columns.step)
            mixed = _mix_columns(_mix_rows(canvas, rows.index, rows.weight), columns.index, columns.weight)
            np.rint(mixed, out=mixed)
        patch[rows.reached, columns.reached] = mixed
    return patch


class _Axis(NamedTuple):
    """How one axis of a patch is sampled from cells, blocks of `step` image px.

    Attributes:
      start: of the cells, image px.
      step: image px a cell.
      cells: their number; 0 where the patch does not reach the image.
      reached: the patch pixels that take something from the image.
      index, weight: `[n]` of each of those, its first cell and the part of the second.
      aligned: the patch pixels are cells, one after the other; nothing is to be mixed.
    """

    start: int
    step: int
    cells: int
    reached: slice
    index: np.ndarray
    weight: np.ndarray
    aligned: bool = False

    def fills(self, size: int) -> bool:
        """Whether all `size` pixels of the patch take something from the image."""
        return self.reached.stop - self.reached.start == size

    @classmethod
    def make(cls, edge: float, scale: float, size: int, length: int) -> _Axis:
        step = max(1, int(1 / scale))
        offsets = (np.arange(size) + 0.5) / scale  # of patch pixels' centres from the edge, image px
        origin = int(np.floor(edge)) - step
        position = (edge - origin + offsets) / step - 0.5
        nearest = np.rint(position)
        # Crops that were cut before lie so, but for the rounding of their boxes; no pixel changes by half a level.
        aligned = step == 1 and bool(np.abs(position - nearest).max() < ALIGNED)
        position = nearest if aligned else position
        floor = np.floor(position)
        first = floor.astype(np.intp)
        # Cells low..high lie in the image, in part at least; one more on each side blends into the colour.
        low, high = -origin // step, (length - 1 - origin) // step
        reached = slice(*np.searchsorted(first, [low - 1, high + 1]).tolist())
        first = first[reached]
        if not len(first):
            return cls(0, step, 0, reached, first, np.empty(0, np.float32))
        begin = int(first[0])
        weight = (position - floor).astype(np.float32)[reached]
        return cls(origin + begin * step, step, int(first[-1]) + 2 - begin, reached, first - begin, weight,
                   aligned)


def _cut(
    image: np.ndarray, x0: int, y0: int, width: int, height: int, colour: np.ndarray
) -> np.ndarray:
    """`[height, width, C]` uint8 of the image from `(x0, y0)`, `colour` outside it."""
    rows, columns = image.shape[:2]
    if _lies_in(image, x0, y0, width, height):
        return image[y0 : y0 + height, x0 : x0 + width]
    canvas = _filled(height, width, colour)
    ys, xs = slice(max(0, y0), min(rows, y0 + height)), slice(max(0, x0), min(columns, x0 + width))
    if ys.start < ys.stop and xs.start < xs.stop:
        canvas[ys.start - y0 : ys.stop - y0, xs.start - x0 : xs.stop - x0] = image[ys, xs]
    return canvas


def _lies_in(image: np.ndarray, x0: int, y0: int, width: int, height: int) -> bool:
    return 0 <= x0 <= image.shape[1] - width and 0 <= y0 <= image.shape[0] - height


def _block_means(pixels: np.ndarray, row_step: int, column_step: int) -> np.ndarray:
    """`[H / row_step, W / column_step, C]` float32 means of blocks of uint8; the pixels themselves where both are 1.

    The sums are whole numbers and exact, and what `mean` over the two axes gives, 20 times as fast.
    """
    if row_step == column_step == 1:
        return pixels
    channels = pixels.shape[2]
    bands = pixels.reshape(len(pixels) // row_step, row_step, -1)
    sums = bands[:, 0].astype(np.uint32 if row_step > 257 else np.uint16)
    for row in range(1, row_step):
        sums += bands[:, row]
    # As in `_mix_columns`: single values are gathered.
    values = np.arange(0, sums.shape[1], column_step * channels)[:, None] + np.arange(channels)
    blocks = sums[:, values.ravel()].astype(np.float32)
    for column in range(1, column_step):
        blocks += sums[:, (values + column * channels).ravel()]
    blocks /= np.float32(row_step * column_step)
    return blocks.reshape(len(blocks), -1, channels)


def _filled(height: int, width: int, colour: np.ndarray) -> np.ndarray:
    canvas = np.empty((height, width, len(colour)), np.uint8)
    canvas.reshape(height, -1)[:] = np.tile(colour, width)  # whole rows: filling pixel by pixel is slow
    return canvas


def _mix_rows(pixels: np.ndarray, index: np.ndarray, weight: np.ndarray) -> np.ndarray:
    first = pixels[index].astype(np.float32)
    second = pixels[index + 1].astype(np.float32)
    second -= first
    second *= weight[:, None, None]
    first += second
    return first


def _mix_columns(pixels: np.ndarray, index: np.ndarray, weight: np.ndarray) -> np.ndarray:
    # Gathering single values of flat rows is faster in NumPy than gathering pixels of three, and `take` than an index.
    channels = pixels.shape[2]
    flat = pixels.reshape(len(pixels), -1)
    values = (channels * index[:, None] + np.arange(channels)).ravel()
    first, second = np.take(flat, values, axis=1), np.take(flat, values + channels, axis=1)
    second -= first
    second *= np.repeat(weight, channels)
    first += second
    return first.reshape(len(pixels), -1, channels)
