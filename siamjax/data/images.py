"""One image file in, one `[H, W, 3]` uint8 RGB array out."""

from __future__ import annotations

import contextlib
import functools
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np
from PIL import Image

from siamjax.data import jpeg, levels, shown
from siamjax.errors import SourceError
from siamjax.ops.frames import FULL_RANGE, to_rgb8

MAX_PIXELS = 3 << 24  # 50 million: a phone's photo, and more than 8K video; a file of a few KB can state any number
FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "PPM", "GIF")  # Pillow's others may start programs
# What those formats begin with. "BM" alone is too little: of its header, the reserved bytes are nought.
STARTS = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|II[*+]\0|MM\0[*+]|RIFF....WEBP|P[1-6]\s|BM....\0\0\0\0",
                    re.DOTALL)


def read_image(path: Path, *, among: Sequence[Path] = (), max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decodes an image file to `[H, W, 3]` uint8 RGB, turned upright by its EXIF orientation.

    What the file holds decides, not its name. Of a file of several pictures (see `stacks`) it is the first.

    Args:
      among: the files of the sequence that it is one of: 16-bit pictures share their black and white, see
        `levels.levels_of`. Without them each picture has its own.
      max_pixels: a picture of more is refused before it is decoded. Pillow's own limit (179 million) holds too.

    Raises:
      SourceError: the file is missing, damaged, cut off, too large or of a kind without an RGB form.
    """
    values = read_values(path, max_pixels)
    return to_rgb8(values, where=str(path), levels=_shared(path, values, among, max_pixels))


def read_values(path: Path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """A file's pixels as `to_rgb8` takes them, upright; see `read_image`."""
    with contextlib.suppress(OSError):  # which Pillow then says
        pixels = jpeg.decoded(path.read_bytes(), max_pixels=max_pixels)
        if pixels is not None:
            return pixels
    with opened(path, max_pixels) as image:
        return values_of(image, path)


def as_stored(pixels: np.ndarray, path: Path) -> np.ndarray:
    """A picture that `read_image` gave, as the file has it: not turned by its EXIF orientation."""
    with opened(path) as image:
        orientation = _orientation(image)
    return _turned(pixels, {6: 8, 8: 6}.get(orientation, orientation))  # the others undo themselves


def is_image(path: Path) -> bool:
    """Whether a file begins as an image does."""
    with open(path, "rb") as file:
        return STARTS.match(file.read(16)) is not None


def image_size(path: Path) -> tuple[int, int]:
    """`(height, width)` px of an image file as `read_image` would give it, from its header where that says all.

    Raises:
      SourceError: as `read_image`.
    """
    with opened(path) as image:
        width, height = image.size
        return (width, height) if _orientation(image) >= 5 else (height, width)  # 5 to 8 swap the axes


def decode_image(content: bytes, where: str) -> np.ndarray:
    """What `read_image` gives for a file of these bytes with 8 bits a channel.

    Args:
      where: names them in errors.
    Raises:
      SourceError: as `read_image`.
    """
    with opened(Path(where), content=content) as image:
        return to_rgb8(values_of(image), where=where)


@contextlib.contextmanager
def opened(path: Path, max_pixels: int = MAX_PIXELS, content: bytes | None = None) -> Iterator[Image.Image]:
    """The image of a file, not yet decoded; what goes wrong in the block is the file's fault.

    Args:
      content: of the file, where it is at hand.
    Raises:
      SourceError: see `read_image`.
    """
    try:
        with Image.open(path if content is None else io.BytesIO(content), formats=FORMATS) as image:
            check_pixels(*image.size, path, max_pixels)
            yield image
    except SourceError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(str(error).partition(" exceeds")[0], path) from error
    except Exception as error:  # of any type: damaged bytes lead decoders anywhere
        raise SourceError(f"the image cannot be read: {_reason(error)}", str(path),
                          "replace or remove the file") from error


def check_pixels(width: int, height: int, path: Path, max_pixels: int) -> None:
    """Refuses a picture before memory is taken for it.

    Raises:
      SourceError: it has more than `max_pixels`.
    """
    if width * height > max_pixels:
        raise _too_large(f"{width}x{height} px are more than {max_pixels / 1e6:.0f} million", path)


def values_of(image: Image.Image, path: Path | None = None) -> np.ndarray:
    """The picture that an image stands at, as `to_rgb8` takes it, upright.

    Args:
      path: of its file, where the picture is the first in it: colours of 16 bits, which Pillow cuts to 8, are then
        read whole.
    """
    if image.mode == "F":
        raise ValueError("floating-point images have no agreed range; save it with 8 or 16 bits")
    is_deep = path is not None and _is_deep_colour(image)  # looked at first: the next line may decode a PNG
    orientation = _orientation(image)
    if path is not None and is_deep:
        with contextlib.suppress(av.FFmpegError, ValueError):  # of a kind that FFmpeg does not read
            if image.format == "TIFF":
                orientation = image.getexif().get(0x0112, 1)
            return _turned(shown.first_values(path), orientation)
    return _turned(_pixels(image), orientation)


def _shared(path: Path, values: np.ndarray, among: Sequence[Path], max_pixels: int) -> tuple[int, int]:
    if not levels.is_deep(values):
        return FULL_RANGE
    if len(among) < 2:
        return levels.levels_of([values])
    files = levels.spread(among)
    stamps = [(stat.st_size, stat.st_mtime_ns) for stat in (file.stat() for file in files if file.is_file())]
    return _levels(str(path.parent), tuple(files), tuple(stamps), max_pixels)


@functools.lru_cache(maxsize=128)
def _levels(name: str, files: tuple[Path, ...], stamps: tuple, max_pixels: int) -> tuple[int, int]:
    """Those of a sequence, which the files stand for; `stamps` change when they do."""
    found = levels.levels_of(filter(levels.is_deep, readable(files, max_pixels)))
    levels.say(name, found)
    return found


def readable(files: Sequence[Path], max_pixels: int) -> Iterator[np.ndarray]:
    """The values of those files that decode."""
    for file in files:
        with contextlib.suppress(SourceError):
            yield read_values(file, max_pixels)


def _pixels(image: Image.Image) -> np.ndarray:
    if image.mode in ("1", "L", "LA", "RGB", "RGBA"):
        return np.asarray(image)
    if image.mode.startswith("I"):  # "I;16", or "I" for 16-bit PNG in older Pillow
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(f"values {values.min()} to {values.max()} are not 16-bit")
        return values.astype(np.uint16)
    return np.asarray(image.convert("RGB"))


def _is_deep_colour(image: Image.Image) -> bool:
    """Whether a colour picture has 16 bits a channel in its file."""
    tiles = getattr(image, "tile", [])
    return image.mode in ("RGB", "RGBA", "LA") and bool(tiles) and ";16" in str(tiles[0][3])


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; 1 for TIFF, which Pillow turns itself, and where there is none that can be read."""
    if image.format == "TIFF":
        return 1
    try:
        orientation = image.getexif().get(0x0112, 1)
    except Exception:  # damaged EXIF, of which other programs take no notice either
        return 1
    return orientation if orientation in range(1, 9) else 1


def _turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """An image as EXIF orientation 1 to 8 would have it seen."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(pixels[::rows, ::columns])


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, Image.UnidentifiedImageError):
        return "it is damaged, or not an image"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, MemoryError):
        return "there is too little memory"
    return " ".join(str(error).split()) or type(error).__name__


def _too_large(what: str, path: Path) -> SourceError:
    return SourceError(f"the picture is too large: {what}", str(path),
                       "scale it down first, or allow more with max_pixels (--max-pixels of track) where you mean it")
