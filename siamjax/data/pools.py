"""Objects arranged for drawing: which of them can be used, and how videos and images share the draws."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence as Listing
from typing import TypeAlias

import numpy as np

from siamjax.data.config import DataConfig
from siamjax.data.readers.prepared import CroppedTrack
from siamjax.data.sequences import MaskedTrack, Track

BORDER = 2.0  # px

# The objects of one video or image: (track number, usable frame numbers in rising order) of each.
Group: TypeAlias = tuple[tuple[int, np.ndarray], ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Pool:
    """Groups of usable objects.

    Attributes:
      kinds: images and videos, as far as there are any, or the parts of a mix; each a tuple of groups.
      shares: probability of each kind.
      peers: of each known category the groups with objects of it, each with those alone.
    """

    kinds: tuple[tuple[Group, ...], ...]
    shares: tuple[float, ...]
    peers: dict[str, tuple[Group, ...]]

    @property
    def size(self) -> int:
        """Number of groups."""
        return sum(map(len, self.kinds))

    def draw(self, random: np.random.Generator) -> Group:
        """A kind by its share, then a group of it, each evenly: a crowded image counts no more than another."""
        which = 0
        if len(self.kinds) > 1:
            which = int(np.searchsorted(np.cumsum(self.shares[:-1]), random.random(), side="right"))
        kind = self.kinds[which]
        return kind[random.integers(len(kind))]


def in_frame(track: Track) -> tuple[np.ndarray, tuple[int, int]]:
    """`[T, 4]` boxes of a track in its whole frames and the size of those, where its images are crops too."""
    if isinstance(track, CroppedTrack):
        return track.frame_boxes, track.frame_size
    return track.boxes, track.size


def usable_frames(track: Track, config: DataConfig) -> np.ndarray:
    """Numbers of the frames whose box passes the filters of `config` and has its centre in the frame."""
    boxes, (height, width) = in_frame(track)
    x, y, w, h = boxes.astype(np.float64).T
    with np.errstate(invalid="ignore"):  # absent objects are NaN, and every comparison with NaN is false
        centred = (x + w / 2 >= 0) & (x + w / 2 <= width) & (y + h / 2 >= 0) & (y + h / 2 <= height)
        sides = (np.minimum(w, h) >= config.min_side) & (np.maximum(w, h) <= config.max_side)
        fraction = np.stack([w / width, h / height])
        fractions = (fraction.min(0) >= config.min_fraction) & (fraction.max(0) <= config.max_fraction)
        aspect = (w <= config.max_aspect * h) & (h <= config.max_aspect * w)
        return np.flatnonzero(centred & sides & fractions & aspect & (w * h >= config.min_area))


def cutout_frames(track: Track, usable: np.ndarray) -> np.ndarray:
    """Those of the usable frames from which the object can be cut out.

    They have a mask, and the object keeps `BORDER` from the frame's edges, which would leave it cut straight.
    """
    if not isinstance(track, MaskedTrack):
        return usable[:0]
    boxes, (height, width) = in_frame(track)
    x, y, w, h = boxes[usable].T
    whole = (x >= BORDER) & (y >= BORDER) & (x + w <= width - BORDER) & (y + h <= height - BORDER)
    return usable[whole & track.masked[usable]]


def make_pool(tracks: Listing[Track], usable: Listing[np.ndarray], kinds: np.ndarray, shares: Listing[float]
              ) -> Pool | None:
    """Arranges the tracks that have usable frames; None where no track has.

    Args:
      tracks: all of them.
      usable: numbers of the usable frames of each, rising.
      kinds: `[n]` int, which kind each track is of, from 0; below 0 for one that is not drawn.
      shares: how often each kind is drawn, in any unit, where there are others. A share of 0 leaves a kind out, unless
        nothing else is there.
    """
    found: list[dict[str, list[tuple[int, np.ndarray]]]] = [{} for _ in shares]
    for number, (track, frames, kind) in enumerate(zip(tracks, usable, kinds.tolist(), strict=True)):
        if len(frames) and kind >= 0:
            found[kind].setdefault(track.group, []).append((number, frames))
    kept = [(tuple(map(tuple, groups.values())), share) for groups, share in zip(found, shares) if groups]
    if sum(share for _, share in kept) > 0:
        kept = [(kind, share) for kind, share in kept if share > 0]
    if not kept:
        return None
    total = sum(share for _, share in kept)
    return Pool(
        kinds=tuple(kind for kind, _ in kept),
        shares=tuple(share / total if total else 1.0 for _, share in kept),
        peers=_peers(tracks, [group for kind, _ in kept for group in kind]),
    )


def _peers(tracks: Listing[Track], groups: Listing[Group]) -> dict[str, tuple[Group, ...]]:
    peers: dict[str, list[Group]] = {}
    for group in groups:
        members: dict[str, list[tuple[int, np.ndarray]]] = {}
        for number, usable in group:
            if tracks[number].category:
                members.setdefault(tracks[number].category, []).append((number, usable))
        for category, objects in members.items():
            peers.setdefault(category, []).append(tuple(objects))
    return {category: tuple(groups) for category, groups in peers.items()}
