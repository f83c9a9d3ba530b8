"""Label images: files with a number for each pixel, 0 where no object is, as DAVIS and YouTube-VOS have them."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from siamjax.data.images import opened
from siamjax.errors import DataError, SourceError
from siamjax.outputs import whole_file

VOID = 255  # beside numbers of objects: pixels that nobody could tell
MOST_OBJECTS = 64  # more numbers than that are the grey rim of a smoothed mask
WHITE = 255, 65535  # the largest number of a black and white file, of 8 or 16 bits
LOSSY = "JPEG", "WEBP"  # kinds of files whose small numbers are noise
DARK = 64  # a smoothed mask has lighter rims too: with no grey lighter than that, grey numbers objects
AREA = 7  # px; a rim is nowhere as wide and as even as a square of that side


class Meaning(enum.Enum):
    """What the numbers of grey mask files mean, decided for all of a set (`meaning_of`)."""

    NUMBERS = "a number an object, 255 void"
    WHITE = "one object, what is lighter than half"


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

    Every number but 0 is an object. In an indexed file 255 beside other numbers is void (DAVIS) and no object, as it
    is in a grey file whose other numbers are below `DARK`; a grey file of 0 and 255 (65535, of 16 bits) is the mask of
    one object. A colour file whose channels are equal is grey; alpha is dropped.
    Raises:
      SourceError: no such file, a folder, or no PNG that decodes.
      DataError: colours instead of numbers, numbers beyond 255, no object, or more than `MOST_OBJECTS`.
    """
    path = Path(path)
    numbers, is_indexed = _read(path)
    ids = _objects_of(numbers, path)
    if VOID in ids and len(ids) > 1 and (is_indexed or max(ids[:-1]) < DARK):
        ids = ids[:-1]
    if not ids:
        raise DataError("the mask is empty: all of its pixels are 0", str(path),
                        "draw each object in a number of its own, 1 to 255")
    new = np.zeros(256, np.uint8)
    new[ids] = np.arange(1, len(ids) + 1)
    labels = new[numbers]
    return Objects(labels, tuple(ids), np.stack([box_of(labels == n) for n in range(1, len(ids) + 1)]))


def read_annotation(path: Path, meaning: Meaning | None = None) -> np.ndarray:
    """The numbers `[H, W]` uint8 of a mask file of a data set, 0 where no object is; there may be none at all.

    As `read_objects`, but what a grey file means is decided for the set it belongs to: `NUMBERS` are those of objects,
    255 void; `WHITE` is the mask of one object, with the number 255 where it is lighter than half of white: masks are
    smoothed when they are resized. A JPEG or WebP file is always taken for the latter, and other kinds than PNG are
    read too.

    Args:
      path: of the file.
      meaning: of grey files; None to tell by this one alone.
    Raises:
      SourceError, DataError: as `read_objects`.
    """
    return open_annotation(path).numbers(meaning)


@dataclasses.dataclass(frozen=True)
class Annotation:
    """A mask file of a data set, decoded.

    Attributes:
      path: of the file.
      channel: `[H, W]`, the one channel that it has.
      is_indexed: whether its pixels are indices into a palette.
      is_lossy: whether small numbers are noise.
    """

    path: Path
    channel: np.ndarray
    is_indexed: bool
    is_lossy: bool

    def look(self) -> Look | None:
        """What tells a video what its grey files mean; None for a file that tells by its kind."""
        if self.is_indexed or self.is_lossy or self.channel.dtype == np.bool_:
            return None
        values = frozenset(255 if value in WHITE else value for value in np.unique(self.channel).tolist() if value)
        doubtful = VOID in values and len(values) <= MOST_OBJECTS and max(values - {VOID}, default=0) >= DARK
        return Look(self.path, values, doubtful and _has_grey_areas(self.channel))

    def numbers(self, meaning: Meaning | None = None) -> np.ndarray:
        """`[H, W]` uint8; see `read_annotation`."""
        if self.is_lossy:
            return _white(self.channel, WHITE[0])
        look = self.look()
        if look is not None and meaning is None:
            meaning = meaning_of([look]) or (Meaning.WHITE if VOID in look.values else Meaning.NUMBERS)
        if look is not None and meaning is Meaning.WHITE:
            return _white(self.channel, WHITE[int(self.channel.max() > WHITE[0])])
        numbers = _numbers(self.channel, self.path)
        ids = _objects_of(numbers, self.path)
        known = np.zeros(256, np.uint8)
        ids = [number for number in ids if number != VOID or (self.is_indexed and len(ids) == 1)]
        known[ids] = ids
        return known[numbers]


class Look(NamedTuple):
    """Of a grey file: its numbers but 0, white being 255, and whether a grey in between fills areas beside white."""

    path: Path
    values: frozenset[int]
    has_grey_areas: bool


def open_annotation(path: Path) -> Annotation:
    """Decodes a mask file of a data set.

    Raises:
      SourceError, DataError: as `read_objects`.
    """
    image = _decode(path)
    if image.kind in LOSSY:
        return Annotation(path, image.pixels.reshape(*image.pixels.shape[:2], -1)[..., 0], False, True)
    return Annotation(path, _channel(image, path), image.is_indexed, False)


def meaning_of(looks: Iterable[Look | None]) -> Meaning | None:
    """What the numbers of the grey files of one video mean; None where none has 255 beside another number.

    Such a 255 is void where the others are dark (below `DARK`), and white where the files are smoothed masks: more
    than `MOST_OBJECTS` greys, or light ones in rims alone.

    Raises:
      DataError: light greys that fill areas beside white: objects, void, or a third thing; the file is named.
    """
    both = [look for look in looks if look is not None and VOID in look.values and len(look.values) > 1]
    if not both:
        return None
    if any(len(look.values) > MOST_OBJECTS for look in both):
        return Meaning.WHITE
    if max(max(look.values - {VOID}) for look in both) < DARK:
        return Meaning.NUMBERS
    for look in both:
        if look.has_grey_areas:
            shown = ", ".join(map(str, sorted(look.values)[:6]))
            raise DataError(f"the grey levels {shown} may be objects, or one and its rim", str(look.path),
                            "number the objects 1, 2, 3, ..., or make the mask black and white")
    return Meaning.WHITE


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
        with opened(path) as image:
            return _Image(np.asarray(image), image.format, image.mode)
    except SourceError as error:
        what = error.what.replace("the image", "the mask", 1)
        raise SourceError(what, str(path), "give a PNG file of the frame's size") from error


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
    """`[H, W]` uint8; 16-bit white becomes that of 8 bits."""
    if channel.dtype.kind not in "bui" or channel.min() < 0:
        raise DataError("the mask has numbers that are no whole ones from 0", str(path), "use 1 to 255")
    if channel.dtype != np.bool_:
        channel = np.where(channel == WHITE[1], WHITE[0], channel)
    if channel.max() > 255:
        raise DataError(f"the mask has numbers up to {channel.max()}", str(path), "use 1 to 255")
    return channel.astype(np.uint8)


def _objects_of(numbers: np.ndarray, path: Path) -> list[int]:
    """The numbers in use but 0, rising."""
    ids = (np.flatnonzero(np.bincount(numbers.ravel(), minlength=2)[1:]) + 1).tolist()
    if len(ids) > MOST_OBJECTS:
        raise DataError(f"the mask has {len(ids)} different numbers", str(path),
                        f"give one number an object, {MOST_OBJECTS} at most; a smoothed mask must be made black "
                        "and white first")
    return ids


def _has_grey_areas(channel: np.ndarray) -> bool:
    """Whether a grey that is neither black nor white fills a square of `AREA` px somewhere."""
    if min(channel.shape) < AREA:
        return False
    least = most = channel
    for axis in (0, 1):
        least, most = (np.lib.stride_tricks.sliding_window_view(of, AREA, axis) for of in (least, most))
        least, most = least.min(axis=-1), most.max(axis=-1)
    return bool(((least == most) & (least > 0) & ~np.isin(least, WHITE)).any())


def _white(channel: np.ndarray, white: int) -> np.ndarray:
    """`[H, W]` uint8, 255 where a black and white image is lighter than half of `white`."""
    return np.where(channel > white // 2, np.uint8(255), np.uint8(0))


def _palette() -> list[int]:
    """256 colours, as PASCAL VOC and DAVIS number them: each bit of a number sets one of a channel's."""
    number = np.arange(256)[:, None]
    colours = sum((number >> (3 * bit + np.arange(3)[None]) & 1) << (7 - bit) for bit in range(8))
    return np.asarray(colours, np.uint8).ravel().tolist()
