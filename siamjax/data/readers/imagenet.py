"""ImageNet VID and DET: `Data/VID/train/.../SNIPPET/000000.JPEG`, `Annotations/VID/train/.../SNIPPET/000000.xml`."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from siamjax.data.frame_list import FrameList
from siamjax.data.listing import files_named, subfolders
from siamjax.data.readers import voc
from siamjax.data.readers.layouts import Entry, Layout, Splits, frames_of
from siamjax.data.readers.objects import tracks_of
from siamjax.data.sequences import WHEN_ASKED, Sequence
from siamjax.errors import DataError

SPLITS = "train", "val", "test"


def find_vid(root: Path) -> Splits | None:
    """Snippets by split; those of `train` lie in folders of folders, those of `val` do not."""
    found = {}
    for split in SPLITS:
        home, notes = root / "Data" / "VID" / split, root / "Annotations" / "VID" / split
        if not (home.is_dir() and notes.is_dir()):
            continue
        folders = [one for folder in subfolders(notes) for one in _snippets(folder)]
        found[split] = [Entry(folder.name, functools.partial(_read_snippet, images, folder, split), (folder, images),
                              deep=True)
                        for folder in folders for images in [home / folder.relative_to(notes)]]
    return found or None


def _snippets(folder: Path) -> list[Path]:
    """The folder itself, or those in it."""
    inside = subfolders(folder) if not _has_xml(folder) else []
    return inside or [folder]


def _has_xml(folder: Path) -> bool:
    return bool(files_named(folder, "*.xml"))


def _read_snippet(folder: Path, notes: Path, split: str) -> list[Sequence]:
    frames = frames_of(folder)
    places = {name.rpartition(".")[0]: number for number, name in enumerate(frames.names)}
    files = [path.name for path in files_named(notes, "*.xml")]
    if not files:
        raise DataError("the snippet has no annotations", str(notes), "give them, or remove it")
    objects: dict[str, dict[int, np.ndarray]] = {}
    categories: dict[str, str] = {}
    for name in files:
        place = places.get(name.removesuffix(".xml"))
        if place is None:
            raise DataError("the annotation has no image", str(notes / name), f"give it in {folder}")
        for number, one in enumerate(voc.read_objects(notes / name)):
            track = one.track or str(number)
            objects.setdefault(track, {})[place] = one.box
            categories[track] = one.category
    said = np.zeros(len(frames), bool)
    said[[places[name.removesuffix(".xml")] for name in files]] = True
    known = {} if said.all() else dict.fromkeys(objects, said)
    return tracks_of(folder.name, frames, objects, categories, known=known, split=split)


def find_det(root: Path) -> Splits | None:
    """Images by split."""
    found = {}
    for split in SPLITS:
        home, notes = root / "Data" / "DET" / split, root / "Annotations" / "DET" / split
        if home.is_dir() and notes.is_dir():
            found[split] = [Entry(str(image.relative_to(home).with_suffix("")),
                                  functools.partial(_read_image, image, note, split), (note, image))
                            for image in _images(home)
                            for note in [notes / image.relative_to(home).with_suffix(".xml")]]
    return found or None


def _images(home: Path) -> Iterator[Path]:
    for folder, inside, names in os.walk(home):
        inside.sort()
        yield from (Path(folder, name) for name in sorted(names) if name.lower().endswith((".jpeg", ".jpg", ".png")))


def _read_image(image: Path, note: Path, split: str) -> list[Sequence]:
    if not note.is_file():  # an image without objects may have no file
        return []
    group = f"{image.parent.name}/{image.stem}"
    frames = FrameList(image.parent, [image.name])
    return [Sequence(f"{group}/{number}", group, frames, one.box[None], WHEN_ASKED, category=one.category, split=split)
            for number, one in enumerate(voc.read_objects(note), start=1) if np.isfinite(one.box).all()]


VID = Layout("vid", "ImageNet VID", find_vid, evaluate=("val",))
DET = Layout("det", "ImageNet DET", find_det)
