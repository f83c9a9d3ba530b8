"""An iterator over the frames of anything, read once, from the front."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from typing import TypeAlias

import numpy as np

from siamjax.errors import SourceError

Pixels: TypeAlias = np.ndarray  # [H, W, 3] uint8 RGB
# Yields frames, None for one that does not decode; returns why it ended too early, or None.
Frames: TypeAlias = Generator[Pixels | None, None, str | None]


class Source:
    """An iterator over the frames of a source, read once, from the front, in constant memory.

    Each item is `[H, W, 3]` uint8 RGB, or None for a frame that could not be decoded (its number is then in
    `unreadable`). Frames are upright: EXIF orientation and a video's rotation are applied. A size that
    changes mid-stream is passed on as it comes: whoever pads the frames decides whether it still fits.
    A source that ends too early (a file cut off) ends with a `RuntimeWarning`, and `truncated` says why.
    Use it in a `with` statement, or call `close`, when it may not be read to its end.

    Attributes:
      name: file, folder or camera in words.
      fps: frames a second, None where unknown (folders, arrays).
      count: number of frames as the source states it, None where unknown; a damaged file may hold fewer.
      first: the first frame, which always decodes.
      size: `(height, width)` px of the first frame.
      unreadable: numbers of the frames so far that did not decode, from 0.
      truncated: why the source ended too early, else None.
    """

    def __init__(self, name: str, frames: Frames, *, fps: float | None = None, count: int | None = None):
        self.name, self.fps, self.count = name, fps, count
        self.unreadable: list[int] = []
        self.truncated: str | None = None
        self._frames = frames
        self._number = 0
        try:
            first = next(frames)
        except StopIteration as stop:
            reason = f": {stop.value}" if stop.value else ""
            raise SourceError(f"the source holds no frame{reason}", name, "give one with frames") from None
        if first is None:
            frames.close()
            raise SourceError("the first frame cannot be decoded", name, "cut the damaged start off")
        self.first = first
        self.size: tuple[int, int] = first.shape[:2]

    def __iter__(self) -> Source:
        return self

    def __next__(self) -> Pixels | None:
        if self._number == 0:
            frame = self.first
        else:
            try:
                frame = next(self._frames)
            except StopIteration as stop:
                if stop.value:
                    self.truncated = f"{stop.value}; {self._number} frames were read"
                    warnings.warn(f"{self.name}: {self.truncated}", RuntimeWarning, stacklevel=2)
                raise StopIteration from None
        if frame is None:
            self.unreadable.append(self._number)
        self._number += 1
        return frame

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file or camera behind; the source then ends."""
        self._frames.close()


