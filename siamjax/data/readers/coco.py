"""COCO annotations: every annotated object of every image as a track of one frame."""

from __future__ import annotations

import json
import math
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from siamjax.data.sequences import Polygon, Sequence
from siamjax.errors import DataError
from siamjax.ops.frames import MAX_SIDE


def read_coco(annotations: str | Path, images: str | Path, *, prefix: str = "images/") -> list[Sequence]:
    """Lists the objects of a COCO annotation file as sequences of one frame.

    Crowds (`iscrowd` 1) and boxes without an area, of which COCO has a few, are left out. Outlines are kept
    where `segmentation` is a list of polygons; run-length masks are not read.

    Args:
      annotations: the JSON file, with `images` (`id`, `file_name`, `width`, `height`) and `annotations`
        (`id`, `image_id`, `bbox` as `x,y,w,h` px); `category_id` and `categories` (`id`, `name`) may be there.
      images: the folder that `file_name` is relative to.
      prefix: put before the file's stem to name its group, e.g. `images/raccoon-1`.

    Returns:
      One `Sequence` an object, named `group/annotation id`, in the file's order of annotations.

    Raises:
      DataError: not such a file, a number that is not one, an unknown image, a missing image file; the file
        and the entry are named.
    """
    path, root = Path(annotations), Path(images)
    document = _load(path)
    files = {image["id"]: image for image in _entries(document, "images", path)}
    if len(files) != len(document["images"]):
        raise DataError("two images share one id", str(path), "number the images without repetition")
    checked = {key: _image(image, root, prefix, path) for key, image in files.items()}
    named = _entries(document, "categories", path) if "categories" in document else []
    categories = {entry["id"]: str(entry.get("name", "")) for entry in named}
    sequences = []
    for annotation in _entries(document, "annotations", path):
        where = f"{path}, annotation {annotation['id']}"
        if annotation.get("image_id") not in checked:
            raise DataError(f"image {annotation.get('image_id')} is unknown", where, "list it under 'images'")
        box = _box(annotation.get("bbox"), where)
        if annotation.get("iscrowd", 0) or not (box[2] > 0 and box[3] > 0):
            continue
        file, group, size = checked[annotation["image_id"]]
        outlines = _polygons(annotation.get("segmentation"), where)
        name, polygons = f"{group}/{annotation['id']}", (outlines,) if outlines else None
        kind = annotation.get("category_id")
        category = categories.get(kind, "") if isinstance(kind, (int, str)) else ""
        sequences.append(
            Sequence(name, group, (file,), box[None], size, polygons=polygons, category=category)
        )
    if not sequences:
        raise DataError("the file annotates no object", str(path), "give one with boxes")
    return sequences


def _load(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError("the annotation file cannot be read", str(path), "check the path") from error
    except ValueError as error:
        raise DataError(f"not JSON: {error}", str(path), "give annotations in COCO format") from error
    if not isinstance(document, dict):
        raise DataError("not a JSON object", str(path), "give annotations in COCO format")
    return document


def _entries(document: dict[str, Any], key: str, path: Path) -> list[dict[str, Any]]:
    entries = document.get(key)
    if not isinstance(entries, list):
        raise DataError(f"'{key}' is not a list", str(path), "give annotations in COCO format")
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), (int, str)):
            raise DataError(f"entry {number} of '{key}' has no id", str(path), "give each entry an id")
    return entries


def _image(image: dict[str, Any], root: Path, prefix: str, path: Path) -> tuple[Path, str, tuple[int, int]]:
    where = f"{path}, image {image['id']}"
    name, size = image.get("file_name"), (image.get("height"), image.get("width"))
    # A name that leaves the folder would read files the user did not point at.
    if not isinstance(name, str) or not name or PurePosixPath(name).is_absolute() or ".." in Path(name).parts:
        raise DataError(f"file_name {name!r} is not a path inside the folder", where, "give a relative path")
    if not all(isinstance(side, int) and 0 < side <= MAX_SIDE for side in size):
        raise DataError(f"a size of {size[1]}x{size[0]}", where, f"give whole px from 1 to {MAX_SIDE}")
    file = root / name
    if not file.is_file():
        raise DataError(f"image file {file} is missing", where, "check the folder of images")
    return file, prefix + str(PurePosixPath(name).with_suffix("")), (int(size[0]), int(size[1]))  # type: ignore[arg-type]


def _box(box: Any, where: str) -> np.ndarray:
    if not (isinstance(box, list) and len(box) == 4 and all(map(_is_number, box)) and min(box[2:]) >= 0):
        raise DataError(f"bbox {box} is not a box", where, "write four finite numbers x, y, w, h")
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


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
