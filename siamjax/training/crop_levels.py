"""Masks of a `MaskedRPN` whose trunk stays frozen, trained on what the trunk makes of each crop."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from siamjax.data.sequences import MaskedTrack, Track
from siamjax.nets.crop_mask import remembered
from siamjax.training.features import Embed, fastest
from siamjax.types import Array, Params, TrainPair


@dataclasses.dataclass(frozen=True)
class CropLevels:
    """Both crops of a pair and the levels of the trunk that `MaskedRPN.segment` gets, and the search's mask.

    Pairs are of tracks with masks; those whose mask is hidden altogether are left out.
    """

    @property
    def frozen(self) -> tuple[str, ...]:
        return ("backbone", "head")

    def usable(self, track: Track) -> bool:
        return isinstance(track, MaskedTrack) and bool(track.masked.any())

    def embedder(self, net: Any, variables: Params, search_size: int) -> tuple[Embed, Params]:
        plain = {kind: parts["backbone"] for kind, parts in variables.items() if "backbone" in parts}
        trunk, params = fastest(net.backbone, plain, ((1, search_size, search_size, 3),))

        def embed(params: Params, pair: TrainPair) -> tuple[TrainPair, Array]:
            def seen(crop):
                levels = trunk.apply(params, crop, stages=net.used_stages)
                return jnp.clip(jnp.round(crop), 0, 255).astype(jnp.uint8), levels

            mask = pair.mask > 0.5
            kept = pair.replace(exemplar=seen(pair.exemplar), search=seen(pair.search), mask=mask.astype(jnp.float32))
            return kept, mask.any((1, 2)) & pair.masked

        return embed, params

    def trained(self, net: Any) -> nn.Module:
        return OnLevels(net.segment)

    def varied(self, pair: TrainPair) -> TrainPair:
        return pair


class OnLevels(nn.Module):
    """The masks of a `MaskedRPN` on crops that went through its trunk already."""

    segment: nn.Module

    def __call__(self, exemplar: Any, search: Any, *, train: bool = False) -> Array:
        """Logits `[B, S/2, S/2]`, as `MaskedRPN` gives them of the crops."""
        memory = jax.lax.stop_gradient(remembered(self.segment, *exemplar))
        return self.segment(*search, memory, train=train)
