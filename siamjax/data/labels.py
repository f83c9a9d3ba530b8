"""Label images: files with a number for each pixel, 0 where no object is, as DAVIS and YouTube-VOS have them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image

from siamjax.errors import DataError, SourceError
from siamjax.outputs import whole_file

VOID = 255  # in an indexed file: pixels that nobody could tell
MOST_OBJECTS = 64  # more numbers than that are the grey rim of a smoothed mask


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
    """Reads an indexed or grey PNG with one number an object.

    Every number but 0 is an object. In an indexed file 255 beside other numbers is void (DAVIS) and no object; a
    grey file of 0 and 255 is the mask of one object. A colour file whose channels are equal is grey; alpha is
    dropped.
    Raises:
      SourceError: no such file, or no PNG that decodes.
      DataError: colours instead of numbers, numbers beyond 255, no object, or more than `MOST_OBJECTS`.
    """
    path = Path(path)
    numbers, is_indexed = _read(path)
    ids = [int(number) for number in np.unique(numbers) if number]
    if is_indexed and len(ids) > 1:
        ids = [number for number in ids if number != VOID]
    if not ids:
        raise DataError("the mask is empty: all of its pixels are 0", str(path),
                        "draw each object in a number of its own, 1 to 255")
    if len(ids) > MOST_OBJECTS:
        raise DataError(f"the mask has {len(ids)} different numbers", str(path),
                        f"give one number an object, {MOST_OBJECTS} at most; a smoothed mask must be made black "
                        "and white first")
    new = np.zeros(256, np.uint8)
    new[ids] = np.arange(1, len(ids) + 1)
    labels = new[numbers]
    return Objects(labels, tuple(ids), np.stack([box_of(labels == n) for n in range(1, len(ids) + 1)]))


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


def _read(path: Path) -> tuple[np.ndarray, bool]:
    """Numbers `[H, W]` uint8, and whether they are indices into a palette."""
    try:
        with Image.open(path) as image:
            kind, mode, pixels = image.format, image.mode, np.asarray(image)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else "it is no image that decodes"
        raise SourceError(f"the mask cannot be read: {reason}", str(path), "give a PNG file") from error
    if kind != "PNG":
        raise SourceError(f"the mask is a {kind} file", str(path), "save it as PNG, which keeps its numbers")
    if mode in ("RGB", "RGBA", "LA"):
        channels = pixels[..., :3] if mode != "LA" else pixels[..., :1]
        if (channels != channels[..., :1]).any():
            raise DataError("the mask is a colour picture, without numbers for its objects", str(path),
                            "save it as an indexed or grey PNG with one number an object")
        pixels = channels[..., 0]
    if pixels.max() > 255:
        raise DataError(f"the mask has numbers up to {pixels.max()}", str(path), "use 1 to 255")
    return pixels.astype(np.uint8), mode == "P"


def _palette() -> list[int]:
    """256 colours, as PASCAL VOC and DAVIS number them: each bit of a number sets one of a channel's."""
    number = np.arange(256)[:, None]
    colours = sum((number >> (3 * bit + np.arange(3)[None]) & 1) << (7 - bit) for bit in range(8))
    return np.asarray(colours, np.uint8).ravel().tolist()
