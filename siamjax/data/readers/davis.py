"""DAVIS and YouTube-VOS: `JPEGImages/NAME/*.jpg` and `Annotations/NAME/*.png`, which number the objects."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from siamjax.data.images import image_size
from siamjax.data.labels import VOID, boxes_of, read_annotation
from siamjax.data.listing import image_files, natural_key
from siamjax.data.sequences import Sequence
from siamjax.errors import DataError

RESOLUTIONS = "480p", "1080p", "Full-Resolution"  # of DAVIS, a folder each; the first is the one that results are of


class Annotated(NamedTuple):
    """One mask file: its size `(height, width)` px, and the box `[4]` `xywh` of each number in it."""

    size: tuple[int, int]
    boxes: dict[int, np.ndarray]


def is_davis(root: Path) -> bool:
    """Whether a folder is laid out as DAVIS and YouTube-VOS are."""
    return (root / "JPEGImages").is_dir() and (root / "Annotations").is_dir()


def read_davis(root: str | Path) -> list[Sequence]:
    """Lists the objects of a folder in the layout of DAVIS 2016, DAVIS 2017 or YouTube-VOS, in natural order.

    Frames without an annotation (YouTube-VOS annotates every fifth) are left out: whether the object is in them is
    not known. A box is the least one round the object's pixels, NaN where it has none. DAVIS may have a folder for
    each resolution in between; `480p` is taken before the others. `meta.json`, where there, names the categories as
    in YouTube-VOS. All annotations are decoded, several at once, to find the boxes.

    Args:
      root: the folder that holds `JPEGImages` and `Annotations`.

    Returns:
      One `Sequence` an object: named by its video, and by `video/number` where that has several.

    Raises:
      DataError: no video, one without frames or objects, a mask without a frame or of another size, or one that
        `labels.read_annotation` refuses; the file or folder is named.
      SourceError: a file that does not decode.
    """
    root = Path(root)
    images, annotations = _resolution(root)
    categories = _read_categories(root / "meta.json")
    videos = sorted(filter(Path.is_dir, annotations.iterdir()), key=natural_key)
    if not videos:
        raise DataError("the folder holds no video", str(annotations), "give Annotations/NAME/*.png")
    pool = ThreadPoolExecutor(min(16, os.cpu_count() or 1))
    try:
        masks = [image_files(video) for video in videos]
        found = [pool.map(_annotated, files) for files in masks]
        return [sequence for video, files, rows in zip(videos, masks, found)
                for sequence in _read_video(images / video.name, files, rows, categories.get(video.name, {}))]
    finally:
        pool.shutdown(cancel_futures=True)  # after an error nobody waits for the rest


def _resolution(root: Path) -> tuple[Path, Path]:
    """The folders of images and annotations."""
    images, annotations = root / "JPEGImages", root / "Annotations"
    for name in RESOLUTIONS:
        if (images / name).is_dir() and (annotations / name).is_dir():
            return images / name, annotations / name
    return images, annotations


def _read_video(folder: Path, files: list[Path], found: Iterable[Annotated],
                categories: dict[int, str]) -> list[Sequence]:
    """The objects of a video, from its folder of frames, its mask files and what was found in each."""
    by_stem = {path.stem: path for path in image_files(folder)} if folder.is_dir() else {}
    if not by_stem:
        raise DataError("the video has no frames", str(folder), "give its images, or remove its annotations")
    for file in files:
        if file.stem not in by_stem:
            raise DataError(f"the mask has no frame in {folder}", str(file), "name the masks as their frames")
    rows, size = list(found), image_size(next(iter(by_stem.values())))
    for file, row in zip(files, rows):
        if row.size != size:
            mask, frame = (f"{width}x{height}" for height, width in (row.size, size))
            raise DataError(f"the mask is {mask} px and its frame {frame}", str(file),
                            "take masks and frames of one resolution")
    numbers = sorted({number for row in rows for number in row.boxes})
    if len(numbers) > 1:  # a frame may show nothing but void
        numbers = [number for number in numbers if number != VOID]
    if not numbers:
        raise DataError("the masks of the video show no object", folder.name, "remove it, or draw the objects")
    frames, absent = tuple(by_stem[file.stem] for file in files), np.full(4, np.nan, np.float32)
    return [Sequence(folder.name if len(numbers) == 1 else f"{folder.name}/{number}", folder.name, frames,
                     np.stack([row.boxes.get(number, absent) for row in rows]), size, masks=tuple(files),
                     category=categories.get(number, ""), label=number)
            for number in numbers]


def _annotated(file: Path) -> Annotated:
    numbers = read_annotation(file)
    return Annotated((numbers.shape[0], numbers.shape[1]), boxes_of(numbers))


def _read_categories(path: Path) -> dict[str, dict[int, str]]:
    """Categories by video and number, of `{"videos": {NAME: {"objects": {"1": {"category": "cat"}}}}}`."""
    if not path.is_file():
        return {}
    try:
        videos: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["videos"]
        return {name: {int(number): str(one.get("category", "")) for number, one in video["objects"].items()}
                for name, video in videos.items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        do = "give the meta.json of YouTube-VOS, or none"
        raise DataError("the file is not as expected", str(path), do) from error
