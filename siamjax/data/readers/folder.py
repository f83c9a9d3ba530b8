"""Folders of videos: `NAME/img/*.jpg` with `NAME/groundtruth.txt`, as docs/own_data.md describes them."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path

import numpy as np

from siamjax.data.box_rules import BoxFile, check_boxes
from siamjax.data.frame_files import frame_files, mask_files, mode_of
from siamjax.data.labels import Meaning, meaning_of, open_annotation
from siamjax.data.listing import subfolders
from siamjax.data.readers.absence import read_absence
from siamjax.data.readers.frames import common_size, some_of
from siamjax.data.readers.quarantine import Fault, gather
from siamjax.data.readers.rows import check_count, read_boxes, read_rows
from siamjax.data.sequences import Polygon, Sequence
from siamjax.data.text import read_json
from siamjax.errors import DataError, SourceError

TRUTH = "groundtruth.txt"


def read_folder(root: str | Path, *, prefix: str = "", faults: list[Fault] | None = None) -> list[Sequence]:
    """Lists the sequences of a folder, in natural order; frames are not decoded.

    A sequence is a folder with `groundtruth.txt` (`x,y,w,h` a line, one line a frame, `nan,nan,nan,nan` where
    the object is absent, see `read_boxes`), or with `objects/ID/groundtruth.txt` for several objects, and with images
    in `img/` or beside that file. `polygon.txt` (corners `x1,y1,x2,y2,...` a line), `masks/` (images named as the
    frames, see `labels.read_annotation`) and `meta.json` (`"attributes"`) may be there. Of several objects each
    has its own `objects/ID/masks/`, or all share the `masks/` of the video, where ID is an object's number in them.
    Absence lists of LaSOT and GOT-10k are read, see `absence`. `root` may also be one sequence itself. All frames of a
    sequence have the size of its first. Boxes are checked for being pixels of the frames (`box_rules.check_boxes`).

    Args:
      root: the folder.
      prefix: put before the name of each sequence's group, e.g. `videos/`.
      faults: is told of sequences that are not as described, which are then left out.

    Raises:
      DataError: no sequence in it, or (without `faults`) one that is not as described; file and line are named.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError("there is no such folder", str(root), "check the path")
    folders = [root] if _is_sequence(root) else list(filter(_is_sequence, subfolders(root)))
    if not folders:
        do = "give one with NAME/img/ and NAME/groundtruth.txt in it"
        raise DataError("the folder holds no sequence", str(root), do)
    read, wrong = gather(folders, lambda folder: _checked_sequence(folder, prefix + folder.name),
                         lambda folder: folder.name, stop=faults is None)
    if faults is not None:
        faults += wrong
    check_boxes([file for files, _ in read for file in files], alone=False)
    return [sequence for _, sequences in read for sequence in sequences]


def check_truth(path: Path, size: tuple[int, int]) -> None:
    """Checks that the boxes of a groundtruth.txt are pixels of frames of `size` `(height, width)` px.

    Raises:
      DataError: as `read_boxes`, or see `box_rules.check_boxes`.
    """
    check_boxes([_box_file(path, read_boxes(path), size)])


def _box_file(path: Path, boxes: np.ndarray, size: tuple[int, int]) -> BoxFile:
    return BoxFile(str(path), boxes, size, lambda number: f"{path}, line {number + 1}")


def has_sequences(root: Path) -> bool:
    """Whether a folder holds sequences, or is one."""
    return root.is_dir() and (_is_sequence(root) or any(map(_is_sequence, subfolders(root))))


def _is_sequence(folder: Path) -> bool:
    return (folder / TRUTH).is_file() or (folder / "objects").is_dir()


def _checked_sequence(folder: Path, group: str) -> tuple[list[BoxFile], list[Sequence]]:
    read = _read_sequence(folder, group)
    files = [_box_file(path, sequence.boxes, sequence.size) for path, sequence in read]
    check_boxes(files, alone=True)
    return files, [sequence for _, sequence in read]


def _read_sequence(folder: Path, group: str) -> list[tuple[Path, Sequence]]:
    """Objects of a video, each with the file that its boxes are in."""
    frames = tuple(frame_files(folder / "img" if (folder / "img").is_dir() else folder))
    if not frames:
        raise DataError("the sequence has no images", str(folder), "put them into img/")
    size = common_size(frames)
    attributes = _read_attributes(folder / "meta.json")
    if (folder / TRUTH).is_file():
        boxes = _checked_boxes(folder / TRUTH, len(frames))
        listed = read_absence(folder, len(frames))
        if listed is not None:
            boxes[listed] = math.nan  # a box there is where the object was last seen
        masks, polygons = _find_masks(folder / "masks", frames), _read_polygons(folder, len(frames))
        return [(folder / TRUTH,
                 Sequence(group, group, frames, boxes, size, masks, polygons, attributes, meaning=_meaning(masks),
                          turned_boxes=_are_turned_boxes(polygons), listed=listed))]
    objects = subfolders(folder / "objects")
    if not objects:
        raise DataError("the sequence has no objects", str(folder), "add objects/ID/groundtruth.txt")
    shared = _find_masks(folder / "masks", frames)
    return [(one / TRUTH, _read_object(one, group, frames, size, shared, attributes)) for one in objects]


def _read_object(
    folder: Path,
    group: str,
    frames: tuple[Path, ...],
    size: tuple[int, int],
    shared: tuple[Path | None, ...] | None,
    attributes: tuple[str, ...],
) -> Sequence:
    """One of several objects; `shared` are the masks of all of them, where there are such."""
    masks, label = _find_masks(folder / "masks", frames), None
    if masks is None and shared is not None:
        if not (folder.name.isdecimal() and 1 <= int(folder.name) <= 255):
            do = "call the folder by the object's number in masks/, 1 to 255, or give it masks/ of its own"
            raise DataError(f"'{folder.name}' is no number of an object", str(folder), do)
        masks, label = shared, int(folder.name)
    boxes, polygons = _checked_boxes(folder / TRUTH, len(frames)), _read_polygons(folder, len(frames))
    return Sequence(f"{group}/{folder.name}", group, frames, boxes, size, masks, polygons, attributes, label=label,
                    meaning=_meaning(masks), turned_boxes=_are_turned_boxes(polygons))


def _checked_boxes(path: Path, count: int) -> np.ndarray:
    boxes = read_boxes(path)
    check_count(len(boxes), count, path)
    return boxes


def _read_polygons(folder: Path, count: int) -> tuple[tuple[Polygon, ...], ...] | None:
    path = folder / "polygon.txt"
    if not path.is_file():
        return None
    rows = read_rows(path)
    check_count(len(rows), count, path, "polygons")
    for line, row in enumerate(rows, start=1):
        if len(row) < 6 or len(row) % 2:
            do = "write x1,y1,x2,y2,... of three corners or more"
            raise DataError(f"{len(row)} numbers are no polygon", f"{path}, line {line}", do)
    polygons = [np.array(row, np.float32).reshape(-1, 2) for row in rows]
    return tuple((polygon,) if np.isfinite(polygon).all() else () for polygon in polygons)


def _find_masks(folder: Path, frames: tuple[Path, ...]) -> tuple[Path | None, ...] | None:
    if not folder.is_dir():
        return None
    by_stem = mask_files(folder)
    unknown = sorted(by_stem.keys() - {frame.stem for frame in frames})
    if unknown:
        raise DataError(f"mask '{unknown[0]}' has no frame", str(folder), "name the masks as their frames")
    return tuple(by_stem.get(frame.stem) for frame in frames)


def _meaning(masks: tuple[Path | None, ...] | None) -> Meaning | None:
    """What the grey ones of a video's masks mean, from a look at some of them."""
    looks = []
    for file in some_of([mask for mask in masks or () if mask is not None]):
        if mode_of(file) not in ("1", "P"):  # which need not be decoded to tell
            with contextlib.suppress(SourceError, DataError):  # a damaged one is for whoever reads it
                looks.append(open_annotation(file).look())
    return meaning_of(looks)


def _are_turned_boxes(polygons: tuple[tuple[Polygon, ...], ...] | None) -> bool:
    """Whether a polygon.txt is one of rotated boxes, as VOT's are: it has four corners throughout."""
    return polygons is not None and all(len(polygon) == 4 for of_frame in polygons for polygon in of_frame)


def _read_attributes(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        return ()
    do = 'write a JSON object, with a list of words for "attributes"'
    document = read_json(path, do=do)
    attributes = document.get("attributes", []) if isinstance(document, dict) else None
    if not (isinstance(attributes, list) and all(isinstance(attribute, str) for attribute in attributes)):
        raise DataError("the file is not as expected", str(path), do)
    return tuple(attributes)
