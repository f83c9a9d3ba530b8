"""What a tracker that looks for its target in a crop of each frame promises, so that others can be built round it."""

from __future__ import annotations

from typing import Protocol

from flax import linen as nn

from siamjax.trackers.base import Output, hold
from siamjax.types import Array, ArrayLike, Frame, Params, Tree


class Searching(Protocol):
    """A tracker whose step is `find`, `judge`, `follow`, `clip`, `answer`, each a pure function.

    What `find` and `search` give is a proposal: it has a `score` `[]`, and else what the tracker itself can follow.
    """

    @property
    def net(self) -> nn.Module: ...

    @property
    def config(self) -> Tree: ...

    def init(self, params: Params, frame: Frame | ArrayLike, box: ArrayLike) -> Tree:
        """State after the first frame; `box` `[4]` is `xywh`, frame pixels."""
        ...

    def find(self, params: Params, state: Tree, frame: Frame) -> Tree:
        """The proposal that the target is taken to be at."""
        ...

    def search(self, params: Params, state: Tree, frame: Frame, search_size: int | None = None,
               window_influence: Array | None = None) -> Tree:
        """The best proposal in one crop round the last place.

        Args:
          search_size: of the crop, pixels; more of them show more of the frame. None for that of the settings.
          window_influence: `[]` weight of the cosine window, 0..1; None for that of the settings.
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
        """The state within what an answer may be."""
        ...

    def answer(self, state: Tree) -> Output:
        """What a state says, `valid`."""
        ...

    def exemplar(self, state: Tree, frame: Frame) -> Array:
        """The crop that the target of `state` is given by, `[S, S, 3]`, `S = exemplar_size`."""
        ...


def step(tracker: Searching, params: Params, state: Tree, frame: Frame) -> tuple[Tree, Output]:
    """State and answer of such a tracker after `frame`; one that is not valid changes nothing."""
    proposal = tracker.judge(params, state, tracker.find(params, state, frame), frame)
    moved = tracker.clip(tracker.follow(state, proposal), frame)
    state = hold(frame.valid, moved, state)
    return state, tracker.answer(state).replace(valid=frame.valid)
