"""One training at a time in an output folder."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from siamjax.errors import OutputError

try:
    import fcntl
except ImportError:  # not a Unix
    fcntl = None

NAME = "training.lock"
TRIES = 10  # a holder that ends between our looks leaves a new file to try


@contextlib.contextmanager
def only_training(folder: Path) -> Iterator[None]:
    """Holds `folder` against other trainings for as long as the block runs.

    The lock is the kernel's, on a file with the holder's number, host and start, so that it goes with a process that
    is killed. Where the file system has no locks the file itself is the lock, and one whose process is gone from
    this host is taken over.

    Raises:
      OutputError: another training holds it; the message says which.
    """
    path = folder / NAME
    try:
        descriptor = _take(path)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"the lock of the training cannot be written: {error.strerror or error}", str(path),
                          "choose a place you can write to, on a disk with space left") from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()  # while it is still held: whoever opened it meanwhile finds that it is gone and tries anew
        os.close(descriptor)


def _take(path: Path) -> int:
    """Descriptor of the lock file, which is this process's from now on."""
    for _ in range(TRIES):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor, path)
            if _is(descriptor, path):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, json.dumps(_me()).encode(), 0)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    raise _held(path, _holder(path))


def _lock(descriptor: int, path: Path) -> None:
    """Takes the lock; raises OutputError where another training has it."""
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise _held(path, _holder(path)) from error
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL):
                raise
    holder = _holder(path)
    if holder and not _gone(holder):
        raise _held(path, holder)


def _is(descriptor: int, path: Path) -> bool:
    """Whether the file of that name is still the one that was opened."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _me() -> dict[str, Any]:
    return {"process": os.getpid(), "host": platform.node(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}


def _holder(path: Path) -> dict[str, Any]:
    """What the holder wrote; nothing where it has not yet."""
    try:
        read = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _gone(holder: dict[str, Any]) -> bool:
    """Whether the process is known to have ended; of another host nothing is known."""
    if holder.get("host") != platform.node() or not isinstance(holder.get("process"), int):
        return False
    try:
        os.kill(holder["process"], 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # there, and another user's
        return False
    return holder["process"] == os.getpid()  # the number was given anew


def _held(path: Path, holder: dict[str, Any]) -> OutputError:
    who = (f"process {holder.get('process')} on {holder.get('host')}, since {holder.get('since')}" if holder
           else "its process has not written its number yet")
    return OutputError(f"another training is at work in this folder: {who}", str(path.parent),
                       "wait for it or stop it, or use another --output; if that process is gone, "
                       f"delete {path.name}")
