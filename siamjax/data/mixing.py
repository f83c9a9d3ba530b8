"""Several data sets in one training: how often each is drawn, as the published recipes have it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from collections.abc import Sequence as Listing
from typing import Any

import numpy as np

from siamjax.data.parts import Part
from siamjax.data.sequences import Track
from siamjax.errors import DataError

ORDER = 3  # stream of random numbers of an epoch


class Epochs:
    """Which group each sample shows where uses an epoch are given: a function of (seed, index).

    The picks of all parts are put in a random order, over and over until an epoch has its pairs (PySOT, `TrkDataset`,
    which draws its picks once; here each epoch has its own).
    """

    def __init__(self, counts: Listing[int], uses: Listing[int], pairs: int):
        """`counts` groups of each part, of which `uses` are taken (-1: each once); `pairs` an epoch."""
        self._counts, self._uses, self._pairs = tuple(counts), tuple(uses), pairs
        self._order = functools.lru_cache(2)(self._ordered)

    def __reduce__(self) -> tuple:
        return Epochs, (self._counts, self._uses, self._pairs)

    def pick(self, seed: int, index: int) -> tuple[int, int]:
        """Numbers of the part and of the group in it."""
        epoch, place = divmod(index, self._pairs)
        return divmod(int(self._order(seed, epoch)[place]), max(self._counts))

    def _ordered(self, seed: int, epoch: int) -> np.ndarray:
        random = np.random.Generator(np.random.Philox(key=np.array([seed, epoch], np.uint64), counter=ORDER << 64))

        def taken(count: int, wanted: int) -> np.ndarray:
            times = -(-wanted // count)
            return np.concatenate([random.permutation(count) for _ in range(times)])[:wanted]

        picks = np.concatenate([part * max(self._counts) + taken(count, count if uses < 0 else uses)
                                for part, (count, uses) in enumerate(zip(self._counts, self._uses))])
        return picks[taken(len(picks), self._pairs)]


def part_numbers(tracks: Listing[Track], parts: Listing[Part]) -> np.ndarray:
    """`[n]` int, the part of each track; -1 for a track of none, which is not drawn.

    Raises:
      DataError: a part has no track.
    """
    numbers = np.array([next((number for number, part in enumerate(parts) if part.holds(track.group)), -1)
                        for track in tracks], int)
    for number, part in enumerate(parts):
        if not (numbers == number).any():
            known = sorted({track.group.split("/")[0] for track in tracks})
            raise DataError(f"no track of the data is of '{part.name}'", "DataConfig.parts",
                            f"name the data set with --data {part.name}=DIR; it has {', '.join(known[:5])}"
                            + (", ..." if len(known) > 5 else ""))
    return numbers


class _Named:
    """A track of one of several data sets, whose name goes before its own; all else is the track's."""

    def __init__(self, track: Track, data: str):
        self._track = track
        self.name, self.group = f"{data}/{track.name}", f"{data}/{track.group}"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked for while it is copied, when there is no track yet
            raise AttributeError(name)
        return getattr(self._track, name)


def united(sets: Mapping[str, Listing[Track]]) -> list[Any]:
    """The tracks of all data sets, each named `NAME/...` after its set."""
    return [_Named(track, name) for name, tracks in sets.items() for track in tracks]
