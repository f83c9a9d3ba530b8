"""Ctrl-C, SIGTERM and preemption as a question that the loop asks after each step."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import jax
from jax.experimental import multihost_utils

from siamjax import stopping


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[int], bool]]:
    """Gives `asked(step)`: whether the training should save and stop after this step.

    One process: after a signal of `stopping.SIGNALS`; a second one interrupts at once. Several processes: at the step
    on which JAX's preemption notifier, which holds SIGTERM there, has them all agree.
    """
    if jax.process_count() > 1:
        yield multihost_utils.reached_preemption_sync_point
        return
    with stopping.requests(patience=None) as asked:
        yield lambda step: asked()
