"""Tracks of several objects in one video, from their boxes frame by frame."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from siamjax.data.frame_list import FrameList
from siamjax.data.listing import SUFFIXES
from siamjax.data.readers.layouts import from_first_seen
from siamjax.data.sequences import WHEN_ASKED, Sequence
from siamjax.errors import DataError

Boxes = Mapping[int, np.ndarray]  # `[4]` xywh by the number of the frame, from 0; of NaN where absent


def tracks_of(group: str, frames: FrameList, objects: Mapping[str, Boxes], categories: Mapping[str, str], *,
              alone: bool = True, known: Mapping[str, np.ndarray] | None = None, fps: float | None = None,
              split: str = "", origin: int = 0) -> list[Sequence]:
    """A track an object, each from the first frame with a box on; it is absent from frames without one.

    Args:
      group: name of the video.
      frames: of the video.
      objects: boxes by the object's id.
      categories: by the object's id.
      alone: whether the only object of a video is called as the video is, and not `group/id`.
      known: `[T]` bool by the object's id, frames of which somebody says where the object is; all where it has none.
      fps, split, origin: see `Sequence`.
    """
    tracks = []
    for name, found in objects.items():
        boxes = np.full((len(frames), 4), np.nan, np.float32)
        for number, box in found.items():
            boxes[number] = box
        said = (known or {}).get(name)
        track = from_first_seen(Sequence(
            group if alone and len(objects) == 1 else f"{group}/{name}", group, frames, boxes, WHEN_ASKED,
            category=categories.get(name, ""), annotated=said, fps=fps, split=split, origin=origin))
        if track is not None:
            tracks.append(track)
    return tracks


def between_keys(keys: Mapping[int, np.ndarray | None], count: int) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """Boxes of all frames of an object of which annotators gave some, linearly between them.

    Args:
      keys: `[4]` box by the number of the frame, None from where on the object is out of view.
      count: of frames.
    Returns:
      Boxes by the number of the frame; and `[count]` bool, frames of which that says something: behind the last one
      nobody does, unless the object had gone.
    """
    numbers = sorted(number for number in keys if 0 <= number < count)
    boxes: dict[int, np.ndarray] = {}
    known = np.ones(count, bool)
    for number, following in zip(numbers, [*numbers[1:], count]):
        box, other = keys[number], keys.get(following)
        if box is None:
            continue
        boxes[number] = box
        if following == count:
            known[number + 1:] = False
        for between in range(number + 1, following if following < count else number):
            share = (between - number) / (following - number)
            boxes[between] = box if other is None else box + np.float32(share) * (other - box)
    return boxes, known


def place_of(frame: int, count: int, where: str) -> int:
    """A number of a frame from 0.

    Raises:
      DataError: the video has no such frame.
    """
    if not 0 <= frame < count:
        raise DataError(f"frame {frame} of a video with {count} images", where, "give all images, or remove the row")
    return frame


def images_beside(path: Path) -> Path | None:
    """The folder with the images of an annotation file: one of its own name, `images/` or `img/`, or where it lies."""
    for folder in (path.parent / path.stem / "img", path.parent / path.stem, *(
            path.parent / name for name in ("images", "img", "img1")), path.parent):
        if folder.is_dir() and has_images(folder):
            return folder
    return None


def has_images(folder: Path) -> bool:
    """Whether one of the files of a folder is an image by its name."""
    try:
        return any(os.path.splitext(name)[1].lower() in SUFFIXES for name in os.listdir(folder))
    except OSError:
        return False
