"""Files of several pictures: TIFF stacks, animated PNG, WebP and GIF, as the frames of a video."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from siamjax.data import levels
from siamjax.data.images import check_pixels, opened, values_of
from siamjax.data.source import Frames, Source
from siamjax.errors import SourceError
from siamjax.ops.frames import to_rgb8

KINDS = {"TIFF", "PNG", "WEBP", "GIF"}  # not MPO: a phone's second picture is a depth map or the other eye's
SUBFILE_TYPE, REDUCED_OR_MASK = 254, 0b101  # of a TIFF page: a thumbnail, or the mask of another page
USUAL_DELAY = 100  # ms a picture, where a GIF says none


def picture_count(path: Path, max_pixels: int) -> int:
    """How many frames a file has: 1 for a photo.

    Raises:
      SourceError: it is no image, or a damaged one.
    """
    with opened(path, max_pixels) as image:
        return _count(image)


def open_stack(path: Path, max_pixels: int) -> Source:
    """The pictures of a file as a video.

    Raises:
      SourceError: it is no image, or a damaged one.
    """
    with opened(path, max_pixels) as image:
        count = _count(image)
        if image.format == "WEBP":
            image.load()  # which tells how long it is to be seen
        delay = image.info.get("duration")
        fps = None if delay is None else 1000 / (delay if delay >= 10 else USUAL_DELAY)
    return Source(str(path), _frames(path, max_pixels), fps=fps, count=count)


def _count(image: Image.Image) -> int:
    if image.format not in KINDS:
        return 1
    return getattr(image, "n_frames", 1) - _first(image)


def _first(image: Image.Image) -> int:
    """Number of the first frame: an animated PNG may have a picture before it for programs that show one only."""
    return int(bool(getattr(image, "default_image", False)))


def _frames(path: Path, max_pixels: int) -> Frames:
    shown = levels.Levels(str(path), lambda: _samples(path, max_pixels))
    problem = None
    with opened(path, max_pixels) as image:
        for number in itertools.count(_first(image)):
            try:
                image.seek(number)
            except EOFError:
                break
            except Exception as error:  # of any type: damaged bytes lead decoders anywhere
                problem = f"the file is damaged: {' '.join(str(error).split())}"
                break
            if not _is_frame(image):
                continue
            try:
                check_pixels(*image.size, path, max_pixels)
                values = values_of(image)
                frame = to_rgb8(values, where=str(path), levels=shown(values))
            except Exception:
                if number == _first(image):
                    raise
                frame = None
            yield frame
    return problem


def _is_frame(image: Image.Image) -> bool:
    return image.format != "TIFF" or not int(image.tag_v2.get(SUBFILE_TYPE, 0)) & REDUCED_OR_MASK  # type: ignore


def _samples(path: Path, max_pixels: int) -> Iterator[np.ndarray]:
    """Values of a few pictures of the file."""
    with opened(path, max_pixels) as image:
        for number in levels.spread(range(_first(image), _first(image) + _count(image))):
            try:
                image.seek(number)
                check_pixels(*image.size, path, max_pixels)
                if _is_frame(image):
                    yield values_of(image)
            except (SourceError, EOFError, OSError, ValueError):
                continue
