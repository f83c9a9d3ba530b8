"""Masks of a `GuidedMask` whose trunk and boxes are frozen, trained on the window of the search's middle cell alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from siamjax import rngs
from siamjax.data.sequences import MaskedTrack, Track
from siamjax.errors import ConfigError
from siamjax.nets.guided_mask import PIXELS
from siamjax.ops import losses, mask_targets
from siamjax.training.features import Embed, fastest
from siamjax.types import Array, Metrics, Params, TrainPair

EXEMPLAR = 127  # px, of the crops that `GuidedMask` takes


@dataclasses.dataclass(frozen=True)
class MaskWindows:
    """What `GuidedMask.segment` is given for the middle cell, and the mask in that cell's window.

    Pairs are of tracks with masks; those whose mask is hidden in the window altogether are left out. Boxes are shaken
    at each step: the frozen head knows these videos, and is less sure of others.

    Attributes:
      move: deviation of a box's centre, in sides.
      stretch: deviation of the logarithm of its sides.
    """

    move: float = 0.08
    stretch: float = 0.15

    @property
    def frozen(self) -> tuple[str, ...]:
        return ("backbone", "head")

    def usable(self, track: Track) -> bool:
        return isinstance(track, MaskedTrack) and bool(track.masked.any())

    def embedder(self, net: Any, variables: Params, search_size: int) -> tuple[Embed, Params]:
        margin = (search_size - PIXELS.side) // 2
        net, params = fastest(net, variables, ((1, EXEMPLAR, EXEMPLAR, 3), (1, search_size, search_size, 3)))

        def embed(params: Params, pair: TrainPair) -> tuple[TrainPair, Array]:
            kernels = net.apply(params, pair.exemplar, method="embed_exemplar")
            _, _, cues = net.apply(params, kernels, pair.search, method="detect")
            middle = jnp.full((len(pair.index), 1, 2), cues.boxes.shape[1] // 2)
            exemplar, (image, *levels), box = net.apply(params, cues, middle, method="windows")
            image = jnp.clip(jnp.round(image), 0, 255).astype(jnp.uint8)
            mask = pair.mask[:, margin : search_size - margin, margin : search_size - margin] > 0.5
            kept = pair.replace(
                exemplar=exemplar, search=((image, *levels), box), mask=mask.astype(jnp.float32),
                search_box=pair.search_box - jnp.array([[margin, margin, 0, 0]], jnp.float32))
            return kept, mask.any((1, 2))

        return embed, params

    def trained(self, net: Any) -> nn.Module:
        return OnWindows(net.segment)

    def varied(self, pair: TrainPair) -> TrainPair:
        levels, box = pair.search

        def shaken(key: Array, box: Array) -> Array:
            draw = jax.random.normal(rngs.stream(key, "shake"), (4,))
            return jnp.concatenate([box[:2] + self.move * draw[:2] * box[2:],
                                    box[2:] * jnp.exp(self.stretch * draw[2:])])

        return pair.replace(search=(levels, jax.vmap(shaken)(pair.key, box)))


class OnWindows(nn.Module):
    """The masks of a `GuidedMask` on windows that are cut already."""

    segment: nn.Module

    def __call__(self, exemplar: Any, search: Any, *, train: bool = False) -> Array:
        """Logits `[B, 127, 127]` of windows and boxes, see `nets.guided_mask.Segment`."""
        levels, box = search
        return self.segment(exemplar, levels, box, train=train)


@dataclasses.dataclass(frozen=True)
class WindowObjective:
    """The mask of each window: the loss of `MaskObjective`, with the overlap beside it.

    With the overlap small masks count as much as large ones.

    Attributes:
      overlap_weight: of what the overlap of probabilities with the mask lacks to 1.
    """

    overlap_weight: float = 0.5

    def __call__(self, outputs: Array, pair: TrainPair, *, axis_name: str | None = None) -> tuple[Array, Metrics]:
        """Loss of logits `[B, 127, 127]`; metrics `mask`, the first loss, and `mask_iou`, the overlap of the masks."""
        if isinstance(outputs, tuple) or pair.mask is None:
            raise ConfigError("the outputs are not masks of windows", where="WindowObjective",
                              do="use it with cached=Cached(MaskWindows()) and data.masks=true, or use MaskObjective")
        target = mask_targets.signed(pair.mask)
        margin = losses.soft_margin(outputs, target, jnp.ones(len(outputs), bool), axis_name=axis_name)
        loss = margin + self.overlap_weight * (1 - soft_overlap(outputs, target).mean())
        return loss, {"mask": margin, "mask_iou": losses.mask_overlap(outputs, target).mean()}


def soft_overlap(logits: Array, target: Array) -> Array:
    """Overlap `[B]` of probabilities with targets of 1 and -1, both `[B, H, W]`."""
    probability, wanted = jax.nn.sigmoid(logits), (target + 1) / 2
    both = (probability * wanted).sum((-2, -1))
    return (both + 1) / ((probability + wanted).sum((-2, -1)) - both + 1)
