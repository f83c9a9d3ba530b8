"""Images that cannot be read: skipped, remembered and named, so that one of them does not stop a training."""

from __future__ import annotations

import concurrent.futures
import os
from collections.abc import Callable, Hashable, Iterator
from collections.abc import Sequence as Listing
from typing import NamedTuple, TypeVar

import numpy as np

from siamjax.data.config import DataConfig
from siamjax.data.pairs import PairTable, make_table
from siamjax.data.sequences import MaskedTrack, Track
from siamjax.errors import DataError, SiamjaxError, SourceError

FEW, SHARE = 10, 20  # more images than FEW, and more than one in SHARE, are no accident
NAMED = 5

T = TypeVar("T")


class Damage(NamedTuple):
    """An image or mask file that cannot be read, and why."""

    where: str
    what: str


class Unreadable(Exception):
    """A sample cannot be made, for an image of it is damaged."""

    def __init__(self, error: SiamjaxError):
        super().__init__(str(error))
        self.error = error


class Tried:
    """Which images were found damaged so far, so that each is tried once.

    Thread-safe. A copy that goes to another process begins empty.
    """

    def __init__(self) -> None:
        self._errors: dict[Hashable, SiamjaxError] = {}

    def __reduce__(self) -> tuple:
        return Tried, ()

    def read(self, key: Hashable, read: Callable[[], T]) -> T:
        """What `read` gives; Unreadable where the image of `key` is damaged."""
        if key in self._errors:
            raise Unreadable(self._errors[key])
        try:
            return read()
        except (SourceError, DataError) as error:
            raise Unreadable(self._errors.setdefault(key, error)) from error


class Damaged:
    """The damaged images that samples of a stream met so far, wherever the samples were made."""

    def __init__(self) -> None:
        self._all: set[Damage] = set()
        self._met: dict[int, list[Damage]] = {}

    def note(self, index: int, met: Listing[Damage], table: PairTable) -> None:
        """Remembers what sample `index` met, in the order of its tries.

        Raises:
          DataError: so many of the images of the data set are damaged that it is no accident.
        """
        self._met[index] = list(met)
        self._all.update(met)
        count = len(self._all)
        if count > FEW and count > (images := count_images(table)) // SHARE:
            raise DataError(f"{count} of {images} images cannot be read so far, the last: {met[-1].what}",
                            met[-1].where, "mend or remove them; siamjax train --check-images names them all")

    def met(self, index: int) -> list[Damage]:
        """What sample `index` met, to be asked for once."""
        return self._met.pop(index, [])


def named(damages: Listing[str]) -> str:
    """A few of the names, and how many more there are."""
    more = len(damages) - NAMED
    return ", ".join(damages[:NAMED]) + (f" and {more} more" if more > 0 else "")


def count_images(table: PairTable) -> int:
    """Number of the images that pairs are drawn from."""
    return sum(len(np.unique(np.concatenate([frames for _, frames in group])))
               for kind in table.pool.kinds for group in kind)


def check_images(tracks: Listing[Track], config: DataConfig) -> Iterator[Damage | None]:
    """Reads every image that pairs may be drawn from, and the masks that training needs, in their order.

    Returns:
      One for each file: what is wrong with it, or None.
    Raises:
      DataError: no usable frame, see `make_table`.
    """
    table, reads = make_table(tracks, config), {}
    for number, frames in (one for kind in table.pool.kinds for group in kind for one in group):
        track = tracks[number]
        for frame in frames.tolist():
            reads[track.key(frame)] = (track.read, frame)
            if (config.masks or config.paste or config.distractors) and isinstance(track, MaskedTrack) and (
                    track.masked[frame]):
                reads[track.key(frame), track.name] = (track.mask, frame)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(_damage, *zip(*reads.values(), strict=True))


def _damage(read: Callable[[int], np.ndarray], frame: int) -> Damage | None:
    try:
        read(frame)
    except (SourceError, DataError) as error:
        return Damage(error.where, error.what)
    return None
