"""Files out: whole or not at all, and folders checked before work starts (DESIGN 10)."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from siamjax.errors import OutputError


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
