"""What each record of prepared data shows, and which shard it is in: known before the first is written."""

from __future__ import annotations

import bisect
import dataclasses
import hashlib
import itertools
from collections.abc import Hashable, Iterator
from collections.abc import Sequence as Listing
from functools import cached_property
from typing import NamedTuple

import numpy as np

from siamjax.data.prepared.settings import Preparation
from siamjax.data.sequences import MaskedTrack, Track
from siamjax.errors import DataError

FORMAT = 1  # of the records and of their order


class Shown(NamedTuple):
    """One object in one frame, by the numbers of the track and of its frame."""

    track: int
    frame: int


class Shard(NamedTuple):
    """A file of records: those of the items `start` to `stop` of a split."""

    split: str
    number: int
    count: int
    start: int
    stop: int


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """The tracks of one split, and its items: what is shown by each record that is planned.

    Attributes:
      tracks: of the whole data set.
      chosen: numbers of the tracks of this split.
      settings: of the preparation.
    """

    tracks: Listing[Track]
    chosen: Listing[int]
    settings: Preparation

    @cached_property
    def groups(self) -> list[list[int]]:
        """Numbers of the tracks of each video or image, in the order in which they are listed."""
        found: dict[str, list[int]] = {}
        for number in self.chosen:
            found.setdefault(self.tracks[number].group, []).append(number)
        return list(found.values())

    @cached_property
    def _ends(self) -> list[int]:
        return list(itertools.accumulate(map(self._count, self.groups)))

    @property
    def size(self) -> int:
        """Number of items."""
        return self._ends[-1] if self._ends else 0

    def items(self, start: int, stop: int) -> Iterator[list[Shown]]:
        """What the items from `start` to before `stop` show; the objects of one frame, or one object."""
        group = bisect.bisect_right(self._ends, start)
        while start < stop:
            begin = self._ends[group - 1] if group else 0
            end = min(stop, self._ends[group])
            yield from self._items_of(self.groups[group])[start - begin : end - begin]
            start, group = end, group + 1

    def _count(self, group: list[int]) -> int:
        if self.settings.form == "images" and len(group) == 1:  # without naming millions of files
            return len(self.tracks[group[0]].boxes)
        return len(self._items_of(group))

    def _items_of(self, group: list[int]) -> list[list[Shown]]:
        if self.settings.form == "images" and len(group) == 1:
            return [[Shown(group[0], frame)] for frame in range(len(self.tracks[group[0]].boxes))]
        seen = sorted((frame, number) for number in group for frame in self._frames(number))
        if self.settings.form == "crops":
            return [[Shown(number, frame)] for frame, number in seen]
        frames: dict[Hashable, list[Shown]] = {}
        for frame, number in seen:
            frames.setdefault(self.tracks[number].key(frame), []).append(Shown(number, frame))
        return list(frames.values())

    def _frames(self, number: int) -> list[int]:
        track = self.tracks[number]
        if self.settings.form == "images":
            return list(range(len(track.boxes)))
        return np.flatnonzero(can_crop(track)).tolist()


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """All splits of a data set.

    Attributes:
      tracks: of all of them.
      parts: by the names of the splits.
      settings: of the preparation.
    """

    tracks: Listing[Track]
    parts: dict[str, Part]
    settings: Preparation

    def shards(self) -> list[Shard]:
        """Every shard, in order."""
        found = []
        for split, part in self.parts.items():
            starts = range(0, part.size, self.settings.records)
            found += [Shard(split, number, len(starts), start, min(part.size, start + self.settings.records))
                      for number, start in enumerate(starts)]
        return found

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what is to be prepared and how, wherever the files lie."""
        digest = hashlib.sha256(repr((FORMAT, dataclasses.astuple(self.settings),
                                      {split: list(part.chosen) for split, part in self.parts.items()})).encode())
        for track in self.tracks:
            about = (track.name, track.group, track.category, *map(int, track.size), len(track.boxes))
            digest.update(repr(about).encode("utf-8", "surrogateescape"))
            digest.update(np.ascontiguousarray(track.boxes, np.float32).tobytes() + masked(track).tobytes())
        return digest.hexdigest()


def make_plan(train: Listing[Track], validation: Listing[Track], settings: Preparation, where: str) -> Plan:
    """Divides tracks into the records of splits and shards.

    Raises:
      DataError: nothing that could be prepared.
    """
    tracks = [*train, *validation]
    parts = {split: Part(tracks, chosen, settings) for split, chosen in
             (("train", range(len(train))), ("validation", range(len(train), len(tracks)))) if len(chosen)}
    if not any(part.size for part in parts.values()):
        raise DataError(f"none of {len(tracks)} tracks has a box to cut round", where,
                        "check the boxes: their centres must lie in the frames")
    return Plan(tracks, {split: part for split, part in parts.items() if part.size}, settings)


def can_crop(track: Track) -> np.ndarray:
    """`[T]` bool, the frames with a box that a crop can be cut round: its centre is in the frame."""
    height, width = track.size
    x, y, w, h = track.boxes.astype(np.float64).T
    with np.errstate(invalid="ignore"):
        return ((w > 0) & (h > 0) & (x + w / 2 >= 0) & (x + w / 2 <= width) & (y + h / 2 >= 0) & (y + h / 2 <= height))


def masked(track: Track) -> np.ndarray:
    """`[T]` bool, the frames with a mask."""
    return np.asarray(track.masked, bool) if isinstance(track, MaskedTrack) else np.zeros(len(track.boxes), bool)

