"""Tracks: one object through the frames of one video (or one image)."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable
from collections.abc import Sequence as Listing
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from PIL import Image, ImageDraw

from siamjax.data.images import as_stored, image_size, read_image
from siamjax.data.labels import Meaning, read_annotation
from siamjax.data.runs import RunLengths
from siamjax.errors import DataError

Polygon = np.ndarray  # [P, 2] corners (x, y), frame pixels
WHEN_ASKED: Any = None  # a size that is read from the first frame when somebody asks


class Track(Protocol):
    """What training needs of one object's way through a video, wherever its pixels come from."""

    @property
    def name(self) -> str:
        """Unique within its data set, for messages and reports."""
        ...

    @property
    def group(self) -> str:
        """Name of the video or image, shared by all objects in it."""
        ...

    @property
    def boxes(self) -> np.ndarray:
        """`[T, 4]` float32 `xywh`, frame pixels; a row of NaN where the object is absent."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """`(height, width)` px of every frame."""
        ...

    @property
    def category(self) -> str:
        """What kind of thing it is, in the words of the data set; empty where unknown."""
        ...

    def key(self, number: int) -> Hashable:
        """Names frame `number` (from 0); two objects of one video share it."""
        ...

    def read(self, number: int) -> np.ndarray:
        """`[H, W, 3]` uint8 RGB pixels of frame `number`."""
        ...


@runtime_checkable
class MaskedTrack(Track, Protocol):
    """A `Track` that also knows which pixels are the object's."""

    @property
    def masked(self) -> np.ndarray:
        """`[T]` bool, which frames have a mask."""
        ...

    def mask(self, number: int) -> np.ndarray:
        """`[H, W]` bool of frame `number`, one of those that have a mask."""
        ...


@runtime_checkable
class DescribedTrack(Track, Protocol):
    """A `Track` of an object that there are words for."""

    @property
    def description(self) -> str:
        """What the object looks like, a few words."""
        ...


class _SizeWhenAsked:
    """A field of `(height, width)`: where it is `WHEN_ASKED`, that of the first frame."""

    def __get__(self, one: Sequence | None, owner: type | None = None) -> tuple[int, int]:
        if one is None:
            raise AttributeError("size")  # so that dataclasses see no default
        if one.__dict__.get("_size") is None:
            one.__dict__["_size"] = image_size(one.frames[0])
        return one.__dict__["_size"]

    def __set__(self, one: Sequence, size: tuple[int, int] | None) -> None:
        one.__dict__["_size"] = size


@dataclasses.dataclass(frozen=True, eq=False)
class Sequence:
    """A `Track` whose frames are image files.

    Attributes:
      name: `group`, or `group/ID` where the video has several objects.
      group: the video or image, relative to the data set's folder, e.g. `videos/otb_Coke`.
      frames: image files, one a frame.
      boxes: `[T, 4]` float32 `xywh`, frame pixels; NaN where absent, and where nobody says.
      size: `(height, width)` px of the frames; given `WHEN_ASKED`, it is read from the first one when it is asked for,
        which raises SourceError where that is no image.
      masks: mask files as `labels.read_annotation` takes them, or `runs.RunLengths`, None for a frame without one; None
        where there are none.
      polygons: outlines of the object, one tuple of `[P, 2]` a frame; None where there are none.
      attributes: what meta.json says of the sequence, e.g. `("occlusion",)`.
      category: what kind of thing the object is, e.g. `person`; empty where unknown.
      label: the object's number in its mask files; None where all that they show is the object.
      meaning: what the numbers of grey mask files mean; None where each tells by itself.
      turned_boxes: whether polygons are rotated boxes, and not outlines.
      annotated: `[T]` bool, frames of which somebody says whether and where the object is in them; None where these
        are all. The others are tracked, but neither scored nor trained on.
      listed: `[T]` bool, frames that an absence list of the data set names; None where there is no such list. Some
        conventions tell these from frames that have no box.
      fps: frames a second, None where unknown.
      split: which part of its data set it belongs to, in the publisher's words (`train`, `val`); empty where unknown.
      origin: 1 where the data set's files count pixels from 1; `boxes` are from 0 all the same, unless `as_written`.
      as_written: whether `boxes` are from `origin`, as toolkits take them.
    """

    name: str
    group: str
    frames: Listing[Path]
    boxes: np.ndarray
    size: tuple[int, int] = _SizeWhenAsked()  # type: ignore[assignment]
    masks: Listing[Path | RunLengths | None] | None = None
    polygons: tuple[tuple[Polygon, ...], ...] | None = None
    attributes: tuple[str, ...] = ()
    category: str = ""
    label: int | None = None
    meaning: Meaning | None = None
    turned_boxes: bool = False
    annotated: np.ndarray | None = None
    listed: np.ndarray | None = None
    fps: float | None = None
    split: str = ""
    origin: int = 0
    as_written: bool = False

    def set_size(self, size: tuple[int, int]) -> None:
        """Says what reading the first frame would, to spare that."""
        object.__setattr__(self, "size", size)

    def written(self) -> Sequence:
        """The same track with its boxes as its files have them."""
        boxes = self.boxes + np.array([self.origin, self.origin, 0, 0], np.float32)
        return self if self.as_written else self.changed(boxes=boxes, as_written=True)

    def changed(self, **fields: Any) -> Sequence:
        """The same track with other values of some fields; its frames are not read for it."""
        return dataclasses.replace(self, **{"size": self.size if self.has_size else WHEN_ASKED} | fields)

    @property
    def has_size(self) -> bool:
        """Whether the size is at hand, so that asking for it reads nothing."""
        return self.__dict__.get("_size") is not None

    @property
    def known(self) -> np.ndarray:
        """`[T]` bool, which frames are annotated."""
        return np.ones(len(self.frames), bool) if self.annotated is None else self.annotated

    @property
    def masked(self) -> np.ndarray:
        """`[T]` bool, which frames have a mask or an outline."""
        if self.masks is not None:
            return np.array([mask is not None for mask in self.masks])
        if self.polygons is not None and not self.turned_boxes:
            return np.array([len(outlines) > 0 for outlines in self.polygons])
        return np.zeros(len(self.frames), bool)

    def mask(self, number: int) -> np.ndarray:
        """`[H, W]` bool, the pixels of the object, from its mask file or its outlines.

        Raises:
          SourceError: the mask file does not decode.
          DataError: it is not as large as the frame, or has no numbers.
        """
        if self.masks is None:
            assert self.polygons is not None  # `masked` says which frames may be asked for
            return fill(self.polygons[number], self.size)
        file = self.masks[number]
        assert file is not None
        if isinstance(file, RunLengths):
            return file.mask(self.size)
        numbers = read_annotation(file, self.meaning)
        self._check_size(numbers, file, "draw the mask on the frame as it is")
        return numbers > 0 if self.label is None else numbers == self.label

    def key(self, number: int) -> Hashable:
        return self.frames[number]

    def read(self, number: int) -> np.ndarray:
        """Pixels of a frame: as it is shown, or as it is stored where its EXIF orientation turns it and `size` says so.

        Raises:
          SourceError: the file does not decode.
          DataError: its size is not the one that the boxes were drawn in.
        """
        file = self.frames[number]
        pixels = read_image(file, among=self.frames)
        if pixels.shape[:2] == tuple(self.size):
            return pixels
        stored = as_stored(pixels, file)
        if stored.shape[:2] != tuple(self.size):
            turns = "; its EXIF orientation turns it" if stored.shape != pixels.shape else ""
            self._check_size(pixels, file, f"annotate the image as it is, or resize it back{turns}")
        return np.ascontiguousarray(stored)

    def _check_size(self, pixels: np.ndarray, file: Path, do: str) -> None:
        if pixels.shape[:2] != tuple(self.size):
            got, wanted = (f"{w}x{h}" for h, w in (pixels.shape[:2], self.size))
            raise DataError(f"the image is {got} px and its annotations are for {wanted}", str(file), do)


def fill(outlines: Listing[Polygon], size: tuple[int, int]) -> np.ndarray:
    """`[H, W]` bool of `size` `(height, width)` px, True inside any of the outlines."""
    canvas = Image.new("1", (size[1], size[0]))
    draw = ImageDraw.Draw(canvas)
    for outline in outlines:
        # Pillow's corners are pixels' centres, ours lie half a pixel further.
        draw.polygon([(float(x) - 0.5, float(y) - 0.5) for x, y in outline], fill=1)
    return np.asarray(canvas)
