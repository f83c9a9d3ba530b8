"""A tracker that draws masks round the boxes of another one, each in a crop of its own."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from siamjax import fields
from siamjax.fields import RIDES, Pixels, Share, Within
from siamjax.ops import crops, masks, rectangles
from siamjax.trackers import riding
from siamjax.trackers.anchor_free import AnchorFreeConfig
from siamjax.trackers.base import MaskRule, Output, Tracker, as_frame, hold
from siamjax.trackers.siammask import Rectangle, polygon_of
from siamjax.trackers.wrapping import Outer
from siamjax.types import Array, ArrayLike, Float, Frame, Leaf, Params, Real, Tree, UInt8


@dataclasses.dataclass(frozen=True)
class MaskedConfig(Outer):
    """Settings of a tracker with masks.

    Attributes:
      inner: settings of the tracker whose boxes the masks are drawn round.
      crop_size: side of the squeezed crop that a mask is drawn in, pixels; the mask has half as many.
      mask_threshold: a pixel belongs to the target above it, 0..1.
      mask_border: probability beyond a mask's rim, which its last pixel blends into.
      rectangle: which one stands for the mask, see `SiamMaskConfig`.
    """

    inner: Any = dataclasses.field(default_factory=lambda: AnchorFreeConfig(
        exemplar_size=128, search_size=256, squeezed=True, context=0.2))
    crop_size: Pixels = 128
    mask_threshold: Annotated[Share, RIDES] = 0.5
    mask_border: Annotated[float, Within(-1e6, 0)] = 0.0
    rectangle: Rectangle = "rotated"

    def __post_init__(self):
        fields.check(self)

    @property
    def mask_size(self) -> int:
        """Side of the masks, pixels."""
        return -(-self.crop_size // 2)

    def build(self, net: nn.Module) -> Masked:
        """The tracker of `net` with these settings."""
        return Masked(net, self)


@struct.dataclass
class MaskedState:
    """What is carried from frame to frame.

    Attributes:
      inner: state of the tracker within.
      memory: what is kept of the given target to draw masks by, a tree of `[h, w, C]`.
      colour: `[3]` mean colour of the first frame, fills what lies outside.
      mask, affine, polygon: the last ones, see `Output`; they have no part in what follows.
      settings: see `riding`.
    """

    inner: Tree
    memory: Tree
    colour: Leaf
    mask: Leaf
    affine: Leaf
    polygon: Leaf
    settings: Tree


@dataclasses.dataclass(frozen=True)
class Masked:
    """Tracks as the tracker within, to the bit, and draws a mask round each of its boxes.

    Attributes:
      net: as the tracker within asks for, with `segment`, `remember` and `mask` of `nets.crop_mask.MaskedRPN`.
      config: settings.
    """

    net: nn.Module
    config: MaskedConfig = MaskedConfig()

    @property
    def mask_rule(self) -> MaskRule:
        """How its masks become the pixels of a frame."""
        return MaskRule(self.config.mask_threshold, self.config.mask_border)

    @property
    def inner(self) -> Tracker:
        """The tracker that answers with boxes."""
        return self.config.inner.build(self.net)

    def init(self, params: Params, frame: Frame | UInt8[ArrayLike, "H W 3"], box: Real[ArrayLike, "4"]) -> MaskedState:
        """State after the first frame; `box` `[4]` is `xywh`, frame pixels."""
        frame, box = as_frame(frame), jnp.asarray(box, jnp.float32)
        colour = jnp.round(crops.mean_colour(frame))
        crop, _ = self.cut(frame, box, colour)
        memory: Tree = self.net.apply(params, crop[None], method="remember")
        mask, affine = masks.filled_box(box, self.config.mask_size)
        return MaskedState(self.inner.init(params, frame, box),
                           jax.tree.map(lambda leaf: leaf[0].astype(jnp.float32), memory), colour,
                           mask, affine, rectangles.box_corners(box), riding.numbers(self.config))

    def step(self, params: Params, state: MaskedState,
             frame: Frame | UInt8[ArrayLike, "H W 3"]) -> tuple[MaskedState, Output]:
        """State and answer after `frame`."""
        frame = as_frame(frame)
        inner, found = self.inner.step(params, state.inner, frame)
        crop, affine = self.cut(frame, found.box, state.colour)
        memory = jax.tree.map(lambda leaf: leaf[None], state.memory)
        logits: Tree = self.net.apply(params, memory, crop[None], method="mask")
        mask = jax.nn.sigmoid(logits[0])
        polygon = polygon_of(self.config, mask, affine, frame, state.settings.mask_threshold, found.box)
        state = hold(frame.valid, state.replace(mask=mask, affine=affine, polygon=polygon), state)
        return state.replace(inner=inner), dataclasses.replace(
            found, mask=state.mask, affine=state.affine, polygon=state.polygon)

    def cut(self, frame: Frame, box: Float[Array, "4"],
            colour: Float[Array, "3"]) -> tuple[Float[Array, "S S 3"], Float[Array, "2 3"]]:
        """The crop `[S, S, 3]` round a box `[4]` `xywh`, and the affine `[2, 3]` of a mask of it."""
        net: Any = self.net
        size = self.config.crop_size
        origin, sides = crops.box_window(box, net.segment.margin, whole=False)
        crop = crops.resized(frame, origin, sides, size, colour)
        crop = crop[..., ::-1] if self.config.channel_order == "bgr" else crop
        # The mask's pixel `i` lies at the crop's pixel `2 i`, whose centre is `2 i + 0.5` from the crop's edge.
        pixel = sides / size
        return crop, jnp.concatenate([jnp.diag(2 * pixel), (origin + pixel / 2 - 0.5)[:, None]], axis=1)
