"""Objects arranged for drawing: which of them can be used, and how videos and images share the draws."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence as Listing
from typing import TypeAlias

import numpy as np

from siamjax.data.config import DataConfig
from siamjax.data.sequences import Track

# The objects of one video or image: (track number, usable frame numbers in rising order) of each.
Group: TypeAlias = tuple[tuple[int, np.ndarray], ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Pool:
    """Groups of usable objects.

    Attributes:
      kinds: images and videos, as far as there are any; each a tuple of groups.
      shares: probability of each kind.
    """

    kinds: tuple[tuple[Group, ...], ...]
    shares: tuple[float, ...]

    @property
    def size(self) -> int:
        """Number of groups."""
        return sum(map(len, self.kinds))

    def draw(self, random: np.random.Generator) -> Group:
        """A kind by its share, then a group of it, each evenly: a crowded image counts no more than another."""
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


def make_pool(tracks: Listing[Track], usable: Listing[np.ndarray], image_share: float) -> Pool | None:
    """Arranges the tracks that have usable frames; None where no track has.

    Args:
      tracks: all of them.
      usable: numbers of the usable frames of each, rising.
      image_share: of the draws from images, where there are both images and videos. A share of 0 leaves a
        kind out, unless nothing else is there.
    """
    videos: dict[str, list[tuple[int, np.ndarray]]] = {}
    images: dict[str, list[tuple[int, np.ndarray]]] = {}
    for number, (track, frames) in enumerate(zip(tracks, usable, strict=True)):
        if len(frames):
            kind = images if len(track.boxes) == 1 else videos
            kind.setdefault(track.group, []).append((number, frames))
    kinds = [tuple(map(tuple, kind.values())) for kind in (images, videos)]
    shares = [image_share, 1 - image_share]
    kept = [(kind, share) for kind, share in zip(kinds, shares) if kind]
    if sum(share for _, share in kept) > 0:
        kept = [(kind, share) for kind, share in kept if share > 0]
    if not kept:
        return None
    total = sum(share for _, share in kept)
    return Pool(
        kinds=tuple(kind for kind, _ in kept),
        shares=tuple(share / total if total else 1.0 for _, share in kept),
    )
