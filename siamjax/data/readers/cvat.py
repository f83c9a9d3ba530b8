"""CVAT for video 1.1: `annotations.xml` beside `images/`, in a folder or in one for each video."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from siamjax.data.frame_list import FrameList
from siamjax.data.listing import files_named, subfolders
from siamjax.data.readers.layouts import Entry, Layout, Splits, frames_of
from siamjax.data.readers.objects import between_keys, images_beside, tracks_of
from siamjax.data.readers.rows import LIMIT
from siamjax.data.readers.voc import parse
from siamjax.data.sequences import Sequence
from siamjax.data.text import head_of
from siamjax.errors import DataError

DO = "export it as `CVAT for video 1.1`"
SHAPES = "box", "polygon", "polyline", "points"


def find(root: Path) -> Splits | None:
    """Annotation files in a folder, or in the folders in it."""
    if not root.is_dir():
        return None
    paths = [path for folder in (root, *subfolders(root)) for path in files_named(folder, "*.xml") if _is_cvat(path)]
    entries = [Entry(name, functools.partial(_read, path, name), (path, images_beside(path) or path.parent))
               for path in paths for name in [_name(path, root)]]
    return {"": entries} if entries else None


def _is_cvat(path: Path) -> bool:
    return b"<annotations" in head_of(path).replace(b"\0", b"")


def _name(path: Path, root: Path) -> str:
    """Of the video: of its own images, its folder, or its file."""
    if path.stem != "annotations":
        return path.stem
    return (path.parent if path.parent != root else root.resolve()).name


def _read(path: Path, name: str) -> list[Sequence]:
    root = parse(path, DO)
    folder = images_beside(path)
    if folder is None:
        raise DataError("the images of the video are not there", str(path), "put them into images/ beside it: "
                        "export with images, or ffmpeg -i VIDEO -start_number 0 images/%06d.png")
    frames = frames_of(folder)
    keys: dict[str, dict[int, np.ndarray | None]] = {}
    categories: dict[str, str] = {}
    for number, track in enumerate(root.iter("track")):
        one = track.get("id") or str(number)
        if one in keys:
            raise DataError(f"two tracks have the id {one!r}", str(path), "number the tracks without repetition")
        found = _keys(track, frames, root, path, one)
        if any(box is not None for box in found.values()):
            keys[one], categories[one] = found, track.get("label") or ""
    if not keys:
        raise DataError("the file has no track with a box", str(path), DO)
    boxes = {one: between_keys(found, len(frames)) for one, found in keys.items()}
    return tracks_of(name, frames, {one: found for one, (found, _) in boxes.items()}, categories,
                     known={one: known for one, (_, known) in boxes.items() if not known.all()})


def _keys(track: ElementTree.Element, frames: FrameList, root: ElementTree.Element, path: Path, one: str
          ) -> dict[int, np.ndarray | None]:
    """Boxes that are written, by the number of the frame."""
    found: dict[int, np.ndarray | None] = {}
    for shape in track:
        if shape.tag not in SHAPES:
            continue
        where = f"{path}, track {one}, frame {shape.get('frame')}"
        word = shape.get("frame") or ""
        if not (word.isascii() and word.isdecimal()):
            raise DataError(f"frame {word[:20]!r} is no whole number from 0", where, DO)
        place = _place(int(word), frames, root, where)
        if place is not None:
            found[place] = None if shape.get("outside") == "1" else _box(shape, where)
    return found


def _place(frame: int, frames: FrameList, root: ElementTree.Element, where: str) -> int | None:
    """Index of the image of a frame: a job may begin behind the start of its video, and have its images alone."""
    start = root.findtext("meta/task/start_frame") or root.findtext("meta/job/start_frame") or "0"
    numbers = frames.numbers
    if frame < len(frames):
        return frame
    if numbers is not None and frame in numbers:
        return int(np.flatnonzero(numbers == frame)[0])
    if start.isdecimal() and 0 <= frame - int(start) < len(frames):
        return frame - int(start)
    raise DataError(f"frame {frame} of a video with {len(frames)} images", where, "give all images")


def _box(shape: ElementTree.Element, where: str) -> np.ndarray:
    try:
        if shape.tag == "box":
            corners = [(float(shape.get(x) or ""), float(shape.get(y) or "")) for x, y in (("xtl", "ytl"),
                                                                                         ("xbr", "ybr"))]
        else:
            corners = [(float(x), float(y)) for point in (shape.get("points") or "").split(";")
                       for x, y in [point.split(",")]]
    except ValueError as error:
        raise DataError("the shape has no numbers for its corners", where, DO) from error
    points = np.array(corners)
    if not (np.abs(points) <= LIMIT).all():
        raise DataError(f"a coordinate beyond {LIMIT:g}", where, "give frame pixels")
    low, high = points.min(axis=0), points.max(axis=0)
    if not (high > low).all():
        return np.full(4, math.nan, np.float32)
    return np.concatenate([low, high - low]).astype(np.float32)


LAYOUT = Layout("cvat", "CVAT for video", find, train=("",), validate=(), evaluate=("",),
                by_users=True)
