"""OTB 2013, 50 and 100: `NAME/img/0001.jpg` with `NAME/groundtruth_rect.txt`, whose pixels count from 1."""

from __future__ import annotations

import functools
from pathlib import Path

from siamjax.data.frame_list import FrameList
from siamjax.data.listing import files_named, subfolders
from siamjax.data.readers.layouts import Entry, Layout, Splits, frames_of, from_zero
from siamjax.data.readers.published import OTB
from siamjax.data.readers.rows import check_count, read_boxes
from siamjax.data.sequences import WHEN_ASKED, Sequence

# The frames, by the numbers in their names, that the boxes of some sequences belong to.
PIECES = {"david": (300, 770), "football1": (1, 74), "freeman3": (1, 460), "freeman4": (1, 283), "diving": (1, 215)}
TRUTH = "groundtruth_rect"


def find(root: Path) -> Splits | None:
    """Entries by list: `otb100`, `otb2013`, `otb50`, as far as they are there."""
    if not root.is_dir():
        return None
    folders = subfolders(root)
    truths = {folder: _truths(folder) for folder in ([root] if _truths(root) else folders)}
    if not any(truths.values()):
        return None
    entries = [Entry(folder.name, functools.partial(_read, folder, paths), (*paths, folder / "img"))
               for folder, paths in truths.items() if paths]
    lists = {"otb2013": [one for one in entries if "3" in OTB.get(one.name, "")],
             "otb50": [one for one in entries if "5" in OTB.get(one.name, "")]}
    return {"otb100": entries} | {name: some for name, some in lists.items() if some}


def _truths(folder: Path) -> list[Path]:
    """Files of boxes, one a target; those of a folder of two are numbered, and the first of Human4's is empty."""
    return [path for path in files_named(folder, f"{TRUTH}*.txt")
            if path.name == f"{TRUTH}.txt" or path.suffixes[0][1:].isdecimal()]


def _read(folder: Path, paths: list[Path]) -> list[Sequence]:
    frames = frames_of(folder / "img" if (folder / "img").is_dir() else folder)
    numbered = [path for path in paths if path.name != f"{TRUTH}.txt"]
    paths = [path for path in numbered if path.stat().st_size > 2] or paths
    return [_track(folder.name, frames, path) for path in paths]


def _track(name: str, frames: FrameList, path: Path) -> Sequence:
    boxes = read_boxes(path)
    frames = _annotated(name, frames, len(boxes))
    check_count(len(boxes), len(frames), path)
    number = path.name.removeprefix(TRUTH).removesuffix(".txt").strip(".")
    return Sequence(f"{name}/{number}" if number else name, name, frames, from_zero(boxes), WHEN_ASKED, origin=1)


def _annotated(name: str, frames: FrameList, count: int) -> FrameList:
    """Frames that a sequence's boxes are of: those of `PIECES` where the folder has more."""
    piece = PIECES.get(name.lower())
    return frames if len(frames) == count or piece is None else frames.between(*piece)


LAYOUT = Layout("otb", "OTB", find, train=("otb100",), validate=(), evaluate=("otb100",))
