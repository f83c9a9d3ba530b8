"""The long-term tracker that looks again at what it found: what it tracks must resemble what it was given."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from siamjax.errors import ConfigError
from siamjax.ops import crops, distances
from siamjax.trackers import postprocess, siamrpn
from siamjax.trackers.base import as_frame
from siamjax.trackers.longterm import LongTermConfig, LongTermSettings, LongTermState, LongTermTracker
from siamjax.types import Array, ArrayLike, Frame, Params


@dataclasses.dataclass(frozen=True)
class VerifiedConfig(LongTermConfig):
    """Settings of the verified long-term tracker.

    Attributes:
      distance_scale: log odds that the score loses for each unit of distance between the proposal's embedding and
        the target's. With `score_scale` and `score_offset` it makes the score a calibrated probability, which
        `confidence_low` and `confidence_high` are thresholds of; `evaluation.calibration` fits all three.
    """

    distance_scale: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        if not self.distance_scale >= 0:
            raise ConfigError(f"distance_scale is {self.distance_scale}", "VerifiedConfig.distance_scale",
                              "use 0 or more: a score falls with the distance")

    def settings(self) -> VerifiedSettings:
        return VerifiedSettings(*(jnp.float32(getattr(self, field.name) or 0)
                                  for field in dataclasses.fields(VerifiedSettings)))

    def build(self, net: nn.Module) -> VerifiedTracker:
        """The tracker of `net` with these settings."""
        return VerifiedTracker(net, self)


@struct.dataclass
class VerifiedSettings(LongTermSettings):
    """The numbers that ride along, float32 `[]` each."""

    distance_scale: Any


@struct.dataclass
class VerifiedState(LongTermState):
    """The long-term state, and `identity`, the embedding of the given target."""

    identity: Any


@dataclasses.dataclass(frozen=True)
class VerifiedTracker(LongTermTracker):
    """Tracks as `LongTermTracker`, by the joint verdict of proposal and embedding.

    A proposal's score says how well the place looks among all places near by, and the best of a crop without the
    target may look well enough. So the proposed box is cut out as the given one was and compared with it by itself:
    one more small pass through the tracker's own trunk. A target is seen, or found again, where the probability of
    both together says so.

    Attributes:
      net: as of `LongTermTracker`, with `features` too.
      config: settings.
    """

    net: nn.Module
    config: VerifiedConfig = VerifiedConfig()

    def init(self, params: Params, frame: Frame | ArrayLike, box: ArrayLike) -> VerifiedState:
        """State after the first frame; `box` `[4]` is `xywh`, frame pixels."""
        long = super().init(params, frame, box)
        fields = {field.name: getattr(long, field.name) for field in dataclasses.fields(long)}
        return VerifiedState(**fields, identity=self.embed(params, long, as_frame(frame)))

    def judged(self, params: Params, state: VerifiedState, proposal: siamrpn.Proposal,
               frame: Frame) -> siamrpn.Proposal:
        """The proposal with the probability that it is the target."""
        there = state.replace(centre=state.centre + proposal.offset, size=proposal.size)
        distance = jnp.mean(distances.cosine(self.embed(params, there, frame), state.identity))
        odds = postprocess.log_odds(proposal.score) - state.settings.distance_scale * distance
        return proposal.replace(score=jax.nn.sigmoid(odds))

    def embed(self, params: Params, state: siamrpn.State, frame: Frame) -> Array:
        """What the trunk makes of the exemplar square round the state's place, `[h, w, C]` float32."""
        side = crops.context_side(state.size[0], state.size[1], self.config.context)
        crop = siamrpn.cut(self.config, state, frame, side, self.config.exemplar_size)
        features: Any = self.net.apply(params, crop[None], method="features")
        return features[0].astype(jnp.float32)
