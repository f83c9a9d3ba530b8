"""The SiamRPN tracker: the best proposal of one search crop, for SiamRPN and SiamRPN++."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from siamjax import fields
from siamjax.errors import ConfigError
from siamjax.fields import RIDES, Factor, Margin, Pixels, Share, Within
from siamjax.ops import boxes, crops
from siamjax.ops.anchors import AnchorConfig
from siamjax.trackers import postprocess, riding, searching
from siamjax.trackers.base import Output, as_frame
from siamjax.types import Array, ArrayLike, Float, Frame, Params, Real, Tree, UInt8

MIN_SIDE = 10.0  # px, the least width and height of an answer (PySOT)
# A first proposal that overlaps the given box by less is not of it, and corrects nothing.
SAME_TARGET = 0.3
MOST_SHIFT, MOST_STRETCH = 0.3, 1.6  # that a correction moves (in sides) and stretches a proposal


@dataclasses.dataclass(frozen=True)
class SiamRPNConfig:
    """Settings of the tracker; the defaults are PySOT's own.

    Attributes:
      exemplar_size, search_size: crop sides, pixels.
      anchors: prior boxes, those that the net was trained with.
      context: margin round the target, as a share of its mean side.
      penalty_k: how steeply proposals of another scale or aspect are held back.
      window_influence: weight of the cosine window against the penalised score, 0..1.
      lr: share of a sure proposal's size that is taken over, 0..1.
      temperature: divides the logits of the scores by which proposals are ranked. Sure scores tie, and of
        ties the window takes the nearest; a temperature above 1 keeps the better apart from the nearer.
      score_scale, score_offset: `score = sigmoid(score_scale * log odds + score_offset)` of the chosen proposal's
        foreground probability. Both None, as published: that probability itself. They do not change boxes.
      lost_threshold: `lost` is a score below it.
      self_correction: takes what the net gets wrong about the given box in the first frame off every later
        proposal (see `correction`); False as published.
      half_pixel: centre of a box, see `ops.boxes.centre_and_size`; False as in PySOT's evaluation.
      resampling: `float`, or `reference` for OpenCV's 8-bit values to the bit.
      crop_rule: how a crop's corner is rounded, as in `pysot` or `siammask`; on exact halves they differ.
      channel_order: order of channels the net was trained on.
    """

    exemplar_size: Pixels = 127
    search_size: Pixels = 255
    anchors: AnchorConfig = dataclasses.field(default_factory=AnchorConfig)
    context: Margin = 0.5
    penalty_k: Annotated[Factor, RIDES] = 0.04
    window_influence: Annotated[Share, RIDES] = 0.44
    lr: Annotated[Share, RIDES] = 0.4
    temperature: Annotated[float, Within(1e-6, 1e6), RIDES] = 1.0
    score_scale: Annotated[Factor | None, RIDES] = None
    score_offset: Annotated[float | None, Within(-1e6, 1e6), RIDES] = None
    lost_threshold: Annotated[Share, RIDES] = 0.5
    self_correction: bool = False
    half_pixel: bool = False
    resampling: crops.Resampling = "float"
    crop_rule: crops.Rule = "pysot"
    channel_order: Literal["rgb", "bgr"] = "bgr"

    def __post_init__(self):
        fields.check(self)
        if (self.score_scale is None) != (self.score_offset is None):
            raise ConfigError(f"score_scale is {self.score_scale!r}", f"{type(self).__name__}.score_scale",
                              "give score_scale and score_offset together, or neither")
        if self.crop_rule == "siamfc":
            raise ConfigError("crop_rule is 'siamfc'", f"{type(self).__name__}.crop_rule", "use pysot or siammask")

    @property
    def corrects(self) -> bool:
        """Whether `self_correction` acts."""
        return self.self_correction

    @property
    def calibrates(self) -> bool:
        """Whether `score_scale` and `score_offset` act."""
        return self.score_scale is not None

    def build(self, net: nn.Module) -> SiamRPNTracker:
        """The tracker of `net` with these settings."""
        return SiamRPNTracker(net, self)


@struct.dataclass
class State:
    """What is carried from frame to frame.

    Attributes:
      kernels: tree of float32 `[h, w, C]`, what the head keeps of the exemplar.
      centre: `[2]` (x, y) of the target, frame pixels.
      size: `[2]` (w, h), frame pixels.
      mean: `[3]` mean colour of the first frame, fills what lies outside.
      score: `[]` last score, held over frames that cannot be decoded.
      correction: `[4]` of every proposal: shift (x, y) in its sides, factors of its width and height.
      settings: see `riding`.
    """

    kernels: Tree
    centre: Array
    size: Array
    mean: Array
    score: Array
    correction: Array
    settings: Tree


@struct.dataclass
class Proposal:
    """The chosen proposal of a search crop.

    Attributes:
      offset: `[2]` (x, y) of its centre from the crop's, frame pixels.
      size: `[2]` (w, h), frame pixels.
      score: `[]` foreground probability, before penalty and window; calibrated where the settings say how.
      rate: `[]` share of `size` to take over: learning rate times penalty times that probability as it is.
      index: `[]` int32, its anchor, `(a * G + y) * G + x` in a search of `G x G` cells.
    """

    offset: Array
    size: Array
    score: Array
    rate: Array
    index: Array


@dataclasses.dataclass(frozen=True)
class SiamRPNTracker:
    """Tracks by the best proposal of a region-proposal net in one search crop.

    Attributes:
      net: a module with `embed_exemplar` and `detect`, as `nets.siamrpn.SiamRPN`.
      config: settings.
    Source: PySOT, tracker/siamrpn_tracker.py. Departures: float32 geometry, deltas are cut to
    `ops.anchors.MAX_DELTA`, and frames that cannot be decoded hold the state.
    """

    net: nn.Module
    config: SiamRPNConfig = SiamRPNConfig()

    def init(self, params: Params, frame: Frame | UInt8[ArrayLike, "H W 3"], box: Real[ArrayLike, "4"]) -> State:
        """State after the first frame; `box` `[4]` is `xywh`, frame pixels."""
        frame = as_frame(frame)
        centre, size = boxes.centre_and_size(jnp.asarray(box, jnp.float32), half_pixel=self.config.half_pixel)
        state = State(kernels=(), centre=centre, size=size, mean=crops.mean_colour(frame),
                      score=jnp.float32(1), correction=jnp.float32([0, 0, 1, 1]), settings=riding.numbers(self.config))
        kernels = self.net.apply(params, self.exemplar(state, frame)[None], method="embed_exemplar")
        state = state.replace(kernels=jax.tree.map(lambda k: k[0].astype(jnp.float32), kernels))
        if not self.config.corrects:
            return state
        return state.replace(correction=correction(state, self.search(params, state, frame)))

    def step(self, params: Params, state: State, frame: Frame | UInt8[ArrayLike, "H W 3"]) -> tuple[State, Output]:
        """State and answer after `frame`."""
        return searching.step(self, params, state, as_frame(frame))

    def exemplar(self, state: State, frame: Frame) -> Float[Array, "S S 3"]:
        """The exemplar crop round the target of `state`, `[S, S, 3]`, `S = exemplar_size`."""
        side = crops.context_side(state.size[0], state.size[1], self.config.context)
        return cut(self.config, state, frame, side, self.config.exemplar_size)

    def find(self, params: Params, state: State, frame: Frame) -> Proposal:
        return self.search(params, state, frame)

    def search(self, params: Params, state: State, frame: Frame, search_size: int | None = None,
               window_influence: Float[Array, ""] | None = None) -> Proposal:
        scale, (cls, loc, *_) = look(self.config, self.net, params, state, frame, search_size)
        return choose(self.config, state, scale, window_influence, cls[0], loc[0])

    def judge(self, params: Params, state: State, proposal: Proposal, frame: Frame) -> Proposal:
        return proposal

    def place(self, state: State, proposal: Proposal) -> State:
        return state.replace(centre=state.centre + proposal.offset, size=proposal.size)

    def follow(self, state: State, proposal: Proposal) -> State:
        return follow(state, proposal)

    def clip(self, state: State, frame: Frame) -> State:
        return clip(state, frame)

    def box(self, state: State) -> Float[Array, "4"]:
        """The answer `[4]`, `xywh`, frame pixels."""
        return boxes.join(state.centre, state.size, half_pixel=self.config.half_pixel)

    def answer(self, state: State) -> Output:
        return Output(box=self.box(state), score=state.score, lost=state.score < state.settings.lost_threshold,
                      valid=jnp.array(True))


def cut(config: SiamRPNConfig, state: State, frame: Frame, side: Float[Array, ""],
        size: int) -> Float[Array, "{size} {size} 3"]:
    """Crop `[size, size, 3]` of the square of `side` frame pixels round the target, in the net's channel order."""
    crop = crops.crop(frame, state.centre, side, size, state.mean, rule=config.crop_rule,
                      resampling=config.resampling)
    return crop[..., ::-1] if config.channel_order == "bgr" else crop


def look(config: SiamRPNConfig, net: nn.Module, params: Params, state: State, frame: Frame,
         search_size: int | None = None, zoom: float = 1.0) -> tuple[Float[Array, ""], Tree]:
    """Outputs of the net for a crop round the last place, with `zoom` times the usual side in the frame.

    A crop of more pixels than `config.search_size` shows more of the frame at the same scale.

    Returns:
      the crop's scale `[]`, crop pixels a frame pixel, and all that `detect` gives, for a batch of one.
    """
    search_size = config.search_size if search_size is None else search_size
    side = crops.context_side(state.size[0], state.size[1], config.context) * zoom
    crop = cut(config, state, frame, side * (search_size / config.exemplar_size), search_size)
    kernels = jax.tree.map(lambda k: k[None], state.kernels)
    return config.exemplar_size / side, net.apply(params, kernels, crop[None], method="detect")


def choose(config: SiamRPNConfig, state: State, scale: Float[Array, ""] | Float[Array, "2"],
           window_influence: Float[Array, ""] | None, cls: Float[Array, "N 2"], loc: Float[Array, "N 4"]) -> Proposal:
    """The best of all proposals, by penalised score and window.

    Args:
      config: what fixes shapes: the anchors.
      state: state before the frame.
      scale: `[]` crop pixels a frame pixel, or `[2]` of x and of y.
      window_influence: weight of the window, 0..1; None for that of the settings.
      cls, loc: `[N, 2]` logits and `[N, 4]` deltas, `N = A * G * G`.
    Source: PySOT, pysot/tracker/siamrpn_tracker.py `track`. Of equal scores the first index wins.
    """
    grid = config.anchors.grid_of(len(cls))
    influence = state.settings.window_influence if window_influence is None else window_influence
    score = jax.nn.softmax(cls)[:, 1]
    rank = jax.nn.softmax(cls / state.settings.temperature)[:, 1]
    proposals = config.anchors.proposals(loc)
    shift, stretch = state.correction[None, :2], state.correction[None, 2:]
    proposals = jnp.concatenate([proposals[:, :2] + shift * proposals[:, 2:], proposals[:, 2:] * stretch], axis=1)
    penalty = postprocess.change_penalty(proposals[:, 2:], state.size * scale, state.settings.penalty_k)
    window = jnp.tile(postprocess.hann(grid).reshape(-1), config.anchors.per_cell)
    best = jnp.argmax(penalty * rank * (1 - influence) + window * influence)
    return Proposal(offset=proposals[best, :2] / scale, size=proposals[best, 2:] / scale,
                    score=calibrated(config, state.settings, score[best]),
                    rate=penalty[best] * score[best] * state.settings.lr, index=best.astype(jnp.int32))


def calibrated(config: SiamRPNConfig, settings: Tree, score: Float[Array, "*N"]) -> Float[Array, "*N"]:
    """The calibrated foreground probability, see `SiamRPNConfig.score_scale`."""
    if not config.calibrates:
        return score
    return jax.nn.sigmoid(settings.score_scale * postprocess.log_odds(score) + settings.score_offset)


def correction(state: State, proposal: Proposal) -> Float[Array, "4"]:
    """The correction that turns the proposal of the first frame into the given box, see `State.correction`.

    A net proposes what it takes for the object: the whole dog where the box was drawn round its body. What it is
    wrong by in the first frame it is wrong by, about as much, in the next ones.
    """
    def box(centre, size):
        return boxes.join(centre, size, half_pixel=False)

    same = boxes.iou(box(state.centre + proposal.offset, proposal.size), box(state.centre, state.size)) > SAME_TARGET
    shift = jnp.clip(-proposal.offset / proposal.size, -MOST_SHIFT, MOST_SHIFT)
    stretch = jnp.clip(state.size / proposal.size, 1 / MOST_STRETCH, MOST_STRETCH)
    return jnp.where(same, jnp.concatenate([shift, stretch]), state.correction)


def follow(state: State, proposal: Proposal) -> State:
    """The state moved onto a proposal: its place as it is, its size smoothed by the rate."""
    rate = proposal.rate
    return state.replace(centre=state.centre + proposal.offset, size=state.size * (1 - rate) + proposal.size * rate,
                         score=proposal.score)


def clip(state: State, frame: Frame, min_side: float = MIN_SIDE) -> State:
    """The state with its centre in the frame, and width and height between `min_side` and the frame's."""
    extent = frame.extent[::-1].astype(jnp.float32)  # (width, height)
    return state.replace(centre=jnp.clip(state.centre, 0, extent),
                         size=jnp.maximum(jnp.minimum(state.size, extent), min_side))
