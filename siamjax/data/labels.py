"""Label images: files with a number for each pixel, 0 where no object is, as DAVIS and YouTube-VOS have them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from siamjax.errors import DataError, SourceError
from siamjax.outputs import whole_file

VOID = 255  # in an indexed file: pixels that nobody could tell
MOST_OBJECTS = 64  # more numbers than that are the grey rim of a smoothed mask
WHITE = 255, 65535  # the largest number of a black and white file, of 8 or 16 bits
LOSSY = "JPEG", "WEBP"  # kinds of files whose small numbers are noise


@dataclasses.dataclass(frozen=True)
class Objects:
    """The objects of a label image, numbered anew from 1 in the order of their numbers in the file.

    Attributes:
      labels: `[H, W]` uint8, 0 where none is.
      ids: their numbers in the file.
      boxes: `[N, 4]` float32 `xywh`, the least box of whole pixels round each.
    """

    labels: np.ndarray
    ids: tuple[int, ...]
    boxes: np.ndarray


def read_objects(path: str | Path) -> Objects:
    """Reads the mask that a user starts from: an indexed or grey PNG with one number an object.

    Every number but 0 is an object. In an indexed file 255 beside other numbers is void (DAVIS) and no object; a
    grey file of 0 and 255 (65535, of 16 bits) is the mask of one object. A colour file whose channels are equal is
    grey; alpha is dropped.
    Raises:
      SourceError: no such file, a folder, or no PNG that decodes.
      DataError: colours instead of numbers, numbers beyond 255, no object, or more than `MOST_OBJECTS`.
    """
    path = Path(path)
    numbers, is_indexed = _read(path)
    ids = _objects_of(numbers, is_indexed, path)
    if not ids:
        raise DataError("the mask is empty: all of its pixels are 0", str(path),
                        "draw each object in a number of its own, 1 to 255")
    new = np.zeros(256, np.uint8)
    new[ids] = np.arange(1, len(ids) + 1)
    labels = new[numbers]
    return Objects(labels, tuple(ids), np.stack([box_of(labels == n) for n in range(1, len(ids) + 1)]))


def read_annotation(path: Path) -> np.ndarray:
    """The numbers `[H, W]` uint8 of a mask file of a data set, 0 where no object is; there may be none at all.

    As `read_objects`, void and all, but a grey file that reaches white (255, or 65535 of 16 bits) is the mask of one
    object, with the number 255 where it is lighter than half of that: masks are smoothed when they are resized. A
    JPEG or WebP file is always taken for such, and other kinds than PNG are read too.
    Raises:
      SourceError, DataError: as `read_objects`.
    """
    image = _decode(path)
    if image.kind in LOSSY:
        return _white(image.pixels.reshape(*image.pixels.shape[:2], -1)[..., 0], 255)
    channel = _channel(image, path)
    if not image.is_indexed and channel.max() in WHITE:
        return _white(channel, channel.max())
    numbers = _numbers(channel, path)
    known = np.zeros(256, np.uint8)
    ids = _objects_of(numbers, image.is_indexed, path)
    known[ids] = ids
    return known[numbers]


def boxes_of(numbers: np.ndarray) -> dict[int, np.ndarray]:
    """The box of each object of a label image `[H, W]` uint8, as `box_of` gives it, by its number."""
    present = np.flatnonzero(np.bincount(numbers.ravel(), minlength=1))
    return {int(number): box_of(numbers == number) for number in present if number}


def box_of(mask: np.ndarray) -> np.ndarray:
    """The least box `[4]` float32 `xywh` of whole pixels round a mask `[H, W]` bool that is not empty."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    left, top = columns[0], rows[0]
    return np.array([left, top, columns[-1] + 1 - left, rows[-1] + 1 - top], np.float32)


def read_labels(path: Path) -> np.ndarray:
    """The numbers `[H, W]` uint8 of a file that `write_labels` made.

    Raises:
      SourceError, DataError: as `read_objects`, for the file's kind.
    """
    return _read(path)[0]


def write_labels(path: Path, labels: np.ndarray) -> None:
    """Writes `[H, W]` uint8 as an indexed PNG in the colours of DAVIS, whole or not at all.

    Raises:
      OutputError: it cannot be written.
    """
    image = Image.fromarray(labels)
    image.putpalette(_palette())  # makes an indexed image of a grey one
    with whole_file(path, "wb") as file:
        image.save(file, "PNG")


class _Image(NamedTuple):
    """A file as it is stored: `[H, W]` or `[H, W, C]` pixels, its kind (`PNG`), Pillow's mode of it."""

    pixels: np.ndarray
    kind: str | None
    mode: str

    @property
    def is_indexed(self) -> bool:
        """Whether pixels are indices into a palette."""
        return self.mode == "P"


def _read(path: Path) -> tuple[np.ndarray, bool]:
    """Numbers `[H, W]` uint8 of a PNG file, and whether it is indexed."""
    image = _decode(path)
    if image.kind != "PNG":
        raise SourceError(f"the mask is a {image.kind} file", str(path), "save it as PNG, which keeps its numbers")
    return _numbers(_channel(image, path), path), image.is_indexed


def _decode(path: Path) -> _Image:
    if path.is_dir():
        raise SourceError("the mask is a folder", str(path), "give the PNG file of the first frame; an object that "
                          "appears later needs a run of its own, from the frame where it does")
    try:
        with Image.open(path) as image:
            return _Image(np.asarray(image), image.format, image.mode)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else "it is no image that decodes"
        raise SourceError(f"the mask cannot be read: {reason}", str(path), "give a PNG file") from error


def _channel(image: _Image, path: Path) -> np.ndarray:
    """`[H, W]`, the one channel of a grey or indexed image or of one whose colours are all grey."""
    if image.pixels.ndim == 2:
        return image.pixels
    colours = image.pixels[..., :1] if image.mode == "LA" else image.pixels[..., :3]
    if (colours != colours[..., :1]).any():
        raise DataError("the mask is a colour picture, without numbers for its objects", str(path),
                        "save it as an indexed or grey PNG with one number an object")
    return colours[..., 0]


def _numbers(channel: np.ndarray, path: Path) -> np.ndarray:
    """`[H, W]` uint8; 16-bit black and white becomes that of 8 bits."""
    if channel.max() == WHITE[1] and np.isin(channel, (0, WHITE[1])).all():
        channel = channel // 257
    if channel.max() > 255:
        raise DataError(f"the mask has numbers up to {channel.max()}", str(path), "use 1 to 255")
    return channel.astype(np.uint8)


def _objects_of(numbers: np.ndarray, is_indexed: bool, path: Path) -> list[int]:
    """The numbers that are objects, rising."""
    ids = (np.flatnonzero(np.bincount(numbers.ravel(), minlength=2)[1:]) + 1).tolist()
    if is_indexed and len(ids) > 1:
        ids = [number for number in ids if number != VOID]
    if len(ids) > MOST_OBJECTS:
        raise DataError(f"the mask has {len(ids)} different numbers", str(path),
                        f"give one number an object, {MOST_OBJECTS} at most; a smoothed mask must be made black "
                        "and white first")
    return ids


def _white(channel: np.ndarray, white: int) -> np.ndarray:
    """`[H, W]` uint8, 255 where a black and white image is lighter than half of `white`."""
    return np.where(channel > white // 2, np.uint8(255), np.uint8(0))


def _palette() -> list[int]:
    """256 colours, as PASCAL VOC and DAVIS number them: each bit of a number sets one of a channel's."""
    number = np.arange(256)[:, None]
    colours = sum((number >> (3 * bit + np.arange(3)[None]) & 1) << (7 - bit) for bit in range(8))
    return np.asarray(colours, np.uint8).ravel().tolist()
