"""Sequences with a fault are left out and listed; the rest of the data set goes on."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from collections.abc import Sequence as Listing
from typing import NamedTuple, TypeVar

from siamjax.data.sequences import Sequence
from siamjax.errors import DataError, SiamjaxError, SourceError

T = TypeVar("T")
U = TypeVar("U")


class Fault(NamedTuple):
    """Why a sequence is left out.

    Attributes:
      name: of the sequence, as its data set calls it.
      what: is wrong.
      where: file, and line where there is one.
      do: what would mend it.
    """

    name: str
    what: str
    where: str
    do: str


class TrackList(list[Sequence]):
    """The tracks of a data set, and what was left out of it.

    Attributes:
      layout: in which it is laid out, e.g. `got10k`.
      faults: of the sequences that were left out, in the order of the data set.
    """

    def __init__(self, tracks: Iterable[Sequence] = (), *, layout: str = "", faults: Iterable[Fault] = ()):
        super().__init__(tracks)
        self.layout = layout
        self.faults: tuple[Fault, ...] = tuple(faults)


def gather(items: Iterable[T], read: Callable[[T], U], name: Callable[[T], str], *, stop: bool = False
           ) -> tuple[list[U], list[Fault]]:
    """What `read` gives of each item, and the faults of those that it raises an error of data for; or `stop` at one."""
    found, faults = [], []
    for item in items:
        try:
            found.append(read(item))
        except (DataError, SourceError) as error:
            if stop:
                raise
            faults.append(fault_of(name(item), error))
    return found, faults


def fault_of(name: str, error: SiamjaxError) -> Fault:
    return Fault(name, error.what, error.where, error.do)


def settle(faults: Listing[Fault], total: int, where: str, *, strict: bool = False, say: bool = True) -> None:
    """Stops where the faults are too many, and else says in one line how many there are.

    Args:
      faults: found.
      total: number of sequences, those with faults included.
      where: the data set.
      strict: stop at any fault.
      say: warn of the others.
    Raises:
      DataError: more than half of the sequences have a fault, or `strict` and one has; it is that of the first.
    """
    if not faults:
        return
    first = faults[0]
    if strict or 2 * len(faults) > total:
        several = total > 1 and not (strict and len(faults) == 1)
        what = f"{len(faults)} of {total} sequences are in error, the first: {first.what}" if several else first.what
        raise DataError(what, first.where, first.do)
    if say:
        warnings.warn(f"{where}: left out {len(faults)} of {total} sequences (first: {first.what}, {first.where}); "
                      "siamjax inspect lists them", RuntimeWarning, stacklevel=3)
