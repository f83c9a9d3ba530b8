"""COCO annotations: every annotated object of every image as a track of one frame."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from siamjax.data.box_rules import BoxFile, check_boxes
from siamjax.data.readers.quarantine import Fault, TrackList, fault_of
from siamjax.data.runs import RunLengths, coco_runs
from siamjax.data.sequences import Polygon, Sequence
from siamjax.data.text import read_json
from siamjax.errors import DataError
from siamjax.ops.frames import MAX_SIDE

LIMIT = 1e6  # px; a larger coordinate is a damaged entry
DO = "give annotations in COCO format"


class Image(NamedTuple):
    """An image that is there: its file, its group's name, its size `(height, width)` px as annotated."""

    file: Path
    group: str
    size: tuple[int, int]


def read_coco(annotations: str | Path, images: str | Path, *, prefix: str = "images/", split: str = "",
              say: bool = True) -> TrackList:
    """Lists the objects of a COCO or LVIS annotation file as sequences of one frame.

    Crowds (`iscrowd` 1) and boxes without an area, of which COCO has a few, are left out. Outlines are kept
    where `segmentation` is a list of polygons, and masks where it is run lengths of either kind. An entry with an error
    is left out, as is an outline with one, and a `RuntimeWarning` says how many and what the first is. Boxes are
    checked for being pixels of the images (`box_rules.check_boxes`).

    Args:
      annotations: the JSON file, with `images` (`id`, `file_name`, `width`, `height`) and `annotations`
        (`id`, `image_id`, `bbox` as `x,y,w,h` px); `category_id` and `categories` (`id`, `name`) may be there.
      images: the folder that `file_name` is relative to.
      prefix: put before the file's stem to name its group, e.g. `images/raccoon-1`.
      split: of the tracks.
      say: warn of what is left out; its faults come back with the tracks in any case.

    Returns:
      One `Sequence` an object, named `group/annotation id`, in the file's order of annotations.

    Raises:
      DataError: not such a file; more than half of the images or annotations with an error (a number that is not one,
        an unknown image, a missing image file), of which the first is named; boxes of another format; no object.
    """
    path, root = Path(annotations), Path(images)
    document = read_json(path, what="the annotation file", do=DO)
    if not isinstance(document, dict):
        raise DataError("not a JSON object", str(path), DO)
    left_out = _LeftOut(path)
    files = _images(document, root, prefix, path, left_out)
    categories = {} if "categories" not in document else {
        entry["id"]: entry["name"] for entry in _entries(document, "categories", path)
        if isinstance(entry, dict) and _is_id(entry.get("id")) and isinstance(entry.get("name"), str)}
    sequences, places = _objects(document, path, files, categories, left_out, split)
    if say:
        left_out.say()
    if not sequences:
        raise DataError("the file annotates no object", str(path), "give one with boxes")
    check_boxes([BoxFile(str(path), np.concatenate([one.boxes for one in sequences]),
                         np.array([one.size for one in sequences]), places.__getitem__,
                         scenes=len({one.group for one in sequences}))])
    return TrackList(sequences, layout="coco", faults=left_out.faults)


class _LeftOut:
    """Entries with an error, which are not used: how many of what, and the first."""

    def __init__(self, path: Path):
        self._path = path
        self._said: list[str] = []
        self.faults: list[Fault] = []

    def without(self, entries: list, what: str, read: Callable[[Any, int], Any]) -> Iterator[tuple[Any, Any]]:
        """`(entry, read(entry, number))` of those that `read` raises no DataError for.

        Raises:
          DataError: more than half of them are in error; it is that of the first.
        """
        errors, found = [], []
        for number, entry in enumerate(entries):
            try:
                found.append((entry, read(entry, number)))
            except DataError as error:
                errors.append(error)
        self.count(errors, len(entries), what)
        return iter(found)

    def count(self, errors: list[DataError], total: int, what: str) -> None:
        if errors and 2 * len(errors) > total:
            first = errors[0]
            raise DataError(f"{len(errors)} of {total} {what} are in error, the first: {first.what}", first.where,
                            first.do)
        self.faults += [fault_of(error.where.rpartition(", ")[2], error) for error in errors]
        if errors:
            place = errors[0].where.rpartition(", ")[2]
            self._said.append(f"{len(errors)} of {total} {what} (first: {errors[0].what}, {place})")

    def say(self) -> None:
        if self._said:
            warnings.warn(f"{self._path}: left out {' and '.join(self._said)}", RuntimeWarning, stacklevel=3)


def _entries(document: dict[str, Any], key: str, path: Path) -> list:
    entries = document.get(key)
    if not isinstance(entries, list):
        raise DataError(f"'{key}' is not a list", str(path), DO)
    return entries


def _images(document: dict[str, Any], root: Path, prefix: str, path: Path, left_out: _LeftOut
            ) -> dict[Any, Image | None]:
    """Images by their ids; None for one that was left out."""
    entries = _entries(document, "images", path)
    known: dict[Any, set[Image]] = {}
    for entry, image in left_out.without(entries, "images", lambda one, n: _image(one, n, root, prefix, path)):
        known.setdefault(entry["id"], set()).add(image)
    twice = [DataError(f"two images share the id {_shown(one)}", str(path), "number the images without repetition")
             for one, images in known.items() if len(images) > 1]
    left_out.count(twice, len(known), "ids of images")
    found: dict[Any, Image | None] = {entry["id"]: None for entry in entries
                                      if isinstance(entry, dict) and _is_id(entry.get("id"))}
    return found | {one: images.pop() for one, images in known.items() if len(images) == 1}


def _image(image: Any, number: int, root: Path, prefix: str, path: Path) -> Image:
    where = f"{path}, image {_shown(_id_of(image, number, path, 'images'))}"
    name, size = image.get("file_name"), (image.get("height"), image.get("width"))
    if name is None and isinstance(image.get("coco_url"), str):  # LVIS
        name = "/".join(image["coco_url"].split("/")[-2:])
    # A name that leaves the folder would read files the user did not point at.
    if not isinstance(name, str) or not name or PurePosixPath(name).is_absolute() or ".." in Path(name).parts:
        raise DataError(f"file_name {_shown(name)} is not a path inside the folder", where, "give a relative path")
    if not all(_is_number(side) and side == int(side) and 0 < side <= MAX_SIDE for side in size):
        what = f"a size of {_shown(size[1])} by {_shown(size[0])}"
        raise DataError(what, where, f"give whole px from 1 to {MAX_SIDE}")
    file = root / name
    try:
        is_there = file.is_file()
    except (OSError, ValueError):  # a name that no file can have
        is_there = False
    if not is_there:
        raise DataError(f"image file {_shown(str(file))} is missing", where, "check the folder of images")
    return Image(file, prefix + str(PurePosixPath(name).with_suffix("")), (int(size[0]), int(size[1])))


def _objects(document: dict[str, Any], path: Path, files: dict[Any, Image | None], categories: dict[Any, str],
             left_out: _LeftOut, split: str) -> tuple[list[Sequence], list[str]]:
    """Objects and, for messages, where each stands."""
    sequences: list[Sequence] = []
    places, names, bad_outlines, total = [], set(), [], 0
    entries = _entries(document, "annotations", path)
    for annotation, box in left_out.without(entries, "annotations", lambda one, n: _box(one, n, files, path)):
        image = files[annotation["image_id"]]
        if image is None or annotation.get("iscrowd", 0) or not (box[2] > 0 and box[3] > 0):
            continue
        where, outlines, mask = f"{path}, annotation {_shown(annotation['id'])}", None, None
        total += 1
        try:
            outlines = _polygons(annotation.get("segmentation"), where)
            mask = _mask(annotation.get("segmentation"), image.size, where)
        except DataError as error:
            bad_outlines.append(error)
        name = _unused(f"{image.group}/{annotation['id']}", names)
        kind = annotation.get("category_id")
        sequences.append(Sequence(name, image.group, (image.file,), box[None], image.size,
                                  masks=None if mask is None else (mask,), polygons=(outlines,) if outlines else None,
                                  category=categories.get(kind, "") if _is_id(kind) else "", split=split))
        places.append(where)
    left_out.count(bad_outlines, max(total, 2 * len(bad_outlines)), "outlines")  # boxes do without them
    return sequences, places


def _unused(name: str, names: set[str]) -> str:
    """A name that no other object has, whatever their ids are; it is then taken."""
    number, free = 1, name
    while free in names:
        number += 1
        free = f"{name} ({number})"
    names.add(free)
    return free


def _box(annotation: Any, number: int, files: dict[Any, Image | None], path: Path) -> np.ndarray:
    where = f"{path}, annotation {_shown(_id_of(annotation, number, path, 'annotations'))}"
    image, box = annotation.get("image_id"), annotation.get("bbox")
    if not _is_id(image) or image not in files:
        raise DataError(f"image {_shown(image)} is unknown", where, "list it under 'images'")
    if not (isinstance(box, list) and len(box) == 4 and all(map(_is_number, box)) and min(box[2:]) >= 0):
        raise DataError(f"bbox {_shown(box)} is not a box", where, "write four finite numbers x, y, w, h")
    return np.array(box, np.float32)


def _polygons(segmentation: Any, where: str) -> tuple[Polygon, ...] | None:
    if not isinstance(segmentation, list) or not segmentation:
        return None
    for flat in segmentation:
        pairs = isinstance(flat, list) and len(flat) >= 6 and len(flat) % 2 == 0
        if not (pairs and all(map(_is_number, flat))):
            do = "write lists of x1, y1, x2, y2, ... of three corners or more"
            raise DataError("a segmentation that is no polygon", where, do)
    return tuple(np.array(flat, np.float32).reshape(-1, 2) for flat in segmentation)


def _mask(segmentation: Any, size: tuple[int, int], where: str) -> RunLengths | None:
    if not isinstance(segmentation, dict):
        return None
    mask = coco_runs(segmentation.get("counts"), segmentation.get("size"))
    if mask is None or segmentation["size"] != list(size):
        raise DataError(f"run lengths that do not fill a picture of {size[1]}x{size[0]} px", where,
                        "write counts of columns, and size as [height, width] of the image")
    return mask


def _id_of(entry: Any, number: int, path: Path, key: str) -> int | float | str:
    if not isinstance(entry, dict) or not _is_id(entry.get("id")):
        raise DataError(f"entry {number} of '{key}' has no id", f"{path}, entry {number}", "give each entry an id")
    return entry["id"]


def _is_id(value: Any) -> bool:
    return isinstance(value, str) or _is_finite(value)


def _is_number(value: Any) -> bool:
    return _is_finite(value) and abs(value) <= LIMIT


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf


def _shown(value: Any) -> str:
    """A value as messages show it, whatever its size."""
    try:
        text = repr(value)
    except RecursionError:
        text = "[[[..."
    return text if len(text) <= 60 else f"{text[:57]}..."
