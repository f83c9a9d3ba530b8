"""What the frozen parts of a net make of a pair, computed once; and what of the net then trains on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol

import jax.numpy as jnp
from flax import linen as nn

from siamjax.data.sequences import Track
from siamjax.errors import ConfigError
from siamjax.types import Array, Params, TrainPair
from siamjax.weights.prepare import prepare

# Of the parameters and a pair: the pair with features where its crops were, and which are worth keeping, `[B]` bool.
Embed = Callable[[Params, TrainPair], tuple[TrainPair, Array]]


class Features(Protocol):
    """Which parts are frozen, what of a pair is kept, and what trains; frozen and hashable."""

    @property
    def frozen(self) -> tuple[str, ...]:
        """Names of the parts of the net that are computed once; `optim.frozen` names them too."""
        ...

    def usable(self, track: Track) -> bool:
        """Whether pairs are drawn of this track."""
        ...

    def embedder(self, net: nn.Module, variables: Params, search_size: int) -> tuple[Embed, Params]:
        """What makes features, arrays with a leading `B` or trees of them, and the parameters that it is given."""
        ...

    def trained(self, net: nn.Module) -> nn.Module:
        """What is called with the features of exemplar and search; its parameters have the names they have in `net`."""
        ...

    def varied(self, pair: TrainPair) -> TrainPair:
        """What each step changes of the features, by the keys `pair.key`."""
        ...


@dataclasses.dataclass(frozen=True)
class Cached:
    """Pairs that are drawn, augmented and put through the frozen parts once, and gone over many times.

    Attributes:
      features: what is kept of each pair.
      pairs: how many, the first of the experiment's stream.
      shard: pairs a file in OUTPUT/features; a file is written whole or not at all.
      at_once: pairs that are computed together.
    """

    features: Features
    pairs: int = 24_000
    shard: int = 500
    at_once: int = 20

    def __post_init__(self):
        if min(self.pairs, self.shard, self.at_once) < 1:
            raise ConfigError(f"pairs {self.pairs}, shard {self.shard}, at_once {self.at_once}", "Cached",
                              "use 1 or more")
        if self.pairs % self.shard or self.shard % self.at_once:
            raise ConfigError(f"{self.pairs} pairs in shards of {self.shard}, {self.at_once} of them at once", "Cached",
                              "make pairs a multiple of shard, and shard one of at_once")


@dataclasses.dataclass(frozen=True)
class BackboneFeatures:
    """What a frozen `backbone` makes of both crops, one level or several; the rest of the net trains on it."""

    @property
    def frozen(self) -> tuple[str, ...]:
        return ("backbone",)

    def usable(self, track: Track) -> bool:
        return True

    def embedder(self, net: Any, variables: Params, search_size: int) -> tuple[Embed, Params]:
        plain = {kind: parts["backbone"] for kind, parts in variables.items() if "backbone" in parts}
        backbone, params = fastest(net.backbone, plain, ((1, search_size, search_size, 3),))

        def embed(params: Params, pair: TrainPair) -> tuple[TrainPair, Array]:
            z, x = (backbone.apply(params, crop) for crop in (pair.exemplar, pair.search))
            return pair.replace(exemplar=z, search=x), jnp.ones(len(pair.index), bool)

        return embed, params

    def trained(self, net: nn.Module) -> nn.Module:
        return net.clone(backbone=Given())  # type: ignore[call-arg]  # nets with a backbone have the field

    def varied(self, pair: TrainPair) -> TrainPair:
        return pair


class Given(nn.Module):
    """A backbone whose images are features already."""

    def __call__(self, features: Any, *, train: bool = False) -> Any:
        return features


def fastest(net: nn.Module, variables: Params, shapes: tuple[tuple[int, ...], ...]) -> tuple[Any, Params]:
    """`weights.prepare.prepare` of a net that it knows how to prepare; any other as it is."""
    try:
        return prepare(net, variables, shapes=shapes)
    except ConfigError:
        return net, variables
