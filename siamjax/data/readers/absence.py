"""Lists of the frames without the target, as LaSOT and GOT-10k have them beside boxes that are stale there."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from siamjax.data.text import read_text
from siamjax.errors import DataError

# A number a frame, and which of them say that the target is absent. LaSOT's are on one line, GOT-10k's on one each.
LISTS = {"full_occlusion.txt": lambda number: number > 0, "out_of_view.txt": lambda number: number > 0,
         "absence.label": lambda number: number > 0, "cover.label": lambda number: number == 0}
DIGITS = frozenset("0123456789")


def read_absence(folder: Path, count: int) -> np.ndarray | None:
    """`[count]` bool of a sequence, True where any of its lists says that the target is absent; None without a list.

    Raises:
      DataError: a list that is not `count` whole numbers of 0 and more.
    """
    found = [says(_read_numbers(folder / name, count)) for name, says in LISTS.items() if (folder / name).is_file()]
    return np.any(found, axis=0) if found else None


def _read_numbers(path: Path, count: int) -> np.ndarray:
    do = "write a number a frame, 1 where it is so, else 0" if path.suffix == ".txt" else "give GOT-10k's file"
    words = read_text(path, do=do).replace(",", " ").split()
    if len(words) != count:
        raise DataError(f"{len(words)} numbers for {count} images", str(path), do)
    if set(words) <= DIGITS:
        return np.frombuffer("".join(words).encode(), np.uint8).astype(np.int64) - ord("0")
    for place, word in enumerate(words, start=1):
        if not (word.isascii() and word.isdecimal() and len(word) < 4):
            raise DataError(f"number {place}, {word[:20]!r}, is not a whole number of 0 and more", str(path), do)
    return np.array(words, np.int64)
