"""What every tracker promises: `init` and `step`, pure functions over arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import struct
from jax import lax
from jax.custom_batching import custom_vmap

from siamjax.types import Array, ArrayLike, Bool, Frame, Leaf, Params, Real, Tree, UInt8


@struct.dataclass
class Output:
    """A tracker's answer for one frame.

    Attributes:
      box: `[4]` float32 `xywh`, frame pixels.
      score: `[]` float32 in 0..1, how sure the tracker is that `box` holds the target.
      lost: `[]` bool, the target is taken to be out of sight.
      valid: `[]` bool, False where the frame could not be decoded and the last answer is held.
      mask: `[m, m]` float32, probability of the target in a crop of the frame, 0..1; None where the tracker has no
        masks, as with the next two.
      affine: `[2, 3]` float32, takes a mask's pixel `(x, y, 1)` to the frame's; pixel centres are at integers.
        `ops.masks.render` makes a mask of the whole frame.
      polygon: `[4, 2]` float32 corners (x, y) of the rectangle that stands for the mask, frame pixels.
    """

    box: Leaf
    score: Leaf
    lost: Leaf
    valid: Leaf
    mask: Leaf = None
    affine: Leaf = None
    polygon: Leaf = None


@dataclasses.dataclass(frozen=True)
class MaskRule:
    """How a tracker's masks become the pixels of a frame.

    Attributes:
      threshold: a pixel belongs to the target above it, 0..1.
      border: value beyond a mask's rim, see `ops.masks`.
    """

    threshold: float = 0.5
    border: float = 0.0


class Tracker(Protocol):
    """A frozen, hashable dataclass of a net and its settings; equal trackers share one compilation.

    `jit`, `scan`, `vmap` (targets, videos, settings) and `pmap` (devices) apply to both methods. The state's
    shapes and dtypes never change; what only scales a number rides in it as an array. The state of a tracker
    that has masks holds the last `mask`, `affine` and `polygon` under these names, at first those of the given
    box; and it has an attribute `mask_rule`, a `MaskRule`.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def net(self) -> nn.Module: ...

    @property
    def config(self) -> Any: ...

    def init(self, params: Params, frame: Frame | UInt8[ArrayLike, "H W 3"], box: Real[ArrayLike, "4"]) -> Tree:
        """State after the first frame, whose `box` `[4]` is `xywh` in frame pixels."""
        ...

    def step(self, params: Params, state: Tree, frame: Frame | UInt8[ArrayLike, "H W 3"]) -> tuple[Tree, Output]:
        """State and answer after one more frame."""
        ...


@dataclasses.dataclass(frozen=True)
class LoadedTracker:
    """A tracker with its parameters.

    Attributes:
      tracker: net and settings.
      params: the whole variables dict, plain or prepared for this platform.
      card: where the weights come from and what they score, text.
      name: zoo name, or the file's stem.
    """

    tracker: Tracker
    params: Params
    card: str
    name: str


@dataclasses.dataclass(frozen=True)
class Result:
    """The track of one target; row 0 is the given box.

    Attributes:
      boxes: `[T, 4]` float32 `xywh`, frame pixels.
      scores: `[T]` float32, 0..1; 1 in row 0.
      lost: `[T]` bool.
      valid: `[T]` bool, False where a frame could not be decoded.
      seconds: `[T]` float64, wall time a frame, shared out over its chunk; the next chunk is decoded
        meanwhile, so it is the longer of tracking and decoding. Compilation is left out; 0 in row 0.
      masks: `[T, m, m]` float16, as `Output.mask`; None where the tracker has none, or they were not kept.
      affines: `[T, 2, 3]` float32, see `Output`; None without `masks`.
      polygons: `[T, 4, 2]` float32, see `Output`; None where the tracker has no masks.
    """

    boxes: np.ndarray
    scores: np.ndarray
    lost: np.ndarray
    valid: np.ndarray
    seconds: np.ndarray
    masks: np.ndarray | None = None
    affines: np.ndarray | None = None
    polygons: np.ndarray | None = None


def mask_rule_of(tracker: Any) -> MaskRule | None:
    """The rule of a tracker's masks, of one round another that of the inner one; None for a tracker without any."""
    own, inner = getattr(tracker, "mask_rule", None), getattr(tracker, "inner", None)
    return mask_rule_of(inner) if own is None and inner is not None else own


def as_frame(frame: Frame | UInt8[ArrayLike, "H W 3"]) -> Frame:
    """A `Frame` of a bare image `[H, W, 3]`, whose extent is its shape; a `Frame` as it is."""
    if isinstance(frame, Frame):
        return Frame(jnp.asarray(frame.pixels), jnp.asarray(frame.extent), jnp.asarray(frame.valid))
    pixels = jnp.asarray(frame)
    return Frame(pixels, jnp.array(pixels.shape[:2], jnp.int32), jnp.array(True))


def hold(valid: Bool[Array, ""], new: Tree, old: Tree) -> Tree:
    """The tree `new` where `valid`, e.g. where the frame was decoded, else `old`."""
    return jax.tree.map(lambda a, b: jnp.where(valid, a, b), new, old)


def where_needed(needed: Bool[Array, ""], compute: Callable[..., Tree], otherwise: Tree, *operands: Tree) -> Tree:
    """The tree `compute(*operands)` where `needed`, else `otherwise`, of the same shapes.

    One target by itself computes only what it needs. Under `vmap` a `lax.cond` runs both sides for all lanes in every
    frame; this runs `compute` (for all of them) only in frames where one needs it.

    Args:
      compute: a function of `operands` and of nothing else that is traced.
    """
    @custom_vmap
    def chosen(needed, otherwise, operands):
        return lax.cond(needed, lambda: compute(*operands), lambda: otherwise)

    @chosen.def_vmap
    def _(lanes, batched, needed, otherwise, operands):
        def spread(leaf, has_lanes):
            return leaf if has_lanes else jnp.broadcast_to(leaf, (lanes, *jnp.shape(leaf)))

        needed, otherwise = jax.tree.map(spread, (needed, otherwise), tuple(batched[:2]))
        axes = jax.tree.map(lambda has_lanes: 0 if has_lanes else None, batched[2])

        def of_all():
            found = jax.vmap(lambda operands: compute(*operands), in_axes=(axes,), axis_size=lanes)(operands)
            return jax.vmap(hold)(needed, found, otherwise)

        return (lax.cond(jnp.any(needed), of_all, lambda: otherwise),
                jax.tree.map(lambda _: True, otherwise))

    return chosen(needed, otherwise, operands)
