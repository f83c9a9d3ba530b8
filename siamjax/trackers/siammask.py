"""The SiamMask tracker: the best proposal of a search crop, and the mask of its cell."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal, Protocol

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from siamjax.errors import ConfigError
from siamjax.fields import RIDES, Factor, Share, Within
from siamjax.ops import crops, masks, rectangles
from siamjax.trackers import siamrpn
from siamjax.trackers.base import MaskRule, Output
from siamjax.types import Array, ArrayLike, Float, Frame, Int, Params, Real, UInt8

Rectangle = Literal["min_max", "rotated", "optimised"]
RECTANGLES = {"min_max": rectangles.min_max, "rotated": rectangles.min_area, "optimised": rectangles.best_overlap}
MIN_AREA = 100.0  # px, within the outline of a mask that is worth a rectangle


@dataclasses.dataclass(frozen=True)
class SiamMaskConfig(siamrpn.SiamRPNConfig):
    """Settings of the tracker; the defaults are SiamMask's for VOT (`config_vot.json`), with refined masks.

    Attributes:
      mask_size: side of the masks that the net gives, pixels: 127 refined, 63 at the base.
      mask_threshold: a pixel belongs to the target above it, 0..1.
      rectangle: which one stands for the mask: `min_max` upright, `rotated` of least area, or `optimised` for
        overlap (see `ops.rectangles`).
      mask_border: probability beyond a mask's rim, which its last pixel blends into: 0 for PySOT, -1 for SiamMask.
      half_pixel: True also lays the mask where its crop was cut, see `paste_affine`; the published systems do not.
      fallback_clipped: whether the box that stands in for a mask of 100 px or less has been clipped to the frame
        (PySOT) or not yet (SiamMask).
    """

    penalty_k: Annotated[Factor, RIDES] = 0.04
    window_influence: Annotated[Share, RIDES] = 0.42
    lr: Annotated[Share, RIDES] = 0.25
    crop_rule: crops.Rule = "siammask"
    mask_size: Annotated[int, Within(2, 512)] = 127
    mask_threshold: Annotated[Share, RIDES] = 0.3
    rectangle: Rectangle = "rotated"
    mask_border: Annotated[float, Within(-1e6, 0)] = -1.0
    fallback_clipped: bool = False

    def build(self, net: nn.Module) -> SiamMaskTracker:
        """The tracker of `net` with these settings."""
        return SiamMaskTracker(net, self)


@struct.dataclass
class SiamMaskState(siamrpn.State):
    """The state of the boxes, and the last `mask` `[m, m]`, `affine` `[2, 3]` and `polygon` `[4, 2]`, which are held
    over frames that cannot be decoded; at first the given box, filled. They have no part in what follows."""

    mask: Array
    affine: Array
    polygon: Array


@struct.dataclass
class MaskProposal(siamrpn.Proposal):
    """A proposal, and the `mask` `[m, m]` of its cell with its `affine` `[2, 3]`."""

    mask: Array
    affine: Array


@dataclasses.dataclass(frozen=True)
class SiamMaskTracker(siamrpn.SiamRPNTracker):
    """Tracks as `SiamRPNTracker`; each answer has the mask of the chosen cell, and a rectangle that stands for it.

    Attributes:
      net: a module with `embed_exemplar`, `detect` and `mask_at`, as `nets.siammask.SiamMask`.
      config: settings.
    Source: SiamMask (Wang et al. 2019); SiamMask, tools/test.py; PySOT, tracker/siammask_tracker.py. Departures:
    those of `SiamRPNTracker`; the mask is not pasted into the frame (see `ops.masks`).
    """

    config: SiamMaskConfig = SiamMaskConfig()

    @property
    def mask_rule(self) -> MaskRule:
        """How its masks become the pixels of a frame."""
        return MaskRule(self.config.mask_threshold, self.config.mask_border)

    def init(self, params: Params, frame: Frame | UInt8[ArrayLike, "H W 3"],
             box: Real[ArrayLike, "4"]) -> SiamMaskState:
        """State after the first frame; `box` `[4]` is `xywh`, frame pixels."""
        state = super().init(params, frame, box)
        fields = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
        box = jnp.asarray(box, jnp.float32)
        mask, affine = masks.filled_box(box, self.config.mask_size)
        return SiamMaskState(**fields, mask=mask, affine=affine, polygon=rectangles.box_corners(box))

    def search(self, params: Params, state: siamrpn.State, frame: Frame, search_size: int | None = None,
               window_influence: Float[Array, ""] | None = None) -> MaskProposal:
        config = self.config
        search_size = config.search_size if search_size is None else search_size
        scale, (cls, loc, cues) = siamrpn.look(config, self.net, params, state, frame, search_size)
        proposal = siamrpn.choose(config, state, scale, window_influence, cls[0], loc[0])
        grid = config.anchors.grid_of(cls.shape[1])
        cell = cell_of(proposal.index, grid)
        logits: Any = self.net.apply(params, cues, cell[None], method="mask_at")
        affine = paste_affine(config, state, frame, cell, grid, search_size)
        known = {field.name: getattr(proposal, field.name) for field in dataclasses.fields(proposal)}
        return MaskProposal(**known, mask=jax.nn.sigmoid(logits[0]), affine=affine)

    def follow(self, state: SiamMaskState, proposal: MaskProposal) -> SiamMaskState:
        return siamrpn.follow(state, proposal).replace(mask=proposal.mask, affine=proposal.affine)

    def clip(self, state: SiamMaskState, frame: Frame) -> SiamMaskState:
        clipped = siamrpn.clip(state, frame)
        box = self.box(clipped if self.config.fallback_clipped else state)
        return clipped.replace(polygon=polygon_of(self.config, state.mask, state.affine, frame,
                                                  state.settings.mask_threshold, box))

    def answer(self, state: SiamMaskState) -> Output:
        return super().answer(state).replace(mask=state.mask, affine=state.affine, polygon=state.polygon)


def cell_of(index: Int[Array, ""], grid: int) -> Int[Array, "2"]:
    """The cell `[2]` int32 (row, column) of anchor `index` `[]`, which is `(a * G + row) * G + column`."""
    return jnp.stack(jnp.divmod(index % (grid * grid), grid)).astype(jnp.int32)


def paste_affine(config: SiamMaskConfig, state: siamrpn.State, frame: Frame, cell: Int[Array, "2"], grid: int,
                 search_size: int) -> Float[Array, "2 3"]:
    """From the pixels of a cell's mask to the frame's: `[2, 3]`.

    The mask covers the exemplar's square round its cell's centre.

    Args:
      state: before the frame, whose place the crop was cut round.
      cell: (row, column) of `grid x grid`.
      search_size: of the crop, pixels.
    Source: SiamMask, tools/test.py `siamese_track`.
    Quirks of the references, kept: the whole crop is placed by its unrounded centre, and
    everything shrinks by one pixel in the width and height of the frame. With `half_pixel`, where no published
    result needs them, the mask lies on the pixels that it was learned of (`ops.mask_targets.windows`): those of the
    window that was cut, the centres of the mask's corner pixels on those of the exemplar's square.
    """
    side = crops.context_side(state.size[0], state.size[1], config.context)
    origin, whole = crops.window(state.centre, side * (search_size / config.exemplar_size), config.crop_rule)
    pixel = whole / search_size  # frame pixels a crop pixel
    middle = (cell[::-1] - (grid - 1) / 2) * config.anchors.stride  # from the crop's, crop pixels
    if config.half_pixel:
        corner = origin + (whole - 1) / 2 + (middle - (config.exemplar_size - 1) / 2) * pixel
        scale = jnp.broadcast_to(pixel * ((config.exemplar_size - 1) / (config.mask_size - 1)), (2,))
    else:
        extent = frame.extent[::-1].astype(jnp.float32)
        shrink = (extent - 1) / extent
        corner = shrink * (state.centre + (middle - config.exemplar_size / 2) * pixel)
        scale = shrink * (config.exemplar_size * pixel / config.mask_size)
    return jnp.concatenate([jnp.diag(scale), corner[:, None]], axis=1)


class DrawnConfig(Protocol):
    """What settings of a tracker with masks say of them; see `SiamMaskConfig`."""

    @property
    def mask_size(self) -> int: ...

    @property
    def mask_border(self) -> float: ...

    @property
    def rectangle(self) -> Rectangle: ...


def polygon_of(config: DrawnConfig, mask: Float[Array, "m m"], affine: Float[Array, "2 3"], frame: Frame,
               threshold: Float[Array, ""], box: Float[Array, "4"]) -> Float[Array, "4 2"]:
    """The rectangle `[4, 2]` that stands for a mask, or the corners of `box` `[4]` where it is of 100 px or less."""
    if mask.shape != (config.mask_size, config.mask_size):
        where = f"{type(config).__name__}.mask_size"
        raise ConfigError(f"the net's masks are {mask.shape[0]} x {mask.shape[1]}", where,
                          f"set it to {mask.shape[0]}, it is {config.mask_size}")
    region = masks.region(mask, affine, frame.extent, threshold, config.mask_border)
    return jnp.where(region.area > MIN_AREA, RECTANGLES[config.rectangle](region), rectangles.box_corners(box))
