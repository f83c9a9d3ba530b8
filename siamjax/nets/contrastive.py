"""Nets of two inputs whose embeddings can be compared: Siamese (one tower) and pseudo-Siamese (two)."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, TypeAlias

import jax.numpy as jnp
from flax import linen as nn

from siamjax.errors import ConfigError
from siamjax.fields import Channels
from siamjax.nets.layers import Norm
from siamjax.ops.distances import normalised
from siamjax.precision import PARITY, Precision
from siamjax.types import Array, Float, Real

Side: TypeAlias = Literal["first", "second"]


class EmbeddingHead(nn.Module):
    """Global average pool and a dense layer.

    Attributes:
      features: numbers of an embedding.
      normalise: embeddings have Euclidean length 1.
      norm: settings of a BatchNorm between the two, None for none: brings the pooled features of a trunk that does
        not train, each with its own mean and size, to one scale.
      precision: dtype and precision of the product; embeddings are float32.
      axis_name: see `ConvNorm`.
    """

    features: Channels = 128
    normalise: bool = True
    norm: Norm | None = None
    precision: Precision = PARITY
    axis_name: str | None = None

    @nn.compact
    def __call__(self, features: Float[Array, "B ... C"] | tuple[Float[Array, "B ... _"], ...], *,
                 train: bool = False) -> Float[Array, "B D"]:
        """Embeddings `[B, features]` of features `[B, ..., C]`; the levels of a backbone with several side by side."""
        levels = features if isinstance(features, tuple) else (features,)
        pooled = jnp.concatenate([level.reshape(len(level), -1, level.shape[-1]).astype(jnp.float32).mean(1)
                                  for level in levels], axis=-1)
        if self.norm is not None:
            pooled = nn.BatchNorm(use_running_average=not train, momentum=self.norm.momentum,
                                  epsilon=self.norm.epsilon, axis_name=self.axis_name, name="norm")(pooled)
        embedding = nn.Dense(self.features, dtype=self.precision.dtype, precision=self.precision.lax,
                             name="dense")(pooled).astype(jnp.float32)
        return normalised(embedding) if self.normalise else embedding


class Tower(nn.Module):
    """A backbone, and a head that makes embeddings of its features.

    Attributes:
      backbone: any module that maps inputs `[B, ...]` to features `[B, ..., C]`, or a tuple of such.
      head: maps these to embeddings `[B, D]`; takes `train`.
    """

    backbone: nn.Module
    head: nn.Module = EmbeddingHead()

    def __call__(self, x: Real[Array, "B ..."], *, train: bool = False) -> Float[Array, "B D"]:
        return self.head(self.backbone(x, train=train), train=train)


class Siamese(nn.Module):
    """One tower for both inputs: equal inputs have equal embeddings.

    Its parameters are those of `backbone` and `head`, named as in the trackers, so that it starts from the backbone
    of a tracker and a tracker from its own.

    Attributes:
      backbone, head: see `Tower`.
    Source: Bromley et al. 1993; Hadsell et al. 2006.
    """

    backbone: nn.Module
    head: nn.Module = EmbeddingHead()

    def __call__(self, first: Real[Array, "B ..."], second: Real[Array, "B ..."], *,
                 train: bool = False) -> tuple[Float[Array, "B D"], Float[Array, "B D"]]:
        """Embeddings `[B, D]` of both inputs of each pair.

        In training BatchNorm sees both sides as one batch where they have one shape, else one after the other.
        """
        if first.shape != second.shape:
            return self.embed(first, train=train), self.embed(second, train=train)
        both = self.embed(jnp.concatenate([first, second]), train=train)
        return both[:len(first)], both[len(first):]

    def embed(self, x: Real[Array, "B ..."], side: Side = "first", *, train: bool = False) -> Float[Array, "B D"]:
        """Embeddings `[B, D]` of inputs `[B, ...]`, the same on either side."""
        return self.head(self.backbone(x, train=train), train=train)


class PseudoSiamese(nn.Module):
    """Two towers that share nothing and may take different kinds of input; their embeddings can be compared.

    Attributes:
      first, second: modules that map inputs to embeddings of one size `D`, such as `Tower`.
    """

    first: nn.Module
    second: nn.Module

    def __post_init__(self):
        # A module that is part of both, such as a default head, would be one in Flax, with one set of parameters.
        self.second = _copy(self.second)
        super().__post_init__()

    def __call__(self, first: Real[Array, "B ..."], second: Real[Array, "B ..."], *,
                 train: bool = False) -> tuple[Float[Array, "B D"], Float[Array, "B D"]]:
        """Embeddings `[B, D]` of both inputs of each pair.

        Raises:
          ConfigError: the towers' embeddings are not of one size.
        """
        one, other = self.embed(first, "first", train=train), self.embed(second, "second", train=train)
        if one.shape[-1] != other.shape[-1]:
            raise ConfigError(f"the towers give embeddings of {one.shape[-1]} and of {other.shape[-1]} numbers",
                              "PseudoSiamese", "give their heads the same number of features")
        return one, other

    def embed(self, x: Real[Array, "B ..."], side: Side, *, train: bool = False) -> Float[Array, "B D"]:
        """Embeddings `[B, D]` of inputs `[B, ...]` of one side."""
        return (self.first if side == "first" else self.second)(x, train=train)


def _copy(net: nn.Module) -> nn.Module:
    """An equal module that shares no part with `net`."""
    fields = {f.name: getattr(net, f.name) for f in dataclasses.fields(net) if f.name != "parent"}  # type: ignore
    parts: dict[str, Any] = {k: _copy(v) for k, v in fields.items() if isinstance(v, nn.Module)}
    return net.clone(**parts)
