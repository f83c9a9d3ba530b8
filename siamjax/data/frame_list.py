"""The frames of a video as files of one folder: paths that are made when they are asked for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Listing
from pathlib import Path
from typing import Any, overload

import numpy as np

from siamjax.data.frame_files import frame_files
from siamjax.data.listing import SUFFIXES
from siamjax.errors import SourceError

_COUNTED = re.compile(r"(.*?)([0-9]+)(\.[A-Za-z]+)", re.DOTALL)


class FrameList(Listing[Path]):
    """Files of one folder in order; a data set of millions of frames holds no path of them.

    Args:
      folder: of the files.
      names: their names, in order.
    """

    __slots__ = ("_names", "folder")

    def __init__(self, folder: Path, names: Iterable[str]):
        names = list(names)
        self.folder = folder
        self._names: Any = _counted(names) or np.array([os.fsencode(name) for name in names])

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, number: int) -> Path: ...

    @overload
    def __getitem__(self, number: slice) -> FrameList: ...

    def __getitem__(self, number: int | slice) -> Path | FrameList:
        if not isinstance(number, slice):
            return self.folder / self._name(self._names[number])
        return FrameList.__new__(FrameList)._filled(self.folder, self._names[number])

    def _filled(self, folder: Path, names: Any) -> FrameList:
        self.folder, self._names = folder, names
        return self

    def __iter__(self) -> Iterator[Path]:
        return (self.folder / name for name in self.names)

    def __eq__(self, other: object) -> bool:
        return (isinstance(other, FrameList) and len(self) == len(other) and self.folder == other.folder
                and all(one == two for one, two in zip(self.names, other.names)))

    def __hash__(self) -> int:
        return hash((self.folder, len(self)))

    def __repr__(self) -> str:
        return f"FrameList({str(self.folder)!r}, {len(self)} files)"

    @property
    def names(self) -> Iterator[str]:
        """Names of the files."""
        return map(self._name, self._names)

    @property
    def numbers(self) -> np.ndarray | None:
        """`[T]` numbers that the names end with; None where one has none."""
        if isinstance(self._names, _Counted):
            return np.asarray(self._names.numbers)
        found = [re.search(r"([0-9]+)[^0-9]*$", name.rpartition(".")[0]) for name in self.names]
        return np.array([int(one[1]) for one in found if one]) if all(found) else None

    @classmethod
    def counting(cls, folder: Path, before: str, first: int, count: int, digits: int, behind: str) -> FrameList:
        """Files whose names count up from `first`, see `counted`."""
        return cls.__new__(cls)._filled(folder, _Counted(before, range(first, first + count), digits, behind))

    @property
    def counted(self) -> tuple[str, int, int, int, str] | None:
        """What all names begin with, the first number, how many there are, its digits, and what follows; None where
        they do not count."""
        names = self._names
        if not isinstance(names, _Counted) or names.numbers.step != 1:
            return None
        return names.before, names.numbers.start, len(names), names.digits, names.behind

    def between(self, first: float, last: float) -> FrameList:
        """The files from one number in their names to another; all of them where names have none."""
        numbers = self.numbers
        inside = np.arange(len(self)) if numbers is None else np.flatnonzero((numbers >= first) & (numbers <= last))
        return self[int(inside[0]):int(inside[-1]) + 1] if len(inside) else self[:0]

    @staticmethod
    def _name(name: str | bytes) -> str:
        return name if isinstance(name, str) else os.fsdecode(bytes(name))


class _Counted(Listing[str]):
    """Names that differ in a counter alone, without a gap: `00000001.jpg`, `00000002.jpg`, ..."""

    __slots__ = ("before", "behind", "digits", "numbers")

    def __init__(self, before: str, numbers: range, digits: int, behind: str):
        self.before, self.numbers, self.digits, self.behind = before, numbers, digits, behind

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, number):
        if isinstance(number, slice):
            return _Counted(self.before, self.numbers[number], self.digits, self.behind)
        return f"{self.before}{self.numbers[number]:0{self.digits}d}{self.behind}"


def list_frames(folder: Path) -> FrameList:
    """The frames of a folder of images in natural order, see `frame_files`; those that count up are not looked at.

    Raises:
      SourceError: the folder cannot be listed, or `frame_files` refuses it.
    """
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise SourceError(f"the folder cannot be listed: {error.strerror}", str(folder),
                          "check the path and its permissions") from error
    counted = _counted(names)
    if counted is None or counted.behind.lower() not in SUFFIXES:  # other files, or no zeros before the numbers
        names = [name for name in names if name[name.rfind("."):].lower() in SUFFIXES and name[0] != "."]
        counted = _counted(names) or _counted(sorted(names, key=lambda name: (len(name), name)))
    if counted is None:
        return FrameList(folder, (path.name for path in frame_files(folder)))
    return FrameList.__new__(FrameList)._filled(folder, counted)


def _counted(names: list[str]) -> _Counted | None:
    """A few numbers for names that count without a gap; None for others."""
    match = _COUNTED.fullmatch(names[0]) if len(names) > 1 else None
    if match is None:
        return None
    digits = len(match[2]) if match[2][0] == "0" and len(match[2]) > 1 else 0
    first = int(match[2])
    found = _Counted(match[1], range(first, first + len(names)), digits, match[3])
    if found[len(names) - 1] != names[-1]:
        return None
    form = f"{{}}{{:0{digits}d}}{{}}".format
    return found if [form(match[1], number, match[3]) for number in found.numbers] == names else None
