"""Text and JSON files as people's programs write them: UTF-8 with and without a mark, UTF-16, Latin-1."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

from siamjax.errors import DataError

# Those of UTF-32 begin like those of UTF-16.
_MARKS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
          (codecs.BOM_UTF16_BE, "utf-16"), (codecs.BOM_UTF8, "utf-8-sig"))


def read_text(path: Path, *, what: str = "the file", do: str = "give a text file in UTF-8") -> str:
    """The text of a file, in the encoding that its first bytes tell; Latin-1 where it is not UTF-8.

    Args:
      path: of the file.
      what: how an error calls it.
      do: what the error says to do.
    Raises:
      DataError: there is no such file, it cannot be read, or its bytes are not in the encoding that its mark names.
    """
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{what} cannot be read: {reason}", str(path), do) from error
    try:
        return decoded(data)
    except ValueError as error:
        raise DataError(f"{what} is not text", str(path), do) from error


def head_of(path: Path, count: int = 4096) -> bytes:
    """The first bytes of a file; none where it cannot be read, which is for whoever reads it to say."""
    try:
        with open(path, "rb") as file:
            return file.read(count)
    except (OSError, ValueError):
        return b""


def read_json(path: Path, *, do: str, what: str = "the file") -> Any:
    """What a JSON file holds, in any encoding of `read_text`.

    Raises:
      DataError: as `read_text`; or it is not JSON, or nested too deeply.
    """
    try:
        return json.loads(read_text(path, what=what, do=do))
    except RecursionError as error:
        raise DataError(f"{what} is nested too deeply", str(path), do) from error
    except DataError:
        raise
    except ValueError as error:
        raise DataError(f"not JSON: {error}", str(path), do) from error


def decoded(data: bytes) -> str:
    """Text of the bytes of a file; see `read_text`. ValueError where they are not in the encoding they begin with."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
