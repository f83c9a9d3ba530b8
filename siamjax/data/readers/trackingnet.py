"""TrackingNet: `TRAIN_0/frames/ID/0.jpg` and `TRAIN_0/anno/ID.txt`, of which TEST gives the first row only."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from siamjax.data.listing import files_named, subfolders
from siamjax.data.readers.layouts import Entry, Layout, Splits, frames_of, whole_or_hidden
from siamjax.data.readers.rows import read_boxes
from siamjax.data.sequences import WHEN_ASKED, Sequence

FPS = 30.0
_CHUNK = re.compile(r"TRAIN(_[0-9]+)?|TEST", re.IGNORECASE)


def find(root: Path) -> Splits | None:
    """Entries by split; `root` holds the chunks, or is one."""
    if not root.is_dir():
        return None
    chunks = [root] if _is_chunk(root) else [
        one for one in subfolders(root) if _CHUNK.fullmatch(one.name) and _is_chunk(one)]
    if not chunks:
        return None
    found: dict[str, list[Entry]] = {}
    for chunk in chunks:
        split = "test" if chunk.name.upper() == "TEST" else "train" if _CHUNK.fullmatch(chunk.name) else ""
        paths = files_named(chunk / "anno", "*.txt")
        found.setdefault(split, []).extend(
            Entry(path.stem, functools.partial(_read, chunk / "frames" / path.stem, path, split),
                  (path, chunk / "frames" / path.stem)) for path in paths)
    return found


def _is_chunk(folder: Path) -> bool:
    return (folder / "frames").is_dir() and (folder / "anno").is_dir()


def _read(folder: Path, path: Path, split: str) -> list[Sequence]:
    frames = frames_of(folder)
    boxes, known = whole_or_hidden(read_boxes(path), frames, path, may_hide=split != "train")
    return [Sequence(path.stem, path.stem, frames, boxes, WHEN_ASKED, annotated=known, fps=FPS, split=split)]


LAYOUT = Layout("trackingnet", "TrackingNet", find, validate=(), evaluate=("test",))
