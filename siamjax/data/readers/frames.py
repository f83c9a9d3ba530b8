"""What a look at a few files of a video tells: the one size that all of its frames have."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence as Listing
from pathlib import Path

import numpy as np

from siamjax.data.images import image_size
from siamjax.errors import DataError, SourceError

LOOKED_AT = 8  # frames of a video: all headers of a set of a thousand videos would take minutes from a disk


def common_size(frames: Listing[Path]) -> tuple[int, int]:
    """`(height, width)` px of the frames, from the headers of up to `LOOKED_AT` of them, the last among them.

    The others are checked when they are read. One that is damaged is for whoever reads it, unless all of them are.

    Raises:
      DataError: one of them is not as large as the first; it is named.
      SourceError: none of them is an image.
    """
    sizes = {}
    for frame in some_of(frames):
        with contextlib.suppress(SourceError):
            sizes[frame] = image_size(frame)
    size = next(iter(sizes.values())) if sizes else image_size(frames[0])
    for frame, other in sizes.items():
        if other != size:
            first, got = (f"{width}x{height}" for height, width in (size, other))
            raise DataError(f"the frame is {got} px and the first of its video {first}", str(frame),
                            "make a video of each size, or resize the frames and their annotations")
    return size


def some_of(files: Listing[Path]) -> list[Path]:
    """Up to `LOOKED_AT` of the files, the first and the last among them, evenly apart."""
    return [files[number] for number in np.unique(np.linspace(0, len(files) - 1, LOOKED_AT).astype(int))
            ] if files else []
