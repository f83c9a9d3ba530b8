"""Which two frames of which tracks: a pure function of (seed, index)."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from collections.abc import Sequence as Listing
from typing import NamedTuple

import numpy as np

from siamjax.data.config import DataConfig
from siamjax.data.pools import Group, Pool, make_pool, usable_frames
from siamjax.data.sequences import Track
from siamjax.errors import DataError


class Shot(NamedTuple):
    """One frame of one track, by their numbers."""

    track: int
    frame: int


class Pair(NamedTuple):
    """What one training sample shows; `similar` where both show the same object."""

    exemplar: Shot
    search: Shot
    similar: bool


@dataclasses.dataclass(frozen=True, eq=False)
class PairTable:
    """The usable frames of all tracks, arranged for drawing.

    Attributes:
      tracks: all of them, usable or not.
      pool: their usable frames.
      peers: of each known category the groups with objects of it, each with those alone.
      config: the settings it was made with.
    """

    tracks: Listing[Track]
    pool: Pool
    peers: dict[str, tuple[Group, ...]]
    config: DataConfig

    def draw(self, seed: int, index: int) -> Pair:
        """The pair of sample `index` (0 or more) in the stream of `seed`.

        A group is drawn as `Pool.draw` says, then an object in it, evenly, a usable frame, and another one
        at most `max_gap` away; the earlier is the exemplar (SPEC 5.3). An image, or a frame without such a
        neighbour, is paired with itself: augmentation makes the motion. For a negative pair the search is a
        usable frame of another object. (siamfc-pytorch walks its videos in a shuffled order and rejects
        distant frames; drawing afresh gives nearly the same frequencies and needs no state.)
        """
        random = np.random.Generator(np.random.Philox(key=np.array([seed, index], np.uint64)))
        group = self.pool.draw(random)
        track, usable = group[random.integers(len(group))]
        first = int(usable[random.integers(len(usable))])
        if random.random() < self.config.negative:
            return Pair(Shot(track, first), self._other(random, group, track), similar=False)
        return self._positive(random, track, usable, first)

    def _positive(self, random: np.random.Generator, track: int, usable: np.ndarray, first: int) -> Pair:
        gap = self.config.max_gap
        low, high = np.searchsorted(usable, [first - gap, first + gap + 1])
        if high - low < 2:
            return Pair(Shot(track, first), Shot(track, first), similar=True)
        choice = low + random.integers(high - low - 1)
        second = int(usable[choice + (usable[choice] >= first)])  # steps over the first frame itself
        return Pair(Shot(track, min(first, second)), Shot(track, max(first, second)), similar=True)

    def _other(self, random: np.random.Generator, group: Group, track: int) -> Shot:
        """An object for the search of a negative pair."""
        if self.config.hard_negative and random.random() < self.config.hard_negative:
            rivals = self._rivals(group, track)
            if rivals:
                return _pick(random, rivals)
            peers = self.peers.get(self.tracks[track].category, ())
            if len(peers) > 1:
                return _pick(random, self._elsewhere(lambda: peers[random.integers(len(peers))], track))
        return _pick(random, self._elsewhere(lambda: self.pool.draw(random), track))

    def _rivals(self, group: Group, track: int) -> Group:
        """The other objects of a group, in the frames where the target is not where they are."""
        target = self.tracks[track].boxes
        rivals = []
        for number, usable in group:
            if number != track:
                apart = usable[~_touch(target[usable], self.tracks[number].boxes[usable])]
                rivals += [(number, apart)] if len(apart) else []
        return tuple(rivals)

    def _elsewhere(self, draw: Callable[[], Group], track: int) -> Group:
        """What `draw` gives until it is another video or image than the track's."""
        group = draw()
        while self.tracks[group[0][0]].group == self.tracks[track].group:
            group = draw()
        return group


def make_table(tracks: Listing[Track], config: DataConfig) -> PairTable:
    """Filters the frames of all tracks and arranges them for `PairTable.draw`.

    Raises:
      DataError: no usable frame at all, or negative pairs wanted of a single video.
    """
    usable = [usable_frames(track, config) for track in tracks]
    pool = make_pool(tracks, usable, config.image_share)
    if pool is None:
        raise DataError(
            f"none of {len(tracks)} tracks has a usable frame",
            where="data",
            do="check the boxes, or widen min_side, max_side, max_fraction and max_aspect of DataConfig",
        )
    if config.negative > 0 and pool.size < 2:
        raise DataError("negative pairs need a second video", "data", "add data or set data.negative=0")
    return PairTable(tracks, pool, _peers(tracks, pool), config)


def _peers(tracks: Listing[Track], pool: Pool) -> dict[str, tuple[Group, ...]]:
    peers: dict[str, list[Group]] = {}
    for group in itertools.chain(*pool.kinds):
        members: dict[str, list[tuple[int, np.ndarray]]] = {}
        for number, usable in group:
            if tracks[number].category:
                members.setdefault(tracks[number].category, []).append((number, usable))
        for category, objects in members.items():
            peers.setdefault(category, []).append(tuple(objects))
    return {category: tuple(groups) for category, groups in peers.items()}


def _pick(random: np.random.Generator, group: Group) -> Shot:
    track, usable = group[random.integers(len(group))]
    return Shot(track, int(usable[random.integers(len(usable))]))


def _touch(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`[n]` bool, whether boxes `[n, 4]` overlap or meet at an edge; NaN touches nothing."""
    with np.errstate(invalid="ignore"):
        return np.all((a[:, :2] <= b[:, :2] + b[:, 2:]) & (b[:, :2] <= a[:, :2] + a[:, 2:]), axis=1)
