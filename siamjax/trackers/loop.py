"""Whole clips through a tracker: chunks of frames scanned on the device, targets or videos by vmap.

Frames arrive on the host one by one. A chunk of them is padded to a bucket and handed over, and while the
device follows it the host decodes the next: memory stays constant however long the video is. Programs depend
on the bucket, the chunk's length and the padded number of lanes (targets, or videos) only.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax import lax

from siamjax.errors import ConfigError, SourceError
from siamjax.ops import boxes as box_ops
from siamjax.ops import frames as frame_ops
from siamjax.trackers.base import Output, Result, Tracker
from siamjax.trackers.record import Image, OnFrame, Record, cut
from siamjax.types import ArrayLike, Boxes, Frame, Params, Real, Tree

CHUNK = 16  # frames at most
CHUNK_BYTES = 32 << 20  # of padded pixels at most, so that large frames take shorter chunks


@functools.partial(jax.jit, static_argnames=("tracker", "shared"))
def start(tracker: Tracker, params: Params, frame: Frame, boxes: Real[ArrayLike, "N 4"], *, shared: bool) -> Tree:
    """States of all lanes after their first frame.

    Args:
      tracker: static; equal trackers share the compilation.
      params: of its net.
      frame: one frame for all lanes if `shared` (targets of a video), else one a lane `[N, ...]` (videos).
      boxes: `xywh`.
      shared: whether the lanes look at one frame.
    """
    return jax.vmap(functools.partial(tracker.init, params), in_axes=(None if shared else 0, 0))(frame, boxes)


@functools.partial(jax.jit, static_argnames=("tracker", "shared"))
def advance(tracker: Tracker, params: Params, states: Tree, frames: Frame, *,
            shared: bool) -> tuple[Tree, Output]:
    """Scans all lanes over a chunk.

    Args:
      states: of `N` lanes.
      frames: stacked on axis 0, `[K, ...]` if `shared`, else `[K, N, ...]`.
    Returns:
      the states after the chunk, and outputs stacked `[K, N, ...]`.
    """
    step = functools.partial(tracker.step, params)
    if len(jax.tree.leaves(states)[0]) == 1:
        return lax.scan(_alone(step, shared), states, frames)
    return lax.scan(jax.vmap(step, in_axes=(0, None if shared else 0)), states, frames)


def _alone(step: Callable[..., Tree], shared: bool) -> Callable[..., Tree]:
    """`step` of a single lane. As one of `vmap` it would run both branches: of a long-term tracker, both crops."""
    def stepped(states, frame):
        lane = jax.tree.map(lambda leaf: leaf[0], (states, () if shared else frame))
        return jax.tree.map(lambda leaf: leaf[None], step(lane[0], frame if shared else lane[1]))

    return stepped


def padded_count(count: int) -> int:
    """Lanes compiled for `count` targets: the next power of two."""
    return 1 << (count - 1).bit_length()


def chunk_length(shape: tuple[int, int], longest: int = CHUNK) -> int:
    """Frames a chunk of padded `(H, W)` frames, at least one."""
    return max(1, min(longest, CHUNK_BYTES // (3 * shape[0] * shape[1])))


def track_frames(tracker: Tracker, params: Params, frames: Iterable[Image], boxes: Boxes, *,
                 chunk: int = CHUNK, on_frame: OnFrame | None = None, keep_masks: bool = True) -> list[Result]:
    """Follows every box of `boxes` through one video.

    Args:
      tracker, params: see `base.Tracker`.
      frames: uint8 RGB images, None for one that could not be decoded (its boxes are held). A size that
        changes keeps the boxes' pixels; one larger than the bucket costs a compile.
      boxes: `[N, 4]` or `[4]` `xywh` in the first frame, pixels.
      chunk: frames a program runs over at most.
      on_frame: called in order with each frame's number, its image and its `Output` `[N, ...]` in numpy.
      keep_masks: whether results hold the masks, where the tracker has any: 32 KB a frame and target of 127 x 127
        pixels. Without them memory stays constant; `on_frame` sees them all the same.
    Returns:
      a `Result` a target; row 0 is its given box.
    Raises:
      BoxError: a box that cannot be a target.
      SourceError: no frame, or an unreadable first one.
    """
    stream = iter(frames)
    first = _first(stream)
    targets = box_ops.checked(boxes, first.shape[:2], where="box")
    count = len(targets)
    lanes = np.concatenate([targets, np.repeat(targets[-1:], padded_count(count) - count, axis=0)])
    states = start(tracker, params, frame_ops.pad(first), lanes, shared=True)
    record = Record(states, targets, first, on_frame, keep_masks)
    jobs = ((images, _stack(images, shape, length))
            for images, shape, length in _chunks(stream, first.shape[:2], chunk))
    _run(tracker, params, states, jobs, record, shared=True)
    return record.results()


def track_videos(tracker: Tracker, params: Params, videos: Sequence[Iterable[Image]], boxes: Boxes, *,
                 chunk: int = CHUNK, keep_masks: bool = True) -> list[Result]:
    """Follows one target in each of several videos, all in one program.

    Args:
      videos: as `frames` of `track_frames`, one iterable a video; they may end at different frames.
      boxes: `[V, 4]` `xywh`, the target in each video's first frame.
      chunk, keep_masks: as `track_frames`.
    Returns:
      a `Result` a video, as long as the video.
    Raises:
      ConfigError: not one box a video; SourceError, BoxError as `track_frames`, naming the video.
    """
    streams = [iter(video) for video in videos]
    if not streams or np.asarray(boxes).shape != (len(streams), 4):
        raise ConfigError(f"{len(streams)} videos and boxes of shape {np.asarray(boxes).shape}", "boxes",
                          "give one x,y,w,h for each video")
    firsts = [_first(stream, f"video {i}") for i, stream in enumerate(streams)]
    targets = np.concatenate([box_ops.checked(box, first.shape[:2], where=f"box of video {i}")
                              for i, (box, first) in enumerate(zip(boxes, firsts))])
    shape = tuple(np.max([frame_ops.bucket(*first.shape[:2]) for first in firsts], axis=0).tolist())
    count = len(streams)
    spare = padded_count(count) - count
    blank = frame_ops.blank(shape, firsts[-1].shape[:2])

    def stack(images):
        """One row of the batch: a frame a video, blank where it has ended or the lane is spare."""
        frames = [blank if image is None else frame_ops.pad(image, shape) for image in images]
        return _tree_stack([*frames, *[blank] * spare])

    lanes = np.concatenate([targets, np.repeat(targets[-1:], spare, axis=0)])
    opening = _tree_stack([frame_ops.pad(image, shape) for image in [*firsts, *[firsts[-1]] * spare]])
    states = start(tracker, params, opening, lanes, shared=False)
    lengths = [1] * count

    def rows():
        ended = [False] * count
        for number in itertools.count(1):
            images: list[Image] = []
            for lane, stream in enumerate(streams):
                image = None if ended[lane] else next(stream, _END)
                if image is _END:
                    ended[lane], image = True, None
                elif not ended[lane]:
                    lengths[lane] = number + 1
                images.append(image)  # type: ignore[arg-type]
            if all(ended):
                return
            yield images

    length = chunk_length((shape[0], shape[1] * (count + spare)), chunk)
    record = Record(states, targets, None, None, keep_masks)

    def jobs():
        stream = rows()
        while batch := list(itertools.islice(stream, length)):
            stacked = [stack(images) for images in batch]
            yield [None] * len(batch), _tree_stack(stacked + [stack([None] * count)] * (length - len(batch)))

    _run(tracker, params, states, jobs(), record, shared=False)
    return [cut(result, lengths[lane]) for lane, result in enumerate(record.results())]


def _run(tracker, params, states, jobs: Iterator, record: Record, *, shared: bool) -> None:
    """Advances chunk by chunk; the next chunk is decoded while the device works on the last one."""
    pending: tuple[list[Image], Output, int, float] | None = None
    ready = time.perf_counter()
    for images, frames in jobs:
        if pending is not None:
            ready = record.add(*pending, ready)
        states, outputs, begun = _begun(tracker, params, states, frames, shared=shared)
        pending = images, outputs, len(jax.tree.leaves(frames)[0]), begun
    if pending is not None:
        record.add(*pending, ready)


def _begun(tracker, params, states, frames: Frame, *, shared: bool) -> tuple[Tree, Output, float]:
    """`advance`, and when the device began with it; compilation, if there was one, is nobody's frame time."""
    compiled, begun = advance._cache_size(), time.perf_counter()
    new, outputs = advance(tracker, params, states, frames, shared=shared)
    if advance._cache_size() == compiled:
        return new, outputs, begun
    begun = time.perf_counter()
    if all(leaf.is_ready() for leaf in jax.tree.leaves(outputs)):
        # It ran before the call came back, as under JAX_DEBUG_NANS: how long, only a second run can tell.
        new, outputs = advance(tracker, params, states, frames, shared=shared)
    return new, outputs, begun


_END: Any = object()


def _first(stream: Iterator[Image], where: str = "source") -> np.ndarray:
    first = next(stream, _END)
    if first is _END:
        raise SourceError("there is no frame", where, "give a video with at least one frame")
    if first is None:
        raise SourceError("the first frame cannot be decoded", where, "start at a frame that can")
    return first


def _chunks(stream: Iterator[Image], size: tuple[int, int], longest: int):
    """Groups images of one bucket: (images, bucket, length of the program)."""
    shape = frame_ops.bucket(*size)
    length = chunk_length(shape, longest)
    images: list[Image] = []
    for image in stream:
        if image is not None and any(a > b for a, b in zip(image.shape[:2], shape)):
            if images:
                yield images, shape, length
            shape, images = frame_ops.bucket(*image.shape[:2]), []
            length = chunk_length(shape, longest)
        images.append(image)
        if len(images) == length:
            yield images, shape, length
            images = []
    if images:
        yield images, shape, length


def _stack(images: list[Image], shape: tuple[int, int], length: int) -> Frame:
    """A chunk `[length, ...]`: blank frames, whose state is held, fill the last one up."""
    blank = frame_ops.blank(shape, shape)
    frames = [blank if image is None else frame_ops.pad(image, shape) for image in images]
    return _tree_stack(frames + [blank] * (length - len(frames)))


def _tree_stack(trees: list) -> Tree:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
