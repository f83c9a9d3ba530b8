"""Arrays out of an npz that somebody else may have made: what it declares is bounded before anything is unpacked."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

from siamjax.errors import DataError, SourceError, one_line

MAX_UNPACKED = 256 << 20  # bytes; a file that is larger itself may hold twice its size
LONGEST_HEADER = 10_000  # characters of an array's shape and dtype


def read_arrays(path: Path, names: Sequence[str], *, what: str, do: str) -> dict[str, np.ndarray]:
    """The arrays of these names in an npz; nothing of the file is executed.

    Args:
      path: file to read.
      names: of the arrays wanted; others are not looked at.
      what: they are, for messages.
      do: what a user should do about a file that is none.
    Raises:
      SourceError: there is no such file, or it cannot be read.
      DataError: it is no npz, lacks an array, or has one that is not of plain numbers or text; or it declares more
        than `MAX_UNPACKED` bytes and more than twice its own size.
    """
    if not path.is_file():
        raise SourceError("there is no such file", str(path), "check the path")
    try:
        most = max(MAX_UNPACKED, 2 * path.stat().st_size)
        with zipfile.ZipFile(path) as archive:
            inside = {entry.filename: entry for entry in archive.infolist()}
            missing = [name for name in names if f"{name}.npy" not in inside]
            if missing:
                raise DataError(f"no {what} in it: {', '.join(missing)} missing", str(path), do)
            total = sum(inside[f"{name}.npy"].file_size for name in names)
            if total > most:
                raise DataError(f"{total >> 20} MB packed into {path.stat().st_size >> 10} KB", str(path),
                                f"{do}; the most that is unpacked of such a file is {most >> 20} MB")
            return {name: _array(archive, inside[f"{name}.npy"], name, str(path), do) for name in names}
    except DataError:
        raise
    except PermissionError as error:
        raise SourceError("cannot be read: permission denied", str(path), "check its permissions") from error
    except Exception as error:  # zipfile and zlib raise a dozen kinds for damaged files
        reason = one_line(str(error) or type(error).__name__, 120)
        raise DataError(f"no {what} in it: {reason}", str(path), do) from error


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, where: str, do: str) -> np.ndarray:
    with archive.open(entry) as file:
        shape, fortran, dtype = _header(file)
        size = math.prod(shape) * dtype.itemsize
        if dtype.hasobject or dtype.names or dtype.kind not in "biufU":
            raise DataError(f"{name} is of type {one_line(str(dtype), 60)}, not of plain numbers or text", where, do)
        if any(side < 0 for side in shape) or size > entry.file_size:
            raise DataError(f"{name} declares {size} bytes and has {entry.file_size}", where, do)
        content = file.read(size)
    if len(content) < size:
        raise DataError(f"{name} is cut off", where, do)
    array = np.frombuffer(content, dtype, count=math.prod(shape))
    if dtype.kind == "U" and size and np.frombuffer(content, dtype.str[0] + "u4").max() > 0x10FFFF:
        raise DataError(f"{name} is no text", where, do)
    return array.reshape(shape, order="F" if fortran else "C")


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"arrays of version {version}")
    return read(file, max_header_size=LONGEST_HEADER)
