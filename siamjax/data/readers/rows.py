"""Text files of numbers, a row a frame, and which rows of boxes say that the target is absent: one rule for all."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from siamjax.data.text import read_text
from siamjax.errors import DataError

LIMIT = 1e6  # px; a larger coordinate is a damaged file, not a box
GONE = (-1.0, -1.0, -1.0, -1.0)  # what some write for an object that is not there, beside NaN and zeros


def read_rows(path: Path) -> list[list[float]]:
    """Numbers of each line, separated by commas, semicolons, tabs or blanks; empty lines at the end are left out.

    Raises:
      DataError: a line that is not numbers, or one beyond `LIMIT`; file and line are named.
    """
    return [_row(line, f"{path}, line {number}") for number, line in enumerate(_lines(path), start=1)]


def read_table(path: Path, columns: int) -> np.ndarray:
    """`[T, columns]` float64 of a file with that many numbers a line, as `read_rows`.

    Raises:
      DataError: as `read_rows`; or a line with another count.
    """
    lines = _lines(path)
    quick = _quick(lines)
    if quick is not None and quick.shape == (len(lines), columns):
        return quick
    rows = [_row(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1)]
    for number, row in enumerate(rows, start=1):
        if len(row) != columns:
            raise DataError(f"{len(row)} numbers instead of {columns}", f"{path}, line {number}",
                            "write x,y,w,h" if columns == 4 else f"write {columns} numbers a line")
    return np.array(rows, np.float64).reshape(-1, columns)


def read_boxes(path: Path) -> np.ndarray:
    """Boxes of a file of `x,y,w,h` a line: `[T, 4]` float32 `xywh`, NaN where absent, see `present_boxes`.

    Raises:
      DataError: a line that is not four numbers, infinite, partly NaN, or with a negative size.
    """
    return present_boxes(read_table(path, 4), path)


def present_boxes(rows: np.ndarray, path: Path, line: int = 1) -> np.ndarray:
    """`[T, 4]` float32 `xywh` of rows of numbers; NaN where a row says that the object is absent.

    Which are four times NaN, four times -1, and a width or height of 0, whatever else is there: data sets write a size
    of nothing where nothing is seen.

    Args:
      rows: `[T, 4]` `xywh`.
      path: of the file that they are the lines of.
      line: number of the first.
    Raises:
      DataError: a box that is partly NaN, or has a negative size.
    """
    boxes = rows.astype(np.float32)
    unknown = np.isnan(rows)
    absent = unknown.all(axis=1) | (rows == GONE).all(axis=1) | (rows[:, 2:] == 0).any(axis=1)
    boxes[absent] = math.nan
    partly = unknown.any(axis=1) & ~absent
    if partly.any():
        raise DataError("a box that is partly NaN", f"{path}, line {np.argmax(partly) + line}",
                        "write nan four times where absent")
    with np.errstate(invalid="ignore"):
        negative = (rows[:, 2:] < 0).any(axis=1) & ~absent
    if negative.any():
        number = int(np.argmax(negative))
        raise DataError(f"a box of {rows[number, 2]:g} by {rows[number, 3]:g} px", f"{path}, line {number + line}",
                        "write x,y,w,h with w and h above 0, or nan,nan,nan,nan for an absent object")
    return boxes


def check_count(count: int, images: int, path: Path, what: str = "boxes") -> None:
    """Refuses a file with another number of lines than there are images.

    Raises:
      DataError: it has.
    """
    if count != images:
        raise DataError(f"{count} {what} for {images} images", str(path), "write one line an image")


def _lines(path: Path) -> list[str]:
    return read_text(path, do="give a text file with one line of numbers a frame").rstrip().splitlines()


def _quick(lines: list[str]) -> np.ndarray | None:
    """The numbers where all lines have as many and nothing is odd; None otherwise."""
    text = "\n".join(lines)
    if not lines or set(text) - set("0123456789.,-+ \tnaNeE\n\r") or "\n\n" in text:
        return None
    commas = {line.count(",") for line in lines}
    widths = {commas.pop() + 1} if len(commas) == 1 and "," in text else {len(line.split()) for line in lines}
    if len(widths) > 1 or ("," in text and (" " in text or "\t" in text)):
        return None
    try:
        found = np.array([*map(float, text.replace("\n", ",").split(",") if "," in text else text.split())])
    except ValueError:
        return None
    if found.size != len(lines) * (width := widths.pop()):
        return None
    found = found.reshape(-1, width)
    with np.errstate(invalid="ignore"):
        return None if (np.abs(found) > LIMIT).any() else found


def _row(line: str, where: str) -> list[float]:
    try:
        # Python reads 1_0 as 10
        row = [float(word) for word in line.replace(",", " ").replace(";", " ").replace("_", "?").split()]
    except ValueError as error:
        raise DataError(f"{line[:60]!r} is not numbers", where,
                        "write numbers with a decimal point, separated by commas") from error
    if any(abs(value) > LIMIT for value in row):  # infinity too; NaN compares false and is judged later
        raise DataError(f"a coordinate beyond {LIMIT:g}", where, "give frame pixels")
    return row
