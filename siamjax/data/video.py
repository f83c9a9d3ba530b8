"""Frames in: video files, folders, globs, images, arrays and cameras, all as one iterator of RGB arrays."""

from __future__ import annotations

import glob
import heapq
import itertools
import platform
import warnings
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TypeAlias

import av
import av.container
import av.error
import numpy as np

from siamjax.data.images import read_image
from siamjax.data.listing import SUFFIXES, image_files, natural_key
from siamjax.errors import SourceError
from siamjax.ops.frames import to_rgb8

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


def open_source(source: str | Path | int | Iterable) -> Source:
    """Opens anything that gives frames and decodes the first one.

    Args:
      source: a video file; a folder of images in natural order, or one that has them in `img/`; a glob
        pattern; one image; a camera's index (an int, or a string of digits that names no file); or an
        iterable of images as `to_rgb8` takes them, with None for a lost frame.

    Raises:
      SourceError: missing, empty, not a video, a folder without images, a first frame that does not decode,
        no such camera. An item of an iterable that is no image raises when it is reached.
    """
    if isinstance(source, (int, np.integer)) and not isinstance(source, bool):
        return _camera(int(source))
    if isinstance(source, (str, Path)):
        return _path(Path(source))
    if isinstance(source, Iterable):
        count = len(source) if hasattr(source, "__len__") else None  # type: ignore[arg-type]
        return Source("frames", _arrays(source), count=count)
    raise SourceError(
        f"a {type(source).__name__} is not a source of frames",
        where="source",
        do="give a file, folder, glob pattern, camera index or an iterable of arrays",
    )


def _path(path: Path) -> Source:
    if path.is_dir():
        files = image_files(path / "img" if (path / "img").is_dir() else path)
        if not files:
            raise SourceError("the folder holds no images", str(path), f"use one with {_suffixes()} files")
        return Source(str(path), _images(files), count=len(files))
    if path.is_file():
        if path.stat().st_size == 0:
            raise SourceError("the file is empty", str(path), "give a video, an image or a folder of images")
        if path.suffix.lower() in SUFFIXES:
            return Source(str(path), _images([path]), count=1)
        return _video(path)
    matches = sorted(map(Path, glob.glob(str(path))), key=natural_key) if glob.has_magic(str(path)) else []
    images = [match for match in matches if match.suffix.lower() in SUFFIXES]
    if images:
        return Source(str(path), _images(images), count=len(images))
    if len(matches) == 1:
        return _path(matches[0])
    if str(path).isdecimal():
        return _camera(int(str(path)))
    if matches:
        raise SourceError(
            f"the pattern matches {len(matches)} files and none is an image",
            where=str(path),
            do="name one video, or a pattern of images",
        )
    raise SourceError("there is no such file or folder", str(path), "check the path")


def _images(files: list[Path]) -> Frames:
    for file in files:
        try:
            frame = read_image(file)
        except SourceError:
            frame = None
        yield frame
    return None


def _arrays(images: Iterable) -> Frames:
    for number, image in enumerate(images):
        yield None if image is None else to_rgb8(image, where=f"frame {number}")
    return None


def _video(path: Path) -> Source:
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, ValueError) as error:
        do = "give a video that FFmpeg reads; one cut off while it was recorded may need repair"
        raise SourceError(f"not a video, or damaged at its start: {error}", str(path), do) from error
    if not container.streams.video:
        container.close()
        raise SourceError("the file has no video stream", str(path), "give a video")
    stream = container.streams.video[0]
    rate = stream.average_rate or stream.guessed_rate
    return Source(
        str(path), _decode(container), fps=float(rate) if rate else None, count=stream.frames or None
    )


def _decode(container: av.container.InputContainer) -> Frames:
    """Frames of the first video stream in order of presentation, None where a packet did not decode."""
    with container:
        stream = container.streams.video[0]
        # Frame threads report an error at a later packet than the one that caused it; slices do not.
        stream.thread_type = "SLICE"
        lost: list[int] = []  # heap of presentation times whose packets did not decode
        packets, end, problem = 0, 0.0, None
        demuxer = container.demux()  # all streams, so that the last packet of any tells how far the file goes
        while True:
            try:
                packet = next(demuxer)
            except StopIteration:
                break
            except av.error.FFmpegError as error:
                problem = f"the file cannot be read further ({error})"
                break
            if packet.pts is not None and packet.time_base:
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if packet.stream.index != stream.index:
                continue
            packets += packet.size > 0
            try:
                decoded = packet.decode()
            except av.error.FFmpegError:
                heapq.heappush(lost, -1 if packet.pts is None else packet.pts)
                continue
            for frame in decoded:
                assert isinstance(frame, av.VideoFrame)  # the stream is a video stream
                while lost and (frame.pts is None or lost[0] < frame.pts):
                    heapq.heappop(lost)
                    yield None
                yield None if frame.is_corrupt else _upright(frame)
        problem = problem or _shortfall(container, packets, end)
        if problem is None:
            yield from itertools.repeat(None, len(lost))
        return problem


def _shortfall(container: av.container.InputContainer, packets: int, end: float) -> str | None:
    """Says so where a file holds less than its header promises."""
    promised = container.streams.video[0].frames
    if packets < promised:
        return f"the video is cut off: it has {packets} of {promised} frames"
    length = (container.duration or 0) / av.time_base + max(0.0, (container.start_time or 0) / av.time_base)
    # Containers round their length; less than a second and than a tenth is no sign of a cut.
    if length - end > max(1.0, 0.1 * length) or (end == 0.0 and length > 1.0):
        return f"the video is cut off: it ends at {end:.1f} s of {length:.1f} s"
    return None


def _upright(frame: av.VideoFrame) -> Pixels:
    quarter_turns = round(frame.rotation / 90)  # counterclockwise
    pixels = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(pixels, quarter_turns)) if quarter_turns % 4 else pixels


def _camera(index: int) -> Source:
    system = platform.system()
    device, driver = {
        "Linux": (f"/dev/video{index}", "v4l2"),
        "Darwin": (f"{index}:none", "avfoundation"),
    }.get(system, (f"video={index}", "dshow"))
    do = "plug one in, or give a video file or a folder of images"
    if index < 0 or (system == "Linux" and not Path(device).exists()):
        raise SourceError(f"there is no camera {index}", device, do)
    try:
        container = av.open(device, format=driver)
    except (av.error.FFmpegError, ValueError) as error:
        raise SourceError(f"camera {index} cannot be opened: {error}", device, do) from error
    rate = container.streams.video[0].average_rate
    return Source(f"camera {index}", _decode(container), fps=float(rate) if rate else None)


def _suffixes() -> str:
    return ", ".join(sorted(SUFFIXES))
