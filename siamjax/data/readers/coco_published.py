"""COCO and LVIS as published: `annotations/instances_train2017.json`, images in `train2017/` or `images/train2017/`."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from siamjax.data.listing import files_named
from siamjax.data.readers.coco import read_coco
from siamjax.data.readers.layouts import Entry, Layout, Splits
from siamjax.data.sequences import Sequence
from siamjax.errors import DataError

_NAMED = re.compile(r"(?:instances|lvis_v[0-9.]+)_((train|val|test|minival|valminusminival)[0-9A-Za-z_-]*)")


def find(root: Path) -> Splits | None:
    """Annotation files by split; of several years of a split, all."""
    found: dict[str, list[Entry]] = {}
    for path in files_named(root / "annotations", "*.json"):
        match = _NAMED.fullmatch(path.stem)
        if match:
            entry = Entry(path.stem, functools.partial(_read, path, root, match[1], match[2]), (path,))
            found.setdefault(match[2], []).append(entry)
            if match[1] != match[2]:
                found.setdefault(match[1], []).append(entry)
    return found or None


def _read(path: Path, root: Path, name: str, split: str) -> list[Sequence]:
    homes = [home for home in (root / name, root / "images" / name) if home.is_dir()]
    if homes and not path.stem.startswith("lvis"):
        return read_coco(path, homes[0], prefix=f"{name}/", split=split, say=False)
    base = root / "images" if (root / "images").is_dir() else root
    if not path.stem.startswith("lvis"):
        raise DataError("the images are not there", str(root / name), f"give {name}/ or images/{name}/")
    return read_coco(path, base, prefix="", split=split, say=False)  # whose images are of several folders


LAYOUT = Layout("coco", "COCO", find)
