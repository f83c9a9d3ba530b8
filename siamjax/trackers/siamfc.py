"""The SiamFC tracker: a pyramid of scales around the last place."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from siamjax import fields
from siamjax.errors import ConfigError
from siamjax.fields import RIDES, Factor, Margin, Pixels, Share, Stride, Within
from siamjax.ops import boxes, crops, resize
from siamjax.trackers import postprocess, riding
from siamjax.trackers.base import Output, as_frame, hold
from siamjax.types import Array, ArrayLike, Float, Frame, Params, Real, Tree, UInt8


@dataclasses.dataclass(frozen=True)
class SiamFCConfig:
    """Settings of the tracker; the defaults are those of siamfc-pytorch.

    Attributes:
      exemplar_size, search_size: crop sides, pixels.
      stride: pixels of the search crop per cell of the response.
      context: margin round the target, as a share of its mean side.
      upsampling: response cells are divided this finely before the peak is sought.
      num_scales, scale_step: the pyramid, `scale_step ** k`.
      scale_penalty: factor on the responses of all scales but the middle one.
      scale_lr: share of a chosen scale that is taken over, 0..1.
      window_influence: weight of the cosine window against the response, 0..1.
      template_rate: share of each frame's own exemplar features that is mixed into the template, 0..1;
        0, as published, keeps the first frame's.
      score_scale, score_offset: `score = sigmoid(score_scale * peak + score_offset)` of the raw peak, for weights
        whose peaks mean the same on every target. Both None: the peak over the first frame's own, clipped to 0..1.
      lost_threshold: `lost` is a score below it.
      resampling: `float`, or `reference` for OpenCV's 8-bit values to the bit.
      channel_order: order of channels the net was trained on.
    """

    exemplar_size: Pixels = 127
    search_size: Pixels = 255
    stride: Stride = 8
    context: Margin = 0.5
    upsampling: Annotated[int, Within(1, 64)] = 16
    num_scales: Annotated[int, Within(1, 33)] = 3
    scale_step: Annotated[float, Within(1, 2)] = 1.0375
    scale_penalty: Annotated[float, Within(0, 10), RIDES] = 0.9745
    scale_lr: Annotated[Share, RIDES] = 0.59
    window_influence: Annotated[Share, RIDES] = 0.176
    template_rate: Annotated[Share, RIDES] = 0.0
    score_scale: Annotated[Factor | None, RIDES] = None
    score_offset: Annotated[float | None, Within(-1e6, 1e6), RIDES] = None
    lost_threshold: Annotated[Share, RIDES] = 0.2
    resampling: crops.Resampling = "float"
    channel_order: Literal["rgb", "bgr"] = "rgb"

    def __post_init__(self):
        def refuse(field, rule):
            raise ConfigError(f"{field} is {getattr(self, field)!r}", f"SiamFCConfig.{field}", rule)

        fields.check(self)
        if self.num_scales % 2 == 0:
            refuse("num_scales", "use an odd number: 1, 3, 5")
        if (self.score_scale is None) != (self.score_offset is None):
            refuse("score_scale", "give score_scale and score_offset together, or neither")

    def build(self, net: nn.Module) -> SiamFCTracker:
        """The tracker of these settings with `net`."""
        return SiamFCTracker(net, self)


@struct.dataclass
class State:
    """What is carried from frame to frame.

    Attributes:
      z: `[h, w, C]` exemplar features.
      centre: `[2]` (x, y) of the target, at the middle of the pixels it covers, frame pixels.
      size: `[2]` (w, h), frame pixels.
      z_side, x_side: `[]` sides of the exemplar and search squares, frame pixels; they follow the damped
        scale and are never recomputed from `size`.
      mean: `[3]` mean colour of the first frame, fills what lies outside.
      first_peak: `[]` raw peak of the first frame; 1 where the score is calibrated.
      score: `[]` last score, held over frames that cannot be decoded.
      settings: see `riding`.
    """

    z: Array
    centre: Array
    size: Array
    z_side: Array
    x_side: Array
    mean: Array
    first_peak: Array
    score: Array
    settings: Tree


@dataclasses.dataclass(frozen=True)
class SiamFCTracker:
    """Tracks by the peak of SiamFC's response over a pyramid of scales.

    Attributes:
      net: a module with `embed` and `correlate`, as `nets.siamfc.SiamFC`.
      config: settings.
    Source: siamfc-pytorch siamfc/siamfc.py (`TrackerSiamFC`), whose boxes are 1-based; ours are 0-based.
    Departures: none with `resampling="reference"`, but sizes are float32 throughout, the window is bounded
    to 2**20 px, and frames that cannot be decoded hold the state.
    """

    net: nn.Module
    config: SiamFCConfig = SiamFCConfig()

    def init(self, params: Params, frame: Frame | UInt8[ArrayLike, "H W 3"], box: Real[ArrayLike, "4"]) -> State:
        """State after the first frame; `box` `[4]` is `xywh`, frame pixels."""
        frame, config = as_frame(frame), self.config
        centre, size = boxes.centre_and_size(jnp.asarray(box, jnp.float32), half_pixel=True)
        z_side = crops.context_side(size[0], size[1], config.context)
        state = State(
            z=jnp.zeros(()), centre=centre, size=size, z_side=z_side,
            x_side=z_side * (config.search_size / config.exemplar_size), mean=crops.mean_colour(frame),
            first_peak=jnp.float32(1), score=jnp.float32(1), settings=riding.numbers(config))
        state = state.replace(z=self._exemplar(params, state, frame))
        if config.score_scale is None:
            middle = self._responses(params, state, frame, (1.0,))[0]
            state = state.replace(first_peak=jnp.maximum(jnp.max(middle), 1e-6))
        return state

    def step(self, params: Params, state: State, frame: Frame | UInt8[ArrayLike, "H W 3"]) -> tuple[State, Output]:
        """State and answer after `frame`."""
        frame = as_frame(frame)
        responses = self._responses(params, state, frame, self.factors)
        moved, peak = locate(self.config, state, responses)
        moved = moved.replace(score=self._score(state, peak))
        rate = state.settings.template_rate
        if self.config.template_rate:
            fresh = self._exemplar(params, moved, frame)
            moved = moved.replace(z=(1 - rate) * state.z + rate * fresh)
        state = hold(frame.valid, moved, state)
        return state, Output(
            box=boxes.join(state.centre, state.size, half_pixel=True), score=state.score,
            lost=state.score < state.settings.lost_threshold, valid=frame.valid)

    @property
    def factors(self) -> tuple[float, ...]:
        """Factors of the scale pyramid."""
        return postprocess.scale_factors(self.config.num_scales, self.config.scale_step)

    def _crops(self, state: State, frame: Frame, sides: Array, size: int) -> Array:
        """Crops `[S, size, size, 3]` of windows of `sides` `[S]`, in the net's order of channels."""
        cut = jax.vmap(lambda side: crops.crop(frame, state.centre, side, size, state.mean, rule="siamfc",
                                               resampling=self.config.resampling))(sides)
        return cut[..., ::-1] if self.config.channel_order == "bgr" else cut

    def _exemplar(self, params: Params, state: State, frame: Frame) -> Array:
        crop = self._crops(state, frame, state.z_side[None], self.config.exemplar_size)
        return self.net.apply(params, crop, method="embed")[0].astype(jnp.float32)

    def _responses(self, params: Params, state: State, frame: Frame, factors: tuple[float, ...]) -> Array:
        """Up-sampled raw responses `[S, U, U]` of the search crops at `factors`."""
        sides = state.x_side * jnp.array(factors, jnp.float32)
        x = self.net.apply(params, self._crops(state, frame, sides, self.config.search_size), method="embed")
        raw: Any = self.net.apply(params, state.z[None].astype(x.dtype), x, method="correlate")
        return resize.cubic(raw, raw.shape[-1] * self.config.upsampling)

    def _score(self, state: State, peak: Array) -> Array:
        if self.config.score_scale is None:
            return jnp.clip(peak / state.first_peak, 0, 1)
        return jax.nn.sigmoid(state.settings.score_scale * peak + state.settings.score_offset)


def locate(config: SiamFCConfig, state: State, responses: Float[Array, "S U U"]) -> tuple[State, Float[Array, ""]]:
    """Moves the state to the peak of the best scale.

    Args:
      config: what fixes shapes: scales, stride, sizes.
      state: state before the frame.
      responses: up-sampled raw responses, one a scale.
    Returns:
      the moved state, and the raw peak `[]` of the chosen scale before penalty and window.
    Source: siamfc-pytorch, siamfc/siamfc.py `update`.
    """
    factors = jnp.array(postprocess.scale_factors(config.num_scales, config.scale_step), jnp.float32)
    settings = state.settings
    middle = config.num_scales // 2
    penalty = jnp.full(config.num_scales, settings.scale_penalty).at[middle].set(1)
    # The penalty multiplies raw responses, also negative ones, as in siamfc-pytorch.
    penalised = responses * penalty[:, None, None]
    chosen = jnp.argmax(jnp.max(penalised, axis=(1, 2)))
    response = penalised[chosen]
    response = response - jnp.min(response)
    response = response / (jnp.sum(response) + 1e-16)
    size = response.shape[-1]
    influence = settings.window_influence
    response = (1 - influence) * response + influence * postprocess.hann(size, normalised=True)
    row, column = postprocess.first_argmax(response)

    cells = jnp.stack([column, row]).astype(jnp.float32) - (size - 1) / 2
    per_cell = config.stride / config.upsampling * state.x_side * factors[chosen] / config.search_size
    growth = (1 - settings.scale_lr) + settings.scale_lr * factors[chosen]
    moved = state.replace(
        centre=state.centre + cells * per_cell, size=state.size * growth,
        z_side=state.z_side * growth, x_side=state.x_side * growth)
    return moved, jnp.max(responses[chosen])
