"""The anchor-free tracker: the best box of one search crop, read at the points of a grid; FEAR and NanoTrack."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal, cast

import jax
import jax.numpy as jnp
from flax import linen as nn

from siamjax.fields import Margin, Share, Within
from siamjax.ops import boxes, crops
from siamjax.ops.points import PointConfig
from siamjax.trackers import siamrpn
from siamjax.trackers.base import hold, where_needed
from siamjax.trackers.siamrpn import Proposal, SiamRPNConfig, SiamRPNTracker, State
from siamjax.types import Array, ArrayLike, Float, Frame, Params, Real, UInt8

WHOLE_MIN_SIDE = 3.0  # px, the least side of a box of whole pixels (FEAR)


@dataclasses.dataclass(frozen=True)
class AnchorFreeConfig(SiamRPNConfig):
    """Settings of the tracker; the defaults are those that NanoTrack's versions share.

    Attributes:
      anchors: the points, one a cell, that stand where a region-proposal net has anchors.
      squeezed: crops have the box's aspect and are squeezed to a square, as FEAR's do; else they are context squares.
      context: margin round the target in the exemplar: of a square as a share of its mean side, of a squeezed crop
        as a share of its width on the left and the right and of its height above and below.
      search_context: that of a squeezed search, of `search_size` pixels.
      unsure_below: where the best proposal scores less, the same frame is searched once more in a wider crop, and the
        surer of both proposals is taken; 0 for one look a frame, as published.
      wider: side of that crop in the frame, over the usual one's.
      smoothing: how much of a new size is taken over: `linear` the learning rate times penalty times score,
        `squared` the square of this (FEAR), `none` all of it.
      min_side: least width and height of an answer, pixels.
      half_pixel: as in `SiamRPNConfig`.
      resampling: `reference` also keeps what the originals do to a state: FEAR's is of whole pixels, and the smoothed
        size hangs at the upper left corner of the box found; NanoTrack's answers lie half a pixel off their centre.
        Neither corrects itself, looks again or fits its score: `self_correction`, `unsure_below` and `score_scale`
        have no part there.
    """

    anchors: PointConfig = dataclasses.field(default_factory=PointConfig)  # type: ignore[assignment]
    squeezed: bool = False
    search_context: Margin = 2.0
    unsure_below: Share = 0.0
    wider: Annotated[float, Within(1, 4)] = 1.4
    smoothing: Literal["linear", "squared", "none"] = "linear"
    min_side: Annotated[float, Within(1, 1000)] = siamrpn.MIN_SIDE
    half_pixel: bool = True

    @property
    def whole_pixels(self) -> bool:
        """The state is a box of whole pixels."""
        return self.squeezed and self.resampling == "reference"

    @property
    def corrects(self) -> bool:
        return self.self_correction and self.resampling != "reference"

    @property
    def calibrates(self) -> bool:
        return self.score_scale is not None and self.resampling != "reference"

    @property
    def looks_again(self) -> bool:
        """Whether `unsure_below` acts."""
        return self.unsure_below > 0 and self.resampling != "reference"

    def build(self, net: nn.Module) -> AnchorFreeTracker:
        """The tracker of `net` with these settings."""
        return AnchorFreeTracker(net, self)


@dataclasses.dataclass(frozen=True)
class AnchorFreeTracker(SiamRPNTracker):
    """Tracks by the best box of an anchor-free net in one search crop.

    Attributes:
      net: a `nets.siamrpn.SiamRPN` with an anchor-free head, or one with the same methods.
      config: settings.
    Source: FEARTracker, tracker/fear_tracker.py (Borsuk et al. 2022); NanoTrack, tracker/nano_tracker.py. Departures:
    those of `SiamRPNTracker`; without `resampling="reference"` the state of a squeezed crop is not rounded to whole
    pixels, and the smoothed size stays round the centre of the box found.
    """

    config: AnchorFreeConfig = AnchorFreeConfig()

    def init(self, params: Params, frame: Frame | UInt8[ArrayLike, "H W 3"], box: Real[ArrayLike, "4"]) -> State:
        """State after the first frame; `box` `[4]` is `xywh`, frame pixels."""
        frame, box = siamrpn.as_frame(frame), jnp.asarray(box, jnp.float32)
        return super().init(params, frame, whole_box(box, frame) if self.config.whole_pixels else box)

    def exemplar(self, state: State, frame: Frame) -> Float[Array, "S S 3"]:
        if not self.config.squeezed:
            return super().exemplar(state, frame)
        return self.cut(state, frame, self.config.context, self.config.exemplar_size)[0]

    def find(self, params: Params, state: State, frame: Frame) -> Proposal:
        near = self.search(params, state, frame)
        if not self.config.looks_again:
            return near

        def surer(params, state, frame, near):
            far = self.look(params, state, frame, zoom=self.config.wider)
            return hold(far.score > near.score, far, near)

        unsure = near.score < self.config.unsure_below
        return where_needed(unsure, surer, near, params, state, frame, near)

    def search(self, params: Params, state: State, frame: Frame, search_size: int | None = None,
               window_influence: Float[Array, ""] | None = None) -> Proposal:
        return self.look(params, state, frame, search_size, window_influence)

    def look(self, params: Params, state: State, frame: Frame, search_size: int | None = None,
             window_influence: Float[Array, ""] | None = None, zoom: float = 1.0) -> Proposal:
        """The best proposal in a crop of `search_size` pixels, which shows `zoom` times as much a side as usual."""
        config = self.config
        if not config.squeezed:
            scale, (cls, loc, *_) = siamrpn.look(config, self.net, params, state, frame, search_size, zoom)
            return siamrpn.choose(config, state, scale, window_influence, cls[0], loc[0])
        search_size = config.search_size if search_size is None else search_size
        margin = ((1 + 2 * config.search_context) * zoom * search_size / config.search_size - 1) / 2
        crop, middle, scale = self.cut(state, frame, margin, search_size)
        kernels = jax.tree.map(lambda k: k[None], state.kernels)
        cls, loc, *_ = cast(tuple, self.net.apply(params, kernels, crop[None], method="detect"))
        proposal = siamrpn.choose(config, state, scale, window_influence, cls[0], loc[0])
        return proposal.replace(offset=proposal.offset + middle - state.centre)

    def cut(self, state: State, frame: Frame, margin: float,
            size: int) -> tuple[Float[Array, "{size} {size} 3"], Float[Array, "2"], Float[Array, "2"]]:
        """A squeezed crop round the target.

        Returns:
          the crop `[size, size, 3]`, its middle `[2]` (x, y) in the frame, and crop pixels a frame pixel `[2]`.
        """
        config = self.config
        box = boxes.join(state.centre, state.size, half_pixel=config.half_pixel)
        origin, sides = crops.box_window(box, margin, whole=config.whole_pixels)
        crop = crops.resized(frame, origin, sides, size, jnp.round(state.mean), resampling=config.resampling)
        crop = crop[..., ::-1] if config.channel_order == "bgr" else crop
        return crop, origin + sides / 2, size / sides

    def follow(self, state: State, proposal: Proposal) -> State:
        rate = {"linear": proposal.rate, "squared": proposal.rate**2, "none": jnp.ones_like(proposal.rate)}
        moved = siamrpn.follow(state, proposal.replace(rate=rate[self.config.smoothing]))
        if not self.config.whole_pixels:
            return moved
        return moved.replace(centre=moved.centre + (moved.size - proposal.size) / 2)

    def clip(self, state: State, frame: Frame) -> State:
        if not self.config.whole_pixels:
            return siamrpn.clip(state, frame, self.config.min_side)
        box = jnp.round(boxes.join(state.centre, state.size, half_pixel=False))
        box = jnp.concatenate([box[:2], jnp.maximum(box[2:], WHOLE_MIN_SIDE)])
        centre, size = boxes.centre_and_size(whole_box(box, frame), half_pixel=False)
        return state.replace(centre=centre, size=size)

    def box(self, state: State) -> Float[Array, "4"]:
        # NanoTrack takes a centre by (w - 1) / 2 and gives its answer by w / 2.
        half_pixel = self.config.half_pixel and self.config.resampling != "reference"
        return boxes.join(state.centre, state.size, half_pixel=half_pixel)


def whole_box(box: Float[Array, "4"], frame: Frame) -> Float[Array, "4"]:
    """A box `[4]` `xywh` moved and cut into the frame, its numbers cut to whole ones, sides `WHOLE_MIN_SIDE` or more.

    Source: FEARTracker, utils.py `clamp_bbox`.
    """
    extent = frame.extent[::-1].astype(jnp.float32)  # (width, height)
    corner = jnp.clip(box[:2], 0, extent)
    size = jnp.trunc(jnp.clip(corner + box[2:], 0, extent) - corner)
    corner, small = jnp.trunc(corner), size < WHOLE_MIN_SIDE
    size = jnp.where(small, WHOLE_MIN_SIDE, size)
    return jnp.concatenate([corner - jnp.where(small, jnp.maximum(corner + size - extent, 0), 0), size])
