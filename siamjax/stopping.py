"""Ctrl-C, SIGTERM and a closed terminal: one way to ask for an end, for every command.

A KeyboardInterrupt that is raised wherever the program happens to be may be swallowed, where C calls back into
Python (garbage collection, weak references), or leave a library half way. So a request is remembered first, and raised
where the work is whole: by `check`, which every long loop calls.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
STATUS = 130  # of a command that was asked to stop, by whichever signal
PATIENCE = 2.0  # seconds for a `check` to come by, before the request is raised wherever the program is
SOON = 0.05  # seconds until it is tried again, where an exception would be swallowed
ECHO = 0.3  # seconds within which a second signal is the first one's echo: wrappers and terminals send two


class _Requests:
    """Handler of `SIGNALS`; the second request always raises KeyboardInterrupt at once.

    Attributes:
      asked: whether a request came.
      waits: whether nothing but a second request is ever raised.
      holds: `held` blocks that are running; nothing is raised in them.
    """

    def __init__(self, patience: float | None):
        self.asked, self.waits, self.holds = False, patience is None, 0
        self._patience, self._due, self._first, self._before = patience or 0.0, False, 0.0, None
        self._terminals = [stream for stream in (1, 2) if os.isatty(stream)]

    def __call__(self, number, frame) -> None:
        for stream in self._terminals:
            if not os.isatty(stream):  # closed: what is printed from now on must not fail
                with open(os.devnull, "w") as sink:
                    os.dup2(sink.fileno(), stream)
        if not self.asked:
            self.asked, self._first = True, time.monotonic()
            if not self.waits:
                self._wind_up(self._patience)
        elif number not in SIGNALS or time.monotonic() - self._first > ECHO:
            if _swallows(frame) and hasattr(signal, "setitimer"):
                self._wind_up(SOON)
            else:
                self.interrupt()

    def interrupt(self) -> None:
        """Raises KeyboardInterrupt, or sees to it that the end of the `held` block does."""
        self.rest()
        self._due = self.holds > 0
        if not self._due:
            raise KeyboardInterrupt

    def release(self) -> None:
        """Ends a `held` block."""
        self.holds -= 1
        if self._due:
            self.interrupt()

    def rest(self) -> None:
        """Gives the alarm back."""
        if self._before is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)
            self._before = None

    def _wind_up(self, seconds: float) -> None:
        if not hasattr(signal, "setitimer"):
            self.interrupt()
        if self._before is None:
            self._before = signal.signal(signal.SIGALRM, self)
        signal.setitimer(signal.ITIMER_REAL, seconds)


@contextlib.contextmanager
def requests(*, patience: float | None = PATIENCE) -> Iterator[Callable[[], bool]]:
    """While the block runs, signals that ask to stop do so by KeyboardInterrupt; gives `asked()`.

    Outside the main thread, which alone gets signals, it does nothing. A signal that whoever started the program
    has it ignore (`nohup`) stays ignored, but for SIGINT, which shells ignore for all they start in the background.

    Args:
      patience: seconds until a request that no `check` has met is raised; None for never: the block looks at `asked`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    handler = _Requests(patience)
    wanted = [number for number in SIGNALS
              if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.getsignal(number) for number in wanted}
    try:
        for number in wanted:
            signal.signal(number, handler)
        yield lambda: handler.asked
    finally:
        handler.rest()
        for number, earlier in before.items():
            signal.signal(number, earlier)


def check() -> None:
    """Raises KeyboardInterrupt where a stop was asked for: a place at which the work may end."""
    handler = _installed()
    if handler is not None and handler.asked and not handler.waits:
        handler.interrupt()


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Nothing is interrupted in this block: for steps that are short and must not be torn apart."""
    handler = _installed()
    if handler is None:
        yield
        return
    handler.holds += 1
    try:
        yield
    finally:
        handler.release()


def _installed() -> _Requests | None:
    handler = signal.getsignal(signal.SIGINT)
    if isinstance(handler, _Requests) and threading.current_thread() is threading.main_thread():
        return handler
    return None


def _swallows(frame) -> bool:
    """Whether an exception raised here would be printed and forgotten: in callbacks of the garbage collection."""
    callbacks = {getattr(callback, "__code__", None) for callback in gc.callbacks}
    while frame is not None:
        if frame.f_code in callbacks or frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False
