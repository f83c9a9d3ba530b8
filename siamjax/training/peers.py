"""The other hosts of a training: the end of one is noticed, and said in one line, before JAX aborts without a word.

A collective operation waits for a host that has died, and JAX's own watch takes a minute or more, prints its stack and
aborts. Here each host writes a number that rises into the key-value store of `jax.distributed`, once a second, and
reads those of the others. The store lies with host 0. When that one dies JAX aborts all others at once, from a thread
of its own: what it prints is held back, and its signal ends the process with our line.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import jax

from siamjax.errors import SiamjaxError, TrainingError
from siamjax.training.checkpoints import FOLDER, last_saved

BEAT = 1.0  # seconds
SILENCE = 12.0  # seconds after which a host is taken for dead
HELD = 0.5  # seconds for which what libraries print is held back
KEYS = "siamjax/training/"
ENDED, FAILED = "ended", "failed: "
OF_JAX = re.compile(rb"^[EFW]\d{4} \d\d:\d\d:\d\d", re.MULTILINE)

OF_XLA = re.compile(r"(UNKNOWN|UNAVAILABLE|DEADLINE_EXCEEDED|INTERNAL|ABORTED|CANCELLED|FAILED_PRECONDITION): ")


@contextlib.contextmanager
def watched(folder: Path) -> Iterator[None]:
    """Ends this process with exit status 2 and one line when another host of the training is gone.

    Does nothing in a training of one process. An error of this host is told to the others, and ends them all, each
    with its line: a host that merely left would make JAX abort the rest.
    """
    client = _client()
    if jax.process_count() == 1 or client is None:
        yield
        return
    with _HeldErrors() as errors:
        watch = _Watch(client, folder, errors)
        try:
            yield
        except (KeyboardInterrupt, SystemExit):
            watch.end(ENDED)
            raise
        except SiamjaxError as error:
            watch.end(FAILED + str(error))
            errors.exit(f"error: {error}\n")
        except (jax.errors.JaxRuntimeError, ValueError) as error:
            if not OF_XLA.match(str(error)):
                raise
            # Most likely of a collective operation with a host that is gone: the watch then ends this process.
            time.sleep(SILENCE + 3 * BEAT)
            reason = str(error).splitlines()[0][:160]
            watch.end(FAILED + reason)
            watch.lost(f"the hosts lost each other: {reason}")
        watch.end(ENDED)


class _Watch:
    """Beats, and listens to the others, in a thread."""

    def __init__(self, client: Any, folder: Path, errors: _HeldErrors):
        self._client, self._folder, self._errors = client, folder, errors
        self._key = f"{KEYS}{jax.process_index()}"
        self._done = threading.Event()
        self._old = self._read()  # of a training before this one
        self._heard: dict[str, tuple[str, float]] = {}  # what each of the others wrote last, and when that was new
        errors.aborted = lambda: self.lost("host 0 is gone")
        self._thread = threading.Thread(target=self._run, name="peers", daemon=True)
        self._thread.start()

    def end(self, word: str) -> None:
        """Says the last word of this host and stops watching."""
        self._done.set()
        self._thread.join(SILENCE)
        with contextlib.suppress(Exception):
            self._client.key_value_set(self._key, word, allow_overwrite=True)
        if word.startswith(FAILED):
            time.sleep(2 * BEAT)  # for the others to hear it: host 0 takes the store with it

    def _run(self) -> None:
        silent, number = time.monotonic(), 0
        while not self._done.wait(BEAT):
            number += 1
            try:
                self._client.key_value_set(self._key, str(number), allow_overwrite=True)
                heard = self._read()
            except Exception:
                if time.monotonic() - silent > SILENCE:
                    self.lost("host 0 is gone")
                continue
            silent = time.monotonic()
            for key, word in heard.items():
                self._judge(key, word, silent)

    def _judge(self, key: str, word: str, now: float) -> None:
        if key == self._key or self._old.get(key) == word:
            return
        self._old.pop(key, None)
        host = f"host {key.removeprefix(KEYS)}"
        before, since = self._heard.get(key, ("", now))
        if word != before:
            self._heard[key] = word, now
        if word.startswith(FAILED):
            self.lost(f"{host} stopped with an error, {word.removeprefix(FAILED)}")
        if word == before and word != ENDED and now - since > SILENCE:
            self.lost(f"{host} has not been heard of for {now - since:.0f} seconds")

    def _read(self) -> dict[str, str]:
        return dict(self._client.key_value_dir_get(KEYS))

    def lost(self, what: str) -> NoReturn:
        error = TrainingError(
            f"{what}, and a training of {jax.process_count()} hosts needs them all", str(self._folder),
            f"start all of them again with the same command; it goes on from {last_saved(self._folder / FOLDER)}")
        self._errors.exit(f"error: {error}\n")


class _HeldErrors:
    """Passes on what libraries write to file descriptor 2, a moment later, so that JAX's last words can be left out."""

    def __init__(self) -> None:
        self.aborted: Callable[[], NoReturn] | None = None

    def __enter__(self) -> _HeldErrors:
        self._real = os.dup(2)
        self._pipe, write = os.pipe()
        os.dup2(write, 2)
        os.close(write)
        os.set_blocking(self._pipe, False)
        self._held: list[tuple[float, bytes]] = []
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._pass_on, name="stderr", daemon=True)
        self._thread.start()
        self._handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(self._on_abort)
        libc = ctypes.CDLL(None)
        libc.signal.restype, libc.signal.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p]
        self._signal = libc.signal
        # Python's own handlers run after the abort, which is too late.
        self._before = libc.signal(signal.SIGABRT, ctypes.cast(self._handler, ctypes.c_void_p))
        return self

    def __exit__(self, *_: object) -> None:
        self._signal(signal.SIGABRT, self._before)
        os.dup2(self._real, 2)
        self._stop.set()
        self._thread.join()
        os.close(self._pipe)
        os.close(self._real)

    def exit(self, line: str) -> NoReturn:
        """Ends the process with `line`; nothing is left to tidy up, for all files are whole at any time."""
        with self._lock:
            os.write(self._real, OF_JAX.split(self._take(time.monotonic()))[0] + line.encode())
            os._exit(2)

    def _on_abort(self, _: int) -> None:
        with self._lock:
            self._drain()
            of_jax = any(b"distributed service" in said for _, said in self._held)
        if of_jax and self.aborted is not None:
            self.aborted()
        with self._lock:  # something else: as it would have been
            os.write(self._real, self._take(time.monotonic()))
        self._signal(signal.SIGABRT, None)

    def _pass_on(self) -> None:
        while not self._stop.wait(HELD / 4):
            with self._lock:
                self._drain()
                os.write(self._real, self._take(time.monotonic() - HELD))
        os.write(self._real, self._take(time.monotonic()))

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self._pipe, 1 << 16):
                self._held.append((time.monotonic(), part))

    def _take(self, until: float) -> bytes:
        """What was said up to a time."""
        self._drain()
        count = sum(when <= until for when, _ in self._held)
        said, self._held = self._held[:count], self._held[count:]
        return b"".join(part for _, part in said)


def _client() -> Any:
    """Of the coordination service; None where there is none, or a JAX that keeps it elsewhere."""
    try:
        from jax._src.distributed import global_state
    except ImportError:
        return None
    return getattr(global_state, "client", None)
