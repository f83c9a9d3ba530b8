"""The long-term tracker of SiamRPN++: a larger search region while the target is lost."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, ClassVar

import jax.numpy as jnp
from flax import linen as nn
from flax import struct
from jax import lax

from siamjax import fields
from siamjax.errors import ConfigError
from siamjax.fields import RIDES, Pixels, Share
from siamjax.trackers import riding
from siamjax.trackers.base import LoadedTracker, Output, as_frame, hold
from siamjax.trackers.searching import Searching
from siamjax.trackers.siamrpn import SiamRPNConfig
from siamjax.trackers.wrapping import Outer, OuterState
from siamjax.types import Array, ArrayLike, Frame, Params, Real, Tree, UInt8


@dataclasses.dataclass(frozen=True)
class LongTermConfig(Outer):
    """Settings of the long-term tracker; the defaults are PySOT's `siamrpn_r50_l234_dwxcorr_lt`.

    Attributes:
      inner: settings of the tracker that looks and moves; its `lost_threshold` has no part here.
      lost_search_size: crop side while the target is lost, pixels.
      lost_window_influence: weight of the cosine window while it is lost, 0..1.
      confidence_low: a score below it loses the target, and the last box is kept, 0..1.
      confidence_high: a score above it finds the target again; between the two nothing changes.
    """

    OVERRULED: ClassVar = ("lost_threshold",)

    inner: Any = dataclasses.field(
        default_factory=lambda: SiamRPNConfig(penalty_k=0.05, window_influence=0.28, lr=0.22))
    lost_search_size: Pixels = 831
    lost_window_influence: Annotated[Share, RIDES] = 0.001
    confidence_low: Annotated[Share, RIDES] = 0.8
    confidence_high: Annotated[Share, RIDES] = 0.998

    def __post_init__(self):
        fields.check(self)
        if self.lost_search_size < self.search_size:
            raise ConfigError(f"lost_search_size is {self.lost_search_size}", "LongTermConfig.lost_search_size",
                              f"use at least search_size, {self.search_size}")
        if self.confidence_low > self.confidence_high:
            raise ConfigError(f"confidences are {self.confidence_low} and {self.confidence_high}",
                              "LongTermConfig.confidence_low", "use 0 <= confidence_low <= confidence_high <= 1")

    def build(self, net: nn.Module) -> LongTerm:
        """The tracker of `net` with these settings."""
        return LongTerm(net, self)


@struct.dataclass
class LongTermState(OuterState):
    """What is carried from frame to frame.

    Attributes:
      inner: state of the tracker within, which may leave the frame.
      lost: `[]` bool.
      shown: the last answer, held over frames that cannot be decoded.
      settings: see `riding`.
    """

    inner: Tree
    lost: Array
    shown: Output
    settings: Tree


@dataclasses.dataclass(frozen=True)
class LongTerm:
    """Tracks as the tracker within; while the target is lost it looks in a larger crop.

    The two crops are two branches of one compiled step (`lax.cond`), so one frame runs one of them. Under
    `vmap` (many targets, many videos) both run for all: one by one is quicker where targets are seldom lost.

    Attributes:
      net: as the tracker within asks for.
      config: settings.
    Source: PySOT, tracker/siamrpnlt_tracker.py. The state is not clipped to the frame, only the answer is.
    Departure: a new target never starts lost.
    """

    net: nn.Module
    config: LongTermConfig = LongTermConfig()

    @property
    def inner(self) -> Searching:
        """The tracker that looks and moves."""
        return self.config.inner.build(self.net)

    def init(self, params: Params, frame: Frame | UInt8[ArrayLike, "H W 3"],
             box: Real[ArrayLike, "4"]) -> LongTermState:
        """State after the first frame; `box` `[4]` is `xywh`, frame pixels."""
        state = self.inner.init(params, frame, box)
        shown = self.inner.answer(state).replace(box=jnp.asarray(box, jnp.float32), lost=jnp.array(False))
        return LongTermState(inner=state, lost=jnp.array(False), shown=shown, settings=riding.numbers(self.config))

    def step(self, params: Params, state: LongTermState,
             frame: Frame | UInt8[ArrayLike, "H W 3"]) -> tuple[LongTermState, Output]:
        """State and answer after `frame`."""
        frame, settings, inner = as_frame(frame), state.settings, self.inner

        def wide():
            return inner.search(params, state.inner, frame, self.config.lost_search_size,
                                settings.lost_window_influence)

        proposal = lax.cond(state.lost, wide, lambda: inner.search(params, state.inner, frame))
        proposal = inner.judge(params, state.inner, proposal, frame)
        seen = proposal.score >= settings.confidence_low
        lost = ~seen | (state.lost & (proposal.score <= settings.confidence_high))
        moved = hold(seen, inner.follow(state.inner, proposal), state.inner)
        shown = inner.answer(inner.clip(moved, frame)).replace(score=proposal.score, lost=lost)
        state = hold(frame.valid, state.replace(inner=moved, lost=lost, shown=shown), state)
        return state, state.shown.replace(valid=frame.valid)


def long_term(loaded: LoadedTracker, *, confidence_low: float | None = None, confidence_high: float = 0.8,
              lost_search_size: int = 831) -> LoadedTracker:
    """The weights and settings of a short-term tracker in a long-term one.

    Args:
      loaded: a tracker that searches, such as a `SiamRPNTracker`, an `AnchorFreeTracker` or one with masks.
      confidence_low: score that loses the target; by default the tracker's `lost_threshold`.
      confidence_high: score that finds it again. Scores differ between weights: PySOT's own long-term net says
        0.8 and 0.998, calibrated ones are to be read as probabilities.
      lost_search_size: crop side while it is lost, pixels.
    Raises:
      ConfigError: a tracker of another kind, or settings that contradict each other.
    """
    config = loaded.tracker.config
    if not hasattr(loaded.tracker, "search"):
        raise ConfigError(f"{loaded.name} does not look for proposals in one crop", "long_term",
                          "give a tracker of SiamRPN's kind, or an anchor-free one")
    low = config.lost_threshold if confidence_low is None else confidence_low
    long = LongTermConfig(config, lost_search_size=lost_search_size, confidence_low=low,
                          confidence_high=max(low, confidence_high))
    return dataclasses.replace(loaded, tracker=long.build(loaded.tracker.net))
