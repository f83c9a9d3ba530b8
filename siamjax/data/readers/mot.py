"""MOT 16, 17, 20: `NAME/img1/000001.jpg`, `NAME/gt/gt.txt` and `seqinfo.ini`; frames and pixels count from 1."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from siamjax.data.listing import subfolders
from siamjax.data.readers.layouts import Entry, Layout, Splits, frames_of, from_zero
from siamjax.data.readers.objects import place_of, tracks_of
from siamjax.data.readers.rows import present_boxes, read_rows
from siamjax.data.sequences import Sequence
from siamjax.data.text import read_text
from siamjax.errors import DataError

CLASSES = ("", "pedestrian", "person on vehicle", "car", "bicycle", "motorbike", "non motorized vehicle",
           "static person", "distractor", "occluder", "occluder on the ground", "occluder full", "reflection", "crowd")
DO = "write frame,id,x,y,w,h,conf,class,visibility"


def find(root: Path) -> Splits | None:
    """Entries by split; `root` holds `train` (its `test` has no boxes), or the sequences."""
    if not root.is_dir():
        return None
    home = root / "train" if (root / "train").is_dir() else root
    folders = [root] if _truth(root).is_file() else subfolders(home)
    entries = [Entry(folder.name, functools.partial(_read, folder),
                     (_truth(folder), folder / "seqinfo.ini", folder / "gt" / "labels.txt", folder / "img1"))
               for folder in folders if _truth(folder).is_file()]
    return {"train" if home.name == "train" else "": entries} if entries else None


def _truth(folder: Path) -> Path:
    return folder / "gt" / "gt.txt"


def _read(folder: Path) -> list[Sequence]:
    frames, path = frames_of(folder / "img1"), _truth(folder)
    names = _classes(folder)
    objects: dict[str, dict[int, np.ndarray]] = {}
    categories: dict[str, str] = {}
    for line, row in enumerate(read_rows(path), start=1):
        if len(row) < 6:
            raise DataError(f"{len(row)} numbers instead of 9", f"{path}, line {line}", DO)
        conf, kind, visibility = (row[6:9] + [1.0, 1.0, 1.0][len(row[6:9]):])
        if conf == 0:  # an entry that is to be left out
            continue
        one = f"{row[1]:g}"
        box = from_zero(present_boxes(np.array([row[2:6]]), path, line))[0]
        objects.setdefault(one, {})[place_of(int(row[0]) - 1, len(frames), f"{path}, line {line}")] = (
            np.full(4, np.nan, np.float32) if visibility == 0 else box)
        categories[one] = names[int(kind)] if 0 <= kind < len(names) else ""
    rate = _setting(folder / "seqinfo.ini", "framerate")
    return tracks_of(folder.name, frames, objects, categories, alone=False, fps=float(rate) if rate else None, origin=1)


def _classes(folder: Path) -> tuple[str, ...]:
    """Names of the classes, from 0: those of the challenge, or of `gt/labels.txt` from 1, which CVAT writes."""
    path = folder / "gt" / "labels.txt"
    return ("", *(line.strip() for line in read_text(path).splitlines())) if path.is_file() else CLASSES


def _setting(path: Path, key: str) -> str | None:
    """A number that `seqinfo.ini` gives."""
    for line in read_text(path).splitlines() if path.is_file() else ():
        name, _, value = line.partition("=")
        if name.strip().lower() == key and value.strip().replace(".", "", 1).isdecimal():
            return value.strip()
    return None


LAYOUT = Layout("mot", "MOT", find, train=("train", ""), validate=(), evaluate=("train", ""))
