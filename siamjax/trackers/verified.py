"""The long-term tracker that looks again at what it found: what it tracks must resemble what it was given."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from siamjax.fields import Factor, Share, Within
from siamjax.nets.identity import embed_object
from siamjax.ops import distances
from siamjax.trackers import postprocess, siamrpn
from siamjax.trackers.anchor_free import AnchorFreeConfig
from siamjax.trackers.base import as_frame
from siamjax.trackers.longterm import LongTermConfig, LongTermSettings, LongTermState, LongTermTracker
from siamjax.types import Array, ArrayLike, Frame, Params


@dataclasses.dataclass(frozen=True)
class VerifiedConfig(LongTermConfig):
    """Settings of the verified long-term tracker.

    Attributes:
      stage: number of the trunk's stage whose features are compared, see `nets.identity`.
      identity_rate: share of a proposal's embedding that is mixed into the second of the two embeddings that stand
        for the target, where the score is above `confidence_high`, 0..1; the first stays that of the given box.
      distance_scale: log odds that the score loses for each unit of distance, in the mean, between the proposal's
        embedding and those two. With `score_scale` and `score_offset` it makes the score a calibrated probability,
        which `confidence_low` and `confidence_high` are thresholds of; `evaluation.metrics.calibration` fits all three.
    """

    stage: Annotated[int, Within(1, 64)] = 3
    identity_rate: Share = 0.3
    distance_scale: Factor = 0.0

    def settings(self) -> VerifiedSettings:
        return VerifiedSettings(*(jnp.float32(getattr(self, field.name) or 0)
                                  for field in dataclasses.fields(VerifiedSettings)))

    def build(self, net: nn.Module) -> VerifiedTracker:
        """The tracker of `net` with these settings."""
        return VerifiedTracker(net, self)


@dataclasses.dataclass(frozen=True)
class AnchorFreeVerifiedConfig(AnchorFreeConfig, VerifiedConfig):
    """Settings of the verified long-term tracker on an anchor-free one: those of both."""

    def build(self, net: nn.Module) -> VerifiedTracker:  # type: ignore[override]
        return VerifiedTracker(net, self)


@struct.dataclass
class VerifiedSettings(LongTermSettings):
    """The numbers that ride along, float32 `[]` each."""

    identity_rate: Any
    distance_scale: Any


@struct.dataclass
class VerifiedState(LongTermState):
    """The long-term state, and `identity` `[2, C]`, embeddings of length 1: of the target as given, and as lately."""

    identity: Any


@dataclasses.dataclass(frozen=True)
class VerifiedTracker(LongTermTracker):
    """Tracks as `LongTermTracker`, by the joint verdict of proposal and embedding.

    A proposal's score says how well the place looks among all places near by, and the best of a crop without the
    target may look well enough. So the proposed box is cut out as the given one was and compared with it by itself:
    one more small pass through the tracker's own trunk. A target is seen, or found again, where the probability of
    both together says so.

    Attributes:
      net: as of `LongTermTracker`, with a backbone of the package's.
      config: settings.
    """

    net: nn.Module
    config: VerifiedConfig = VerifiedConfig()

    def init(self, params: Params, frame: Frame | ArrayLike, box: ArrayLike) -> VerifiedState:
        """State after the first frame; `box` `[4]` is `xywh`, frame pixels."""
        long = super().init(params, frame, box)
        fields = {field.name: getattr(long, field.name) for field in dataclasses.fields(long)}
        given = self.embed(params, long, as_frame(frame))
        return VerifiedState(**fields, identity=jnp.stack([given, given]))

    def judged(self, params: Params, state: VerifiedState, proposal: siamrpn.Proposal,
               frame: Frame) -> tuple[VerifiedState, siamrpn.Proposal]:
        """The proposal with the probability that it is the target, and the state that knows its latest look."""
        settings = state.settings
        there = state.replace(centre=state.centre + proposal.offset, size=proposal.size)
        embedding = self.embed(params, there, frame)
        distance = distance_of(embedding, state.identity)
        score = jax.nn.sigmoid(postprocess.log_odds(proposal.score) - settings.distance_scale * distance)
        # Only what is surely the target: what is taken for it and is not would soon be all that is looked for.
        rate = jnp.where(score > settings.confidence_high, settings.identity_rate, 0)
        given, lately = state.identity
        lately = distances.normalised((1 - rate) * lately + rate * embedding)
        return state.replace(identity=jnp.stack([given, lately])), proposal.replace(score=score)

    def embed(self, params: Params, state: siamrpn.State, frame: Frame) -> Array:
        """Embedding `[C]` of what is in the exemplar crop round the state's place."""
        crop = self.config.short_term(self.net).exemplar(state, frame)
        return embed_object(self.net, params, crop[None], self.config.stage)[0]


def distance_of(embedding: Array, identity: Array) -> Array:
    """Mean distance `[]`, 0 to 2, of an embedding `[C]` from the two of the target `[2, C]`."""
    return distances.euclidean(embedding[None], identity).mean()
