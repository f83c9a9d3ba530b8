"""UAV123 and UAV20L: `data_seq/UAV123/FOLDER/000001.jpg` and `anno/UAV123/NAME.txt`, pieces of the folders."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from siamjax.data.listing import files_named
from siamjax.data.readers.layouts import Entry, Layout, Splits, frames_of, from_zero
from siamjax.data.readers.published import UAV20L, UAV123
from siamjax.data.readers.rows import check_count, read_boxes
from siamjax.data.sequences import WHEN_ASKED, Sequence

FPS = 30.0
BENCHMARKS = {"UAV123": UAV123, "UAV20L": UAV20L}


def find(root: Path) -> Splits | None:
    """Entries by benchmark: `uav123`, `uav20l`."""
    frames = next((folder for name in BENCHMARKS if (folder := root / "data_seq" / name).is_dir()), None)
    if frames is None or not (root / "anno").is_dir():
        return None
    found = {}
    for name, pieces in BENCHMARKS.items():
        paths = files_named(root / "anno" / name, "*.txt")
        home = root / "data_seq" / name if (root / "data_seq" / name).is_dir() else frames
        if paths:
            found[name.lower()] = [_entry(path, home, pieces.get(path.stem)) for path in paths]
    return found or None


def _entry(path: Path, home: Path, piece: tuple[int, int] | None) -> Entry:
    folder = home / path.stem
    if not folder.is_dir():
        folder = home / re.sub(r"_[0-9]+$", "", path.stem)
    return Entry(path.stem, functools.partial(_read, path, folder, piece), (path, folder))


def _read(path: Path, folder: Path, piece: tuple[int, int] | None) -> list[Sequence]:
    frames, boxes = frames_of(folder), read_boxes(path)
    if piece is not None and len(frames) != len(boxes):
        frames = frames.between(*piece)
    check_count(len(boxes), len(frames), path)
    return [Sequence(path.stem, path.stem, frames, from_zero(boxes), WHEN_ASKED, fps=FPS, origin=1)]


LAYOUT = Layout("uav", "UAV123 and UAV20L", find, train=("uav123",), validate=(), evaluate=("uav123", "uav20l"))
