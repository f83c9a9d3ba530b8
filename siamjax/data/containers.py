"""Video files and cameras, decoded by FFmpeg: which stream, at which rate, and whether the file is whole."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import platform
import warnings
from pathlib import Path
from typing import Any

import av
import av.container
from av.stream import Disposition

from siamjax.data.images import check_pixels
from siamjax.data.levels import Levels
from siamjax.data.shown import OPTIONS, Upright, address
from siamjax.data.source import Frames, Pixels, Source
from siamjax.errors import SourceError
from siamjax.ops.frames import to_rgb8

RATES = (0.1, 480.0)  # frames a second that are believed; beyond lie clocks taken for rates
PEEK = 400  # packets after which a stream that has shown one picture is a still
NOT_FILMS = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image | Disposition.dependent
# Titles in another encoding are no errors: so since PyAV 19, which has lost the argument; before it, only if asked.
METADATA: Any = {} if int(av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "replace"}
LISTS = {"hls", "applehttp", "concat", "sdp", "rtsp", "dash", "imf", "webm_dash_manifest", "tty"}


def open_video(path: Path, max_pixels: int) -> Source:
    """The frames of a video file.

    Raises:
      SourceError: not a video, one without a moving picture, or one that is too large.
    """
    container = _open(path, max_pixels)
    with contextlib.ExitStack() as stack:
        stack.callback(container.close)
        stream = _film(container, path, max_pixels)
        width, height = stream.codec_context.width, stream.codec_context.height
        check_pixels(width, height, path, max_pixels)
        # A stream may change its size later: FFmpeg then refuses before it takes memory.
        stream.codec_context.options = {"max_pixels": str(max_pixels)}
        try:
            source = Source(str(path), _decode(container, stream, str(path)), fps=_rate(stream, str(path)),
                            count=_stated_count(stream))
        except SourceError as error:
            if width and height:
                raise
            what = f"{error.what}: it is damaged, or too large with more than {max_pixels / 1e6:.0f} million px"
            raise SourceError(what, error.where, "repair it, or scale it down first") from error
        stack.pop_all()  # the source closes it
    return source


def open_camera(index: int) -> Source:
    """The frames of a camera.

    Raises:
      SourceError: there is none of that number, or it cannot be opened.
    """
    system = platform.system()
    device, driver = {
        "Linux": (f"/dev/video{index}", "v4l2"),
        "Darwin": (f"{index}:none", "avfoundation"),
    }.get(system, (f"video={index}", "dshow"))
    do = "plug one in, or give a video file or a folder of images"
    if index < 0 or (system == "Linux" and not Path(device).exists()):
        raise SourceError(f"there is no camera {index}", device, do)
    name = f"camera {index}"
    try:
        container = av.open(device, format=driver)
    except (av.FFmpegError, ValueError) as error:
        raise SourceError(f"{name} cannot be opened: {error}", device, do) from error
    stream = container.streams.video[0]
    return Source(name, _decode(container, stream, name), fps=_rate(stream, name))


def _open(path: Path, max_pixels: int) -> av.container.InputContainer:
    """Opens a file, but none that names other files or addresses.

    Raises:
      SourceError: FFmpeg does not read it.
    """
    try:
        # To find out about its streams FFmpeg may decode pictures.
        options = OPTIONS | {"max_pixels": str(max_pixels)}
        container = av.open(address(path), options=options, **METADATA)
    except Exception as error:  # of any type: damaged bytes lead decoders anywhere
        do = "give a video that FFmpeg reads; one cut off while it was recorded may need repair"
        reason = getattr(error, "strerror", None) or error
        raise SourceError(f"not a video, or damaged at its start: {reason}", str(path), do) from error
    if LISTS.intersection(container.format.name.split(",")):
        container.close()
        raise SourceError("the file is text or a playlist, not a video itself", str(path),
                          "give the video; ffmpeg -i LIST -c copy clip.mp4 makes one of a list")
    return container


def _film(container: av.container.InputContainer, path: Path, max_pixels: int) -> av.VideoStream:
    """The stream that players show: no cover, the default one, the largest.

    Raises:
      SourceError: there is none.
    """
    if not container.streams.video:
        raise SourceError("the file has no video stream", str(path), "give a video")
    films = [stream for stream in container.streams.video if not Disposition(stream.disposition) & NOT_FILMS]
    if not films:
        raise SourceError("the file has a cover or preview picture and no video", str(path), "give a video")
    films = [stream for stream in films if stream.codec_context is not None]
    if not films:
        raise SourceError("the video is in a code that FFmpeg does not read, or cut short or damaged", str(path),
                          "convert it, e.g. to H.264 in an mp4 file")
    if len(films) > 1:
        moving = _moving(path, max_pixels)
        films = [stream for stream in films if stream.index in moving] or films

    def rank(stream: av.VideoStream) -> tuple[bool, int]:
        context = stream.codec_context
        return bool(Disposition(stream.disposition) & Disposition.default), context.width * context.height

    return max(films, key=rank)  # the first of several alike


def _moving(path: Path, max_pixels: int) -> set[int]:
    """Indices of the streams that show more than one picture near the start, and go on as the longest of them does."""
    counts: dict[int, int] = {}
    ends: dict[int, float] = {}
    with _open(path, max_pixels) as container, contextlib.suppress(av.FFmpegError):  # what is seen until then must do
        for packet in itertools.islice(container.demux(container.streams.video), PEEK):
            if packet.size > 0:
                index = packet.stream.index
                counts[index] = counts.get(index, 0) + 1
                ends[index] = max(ends.get(index, 0.0), float((packet.pts or 0) * (packet.time_base or 0)))
    return {index for index, count in counts.items() if count > 1 and ends[index] >= max(ends.values()) / 2}


def _rate(stream: av.VideoStream, name: str) -> float | None:
    """Frames a second, None where the file says nothing, or what cannot be."""
    stated = stream.average_rate or stream.guessed_rate
    if not stated:
        return None
    if RATES[0] <= stated <= RATES[1]:
        return float(stated)
    warnings.warn(f"{name}: it states {float(stated):g} frames a second, which is not believed; what is drawn of it "
                  "has a usual rate", RuntimeWarning, stacklevel=3)
    return None


def _stated_count(stream: av.VideoStream) -> int | None:
    """Frames that the file states; those that an edit list shows, which its duration is of, may be fewer."""
    length = _stated_length(stream)
    if stream.frames and stream.average_rate and length:
        return min(stream.frames, max(1, round(length * float(stream.average_rate))))
    return stream.frames or None


def _stated_length(stream: av.VideoStream) -> float | None:
    """Seconds from the first frame to the end of the last; None where the file does not say."""
    return None if stream.duration is None or stream.time_base is None else float(stream.duration * stream.time_base)


def _decode(container: av.container.InputContainer, stream: av.VideoStream, name: str) -> Frames:
    """Frames of a stream in order of presentation, None where a packet did not decode."""
    with container:
        # Frame threads report an error at a later packet than the one that caused it; slices do not.
        stream.thread_type = "SLICE"
        shown = _Shown(name)
        lost: list[int] = []  # heap of presentation times whose packets did not decode
        packets, end, end_of_all, problem = 0, 0.0, 0.0, None
        demuxer = container.demux()  # all streams, so that the last packet of any tells how far the file goes
        while True:
            try:
                packet = next(demuxer)
            except StopIteration:
                break
            except av.FFmpegError as error:
                problem = f"the file cannot be read further ({error})"
                break
            if packet.pts is not None and packet.time_base:
                end_of_all = max(end_of_all, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if packet.stream.index != stream.index:
                continue
            packets += packet.size > 0
            if packet.pts is not None and packet.time_base:
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            try:
                decoded = packet.decode()
            except (av.FFmpegError, ValueError):
                heapq.heappush(lost, -1 if packet.pts is None else packet.pts)
                continue
            for frame in decoded:
                assert isinstance(frame, av.VideoFrame)  # the stream is a video stream
                while lost and (frame.pts is None or lost[0] < frame.pts):
                    heapq.heappop(lost)
                    yield None
                yield shown(frame)
        problem = problem or _shortfall(container, stream, packets, end, end_of_all)
        if problem is None:
            yield from itertools.repeat(None, len(lost))
        return problem


class _Shown:
    """Decoded frames to upright `[H, W, 3]` uint8 RGB, None where one is damaged."""

    def __init__(self, name: str):
        self._upright, self._levels = Upright(name), Levels(name)

    def __call__(self, frame: av.VideoFrame) -> Pixels | None:
        if frame.is_corrupt:
            return None
        try:
            values = self._upright(frame)
            return to_rgb8(values, levels=self._levels(values))
        except (av.FFmpegError, ValueError, SourceError):  # a format, or a size, of which no picture can be made
            return None


def _shortfall(container: av.container.InputContainer, stream: av.VideoStream, packets: int, end: float,
               end_of_all: float) -> str | None:
    """Says so where a file holds less than its header promises; `end` s is that of its last frame."""
    length, rate = _stated_length(stream), stream.average_rate
    if packets < stream.frames:
        # An edit list leaves frames out: then the time that is shown tells whether all of it is there.
        if length is None or not rate or end - _start(stream) < length - 1.5 / float(rate):
            return f"the video is cut off: it has {packets} of {_stated_count(stream)} frames"
        return None
    length = (container.duration or 0) / av.time_base + max(0.0, (container.start_time or 0) / av.time_base)
    # Containers round their length; less than a second and than a tenth is no sign of a cut.
    if length - end_of_all > max(1.0, 0.1 * length) or (end_of_all == 0.0 and length > 1.0):
        return f"the video is cut off: it ends at {end_of_all:.1f} s of {length:.1f} s"
    return None


def _start(stream: av.VideoStream) -> float:
    return float((stream.start_time or 0) * stream.time_base) if stream.time_base else 0.0
