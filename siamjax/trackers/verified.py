"""The verified tracker: what it follows must also resemble the target it was given."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from siamjax import fields
from siamjax.fields import RIDES, Factor, Share, Within
from siamjax.nets.identity import embed_object
from siamjax.ops import distances
from siamjax.trackers import postprocess, riding, searching
from siamjax.trackers.base import Output, as_frame
from siamjax.trackers.searching import Searching
from siamjax.trackers.siamrpn import SiamRPNConfig
from siamjax.trackers.wrapping import Outer, OuterState
from siamjax.types import Array, ArrayLike, Float, Frame, Params, Real, Tree, UInt8


@dataclasses.dataclass(frozen=True)
class VerifiedConfig(Outer):
    """Settings of the verified tracker.

    Attributes:
      inner: settings of the tracker that looks and moves; its `lost_threshold` has no part here.
      stage: number of the trunk's stage whose features are compared, see `nets.identity`.
      identity_rate: share of a proposal's embedding that is mixed into the second of the two embeddings that stand
        for the target, where the score is above `sure`, 0..1; the first stays that of the given box.
      sure: see there, 0..1.
      distance_scale: log odds that the score loses for each unit of distance, in the mean, between the proposal's
        embedding and those two. With the inner `score_scale` and `score_offset` it makes the score a calibrated
        probability; `evaluation.metrics.calibration` fits all three.
      lost_threshold: `lost` is a score below it.
    """

    OVERRULED: ClassVar = ("lost_threshold",)

    inner: Any = dataclasses.field(default_factory=SiamRPNConfig)
    stage: Annotated[int, Within(1, 64)] = 3
    identity_rate: Annotated[Share, RIDES] = 0.3
    sure: Annotated[Share, RIDES] = 0.95
    distance_scale: Annotated[Factor, RIDES] = 0.0
    lost_threshold: Annotated[Share, RIDES] = 0.5

    def __post_init__(self):
        fields.check(self)

    def build(self, net: nn.Module) -> Verified:
        """The tracker of `net` with these settings."""
        return Verified(net, self)


@struct.dataclass
class VerifiedState(OuterState):
    """What is carried from frame to frame.

    Attributes:
      inner: state of the tracker within.
      identity: `[2, C]`, embeddings of length 1: of the target as given, and as lately.
      score: `[]`, the last that was judged.
      settings: see `riding`.
    """

    inner: Tree
    identity: Array
    score: Array
    settings: Tree


@struct.dataclass
class VerifiedProposal:
    """A proposal of the tracker within, what its place looks like, `embedding` `[C]`, and the `score` of both."""

    inner: Tree
    embedding: Array
    score: Array


@dataclasses.dataclass(frozen=True)
class Verified:
    """Tracks as the tracker within; its score also depends on how much the place resembles the target.

    A proposal's score says how well the place looks among all places near by, and the best of a crop without the
    target may look well enough. So the proposed box is cut out as the given one was and compared with it by itself:
    one more small pass through the tracker's own trunk. In a `LongTerm` a target is seen, or found again, where the
    probability of both together says so.

    Attributes:
      net: as the tracker within asks for, with a backbone of the package's.
      config: settings.
    """

    net: nn.Module
    config: VerifiedConfig = VerifiedConfig()

    @property
    def inner(self) -> Searching:
        """The tracker that looks and moves."""
        return self.config.inner.build(self.net)

    def init(self, params: Params, frame: Frame | UInt8[ArrayLike, "H W 3"],
             box: Real[ArrayLike, "4"]) -> VerifiedState:
        """State after the first frame; `box` `[4]` is `xywh`, frame pixels."""
        state = self.inner.init(params, frame, box)
        given = self.embed(params, state, as_frame(frame))
        return VerifiedState(inner=state, identity=jnp.stack([given, given]), score=jnp.float32(1),
                             settings=riding.numbers(self.config))

    def step(self, params: Params, state: VerifiedState,
             frame: Frame | UInt8[ArrayLike, "H W 3"]) -> tuple[VerifiedState, Output]:
        """State and answer after `frame`."""
        return searching.step(self, params, state, as_frame(frame))

    def find(self, params: Params, state: VerifiedState, frame: Frame) -> Tree:
        return self.inner.find(params, state.inner, frame)

    def search(self, params: Params, state: VerifiedState, frame: Frame, search_size: int | None = None,
               window_influence: Float[Array, ""] | None = None) -> Tree:
        return self.inner.search(params, state.inner, frame, search_size, window_influence)

    def judge(self, params: Params, state: VerifiedState, proposal: Tree, frame: Frame) -> VerifiedProposal:
        """The proposal with the probability that it is the target."""
        proposal = self.inner.judge(params, state.inner, proposal, frame)
        embedding = self.embed(params, self.inner.place(state.inner, proposal), frame)
        distance = distance_of(embedding, state.identity)
        score = jax.nn.sigmoid(postprocess.log_odds(proposal.score) - state.settings.distance_scale * distance)
        return VerifiedProposal(proposal, embedding, score)

    def place(self, state: VerifiedState, proposal: VerifiedProposal) -> VerifiedState:
        return state.replace(inner=self.inner.place(state.inner, proposal.inner))

    def follow(self, state: VerifiedState, proposal: VerifiedProposal) -> VerifiedState:
        # Only what is surely the target: what is taken for it and is not would soon be all that is looked for.
        rate = jnp.where(proposal.score > state.settings.sure, state.settings.identity_rate, 0)
        given, lately = state.identity
        lately = distances.normalised((1 - rate) * lately + rate * proposal.embedding)
        return state.replace(inner=self.inner.follow(state.inner, proposal.inner),
                             identity=jnp.stack([given, lately]), score=proposal.score)

    def clip(self, state: VerifiedState, frame: Frame) -> VerifiedState:
        return state.replace(inner=self.inner.clip(state.inner, frame))

    def answer(self, state: VerifiedState) -> Output:
        return self.inner.answer(state.inner).replace(score=state.score,
                                                      lost=state.score < state.settings.lost_threshold)

    def exemplar(self, state: VerifiedState, frame: Frame) -> Float[Array, "S S 3"]:
        return self.inner.exemplar(state.inner, frame)

    def embed(self, params: Params, inner: Tree, frame: Frame) -> Float[Array, " C"]:
        """Embedding `[C]` of what is in the exemplar crop round the place of a state of the tracker within."""
        crop = self.inner.exemplar(inner, frame)
        return embed_object(self.net, params, crop[None], self.config.stage)[0]


def distance_of(embedding: Float[Array, " C"], identity: Float[Array, "2 C"]) -> Float[Array, ""]:
    """Mean distance `[]`, 0 to 2, of an embedding `[C]` from the two of the target `[2, C]`."""
    return distances.euclidean(embedding[None], identity).mean()
