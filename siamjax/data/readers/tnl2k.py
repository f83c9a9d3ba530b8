"""TNL2K: `NAME/imgs/*`, in natural order, with `groundtruth.txt` and `language.txt`."""

from __future__ import annotations

import functools
from pathlib import Path

from siamjax.data.listing import subfolders
from siamjax.data.readers.layouts import Entry, Layout, Splits, frames_of
from siamjax.data.readers.rows import check_count, read_boxes
from siamjax.data.sequences import WHEN_ASKED, Sequence


def find(root: Path) -> Splits | None:
    if not root.is_dir():
        return None
    entries = [Entry(folder.name, functools.partial(_read, folder), (folder / "groundtruth.txt", folder / "imgs"))
               for folder in subfolders(root)
               if (folder / "imgs").is_dir() and (folder / "groundtruth.txt").is_file()]
    return {"": entries} if entries else None


def _read(folder: Path) -> list[Sequence]:
    frames, path = frames_of(folder / "imgs"), folder / "groundtruth.txt"
    boxes = read_boxes(path)
    check_count(len(boxes), len(frames), path)
    return [Sequence(folder.name, folder.name, frames, boxes, WHEN_ASKED)]


LAYOUT = Layout("tnl2k", "TNL2K", find, train=("",), validate=(), evaluate=("",))
