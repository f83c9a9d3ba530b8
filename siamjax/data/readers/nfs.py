"""NfS (need for speed): `NAME/30/NAME/00001.jpg` and `NAME/30/NAME.txt`, the rows being those of VATIC."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from siamjax.data.listing import subfolders
from siamjax.data.readers.layouts import Entry, Layout, Splits, frames_of
from siamjax.data.readers.rows import LIMIT, check_count, present_boxes
from siamjax.data.sequences import WHEN_ASKED, Sequence
from siamjax.data.text import read_text
from siamjax.errors import DataError

RATES = "30", "240"
EVERY = 8  # of the frames that were annotated at 240 a second is one of those at 30


def find(root: Path) -> Splits | None:
    """Entries by the number of frames a second: `30`, `240`."""
    if not root.is_dir():
        return None
    found: dict[str, list[Entry]] = {}
    for folder in subfolders(root):
        for rate in RATES:
            path, images = folder / rate / f"{folder.name}.txt", folder / rate / folder.name
            if path.is_file():
                found.setdefault(rate, []).append(
                    Entry(folder.name, functools.partial(_read, path, images, rate), (path, images)))
    return {rate: found[rate] for rate in RATES if rate in found} or None


def _read(path: Path, folder: Path, rate: str) -> list[Sequence]:
    frames = frames_of(folder)
    boxes = _boxes(path)
    if len(boxes) > 2 * len(frames):
        boxes = boxes[::EVERY]
    if abs(len(boxes) - len(frames)) == 1:  # which the publisher's files are by, in several sequences
        count = min(len(boxes), len(frames))
        frames, boxes = frames[:count], boxes[:count]
    check_count(len(boxes), len(frames), path)
    return [Sequence(path.stem, path.stem, frames, boxes, WHEN_ASKED, fps=float(rate), split=rate)]


def _boxes(path: Path) -> np.ndarray:
    """`[T, 4]` float32 `xywh`, in the order of the frames that the rows name."""
    do = 'write `track left top right bottom frame lost occluded generated "label"`'
    rows = []
    for number, line in enumerate(read_text(path, do=do).rstrip().splitlines(), start=1):
        try:
            _, left, top, right, bottom, frame, lost = map(float, line.split()[:7])
        except ValueError as error:
            raise DataError(f"{line[:60]!r} is no row of VATIC", f"{path}, line {number}", do) from error
        if not max(map(abs, (left, top, right, bottom, frame))) <= LIMIT:
            raise DataError(f"a coordinate beyond {LIMIT:g}", f"{path}, line {number}", "give frame pixels")
        rows.append((frame, left, top, right - left, bottom - top, lost))
    table = np.array(rows, np.float64).reshape(-1, 6)
    boxes = table[:, 1:5].copy()
    boxes[table[:, 5] > 0] = np.nan
    return present_boxes(boxes, path)[np.argsort(table[:, 0], kind="stable")]


LAYOUT = Layout("nfs", "NfS", find, train=("30", "240"), validate=(), evaluate=("30", "240"))
