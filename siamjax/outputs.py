"""Files out: whole or not at all, and folders checked before work starts (DESIGN 10)."""

from __future__ import annotations

import contextlib
import os
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from siamjax.errors import OutputError

# Of 255 bytes that file systems allow: `_polygon.txt` and the ending of a partial file come on top.
LONGEST_NAME = 200
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789")}


def check_folder(folder: str | Path) -> Path:
    """Makes `folder` and writes a block in it, so that long work does not fail at its end.

    Raises:
      OutputError: it cannot be made or written, or its disk is full.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
    except OSError as error:
        raise _refused(folder, error) from error
    return folder


@contextlib.contextmanager
def whole_file(path: str | Path, mode: str = "w", *, keep_if_stopped: bool = False) -> Iterator[IO]:
    """A file to write that appears under its name when the block ends, and not at all if it raises.

    Args:
      path: of the file.
      mode: `w` or `wb`.
      keep_if_stopped: on Ctrl-C the file appears with what was written: for a table that grows by the line.
    Raises:
      OutputError: it cannot be written.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        file = open(partial, mode, encoding=None if "b" in mode else "utf-8")  # noqa: SIM115
    except OSError as error:
        raise _refused(path, error) from error
    try:
        with contextlib.closing(file):
            yield file
    except KeyboardInterrupt:
        partial.replace(path) if keep_if_stopped else partial.unlink(missing_ok=True)
        raise
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise _refused(path, error) from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    try:
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise _refused(path, error) from error


def write_text(path: str | Path, text: str) -> None:
    """Writes a text file whole or not at all; see `whole_file`."""
    with whole_file(path) as file:
        file.write(text)


def _refused(path: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot be written: {error.strerror or error}", str(path),
                       "choose a place you can write to, on a disk with space left")


@contextlib.contextmanager
def folder_for(folder: str | Path) -> Iterator[Path]:
    """`check_folder` for the block; if it raises, folders that were made for it and hold nothing go again.

    Raises:
      OutputError: as `check_folder`.
    """
    folder = Path(folder)
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield check_folder(folder)
    except BaseException:
        for path in made:
            with contextlib.suppress(OSError):  # something is in it
                path.rmdir()
        raise


def safe_name(name: str, where: str, do: str = "rename it") -> str:
    """`name`, if a file or folder can be called so in any folder and nothing outside it is meant.

    Every name from data, weights or the command line passes here before it becomes part of a path.

    Args:
      name: of one file or folder, without its ending.
      where, do: whose name it is and what to do, for the message.
    Raises:
      OutputError: it is empty or dots and blanks only, has a separator, a control character or a byte that is no UTF-8,
        is that of a device (`nul`), or is longer than 200 bytes.
    """
    length = len(name.encode(errors="replace"))
    if not name.strip(". "):
        what = "is empty" if not name else "has dots and blanks only"
    elif any(letter in "/\\" for letter in name):
        what = "has a separator"
    elif any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name):
        what = "has a control character or bytes that are not UTF-8"
    elif length > LONGEST_NAME:
        what = f"is {length} bytes long, of which {LONGEST_NAME} may be"
    elif name.split(".")[0].strip().lower() in DEVICES:
        what = "is that of a device"
    else:
        return name
    shown = name if len(name) <= 40 else f"{name[:37]}..."
    raise OutputError(f"{shown!r} cannot be the name of a file: it {what}", where, do)
