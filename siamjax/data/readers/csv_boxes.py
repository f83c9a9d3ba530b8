"""Plain CSV of boxes: `NAME.csv` with `frame,x,y,w,h`, beside the images in `NAME/`, or in one folder with them."""

from __future__ import annotations

import csv
import functools
import math
from pathlib import Path

import numpy as np

from siamjax.data.frame_list import FrameList
from siamjax.data.listing import files_named, subfolders
from siamjax.data.readers.layouts import Entry, Layout, Splits, frames_of
from siamjax.data.readers.objects import images_beside, place_of, tracks_of
from siamjax.data.readers.rows import LIMIT, present_boxes
from siamjax.data.sequences import Sequence
from siamjax.data.text import head_of, read_text
from siamjax.errors import DataError

NO = ("0", "0.0", "false", "")
COLUMNS = ("frame", "x", "y", "w", "h")
_SAME = {"width": "w", "height": "h", "left": "x", "top": "y", "frame_id": "frame", "frame_number": "frame",
         "track": "target", "track_id": "target", "id": "target", "object": "target", "object_id": "target",
         "label": "category", "class": "category"}
DO = "write the columns frame,x,y,w,h, and target where there are several"


def find(root: Path) -> Splits | None:
    """Files of boxes in a folder, or in the folders in it."""
    if not root.is_dir():
        return None
    paths = [(path, images) for folder in (root, *subfolders(root))
             for path in files_named(folder, "*.csv") if _has_columns(path)
             for images in [images_beside(path)] if images is not None]
    entries = [Entry(name, functools.partial(_read, path, images, name), (path, images))
               for path, images in paths for name in [_name(path, root)]]
    return {"": entries} if entries else None


def _name(path: Path, root: Path) -> str:
    """Of the video: of its folder where that has one file alone, else of the file."""
    alone = path.parent != root and len(files_named(path.parent, "*.csv")) == 1
    return path.parent.name if alone else path.stem


def _has_columns(path: Path) -> bool:
    head = head_of(path).replace(b"\0", b"").partition(b"\n")[0]
    line = head.decode("latin-1").lstrip("\xef\xbb\xbf\xff\xfe").strip()
    words = line.replace(";", ",").replace("\t", ",").split(",")
    names = [_SAME.get(word.strip().lower(), word.strip().lower()) for word in words]
    return set(COLUMNS) <= set(names) or (len(words) == 5 and all(map(_is_number, words)))


def _is_number(word: str) -> bool:
    try:
        return "_" not in word and not math.isinf(float(word))
    except ValueError:
        return False


def _read(path: Path, images: Path, name: str) -> list[Sequence]:
    frames, rows = frames_of(images), _rows(path)
    shift = _first(rows, frames)
    objects: dict[str, dict[int, np.ndarray]] = {}
    categories: dict[str, str] = {}
    for line, row in rows:
        where = f"{path}, line {line}"
        frame, *box = (_number(row[key], where) for key in COLUMNS)
        if frame != frame:
            raise DataError("a row without a frame", where, DO)
        if row.get("valid", "1").lower() in NO:  # a frame that `siamjax track` could not read
            continue
        target, is_lost = row.get("target", ""), row.get("lost", "0").lower() not in NO
        objects.setdefault(target, {})[place_of(round(frame) - shift, len(frames), where)] = present_boxes(
            np.full((1, 4), math.nan) if is_lost else np.array([box]), path, line)[0]
        categories[target] = row.get("category", "")
    known = {one: np.isin(np.arange(len(frames)), list(boxes)) for one, boxes in objects.items()}
    tracks = tracks_of(name, frames, objects, categories,
                       known={one: said for one, said in known.items() if not said.all()})
    if not tracks:
        raise DataError("the file has no box", str(path), DO)
    return tracks


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Rows by their columns, each with its line."""
    text = read_text(path, do=DO)
    head = text.split("\n", 1)[0]
    mark = max(",;\t", key=head.count)
    try:
        table = [(number, row) for number, row in enumerate(csv.reader(text.splitlines(), delimiter=mark), start=1)
                 if any(word.strip() for word in row)]
    except csv.Error as error:
        raise DataError(f"not CSV: {error}", str(path), DO) from error
    names: list[str] = list(COLUMNS)
    if table and not all(map(_is_number, table[0][1])):
        names = [_SAME.get(word.strip().lower(), word.strip().lower()) for word in table.pop(0)[1]]
    for number, row in table:
        if len(row) != len(names):
            raise DataError(f"{len(row)} columns instead of {len(names)}", f"{path}, line {number}", DO)
    return [(number, {name: word.strip() for name, word in zip(names, row)}) for number, row in table]


def _number(word: str, where: str) -> float:
    if word == "":
        return math.nan  # an absent object
    if not _is_number(word) or abs(float(word)) > LIMIT:
        raise DataError(f"{word[:60]!r} is not a number of px", where, DO)
    return float(word)


def _first(rows: list[tuple[int, dict[str, str]]], frames: FrameList) -> int:
    """The number of the first frame: 0; 1 where the rows say so; or that in its name where all rows have such."""
    numbers = {round(float(row["frame"])) for _, row in rows if _is_number(row["frame"]) and row["frame"]}
    if not numbers or min(numbers) == 0:
        return 0
    named = frames.numbers
    if named is not None and (named == np.arange(len(named)) + named[0]).all() and (
            numbers <= set(named.tolist()) and (max(numbers) >= len(frames) or named[0] == 1)):
        return int(named[0])
    return int(max(numbers) >= len(frames))


LAYOUT = Layout("csv", "CSV", find, train=("",), validate=(), evaluate=("",),
                by_users=True)
