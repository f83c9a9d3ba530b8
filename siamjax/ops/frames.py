"""Images of any usual kind to uint8 RGB, padded to a few bucket sizes so that one compile serves many videos.

Everything here is numpy on the host: the pixels cross to the device as one `Frame`.
"""

from __future__ import annotations

import numpy as np

from siamjax.errors import SourceError
from siamjax.types import Frame, UInt8

MAX_SIDE = 16384  # px; a larger side is taken for a damaged header and refused before anything is allocated
FULL_RANGE = (0, 65535)  # the 16-bit values that are black and white
BAND = 1 << 20  # pixels that are looked up at once: numpy makes 8 bytes of each


def to_rgb8(image: np.ndarray, *, where: str = "frame",
            levels: tuple[int, int] = FULL_RANGE) -> UInt8[np.ndarray, "H W 3"]:
    """Converts an integer image to `[H, W, 3]` uint8 RGB.

    Args:
      image: `[H, W]`, or `[H, W, C]` with C = 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha); bool,
        uint8 or uint16 of any byte order. Alpha is dropped, as OpenCV and Pillow drop it: the colours under it are
        kept. bool becomes 0 and 255.
      where: what the error should name, e.g. a file.
      levels: the 16-bit values, the first below the second, that become 0 and 255; those between are scaled and
        rounded, those beyond are clipped.

    Returns:
      `[H, W, 3]` uint8; the input itself where it already is that.

    Raises:
      SourceError: another shape or dtype (floats have no agreed range), or a side of 0 or over `MAX_SIDE`.
    """
    image = np.asarray(image)
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 2, 3, 4)):
        raise SourceError(
            f"an array of shape {image.shape} is not an image",
            where=where,
            do="give [H, W], or [H, W, C] with 1 to 4 channels last",
        )
    _check_size(image.shape[0], image.shape[1], where)
    if image.ndim == 2:
        image = image[..., None]
    channels = image.shape[2]
    image = image[..., : 1 if channels <= 2 else 3]
    if image.dtype == np.bool_:
        image = image.astype(np.uint8) * np.uint8(255)
    elif image.dtype.kind == "u" and image.dtype.itemsize == 2:
        image = _scaled(image, *levels)
    elif image.dtype != np.uint8:
        raise SourceError(
            f"an image of {image.dtype} has no agreed range",
            where=where,
            do="convert it to uint8 in 0..255 first (for 0..1 floats: (255 * image).round().astype('uint8'))",
        )
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image


def _scaled(image: np.ndarray, black: int, white: int) -> np.ndarray:
    """uint8 of 16-bit values, `black` to 0 and `white` to 255; bands of rows, so that memory is that of the result."""
    table = np.rint((np.arange(65536) - black).clip(0, white - black) * (255 / (white - black))).astype(np.uint8)
    scaled = np.empty(image.shape, np.uint8)
    rows = max(1, BAND // (image.shape[1] * image.shape[2]))
    for first in range(0, len(image), rows):
        scaled[first : first + rows] = table[image[first : first + rows]]
    return scaled


def bucket(height: int, width: int) -> tuple[int, int]:
    """Padded `(height, width)` px of a frame: the next multiple of 64 up to 512, of 128 beyond.

    Raises:
      SourceError: a side of 0 or over `MAX_SIDE`.
    """
    _check_size(height, width, "frame")
    return _bucket_side(height), _bucket_side(width)


def pad(pixels: UInt8[np.ndarray, "h w 3"], shape: tuple[int, int] | None = None) -> Frame:
    """Pads with zeros at the right and bottom; the leaves are numpy.

    Args:
      pixels: uint8 RGB.
      shape: padded `(H, W)` px; by default the `bucket` of the image.

    Raises:
      SourceError: the image is larger than `shape`.
    """
    height, width = pixels.shape[:2]
    shape = bucket(height, width) if shape is None else shape
    if height > shape[0] or width > shape[1]:
        raise SourceError(
            f"a frame of {width}x{height} px does not fit the padded {shape[1]}x{shape[0]} px",
            where="frame",
            do="start tracking anew where the size of the video changes",
        )
    padded = np.zeros((*shape, 3), np.uint8)
    padded[:height, :width] = pixels
    return Frame(padded, np.array([height, width], np.int32), np.bool_(True))


def blank(shape: tuple[int, int], extent: tuple[int, int]) -> Frame:
    """A `Frame` that says `valid = False`: it stands for one that could not be decoded.

    Args:
      shape: padded `(H, W)` px, that of the frames around it.
      extent: true `(h, w)` px of the frames around it; the tracker divides by it, so it is never 0.
    """
    return Frame(np.zeros((*shape, 3), np.uint8), np.array(extent, np.int32), np.bool_(False))


def _bucket_side(side: int) -> int:
    step = 64 if side <= 512 else 128
    return -(-side // step) * step


def _check_size(height: int, width: int, where: str) -> None:
    if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
        raise SourceError(
            f"an image of {width}x{height} px cannot be used",
            where=where,
            do=f"give sides of 1 to {MAX_SIDE} px",
        )
