"""LaSOT and its extension: `CLASS/CLASS-N/img/00000001.jpg`, with `groundtruth.txt` and two lists of absent frames."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import numpy as np

from siamjax.data.listing import subfolders
from siamjax.data.readers.absence import read_absence
from siamjax.data.readers.layouts import Entry, Layout, Splits, frames_of
from siamjax.data.readers.published import LASOT_TEST
from siamjax.data.readers.rows import check_count, read_boxes
from siamjax.data.sequences import WHEN_ASKED, Sequence

FILES = "groundtruth.txt", "full_occlusion.txt", "out_of_view.txt"
CLASSES = frozenset(name.rpartition("-")[0] for name in LASOT_TEST)


def find(root: Path) -> Splits | None:
    """Entries by split. A class of its own, as LaSOT's extension has them, is of the test.

    Folders of sequences may also lie in `root` itself, where all are called as LaSOT calls them.
    """
    if not root.is_dir():
        return None
    folders = subfolders(root)
    nested = [sequence for one in folders for sequence in _sequences(one)]
    if not nested:
        nested = folders if folders and all(_is_sequence(one) for one in folders) else []
    if not nested or not any(map(_has_files, nested[:20])):
        return None
    found: dict[str, list[Entry]] = {"train": [], "test": []}
    for folder in nested:
        kind = folder.name.rpartition("-")[0]
        split = "test" if folder.name in LASOT_TEST or kind not in CLASSES else "train"
        found[split].append(Entry(folder.name, functools.partial(_read, folder, kind, split),
                                  (*(folder / name for name in FILES), folder / "img")))
    return found


def _sequences(folder: Path) -> list[Path]:
    """`CLASS-N` in `CLASS`."""
    named = re.compile(re.escape(folder.name) + r"-[0-9]+")
    return [one for one in subfolders(folder) if named.fullmatch(one.name)]


def _is_sequence(folder: Path) -> bool:
    kind, _, number = folder.name.rpartition("-")
    return kind in CLASSES and number.isdecimal() and (folder / FILES[1]).is_file()


def _has_files(folder: Path) -> bool:
    return (folder / FILES[0]).is_file() and (folder / "img").is_dir()


def _read(folder: Path, category: str, split: str) -> list[Sequence]:
    frames, path = frames_of(folder / "img"), folder / FILES[0]
    boxes = read_boxes(path)
    check_count(len(boxes), len(frames), path)
    listed = read_absence(folder, len(frames))
    if listed is not None:
        boxes[listed] = np.nan
    return [Sequence(folder.name, folder.name, frames, boxes, WHEN_ASKED, category=category, listed=listed,
                     split=split)]


LAYOUT = Layout("lasot", "LaSOT", find, validate=(), evaluate=("test",))
