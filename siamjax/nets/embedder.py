"""An embedding net with its settings, as a weight file stores them."""

from __future__ import annotations

import dataclasses
from typing import Literal

import jax.numpy as jnp
from flax import linen as nn

from siamjax import fields
from siamjax.errors import ConfigError
from siamjax.fields import Factor, Margin, Pixels
from siamjax.nets.contrastive import Side
from siamjax.ops import distances
from siamjax.ops.distances import DistanceName
from siamjax.ops.views import View
from siamjax.types import Array, ArrayLike, Float, Params, Real


@dataclasses.dataclass(frozen=True)
class EmbedderConfig:
    """How an embedding net is used.

    Attributes:
      first, second: what each side takes.
      distance: by which embeddings are compared.
      threshold: pairs of this distance or less show the same object; None where nobody has measured it.
      context: margin of the exemplar square around an object's box, as a part of width plus height.
      exemplar_size: px that the exemplar square takes in the crops, whose side is that of their view. Both are those
        of the data that the net is trained on, whatever an experiment's embedder says.
      channel_order: of images, "rgb" or "bgr".
    """

    first: View = dataclasses.field(default_factory=View)
    second: View = dataclasses.field(default_factory=View)
    distance: DistanceName = "euclidean"
    threshold: Factor | None = None
    context: Margin = 0.5
    exemplar_size: Pixels = 127
    channel_order: Literal["rgb", "bgr"] = "rgb"

    def __post_init__(self):
        fields.check(self)

    def build(self, net: nn.Module) -> Embedder:
        """The embedder with `net`."""
        return Embedder(net, self)


@dataclasses.dataclass(frozen=True)
class Embedder:
    """A net of two comparable inputs (`nets.contrastive`) and its settings; parameters are an argument.

    Attributes:
      net: module with `embed(x, side)`.
      config: settings.
    """

    net: nn.Module
    config: EmbedderConfig

    def embed(self, params: Params, x: Real[ArrayLike, "B ..."], side: Side = "first") -> Float[Array, "B D"]:
        """Embeddings `[B, D]` of inputs `[B, ...]` as `config.first` or `config.second` says, images RGB 0..255."""
        view = self.view(side)
        x = jnp.asarray(x, view.inputs().dtype)
        if x.shape[1:] != view.inputs().shape[1:]:
            raise ConfigError(f"inputs of shape {x.shape[1:]}", f"Embedder.embed, {side} side",
                              f"give {view.modality} of shape {view.inputs().shape[1:]}")
        x = x[..., ::-1] if view.modality == "image" and self.config.channel_order == "bgr" else x
        return self.net.apply(params, x, side, method="embed")  # type: ignore[return-value]

    def view(self, side: Side) -> View:
        """What a side takes."""
        return self.config.first if side == "first" else self.config.second

    def distance(self, a: Real[ArrayLike, "... D"], b: Real[ArrayLike, "... D"]) -> Float[Array, "..."]:
        """Distance `[...]` of embeddings `[..., D]`."""
        return distances.named(self.config.distance)(a, b)
