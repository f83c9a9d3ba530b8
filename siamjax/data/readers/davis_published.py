"""DAVIS with its lists (`ImageSets/2017/train.txt`), and YouTube-VOS with its splits (`train/`, `valid/`, `test/`)."""

from __future__ import annotations

import functools
from pathlib import Path

from siamjax.data.listing import files_named, subfolders
from siamjax.data.readers.davis import is_davis, read_davis, resolution
from siamjax.data.readers.layouts import Entry, Layout, Splits
from siamjax.data.sequences import Sequence
from siamjax.data.text import read_text

LISTS = "2017", "2016", "480p", "1080p"  # folders of ImageSets; those of 2016 name files in the latter


def find_davis(root: Path) -> Splits | None:
    """Videos by list. A folder with a validation.txt, or with other data beside, is one of a user's own."""
    if not is_davis(root) or any((root / name).exists() for name in ("validation.txt", "videos", "annotations.json")):
        return None
    lists = next((found for name in LISTS if (found := files_named(root / "ImageSets" / name, "*.txt"))), None)
    if lists is None:
        return None
    splits = {path.stem: [_entry(root, name, path.stem) for name in _videos(path)] for path in lists}
    return {name: entries for name, entries in splits.items() if entries}


def find_youtube_vos(root: Path) -> Splits | None:
    """Videos by split; of `valid` and `test` only frames where an object appears are annotated."""
    homes = {name: root / name for name in ("train", "valid", "test") if is_davis(root / name)}
    return {split: [_entry(home, one.name, split) for one in subfolders(home / "Annotations")]
            for split, home in homes.items()} or None


def _videos(path: Path) -> list[str]:
    """Names of videos of a list: a name a line, or in 2016 the path of an image and of its annotation."""
    words = (line.split()[0] for line in read_text(path).splitlines() if line.strip())
    return list(dict.fromkeys(Path(word).parent.name if "/" in word else word for word in words))


def _entry(root: Path, name: str, split: str) -> Entry:
    images, annotations = (home / name for home in resolution(root))
    return Entry(name, functools.partial(_read, root, name, split), (annotations, images), deep=True)


def _read(root: Path, name: str, split: str) -> list[Sequence]:
    return [one.changed(split=split) for one in read_davis(root, only=name)]


DAVIS = Layout("davis", "DAVIS", find_davis)
YOUTUBE_VOS = Layout("youtubevos", "YouTube-VOS", find_youtube_vos, validate=(), evaluate=("valid", "test"))
