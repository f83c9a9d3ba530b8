"""Frames in: video files, folders, globs, images, arrays and cameras, all as one iterator of RGB arrays."""

from __future__ import annotations

import glob
import re
import warnings
from collections.abc import Iterable
from collections.abc import Sequence as Listing
from pathlib import Path

import numpy as np

from siamjax.data import levels
from siamjax.data.containers import open_camera, open_video
from siamjax.data.frame_files import frame_files, frames_among
from siamjax.data.images import MAX_PIXELS, is_image, read_values, readable
from siamjax.data.listing import SUFFIXES, matching
from siamjax.data.source import Frames, Pixels, Source
from siamjax.data.stacks import open_stack, picture_count
from siamjax.errors import SourceError
from siamjax.ops.frames import to_rgb8

__all__ = ["USUAL_RATE", "Frames", "Pixels", "Source", "open_source"]

USUAL_RATE = 25.0  # frames a second, of what is drawn of a source that states none or what cannot be
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # a `Path` of one has a single slash
CAMERA = re.compile(r"0|[1-9][0-9]?")  # 0001 and 20260301 are names
MOTION_JPEG = {".mjpeg", ".mjpg"}  # begins as a photo does, and goes on


def open_source(source: str | Path | int | Iterable, *, max_pixels: int = MAX_PIXELS) -> Source:
    """Opens anything that gives frames and decodes the first one.

    16-bit pictures of cameras of fewer bits are shown by levels that hold for all frames, with a warning: see
    `levels.levels_of`, which looks at a few frames of a folder or stack, and at the first of anything else.

    Args:
      source: a video file; a folder of images in natural order, or one that has them in `img/`; a glob
        pattern; one image, or a file of several (a TIFF stack, an animated PNG, WebP or GIF); a camera's index (an
        int, or one or two digits that name no file); or an iterable of images as `to_rgb8` takes them, with None for
        a lost frame. What a file holds decides what it is, not its name. In a folder each file is one frame.
      max_pixels: a file with a larger picture is refused before it is decoded, see `images.read_image`.

    Raises:
      SourceError: missing, empty, not a video, a folder without images, too large, a first frame that does not
        decode, no such camera, an address. An item of an iterable that is no image raises when it is reached.
    """
    if isinstance(source, (int, np.integer)) and not isinstance(source, bool):
        return open_camera(int(source))
    if isinstance(source, (str, Path)):
        if ADDRESS.match(str(source)) and not Path(source).exists():
            raise SourceError("addresses are not read", str(source),
                              "save a piece as a file first, e.g. ffmpeg -i ADDRESS -t 60 -c copy clip.mp4")
        return _path(Path(source), max_pixels)
    if isinstance(source, Iterable):
        count = len(source) if hasattr(source, "__len__") else None  # type: ignore[arg-type]
        return Source("frames", _arrays(source), count=count)
    raise SourceError(
        f"a {type(source).__name__} is not a source of frames",
        where="source",
        do="give a file, folder, glob pattern, camera index or an iterable of arrays",
    )


def _path(path: Path, max_pixels: int) -> Source:
    if path.is_dir():
        files = frame_files(path / "img" if (path / "img").is_dir() else path)
        if not files:
            raise SourceError("the folder holds no images", str(path), f"use one with {_suffixes()} files")
        return _images(str(path), files, max_pixels)
    if path.is_file():
        return _file(path, max_pixels)
    matches = matching(str(path)) if glob.has_magic(str(path)) else []
    images = [match for match in matches if match.suffix.lower() in SUFFIXES]
    if len(images) > 1:
        return _images(str(path), frames_among(images, str(path)), max_pixels)
    if len(matches) == 1:
        return _path(matches[0], max_pixels)
    if matches:
        raise SourceError(
            f"the pattern matches {len(matches)} files and {len(images) or 'none'} is an image",
            where=str(path),
            do="name one video, or a pattern of images",
        )
    if CAMERA.fullmatch(str(path)):
        return open_camera(int(str(path)))
    raise SourceError("there is no such file or folder", str(path), "check the path")


def _file(path: Path, max_pixels: int) -> Source:
    if path.stat().st_size == 0:
        raise SourceError("the file is empty", str(path), "give a video, an image or a folder of images")
    if is_image(path) and path.suffix.lower() not in MOTION_JPEG:
        several = picture_count(path, max_pixels) > 1
        return open_stack(path, max_pixels) if several else _images(str(path), [path], max_pixels)
    try:
        return open_video(path, max_pixels)
    except SourceError:
        if path.suffix.lower() in SUFFIXES:
            read_values(path, max_pixels)  # which says what is wrong with it as an image
        raise


def _images(name: str, files: list[Path], max_pixels: int) -> Source:
    return Source(name, _each(name, files, max_pixels), count=len(files))


def _each(name: str, files: list[Path], max_pixels: int) -> Frames:
    shown = levels.Levels(name, lambda: readable(levels.spread(files), max_pixels))
    for number, file in enumerate(files):
        try:
            values = read_values(file, max_pixels)
            frame = to_rgb8(values, where=str(file), levels=shown(values))
        except SourceError as error:
            if number == 0:
                first = "; it is the first frame" if len(files) > 1 else ""
                raise SourceError(error.what + first, error.where, error.do) from error
            frame = None
        if number == 0 and (count := picture_count(file, max_pixels)) > 1:
            warnings.warn(f"{file} holds {count} pictures: the first of each file is taken; name the file itself to "
                          "have all", RuntimeWarning, stacklevel=2)
        yield frame
    return None


def _arrays(images: Iterable) -> Frames:
    sample = levels.spread(list(images)) if isinstance(images, (Listing, np.ndarray)) else None
    shown = levels.Levels("frames", None if sample is None else lambda: _present(sample))
    for number, image in enumerate(images):
        values = None if image is None else np.asarray(image)
        yield None if values is None else to_rgb8(values, where=f"frame {number}", levels=shown(values))
    return None


def _present(images: Iterable) -> Iterable[np.ndarray]:
    return (np.asarray(image) for image in images if image is not None)


def _suffixes() -> str:
    return ", ".join(sorted(SUFFIXES))
