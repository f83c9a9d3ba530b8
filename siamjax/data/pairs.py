"""Which two frames of which tracks: a pure function of (seed, index)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence as Listing
from typing import NamedTuple

import numpy as np

from siamjax.data.config import DataConfig
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
      kinds: videos and single images, as far as there are any; each a tuple of groups, each a tuple of
        `(track number, usable frame numbers in rising order)`.
      shares: probability of each kind.
      config: the settings it was made with.
    """

    kinds: tuple[tuple[tuple[tuple[int, np.ndarray], ...], ...], ...]
    shares: tuple[float, ...]
    config: DataConfig

    def draw(self, seed: int, index: int) -> Pair:
        """The pair of sample `index` (0 or more) in the stream of `seed`.

        A kind is drawn by its share, then a video or image, then an object in it, each evenly, so that a
        crowded image counts no more than another. Then a usable frame and another one at most `max_gap`
        away; the earlier is the exemplar (SPEC 5.3). An image, or a frame without such a neighbour, is
        paired with itself: augmentation makes the motion. For a negative pair the search is a usable frame
        of any object of another group. (siamfc-pytorch walks its videos in a shuffled order and rejects
        distant frames; drawing afresh gives nearly the same frequencies and needs no state.)
        """
        random = np.random.Generator(np.random.Philox(key=np.array([seed, index], np.uint64)))
        group = self._draw_group(random)
        track, usable = group[random.integers(len(group))]
        first = int(usable[random.integers(len(usable))])
        if random.random() < self.config.negative:
            other = group
            while other is group:
                other = self._draw_group(random)
            other_track, other_usable = other[random.integers(len(other))]
            search = Shot(other_track, int(other_usable[random.integers(len(other_usable))]))
            return Pair(Shot(track, first), search, similar=False)
        gap = self.config.max_gap
        low, high = np.searchsorted(usable, [first - gap, first + gap + 1])
        if high - low < 2:
            return Pair(Shot(track, first), Shot(track, first), similar=True)
        choice = low + random.integers(high - low - 1)
        second = int(usable[choice + (usable[choice] >= first)])  # steps over the first frame itself
        return Pair(Shot(track, min(first, second)), Shot(track, max(first, second)), similar=True)

    def _draw_group(self, random: np.random.Generator) -> tuple[tuple[int, np.ndarray], ...]:
        kind = self.kinds[int(len(self.kinds) == 2 and random.random() >= self.shares[0])]
        return kind[random.integers(len(kind))]


def usable_frames(track: Track, config: DataConfig) -> np.ndarray:
    """Numbers of the frames whose box passes the filters of `config` and has its centre in the frame."""
    height, width = track.size
    x, y, w, h = track.boxes.astype(np.float64).T
    with np.errstate(invalid="ignore"):  # absent objects are NaN, and every comparison with NaN is false
        centred = (x + w / 2 >= 0) & (x + w / 2 <= width) & (y + h / 2 >= 0) & (y + h / 2 <= height)
        sides = (np.minimum(w, h) >= config.min_side) & (np.maximum(w, h) <= config.max_side)
        fraction = np.stack([w / width, h / height])
        fractions = (fraction.min(0) >= config.min_fraction) & (fraction.max(0) <= config.max_fraction)
        aspect = (w <= config.max_aspect * h) & (h <= config.max_aspect * w)
        return np.flatnonzero(centred & sides & fractions & aspect & (w * h >= config.min_area))


def make_table(tracks: Listing[Track], config: DataConfig) -> PairTable:
    """Filters the frames of all tracks and arranges them for `PairTable.draw`.

    Raises:
      DataError: no usable frame at all, or negative pairs wanted of a single video.
    """
    videos: dict[str, list[tuple[int, np.ndarray]]] = {}
    images: dict[str, list[tuple[int, np.ndarray]]] = {}
    for number, track in enumerate(tracks):
        usable = usable_frames(track, config)
        if len(usable):
            kind = images if len(track.boxes) == 1 else videos
            kind.setdefault(track.group, []).append((number, usable))
    kinds = [tuple(map(tuple, kind.values())) for kind in (images, videos)]
    shares = [config.image_share, 1 - config.image_share]
    kept = [(kind, share) for kind, share in zip(kinds, shares) if kind]
    if sum(share for _, share in kept) > 0:  # a share of 0 leaves a kind out, unless nothing else is there
        kept = [(kind, share) for kind, share in kept if share > 0]
    if not kept:
        raise DataError(
            f"none of {len(tracks)} tracks has a usable frame",
            where="data",
            do="check the boxes, or widen min_side, max_side, max_fraction and max_aspect of DataConfig",
        )
    if config.negative > 0 and sum(len(kind) for kind, _ in kept) < 2:
        raise DataError("negative pairs need a second video", "data", "add data or set data.negative=0")
    total = sum(share for _, share in kept)
    return PairTable(
        kinds=tuple(kind for kind, _ in kept),
        shares=tuple(share / total if total else 1.0 for _, share in kept),
        config=config,
    )
