"""Frames written as a video: whole, or not there at all."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from PIL import Image

from siamjax import outputs, stopping
from siamjax.errors import ConfigError, OutputError


class VideoWriter:
    """Writes frames as an H.264 video (yuv420p, plays everywhere); `with VideoWriter(path, fps) as writer:`.

    The file appears under its name when the block ends. An error in the block leaves nothing behind; Ctrl-C
    keeps the video of what was done. The first frame sets the size: an odd side gains one repeated row or
    column, and a later frame of another size is scaled to it. Without a frame there is no file.

    Args:
      path: of the video, `.mp4`.
      fps: frames a second, 0.001 to 1000.
    Raises:
      ConfigError: `fps` out of range, or another ending than `.mp4`.
      OutputError: the file cannot be written.
    """

    def __init__(self, path: str | Path, fps: float = 30.0):
        self.path = Path(path)
        if not 0.001 <= fps <= 1000:
            raise ConfigError(f"{fps} frames a second", "fps", "give a rate of 0.001 to 1000")
        if self.path.suffix.lower() != ".mp4":
            raise ConfigError(f"a video named '{self.path.name}'", "path", "let its name end in .mp4")
        self._rate = Fraction(fps).limit_denominator(1001)
        # A path from the root up: a colon in a relative one would begin one of FFmpeg's protocols.
        self._partial = outputs.partial_of(self.path.absolute())
        self._file: Any = None
        self._container: Any = None
        self._stream: Any = None

    def __enter__(self) -> VideoWriter:
        try:
            self._file = open(self._partial, "wb")  # av would only find out with the first frame
            outputs.take(self._file)
            self._container = av.open(
                str(self._partial), "w", format="mp4", options={"movflags": "faststart"}
            )
        except (OSError, av.error.FFmpegError) as error:
            self._remove()
            raise self._refused(error) from error
        return self

    def write(self, pixels: np.ndarray) -> None:
        """Appends one frame `[H, W, 3]` uint8 RGB."""
        assert self._container is not None, "write belongs inside `with VideoWriter(...)`"
        try:
            if self._stream is None:
                self._stream = self._container.add_stream("libx264", rate=self._rate)
                self._stream.width, self._stream.height = (side + side % 2 for side in pixels.shape[1::-1])
                self._stream.pix_fmt = "yuv420p"
                self._stream.options = {"crf": "20", "preset": "veryfast"}
            frame = av.VideoFrame.from_ndarray(self._fitted(pixels), format="rgb24")
            with stopping.held():
                self._container.mux(self._stream.encode(frame))
        except (OSError, av.error.FFmpegError) as error:
            raise self._refused(error) from error

    def __exit__(self, kind, error, trace) -> None:
        wanted = kind is None or issubclass(kind, KeyboardInterrupt)
        finished = wanted and self._stream is not None
        try:
            if self._stream is not None and wanted:
                self._container.mux(self._stream.encode())
            self._container.close()
            if finished:
                with stopping.held():
                    self._partial.replace(self.path)
        except (OSError, av.error.FFmpegError) as failure:
            if kind is None:  # otherwise the block's own error says more
                raise self._refused(failure) from failure
        finally:
            self._remove()

    def _remove(self) -> None:
        """Takes away what did not become the video."""
        with stopping.held(), contextlib.suppress(OSError):
            if self._file is not None:
                self._file.close()
            self._partial.unlink()

    def _fitted(self, pixels: np.ndarray) -> np.ndarray:
        height, width = self._stream.height, self._stream.width
        spare = height - pixels.shape[0], width - pixels.shape[1]
        if spare == (0, 0):
            return np.ascontiguousarray(pixels)
        if min(spare) >= 0 and max(spare) <= 1:
            return np.pad(pixels, ((0, spare[0]), (0, spare[1]), (0, 0)), mode="edge")
        return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))

    def _refused(self, error: Exception) -> OutputError:
        reason = getattr(error, "strerror", None) or error
        return OutputError(f"the video cannot be written: {reason}", str(self.path),
                           "choose another folder, on a disk with space left")
