"""Ctrl-C, SIGTERM and preemption as a question that the loop asks after each step."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

import jax
from jax.experimental import multihost_utils


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[int], bool]]:
    """Gives `asked(step)`: whether the training should save and stop after this step.

    One process: after SIGINT or SIGTERM; a second SIGINT interrupts at once. Several processes: at the step
    on which JAX's preemption notifier, which holds SIGTERM there, has them all agree.
    """
    if jax.process_count() > 1:
        yield multihost_utils.reached_preemption_sync_point
        return
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield lambda step: False  # signals reach the main thread only
        return

    def handle(number, frame):
        if asked.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda step: asked.is_set()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
