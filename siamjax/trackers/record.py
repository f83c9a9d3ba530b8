"""The answers of a clip, kept as they arrive."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

import jax
import numpy as np

from siamjax.trackers.base import Output, Result
from siamjax.types import Tree

Image = np.ndarray | None  # uint8 RGB [h, w, 3], None where the frame could not be decoded
OnFrame = Callable[[int, Image, Output], None]


class Record:
    """Outputs as they arrive, copied into a few arrays that double when they are full.

    Thousands of small arrays kept between the large ones of the frames would fragment the heap: a long video
    would take ever more memory.

    Args:
      states: after the first frame, of all lanes; what they hold of masks is row 0's.
      targets: `[N, 4]` given boxes, row 0's; lanes beyond are spare.
      first: the first frame, for `on_frame`.
      on_frame, keep_masks: see `loop.track_frames`.
    """

    def __init__(self, states: Tree, targets: np.ndarray, first: Image, on_frame: OnFrame | None, keep_masks: bool):
        self.count, self.on_frame, self.keep_masks, self.number = len(targets), on_frame, keep_masks, 1
        held = {name: np.asarray(getattr(states, name))[:self.count] for name in ("mask", "affine", "polygon")
                if hasattr(states, name)}
        opening = Output(box=targets, score=np.ones(self.count, np.float32), lost=np.zeros(self.count, bool),
                         valid=np.ones(self.count, bool), **held)
        self.kept = jax.tree.map(lambda leaf: leaf[None].copy(), self._worth_keeping(opening))
        self.seconds = np.zeros(1)
        if on_frame:
            on_frame(0, first, opening)

    def add(self, images: list[Image], outputs: Output, steps: int, begun: float, ready: float) -> float:
        """Waits for a chunk's outputs and keeps those of its real frames and lanes; returns the time now.

        Args:
          images: the real frames.
          outputs: `[steps, ...]`; a chunk is filled up with blank frames, which take as long and are no frame's time.
          begun, ready: when the device began with the chunk at the earliest, and when it was done with the last one.
        """
        length = len(images)
        new = jax.tree.map(lambda leaf: np.asarray(leaf)[:length, :self.count], outputs)
        now = time.perf_counter()
        each = np.full(length, (now - max(begun, ready)) / steps)
        place = slice(self.number, self.number + length)
        self.kept = jax.tree.map(lambda all_, rows: _written(all_, place, rows), self.kept, self._worth_keeping(new))
        self.seconds = _written(self.seconds, place, each)
        if self.on_frame:
            for i, image in enumerate(images):
                self.on_frame(self.number + i, image, jax.tree.map(lambda leaf, i=i: leaf[i], new))
        self.number += length
        return now

    def results(self) -> list[Result]:
        lanes = [jax.tree.map(lambda leaf, n=n: leaf[:self.number, n].copy(), self.kept) for n in range(self.count)]
        return [Result(boxes=lane.box, scores=lane.score, lost=lane.lost, valid=lane.valid,
                       seconds=self.seconds[:self.number].copy(), masks=lane.mask, affines=lane.affine,
                       polygons=lane.polygon) for lane in lanes]

    def _worth_keeping(self, output: Output) -> Output:
        """With masks as float16, or without them."""
        if output.mask is None or not self.keep_masks:
            return output.replace(mask=None, affine=None)
        return output.replace(mask=output.mask.astype(np.float16))


def _written(array: np.ndarray, place: slice, rows: np.ndarray) -> np.ndarray:
    """`array` with `rows` at `place`, in a larger one where it is full."""
    if place.stop > len(array):
        grown = np.zeros((max(2 * len(array), place.stop), *array.shape[1:]), array.dtype)
        grown[:len(array)] = array
        array = grown
    array[place] = rows
    return array


def cut(result: Result, length: int) -> Result:
    """The first `length` frames of a result."""
    rows = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    return dataclasses.replace(result, **{name: array[:length] for name, array in rows.items() if array is not None})
