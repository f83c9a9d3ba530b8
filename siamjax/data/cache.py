"""Decoded images kept in memory, the least recently used dropped first, within a budget of bytes."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable, Hashable

import numpy as np

from siamjax.data.damage import Tried


class ImageCache:
    """Thread-safe: several threads may ask at once (and may then decode one image twice).

    A copy that goes to another process begins empty.
    """

    def __init__(self, budget: int, tried: Tried | None = None):
        """`budget` in bytes of pixels; an image larger than it is decoded each time.

        With `tried` an image that cannot be read is remembered there, and raises `damage.Unreadable`.
        """
        self.budget, self.tried = budget, tried
        self.size = 0
        self._images: collections.OrderedDict[Hashable, np.ndarray] = collections.OrderedDict()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple:
        return ImageCache, (self.budget, self.tried)

    def get(self, key: Hashable, read: Callable[[], np.ndarray]) -> np.ndarray:
        """`[H, W, 3]` uint8, the image of `key`, decoded by `read` unless it is still here."""
        with self._lock:
            if key in self._images:
                self._images.move_to_end(key)
                return self._images[key]
        pixels = read() if self.tried is None else self.tried.read(key, read)
        with self._lock:
            if key not in self._images and pixels.nbytes <= self.budget:
                self._images[key] = pixels
                self.size += pixels.nbytes
                while self.size > self.budget:
                    self.size -= self._images.popitem(last=False)[1].nbytes
        return pixels
