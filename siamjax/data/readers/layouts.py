"""What a layout is: where a data set keeps its sequences, and which of them belong to which of its splits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from siamjax.data.frame_list import FrameList, list_frames
from siamjax.data.readers.rows import check_count
from siamjax.data.sequences import Sequence
from siamjax.data.text import read_text
from siamjax.errors import DataError


@dataclasses.dataclass(frozen=True)
class Entry:
    """A video or image of a data set, not read yet.

    Attributes:
      name: as the data set calls it; lists of names have it.
      read: gives its tracks; raises DataError or SourceError where it has a fault.
      sources: files and folders that `read` looks into, there or not: where none of them has changed, it gives the
        same; the first is the one with the boxes.
      deep: whether that is a folder of files that each count.
    """

    name: str
    read: Callable[[], list[Sequence]]
    sources: tuple[Path, ...]
    deep: bool = False

    @property
    def truth(self) -> Path:
        """The file or folder that its boxes are from."""
        return self.sources[0]


Splits: TypeAlias = Mapping[str, list[Entry]]


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a publisher lays a data set out.

    Attributes:
      name: of the command line.
      title: for people.
      find: entries of a folder by the name of their split; None where the folder is not laid out so. One that has no
        splits gives a single one without a name.
      train: splits to train on, the first that is there is taken.
      validate: splits to choose settings on.
      evaluate: splits to evaluate on.
      by_users: whether users make it, and not a publisher: it is looked for where no other fits.
    """

    name: str
    title: str
    find: Callable[[Path], Splits | None]
    train: tuple[str, ...] = ("train",)
    validate: tuple[str, ...] = ("val",)
    evaluate: tuple[str, ...] = ("val", "test")
    by_users: bool = False


def frames_of(folder: Path) -> FrameList:
    """The images of a video.

    Raises:
      DataError: there are none.
      SourceError: the folder cannot be listed.
    """
    if not folder.is_dir():
        raise DataError("the sequence has no folder of images", str(folder), "give its images, or take it off the list")
    frames = list_frames(folder)
    if not len(frames):
        raise DataError("the sequence has no images", str(folder), "give its images")
    return frames


def hidden(boxes: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes `[T, 4]` of a video of which only the first `[1, 4]` is published, and `[T]` bool which are known."""
    all_boxes = np.full((count, 4), np.nan, np.float32)
    all_boxes[0] = boxes[0]
    return all_boxes, np.arange(count) == 0


def whole_or_hidden(boxes: np.ndarray, frames: FrameList, path: Path, may_hide: bool
                    ) -> tuple[np.ndarray, np.ndarray | None]:
    """Boxes `[T, 4]` a frame, and which are known; None where all are.

    Raises:
      DataError: there are not as many boxes as frames.
    """
    if may_hide and len(boxes) == 1 < len(frames):
        return hidden(boxes, len(frames))
    check_count(len(boxes), len(frames), path)
    return boxes, None


def from_zero(boxes: np.ndarray) -> np.ndarray:
    """Boxes `[T, 4]` of files whose first pixel is (1, 1), from (0, 0) on."""
    return boxes - np.array([1, 1, 0, 0], np.float32)


def from_first_seen(one: Sequence) -> Sequence | None:
    """A track from the first frame on that has a box; None where none has."""
    seen = np.isfinite(one.boxes).all(axis=1)
    if not seen.any():
        return None
    first = int(seen.argmax())

    if first == 0:
        return one

    def cut(rows: Any) -> Any:
        return None if rows is None else rows[first:]

    return one.changed(frames=one.frames[first:], boxes=one.boxes[first:], masks=cut(one.masks),
                       polygons=cut(one.polygons), annotated=cut(one.annotated), listed=cut(one.listed))


def names_in(path: Path) -> list[str]:
    """Names of a list file, one a line; blanks around them and empty lines do not count, and a name twice is one.

    Raises:
      DataError: the file cannot be read.
    """
    return list(dict.fromkeys(line.strip() for line in read_text(path).split("\n") if line.strip()))


def chosen(entries: Iterable[Entry], names: Iterable[str]) -> list[Entry]:
    """Entries of some names, in their own order."""
    names = set(names)
    return [entry for entry in entries if entry.name in names]
