"""Files out: whole or not at all, and folders checked before work starts."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from siamjax import stopping
from siamjax.errors import OutputError, SiamjaxError

LEFTOVER = re.compile(r"\..+\.(\d+)\.partial")  # see `partial_of`

# Of 255 bytes that file systems allow: `_polygon.txt` and the ending of a partial file come on top.
LONGEST_NAME = 200
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789")}


def check_folder(folder: str | Path) -> Path:
    """Makes `folder` and writes a block in it, so that long work does not fail at its end.

    What processes that were killed have left half-written in it is removed.

    Raises:
      OutputError: it cannot be made or written, or its disk is full.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in leftovers(folder):
            with contextlib.suppress(OSError):
                path.unlink()
        with tempfile.TemporaryFile(prefix=".probe", suffix=f".{os.getpid()}.partial", dir=folder) as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
    except OSError as error:
        raise _refused(folder, error) from error
    return folder


def leftovers(folder: Path) -> list[Path]:
    """What processes that are no more have left half-written in `folder`."""
    try:
        files = [path for path in folder.iterdir() if LEFTOVER.fullmatch(path.name)]
    except OSError:  # a folder may be written that may not be read
        return []
    return [path for path in files if not _runs(int(path.name.split(".")[-2])) and _is_free(path)]


def partial_of(path: Path) -> Path:
    """Where this process writes `path` until it is whole: a hidden name beside it that says whose it is."""
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


@contextlib.contextmanager
def whole_file(path: str | Path, mode: str = "w", *, keep_lines: bool = False) -> Iterator[IO]:
    """A file to write that appears under its name when the block ends, and not at all if it raises.

    Args:
      path: of the file.
      mode: `w` or `wb`.
      keep_lines: on Ctrl-C, and where the disk is full, the file appears with the whole lines that were written, if
        there are any beside the first: for a table that grows by the line.
    Raises:
      OutputError: it cannot be written.
    """
    path = Path(path)
    partial, keep, done = partial_of(path), False, False
    try:
        # Names of files may hold bytes that are no text; they come out escaped.
        encoding, errors = (None, None) if "b" in mode else ("utf-8", "backslashreplace")
        with contextlib.closing(open(partial, mode, encoding=encoding, errors=errors)) as file:
            take(file)
            yield file
        with stopping.held():
            partial.replace(path)
            done = True
    except (KeyboardInterrupt, OutputError):
        keep = keep_lines
        raise
    except SiamjaxError:
        raise
    except OSError as error:
        keep = keep_lines
        raise _refused(path, error) from error
    finally:
        if not done:
            with stopping.held():
                if keep:
                    _keep_lines(partial, path)
                with contextlib.suppress(OSError):
                    partial.unlink()


def write_text(path: str | Path, text: str) -> None:
    """Writes a text file whole or not at all; see `whole_file`."""
    with whole_file(path) as file:
        file.write(text)


def take(file: IO) -> bool:
    """Locks a file against `check_folder` for as long as it is open; True too where the file system has no locks."""
    try:
        import fcntl  # not on Windows
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _keep_lines(partial: Path, path: Path) -> None:
    """Gives the whole lines of `partial` their name, unless there is but a header."""
    with contextlib.suppress(OSError), open(partial, "rb+") as file:
        held = file.read(partial.stat().st_size)
        if held.count(b"\n") > 1:
            file.truncate(held.rindex(b"\n") + 1)
            partial.replace(path)


def _is_free(path: Path) -> bool:
    """Whether nobody writes this file, on another host either, whose processes we do not see."""
    try:
        with open(path, "rb") as file:
            return not path.is_symlink() and take(file)
    except OSError:
        return False


def _runs(number: int) -> bool:
    """Whether a process of this number is there; where that cannot be asked, it may be."""
    if os.name != "posix":
        return True
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (OSError, IndexError):  # no such files on this system
        return True


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
