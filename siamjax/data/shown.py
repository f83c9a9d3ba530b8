"""Decoded frames as a player would show them: turned by their display matrix, 16-bit values kept."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type

CHANNELS = {"gray16": 1, "ya16": 2, "rgb48": 3, "rgba64": 4}  # formats of 16 bits a channel, by their name's start
TILT = 0.02  # of an axis that counts as straight, about a degree


def values_of(frame: av.VideoFrame) -> np.ndarray:
    """`[H, W, 3]` uint8 RGB, or `[H, W, C]` uint16 where the file holds such; not turned."""
    name = frame.format.name
    channels = CHANNELS.get(name[:-2])
    if channels is None:
        return frame.to_ndarray(format="rgb24")
    plane: Any = frame.planes[0]
    rows = np.frombuffer(plane, dtype=f"{'<' if name.endswith('le') else '>'}u2").reshape(frame.height, -1)
    return rows[:, : frame.width * channels].reshape(frame.height, frame.width, channels)


def first_values(path: Path) -> np.ndarray:
    """As `values_of`, of the picture in a file.

    Raises:
      av.FFmpegError, ValueError: it does not decode.
    """
    with av.open(address(path), options=OPTIONS) as container:
        for frame in container.decode(video=0):
            return values_of(frame)
    raise ValueError("the file holds no picture")


def address(path: Path) -> str:
    """What FFmpeg takes for this file and nothing else: a colon in a bare name would begin a protocol."""
    return f"file:{path.absolute()}"


# A file may name others: neither addresses nor FFmpeg's ways into other files, and no numbered pictures.
OPTIONS = {"protocol_whitelist": "file", "pattern_type": "none"}


def turn_of(frame: av.VideoFrame) -> tuple[bool, int, int] | None:
    """How to turn a frame: whether its axes are swapped, and the direction, 1 or -1, of rows and columns after that.

    None where it stands at an angle, is sheared or flat: that is no way to see pixels as they are.
    """
    about: Any = frame.side_data  # which its type stubs take for text
    matrix = about.get(Type.DISPLAYMATRIX)
    if matrix is None:
        return False, 1, 1
    # (x, y) of the stored picture is seen at (a x + c y, b x + d y); see QuickTime's track header.
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    largest = max(map(abs, (a, b, c, d)))
    if largest == 0:  # players take no notice of it
        return False, 1, 1
    if max(abs(b), abs(c)) <= TILT * largest < min(abs(a), abs(d)):
        return False, 1 if d > 0 else -1, 1 if a > 0 else -1
    if max(abs(a), abs(d)) <= TILT * largest < min(abs(b), abs(c)):
        return True, 1 if b > 0 else -1, 1 if c > 0 else -1
    return None


class Upright:
    """Turns frames as their display matrix says; warns once where it says what cannot be done.

    Args:
      name: of the file, for the warning.
    """

    def __init__(self, name: str):
        self._name, self._has_warned = name, False

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        """As `values_of`, turned."""
        turn = turn_of(frame)
        pixels = values_of(frame)
        if turn is None:
            if not self._has_warned:
                warnings.warn(f"{self._name}: its display matrix is neither quarter turns nor a mirror; the frames are "
                              "taken as they are stored", RuntimeWarning, stacklevel=2)
                self._has_warned = True
            return pixels
        swapped, rows, columns = turn
        pixels = pixels.swapaxes(0, 1) if swapped else pixels
        return np.ascontiguousarray(pixels[::rows, ::columns])
