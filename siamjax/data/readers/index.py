"""What was read of a large data set, kept for the next time: its boxes and the names of its frames, without images.

The file lies in the user's cache (`$XDG_CACHE_HOME/siamjax/listings`, else `~/.cache/...`). What is in it of a sequence
counts as long as the size and time of every file and folder that it was read from are the same.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from siamjax.data.frame_list import FrameList
from siamjax.data.readers.layouts import Entry
from siamjax.data.sequences import WHEN_ASKED, Sequence
from siamjax.errors import SiamjaxError
from siamjax.outputs import whole_file

FORMAT = 1
SLOW = 2.0  # s; a listing that takes longer is kept
PLAIN = "name", "group", "attributes", "category", "fps", "split", "origin"  # fields as they are


def folder() -> Path:
    """Where listings are kept."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "siamjax" / "listings"


def path_of(root: Path, layout: str, entries: Iterable[Entry]) -> Path:
    """The file of some entries of a data set, such as a split."""
    which = "\n".join([str(root.resolve()), *(entry.name for entry in entries)])
    return folder() / f"{layout}-{hashlib.sha256(which.encode(errors='surrogateescape')).hexdigest()[:16]}.npz"


def load(path: Path, entries: Iterable[Entry]) -> dict[int, list[Sequence]]:
    """The tracks of those entries that have not changed since they were kept, by their place in `entries`."""
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(file["about"].tobytes())
            if about["format"] != FORMAT:
                return {}
            arrays = {key: file[key] for key in ("boxes", "flags", "names")}
        known = about["entries"]
        return {place: tracks for place, entry in enumerate(entries) if entry.name in known
                and (tracks := _tracks(entry, known[entry.name], arrays)) is not None}
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, zipfile.BadZipFile, EOFError):
        return {}  # a file of another version, or a damaged one, is as none


def save(path: Path, read: Iterable[tuple[Entry, list[Sequence]]]) -> None:
    """Keeps tracks that consist of frames and boxes; where that cannot be written, nothing is kept."""
    stack = _Stack()
    entries = {entry.name: [_stamp(entry, tracks), [stack.add(one) for one in tracks]]
               for entry, tracks in read if all(map(_is_plain, tracks))}
    about = json.dumps({"format": FORMAT, "entries": entries}).encode()
    boxes, flags, names = stack.arrays()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path, "wb") as file:
            np.savez(file, about=np.frombuffer(about, np.uint8), boxes=boxes, flags=flags, names=names)
    except (OSError, SiamjaxError):
        return


class _Stack:
    """Rows of all tracks, one after the other."""

    def __init__(self) -> None:
        self._boxes: list[np.ndarray] = []
        self._flags: list[np.ndarray] = []
        self._names = io.BytesIO()
        self._count = 0
        self._videos: dict[int, Any] = {}

    def add(self, one: Sequence) -> dict[str, Any]:
        """What is to be known of a track beside its rows."""
        assert isinstance(one.frames, FrameList)
        first, count = self._count, len(one.frames)
        self._count += count
        self._boxes.append(np.asarray(one.boxes, np.float32))
        flags = np.zeros((count, 2), bool)
        for column, said in enumerate((one.annotated, one.listed)):
            flags[:, column] = False if said is None else said
        self._flags.append(flags)
        return {key: getattr(one, key) for key in PLAIN} | {
            "rows": [first, count], "said": [one.annotated is not None, one.listed is not None],
            "size": one.size if one.has_size else None, "frames": self._frames(one.frames)}

    def _frames(self, frames: FrameList) -> Any:
        if id(frames) not in self._videos:
            counted = frames.counted
            if counted is None:
                begin = self._names.tell()
                self._names.write("\0".join(frames.names).encode(errors="surrogateescape"))
                counted = [begin, self._names.tell()]
            self._videos[id(frames)] = [str(frames.folder), *counted]
        return self._videos[id(frames)]

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`[N, 4]` boxes, `[N, 2]` bool whether annotated and whether listed as absent, and bytes of names."""
        return (np.concatenate(self._boxes or [np.zeros((0, 4), np.float32)]),
                np.concatenate(self._flags or [np.zeros((0, 2), bool)]),
                np.frombuffer(self._names.getvalue(), np.uint8))


def _is_plain(one: Sequence) -> bool:
    return isinstance(one.frames, FrameList) and all(
        value is None for value in (one.masks, one.polygons, one.label, one.meaning)) and not one.turned_boxes


def _tracks(entry: Entry, kept: Any, arrays: Mapping[str, np.ndarray]) -> list[Sequence] | None:
    stamp, records = kept
    lists: dict[str, FrameList] = {}
    tracks = [_track(record, arrays, lists) for record in records]
    return tracks if _stamp(entry, tracks) == stamp else None


def _track(record: dict[str, Any], arrays: Mapping[str, np.ndarray], lists: dict[str, FrameList]) -> Sequence:
    first, count = record["rows"]
    boxes, flags = arrays["boxes"][first:first + count], arrays["flags"][first:first + count]
    home, *which = record["frames"]
    key = repr(record["frames"])
    if key not in lists:
        if len(which) == 2:
            names = arrays["names"][which[0]:which[1]].tobytes().decode(errors="surrogateescape").split("\0")
            lists[key] = FrameList(Path(home), names)
        else:
            lists[key] = FrameList.counting(Path(home), *which)
    if len(lists[key]) != count or len(boxes) != count:
        raise ValueError("rows are missing")
    said = record["said"]
    plain = {key: record[key] for key in PLAIN if key not in ("name", "group")}
    plain["attributes"] = tuple(plain["attributes"])
    return Sequence(record["name"], record["group"], lists[key], boxes,
                    tuple(record["size"]) if record["size"] else WHEN_ASKED, **plain,
                    annotated=flags[:, 0] if said[0] else None, listed=flags[:, 1] if said[1] else None)


def _stamp(entry: Entry, tracks: list[Sequence]) -> str:
    """What changes when a file or folder that the tracks are from does."""
    digest = hashlib.sha256()
    for source in (*entry.sources, *dict.fromkeys(one.frames[0] for one in tracks)):
        digest.update(_state(source))
    if entry.deep:
        with os.scandir(entry.truth) as files:
            for file in sorted(files, key=lambda one: one.name):
                about = file.stat()
                digest.update(f"{file.name} {about.st_size} {about.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]


def _state(path: Path) -> bytes:
    try:
        about = path.stat()
        said = f"{path} {about.st_size} {about.st_mtime_ns}\n"
    except OSError:
        said = f"{path} is not there\n"
    return said.encode(errors="surrogateescape")
