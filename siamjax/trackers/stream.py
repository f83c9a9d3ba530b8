"""Tracking frame by frame, as for a camera or a loop of one's own."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from siamjax.errors import ConfigError
from siamjax.ops import boxes as box_ops
from siamjax.ops import frames as frame_ops
from siamjax.trackers.base import LoadedTracker, Output
from siamjax.trackers.loop import advance, padded_count, start
from siamjax.types import ArrayLike, Boxes, Tree


class Stream:
    """Follows targets online, in constant memory; warmed up before the first answer.

    Args:
      loaded: what `siamjax.load` returned.
      frame: first frame, an image as `ops.frames.to_rgb8` takes.
      box: `[4]` `xywh` of one target, or `[N, 4]` of several, pixels.
    Raises:
      BoxError, SourceError: a box or a frame that cannot be used.

    One target gives outputs of the shapes of `Output`; several, or `add`, put an axis in front.
    """

    def __init__(self, loaded: LoadedTracker, frame: ArrayLike | None, box: Boxes):
        self._tracker, self._params = loaded.tracker, loaded.params
        image = frame_ops.to_rgb8(np.asarray(frame), where="first frame")
        targets = box_ops.checked(box, image.shape[:2], where="box")
        self._single = np.asarray(box).ndim == 1
        self._shape = frame_ops.bucket(*image.shape[:2])
        self._slots: list[int | None] = []
        self._states: Tree = None
        self._ids = 0
        for target in targets:
            self._insert(image, target)
        # A blank frame holds every state, so the program is compiled and nothing moves.
        self._advance(frame_ops.blank(self._shape, image.shape[:2]))

    @property
    def targets(self) -> list[int]:
        """Ids of the targets followed, in the order of the outputs."""
        return [slot for slot in self._slots if slot is not None]

    def __call__(self, frame: ArrayLike | None) -> Output:
        """Answer for the next frame, numpy; None stands for one that could not be decoded."""
        if frame is None:
            padded = frame_ops.blank(self._shape, self._shape)
        else:
            image = frame_ops.to_rgb8(np.asarray(frame))
            if any(a > b for a, b in zip(image.shape[:2], self._shape)):
                self._shape = frame_ops.bucket(*image.shape[:2])  # a larger frame: one more compile
            padded = frame_ops.pad(image, self._shape)
        output = self._advance(padded)
        rows = np.array([i for i, slot in enumerate(self._slots) if slot is not None], int)
        kept = jax.tree.map(lambda leaf: np.asarray(leaf)[0][rows], output)
        return jax.tree.map(lambda leaf: leaf[0], kept) if self._single else kept

    def add(self, frame: ArrayLike | None, box: Boxes) -> int:
        """Follows one more target from `frame` on; returns its id. Compiles only when the padded count grows."""
        image = frame_ops.to_rgb8(np.asarray(frame))
        target = box_ops.checked(box, image.shape[:2], where="box")
        if len(target) != 1:
            raise ConfigError(f"{len(target)} boxes", "Stream.add", "add one target at a time")
        self._single = False
        return self._insert(image, target[0])

    def remove(self, target: int) -> None:
        """Stops following the target of this id.

        Raises:
          ConfigError: no such target, or the last one.
        """
        if target not in self.targets or len(self.targets) == 1:
            raise ConfigError(f"cannot remove target {target}", "Stream.remove",
                              f"name one of several that are followed: {self.targets}")
        self._slots[self._slots.index(target)] = None

    def _insert(self, image: np.ndarray, target: np.ndarray) -> int:
        state = start(self._tracker, self._params, frame_ops.pad(image), target[None], shared=True)
        if self._states is None:
            self._states, self._slots = state, [None]
        if None not in self._slots:
            grown = padded_count(len(self._slots) + 1)
            spare = grown - len(self._slots)
            self._states = jax.tree.map(
                lambda leaf: jnp.concatenate([leaf, jnp.repeat(leaf[-1:], spare, axis=0)]), self._states)
            self._slots += [None] * spare
        lane = self._slots.index(None)
        self._states = jax.tree.map(lambda all_, one: all_.at[lane].set(one[0]), self._states, state)
        self._slots[lane] = self._ids
        self._ids += 1
        return self._ids - 1

    def _advance(self, frame) -> Output:
        chunk = jax.tree.map(lambda leaf: np.asarray(leaf)[None], frame)
        self._states, output = advance(self._tracker, self._params, self._states, chunk, shared=True)
        return output
