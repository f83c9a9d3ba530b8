"""The long-term tracker of SiamRPN++: a larger search region while the target is lost."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from flax import struct
from jax import lax

from siamjax.errors import ConfigError
from siamjax.fields import Factor, Pixels, Share
from siamjax.trackers import siamrpn
from siamjax.trackers.anchor_free import AnchorFreeConfig
from siamjax.trackers.base import LoadedTracker, Output, as_frame, hold
from siamjax.types import ArrayLike, Frame, Params


@dataclasses.dataclass(frozen=True)
class LongTermConfig(siamrpn.SiamRPNConfig):
    """Settings of the long-term tracker; the defaults are PySOT's `siamrpn_r50_l234_dwxcorr_lt`.

    Attributes:
      lost_search_size: crop side while the target is lost, pixels.
      lost_window_influence: weight of the cosine window while it is lost, 0..1.
      confidence_low: a score below it loses the target, and the last box is kept, 0..1.
      confidence_high: a score above it finds the target again; between the two nothing changes.
    `lost_threshold` has no part here: the two confidences decide.
    """

    penalty_k: Factor = 0.05
    window_influence: Share = 0.28
    lr: Share = 0.22
    lost_search_size: Pixels = 831
    lost_window_influence: Share = 0.001
    confidence_low: Share = 0.8
    confidence_high: Share = 0.998

    def __post_init__(self):
        super().__post_init__()
        if self.lost_search_size < self.search_size:
            raise ConfigError(f"lost_search_size is {self.lost_search_size}", "LongTermConfig.lost_search_size",
                              f"use at least search_size, {self.search_size}")
        if self.confidence_low > self.confidence_high:
            raise ConfigError(f"confidences are {self.confidence_low} and {self.confidence_high}",
                              "LongTermConfig.confidence_low", "use 0 <= confidence_low <= confidence_high <= 1")

    def settings(self) -> LongTermSettings:
        return LongTermSettings(*(jnp.float32(getattr(self, field.name) or 0)
                                  for field in dataclasses.fields(LongTermSettings)))

    def build(self, net: nn.Module) -> LongTermTracker:
        """The tracker of `net` with these settings."""
        return LongTermTracker(net, self)


@dataclasses.dataclass(frozen=True)
class AnchorFreeLongTermConfig(AnchorFreeConfig, LongTermConfig):
    """Settings of the long-term tracker on an anchor-free one: those of both."""

    def build(self, net: nn.Module) -> LongTermTracker:  # type: ignore[override]
        return LongTermTracker(net, self)


@struct.dataclass
class LongTermSettings(siamrpn.Settings):
    """The numbers that ride along, float32 `[]` each."""

    lost_window_influence: Any
    confidence_low: Any
    confidence_high: Any


@struct.dataclass
class LongTermState(siamrpn.State):
    """The short-term state, whose centre and size may leave the frame, and `lost` `[]` bool; `shown` `[4]`, the
    last answer, is held over frames that cannot be decoded."""

    lost: Any
    shown: Any


@dataclasses.dataclass(frozen=True)
class LongTermTracker:
    """Tracks as `SiamRPNTracker`; while the target is lost it looks in a larger crop.

    The two crops are two branches of one compiled step (`lax.cond`), so one frame runs one of them. Under
    `vmap` (many targets, many videos) both run for all: one by one is quicker where targets are seldom lost.

    Attributes:
      net: a module with `embed_exemplar` and `detect`, as `nets.siamrpn.SiamRPN`.
      config: settings.
    Source: PySOT, tracker/siamrpnlt_tracker.py. The state is not clipped to the frame, only the answer is.
    Departure: a new target never starts lost.
    """

    net: nn.Module
    config: LongTermConfig = LongTermConfig()

    def init(self, params: Params, frame: Frame | ArrayLike, box: ArrayLike) -> LongTermState:
        """State after the first frame; `box` `[4]` is `xywh`, frame pixels."""
        short = self.config.short_term(self.net).init(params, frame, box)
        fields = {field.name: getattr(short, field.name) for field in dataclasses.fields(short)}
        return LongTermState(**fields, lost=jnp.array(False), shown=jnp.asarray(box, jnp.float32))

    def step(self, params: Params, state: LongTermState,
             frame: Frame | ArrayLike) -> tuple[LongTermState, Output]:
        """State and answer after `frame`."""
        frame = as_frame(frame)
        config, settings, short = self.config, state.settings, self.config.short_term(self.net)

        def look(size, influence):
            return lambda: short.search(params, state, frame, size, influence)

        proposal = lax.cond(state.lost, look(config.lost_search_size, settings.lost_window_influence),
                            look(config.search_size, settings.window_influence))
        judged, proposal = self.judged(params, state, proposal, frame)
        seen = proposal.score >= settings.confidence_low
        moved = hold(seen, short.follow(judged, proposal), judged.replace(score=proposal.score))
        moved = moved.replace(lost=~seen | (state.lost & (proposal.score <= settings.confidence_high)))
        state = hold(frame.valid, moved, state)
        box = short.box(short.clip(state, frame))
        state = state.replace(shown=hold(frame.valid, box, state.shown))
        return state, Output(box=state.shown, score=state.score, lost=state.lost, valid=frame.valid)

    def judged(self, params: Params, state: Any, proposal: siamrpn.Proposal,
               frame: Frame) -> tuple[Any, siamrpn.Proposal]:
        """The state with what the proposal taught, and the proposal with the score that decides: here its own."""
        return state, proposal


def long_term(loaded: LoadedTracker, *, confidence_low: float | None = None, confidence_high: float = 0.8,
              lost_search_size: int = 831) -> LoadedTracker:
    """The weights and settings of a short-term tracker in a long-term one.

    Args:
      loaded: a tracker of kind `SiamRPNTracker` or `AnchorFreeTracker`.
      confidence_low: score that loses the target; by default the tracker's `lost_threshold`.
      confidence_high: score that finds it again. Scores differ between weights: PySOT's own long-term net says
        0.8 and 0.998, calibrated ones are to be read as probabilities.
      lost_search_size: crop side while it is lost, pixels.
    Raises:
      ConfigError: a tracker of another kind, or settings that contradict each other.
    """
    config = loaded.tracker.config
    if not isinstance(config, siamrpn.SiamRPNConfig):
        raise ConfigError(f"{loaded.name} has no region proposals", "long_term",
                          "give a tracker of SiamRPN's kind, or an anchor-free one")
    short, kind = ((AnchorFreeConfig, AnchorFreeLongTermConfig) if isinstance(config, AnchorFreeConfig)
                   else (siamrpn.SiamRPNConfig, LongTermConfig))
    low = config.lost_threshold if confidence_low is None else confidence_low
    fields = {field.name: getattr(config, field.name) for field in dataclasses.fields(short)}
    long = kind(**fields, lost_search_size=lost_search_size, confidence_low=low,
                confidence_high=max(low, confidence_high))
    return dataclasses.replace(loaded, tracker=long.build(loaded.tracker.net))
