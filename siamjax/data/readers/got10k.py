"""GOT-10k: `train/GOT-10k_Train_000001/00000001.jpg`, with `groundtruth.txt` and labels beside the images."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import numpy as np

from siamjax.data.listing import subfolders
from siamjax.data.readers.absence import read_absence
from siamjax.data.readers.layouts import Entry, Layout, Splits, frames_of, names_in, whole_or_hidden
from siamjax.data.readers.rows import read_boxes
from siamjax.data.sequences import WHEN_ASKED, Sequence
from siamjax.data.text import read_text

SPLITS = "train", "val", "test"
LABELS = "absence.label", "cover.label", "cut_by_image.label", "meta_info.ini"
TRUTH = "groundtruth.txt"


def find(root: Path) -> Splits | None:
    """Entries by split; `root` holds the splits, or is one."""
    found = {name: _entries(root / name, name) for name in SPLITS if _is_split(root / name)}
    if found:
        return found
    if not _is_split(root):
        return None
    names = _names(root)
    said = re.match(r"GOT-10k_(Train|Val|Test)_", names[0])
    name = said[1].lower() if said else root.name if root.name in SPLITS else ""
    return {name: _entries(root, name)}


def _is_split(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    for name in _names(folder)[:20]:
        one = folder / name
        if (one / TRUTH).is_file() and not (one / "img").is_dir():
            return name.startswith("GOT-10k_") or any((one / label).is_file() for label in LABELS)
    return False


def _names(folder: Path) -> list[str]:
    listing = folder / "list.txt"
    return names_in(listing) if listing.is_file() else [one.name for one in subfolders(folder)]


def _entries(folder: Path, split: str) -> list[Entry]:
    return [Entry(name, functools.partial(_read, folder / name, split),
                  (*(folder / name / file for file in (TRUTH, *LABELS)), folder / name)) for name in _names(folder)]


def _read(folder: Path, split: str) -> list[Sequence]:
    frames, path = frames_of(folder), folder / TRUTH
    boxes, known = whole_or_hidden(read_boxes(path), frames, path, split in ("test", ""))
    listed = None
    if known is None:
        listed = read_absence(folder, len(frames))
    if listed is not None:
        boxes[listed] = np.nan  # stale where the target is absent
    about = _about(folder / "meta_info.ini")
    rate = re.match(r"[0-9.]+", about.get("anno_fps", ""))
    words = tuple(about[key] for key in ("motion_class", "motion_adverb") if about.get(key))
    return [Sequence(folder.name, folder.name, frames, boxes, WHEN_ASKED, attributes=words,
                     category=about.get("object_class", ""), annotated=known, listed=listed,
                     fps=float(rate[0]) if rate else None, split=split)]


def _about(path: Path) -> dict[str, str]:
    """What `meta_info.ini` says, `key: value` a line."""
    if not path.is_file():
        return {}
    pairs = (line.partition(":") for line in read_text(path).splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


LAYOUT = Layout("got10k", "GOT-10k", find, evaluate=("val", "test"))
