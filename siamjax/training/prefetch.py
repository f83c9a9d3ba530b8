"""A host thread that makes the next batches while the device works."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator

END = object()


@contextlib.contextmanager
def prefetched(items: Iterator, ahead: int = 2) -> Iterator[Iterator]:
    """`items`, made up to `ahead` in advance; what they raise is raised here; the thread ends with it."""
    ready: queue.Queue = queue.Queue(maxsize=ahead)
    stopped = threading.Event()

    def put(item) -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                return ready.put(item, timeout=0.1)

    def produce() -> None:
        try:
            for item in items:
                put((item, None))
                if stopped.is_set():
                    return
            put((END, None))
        except BaseException as error:
            put((END, error))

    def consume() -> Iterator:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is END:
                return
            yield item

    thread = threading.Thread(target=produce, name="prefetch", daemon=True)
    thread.start()
    try:
        yield consume()
    finally:
        stopped.set()
        thread.join()
