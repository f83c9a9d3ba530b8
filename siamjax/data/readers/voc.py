"""Annotations of one image in PASCAL VOC's XML, as ImageNet has them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from siamjax.data.readers.rows import LIMIT
from siamjax.errors import DataError

DO = "give the publisher's file"


class Object(NamedTuple):
    """One object: the id of its track, empty where it has none; what it is; `[4]` `xywh`, NaN where it has no size."""

    track: str
    category: str
    box: np.ndarray


def read_objects(path: Path) -> list[Object]:
    """The objects of an image; there may be none.

    Edges are the first and the last pixel of the object, counted from 0.

    Raises:
      DataError: the file is missing, damaged, or an object's box is no four numbers.
    """
    root = parse(path, DO)
    return [_object(one, number, path) for number, one in enumerate(root.iter("object"), start=1)]


def parse(path: Path, do: str) -> ElementTree.Element:
    """The root of an XML file.

    Raises:
      DataError: it cannot be read, or is no XML; a file that defines entities is none.
    """
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"the file cannot be read: {reason}", str(path), do) from error
    if b"<!ENTITY" in content or b"<!\0E\0N\0T" in content:
        raise DataError("the XML defines entities, which are not read", str(path), do)
    try:
        return ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError) as error:
        raise DataError(f"not XML: {error}", str(path), do) from error


def _object(one: ElementTree.Element, number: int, path: Path) -> Object:
    where = f"{path}, object {number}"
    edges = one.find("bndbox")
    try:
        left, top, right, bottom = (float((edges.findtext(key) if edges is not None else None) or "")
                                    for key in ("xmin", "ymin", "xmax", "ymax"))
    except ValueError as error:
        raise DataError("the object has no box", where, DO) from error
    if not max(map(abs, (left, top, right, bottom))) <= LIMIT:
        raise DataError(f"a coordinate beyond {LIMIT:g}", where, DO)
    box = np.array([left, top, right - left + 1, bottom - top + 1], np.float32)
    if box[2:].min() <= 0:
        box[:] = math.nan
    return Object((one.findtext("trackid") or "").strip(), (one.findtext("name") or "").strip(), box)
