"""What a tracker promises that searches a crop of each frame, so that wrappers can be built round it."""

from __future__ import annotations

from typing import Protocol

from flax import linen as nn

from siamjax.trackers.base import Output, hold
from siamjax.types import Array, ArrayLike, Float, Frame, Params, Real, Tree, UInt8


class Searching(Protocol):
    """A tracker whose step is `find`, `judge`, `follow`, `clip`, `answer`, each a pure function.

    `find` and `search` give a proposal: it has a `score` `[]`, and whatever else `follow` of the same tracker needs.
    """

    @property
    def net(self) -> nn.Module: ...

    @property
    def config(self) -> Tree: ...

    def init(self, params: Params, frame: Frame | UInt8[ArrayLike, "H W 3"], box: Real[ArrayLike, "4"]) -> Tree:
        """State after the first frame; `box` `[4]` is `xywh`, frame pixels."""
        ...

    def find(self, params: Params, state: Tree, frame: Frame) -> Tree:
        """The proposal that is taken to be the target."""
        ...

    def search(self, params: Params, state: Tree, frame: Frame, search_size: int | None = None,
               window_influence: Float[Array, ""] | None = None) -> Tree:
        """The best proposal in one crop round the last place.

        Args:
          search_size: of the crop, pixels; more of them show more of the frame. None for that of the settings.
          window_influence: weight of the cosine window, 0..1; None for that of the settings.
        """
        ...

    def judge(self, params: Params, state: Tree, proposal: Tree, frame: Frame) -> Tree:
        """The proposal with the score that decides, where a second look changes it."""
        ...

    def place(self, state: Tree, proposal: Tree) -> Tree:
        """The state as if the target were as proposed, for a look at what is there."""
        ...

    def follow(self, state: Tree, proposal: Tree) -> Tree:
        """The state moved onto a proposal, smoothed as the settings say."""
        ...

    def clip(self, state: Tree, frame: Frame) -> Tree:
        """The state with its box brought within the limits of an answer, such as the frame."""
        ...

    def answer(self, state: Tree) -> Output:
        """The answer of a state, as if the frame was valid."""
        ...

    def exemplar(self, state: Tree, frame: Frame) -> Float[Array, "S S 3"]:
        """The exemplar crop round the target of `state`, `[S, S, 3]`, `S = exemplar_size`."""
        ...


def step(tracker: Searching, params: Params, state: Tree, frame: Frame) -> tuple[Tree, Output]:
    """State and answer of such a tracker after `frame`; one that is not valid changes nothing."""
    proposal = tracker.judge(params, state, tracker.find(params, state, frame), frame)
    moved = tracker.clip(tracker.follow(state, proposal), frame)
    state = hold(frame.valid, moved, state)
    return state, tracker.answer(state).replace(valid=frame.valid)
