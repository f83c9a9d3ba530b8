"""Which folder the answers for a source go to where none is given: never that of another source."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from siamjax.errors import OutputError
from siamjax.outputs import safe_name, write_text

NOTE = "source.txt"  # in the folder: whose answers it holds
PLAIN = {"img", "imgs", "image", "images", "frame", "frames", "color", "rgb"}  # folders that do not name their video


def default_folder(source: str) -> Path:
    """`track-NAME` here; `track-NAME-2` and so on where that holds the answers for another source.

    NAME is the file's, or the folder's; of a folder such as `img` that of the folder it lies in.

    Raises:
      OutputError: no folder can be called so.
    """
    name = safe_name(f"track-{_name(source) or 'video'}", "the folder named after the source", "give --output")
    folder, count = Path(name), 1
    while folder.exists() and _noted(folder) not in (None, _whole(source)):
        count += 1
        folder = Path(f"{name}-{count}")
    return folder


@contextlib.contextmanager
def noted(folder: Path, source: str) -> Iterator[None]:
    """Leaves a note of whose answers `folder` holds, if a table of them appears in the block."""
    before = _table(folder)
    try:
        yield
    finally:
        if _table(folder) not in (None, before):
            with contextlib.suppress(OutputError):  # without it nothing is known of the folder, and all else is there
                write_text(folder / NOTE, _whole(source) + "\n")


def _name(source: str) -> str:
    if "://" in source:
        parts = urlsplit(source)
        return Path(parts.path).stem or parts.hostname or ""
    path = Path(os.path.abspath(source))
    while glob.has_magic(path.name) and not path.exists():
        path = path.parent
    while path.name.lower() in PLAIN and not path.is_file():
        path = path.parent
    return path.name if path.is_dir() else path.stem


def _whole(source: str) -> str:
    """A source however it is written: its path from the root, or its address without a password."""
    if "://" in source:
        parts = urlsplit(source)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    path = Path(os.path.abspath(source))
    if source.isdecimal() and not path.exists():
        return f"camera {int(source)}"
    return str(path / "img" if (path / "img").is_dir() else path)


def _noted(folder: Path) -> str | None:
    """The source that `folder` has answers for; None where it does not say."""
    try:
        return (folder / NOTE).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _table(folder: Path) -> int | None:
    """Which file the table of answers is; None without any."""
    try:
        return (folder / "tracks.csv").stat().st_ino
    except OSError:
        return None
