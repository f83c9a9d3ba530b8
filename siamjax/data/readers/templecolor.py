"""TempleColor-128: `NAME/img/0001.jpg`, `NAME/NAME_gt.txt` and `NAME/NAME_frames.txt` with the frames it is of."""

from __future__ import annotations

import functools
from pathlib import Path

from siamjax.data.frame_list import FrameList
from siamjax.data.listing import subfolders
from siamjax.data.readers.layouts import Entry, Layout, Splits, frames_of
from siamjax.data.readers.rows import check_count, read_boxes, read_rows
from siamjax.data.sequences import WHEN_ASKED, Sequence
from siamjax.errors import DataError


def find(root: Path) -> Splits | None:
    if not root.is_dir():
        return None
    named = [(folder, folder / f"{folder.name}_gt.txt", folder / f"{folder.name}_frames.txt")
             for folder in subfolders(root)]
    entries = [Entry(folder.name, functools.partial(_read, folder, truth, which), (truth, which, folder / "img"))
               for folder, truth, which in named if truth.is_file()]
    return {"": entries} if entries else None


def _read(folder: Path, truth: Path, which: Path) -> list[Sequence]:
    frames, boxes = frames_of(folder / "img"), read_boxes(truth)
    if which.is_file():
        frames = _piece(frames, which)
    check_count(len(boxes), len(frames), truth)
    return [Sequence(folder.name, folder.name, frames, boxes, WHEN_ASKED)]


def _piece(frames: FrameList, which: Path) -> FrameList:
    """Frames by the numbers in their names, from the first to the last that a file names."""
    ends = [number for row in read_rows(which) for number in row]
    if len(ends) != 2:
        raise DataError(f"{len(ends)} numbers instead of 2", str(which), "write `first,last`")
    return frames.between(*ends)


LAYOUT = Layout("templecolor", "TempleColor-128", find, train=("",), validate=(), evaluate=("",))
