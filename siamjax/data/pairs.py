"""Which two frames of which tracks: a pure function of (seed, index)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from collections.abc import Sequence as Listing
from typing import NamedTuple

import numpy as np

from siamjax.data.config import DataConfig
from siamjax.data.mixing import Epochs, part_numbers
from siamjax.data.pools import Group, Pool, cutout_frames, in_frame, make_pool, usable_frames
from siamjax.data.sequences import MaskedTrack, Track
from siamjax.errors import DataError

ATTEMPT = 128  # bits of a sample's numbers below those of its attempts


class Shot(NamedTuple):
    """One frame of one track, by their numbers."""

    track: int
    frame: int


class Pair(NamedTuple):
    """What one training sample shows.

    Attributes:
      exemplar, search: the frames that the two patches are cut from.
      similar: whether both show the same object.
      background: where the object of `search` is to be pasted onto another frame, that one (the track is any
        of its video or image); None where it stays where it is.
      distractors: objects to be pasted beside that of `search`.
    """

    exemplar: Shot
    search: Shot
    similar: bool
    background: Shot | None = None
    distractors: tuple[Shot, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class PairTable:
    """The usable frames of all tracks, arranged for drawing.

    Attributes:
      tracks: all of them, usable or not.
      pool: their usable frames.
      cutouts: those of them with masks that can be pasted; None where nothing is to be pasted.
      config: the settings it was made with.
      parts: `[n]` int, the part of each track; -1 for a track of none.
      epochs: which group each sample shows, where the parts have uses an epoch; None where groups are drawn at random.
    """

    tracks: Listing[Track]
    pool: Pool
    cutouts: Pool | None
    config: DataConfig
    parts: np.ndarray
    epochs: Epochs | None = None

    def draw(self, seed: int, index: int, attempt: int = 0) -> Pair:
        """The pair of sample `index` (0 or more) in the stream of `seed`; others of it by their number of `attempt`.

        A group is drawn as `Pool.draw` says, or is the one whose turn it is in the epoch; then an object in it,
        evenly, a usable frame, and another one at most `max_gap` away; the earlier is the exemplar. An image, or a
        frame without such a neighbour, is paired with itself: augmentation makes the motion. For a negative pair the
        search is a usable frame of another object. What is pasted is drawn like the rest, of the objects with masks;
        half of the distractors are of the target's category, where there are such. (siamfc-pytorch walks its videos
        in a shuffled order and rejects distant frames; drawing afresh gives nearly the same frequencies and
        needs no state.)
        """
        random = np.random.Generator(np.random.Philox(key=np.array([seed, index], np.uint64),
                                                         counter=attempt << ATTEMPT))
        if self.epochs is not None and attempt == 0:
            part, number = self.epochs.pick(seed, index)
            group = self.pool.kinds[part][number]
        else:
            group = self.pool.draw(random)
        track, usable = group[random.integers(len(group))]
        first = int(usable[random.integers(len(usable))])
        if random.random() < self.config.negative:
            return Pair(Shot(track, first), self._other(random, group, track), similar=False)
        if self.cutouts is None:
            return self._positive(random, track, usable, first)
        return self._pasted(random, track, usable, first)

    def _pasted(self, random: np.random.Generator, track: int, usable: np.ndarray, first: int) -> Pair:
        """A positive pair with its share of pasted objects."""
        cutouts = self.cutouts
        assert cutouts is not None
        background = None
        if random.random() < self.config.paste:
            group = cutouts.draw(random)
            track, usable = group[random.integers(len(group))]
            first = int(usable[random.integers(len(usable))])
            background = _pick(random, self._elsewhere(lambda: self.pool.draw(random), track))
        pair = self._positive(random, track, usable, first)
        if random.random() >= self.config.distractors:
            return pair._replace(background=background)
        peers = cutouts.peers.get(self.tracks[track].category, ())
        distractors = []
        for _ in range(random.integers(1, 3)):
            alike = len(peers) > 1 and random.random() < 0.5
            draw = (lambda: peers[random.integers(len(peers))]) if alike else (lambda: cutouts.draw(random))
            distractors.append(_pick(random, self._elsewhere(draw, track)))
        return pair._replace(background=background, distractors=tuple(distractors))

    def _positive(self, random: np.random.Generator, track: int, usable: np.ndarray, first: int) -> Pair:
        part = self.config.parts[self.parts[track]] if self.config.parts else None
        gap = self.config.max_gap if part is None or part.max_gap is None else part.max_gap
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
            peers = self.pool.peers.get(self.tracks[track].category, ())
            if len(peers) > 1:
                return _pick(random, self._elsewhere(lambda: peers[random.integers(len(peers))], track))
        return _pick(random, self._elsewhere(lambda: self.pool.draw(random), track))

    def _rivals(self, group: Group, track: int) -> Group:
        """The other objects of a group, in the frames where the target is not where they are."""
        target = in_frame(self.tracks[track])[0]
        rivals = []
        for number, usable in group:
            if number != track:
                apart = usable[~_touch(target[usable], in_frame(self.tracks[number])[0][usable])]
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
      DataError: no usable frame at all; negative pairs wanted of a single video; or something is to be pasted, or
        masks are to be learned, and there are no masks.
    """
    usable = [usable_frames(track, config) for track in tracks]
    parts, shares = _kinds(tracks, config)
    pool = make_pool(tracks, usable, parts, shares)
    if pool is None:
        raise DataError(
            f"none of {len(tracks)} tracks has a usable frame",
            where="data",
            do="check the boxes, or widen min_side, max_side, max_fraction and max_aspect of DataConfig",
        )
    if config.negative > 0 and pool.size < 2:
        raise DataError("negative pairs need a second video", "data", "add data or set data.negative=0")
    if config.masks and not config.synthetic_share and not any(map(_any_mask, tracks, usable)):
        do = "add masks or outlines, or set data.masks=false"
        raise DataError("none of the usable frames has a mask", where="data", do=do)
    cutouts = None
    if config.paste > 0 or config.distractors > 0:
        can_paste = [cutout_frames(track, frames) for track, frames in zip(tracks, usable, strict=True)]
        cutouts = make_pool(tracks, can_paste, parts, shares)
        if cutouts is None or cutouts.size < 2:
            raise DataError(
                "pasting needs masked objects in two videos or images",
                where="data",
                do="add masks or outlines, or set data.paste=0 and data.distractors=0",
            )
    return PairTable(tracks, pool, cutouts, config, parts, _epochs(pool, config))


def _kinds(tracks: Listing[Track], config: DataConfig) -> tuple[np.ndarray, list[float]]:
    """The kind of each track, and the shares of the kinds; see `make_pool`."""
    if not config.parts:
        return np.array([len(track.boxes) != 1 for track in tracks], int), [config.image_share, 1 - config.image_share]
    parts = part_numbers(tracks, config.parts)
    groups = [len({track.group for track, part in zip(tracks, parts) if part == number})
              for number in range(len(config.parts))]
    return parts, [float(part.weight or (count if part.uses == -1 else part.uses) or 0)
                   for part, count in zip(config.parts, groups)]


def _epochs(pool: Pool, config: DataConfig) -> Epochs | None:
    if not config.parts:
        return None
    if len(pool.kinds) < len(config.parts):
        what = f"of the {len(config.parts)} parts of the mix only {len(pool.kinds)} have usable frames"
        raise DataError(what, "data",
                        "widen min_side, max_side, max_fraction and max_aspect of DataConfig, or leave parts out")
    uses = [part.uses for part in config.parts if part.uses is not None]
    return Epochs([len(kind) for kind in pool.kinds], uses, config.epoch_pairs) if uses else None


def _any_mask(track: Track, frames: np.ndarray) -> bool:
    return isinstance(track, MaskedTrack) and bool(track.masked[frames].any())


def _pick(random: np.random.Generator, group: Group) -> Shot:
    track, usable = group[random.integers(len(group))]
    return Shot(track, int(usable[random.integers(len(usable))]))


def _touch(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`[n]` bool, whether boxes `[n, 4]` overlap or meet at an edge; NaN touches nothing."""
    with np.errstate(invalid="ignore"):
        return np.all((a[:, :2] <= b[:, :2] + b[:, 2:]) & (b[:, :2] <= a[:, :2] + a[:, 2:]), axis=1)
