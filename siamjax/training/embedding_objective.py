"""What embeddings of pairs are trained to: near for the same object, far for others; one class a loss."""

from __future__ import annotations

import dataclasses
from typing import Literal

import jax.numpy as jnp

from siamjax.errors import ConfigError
from siamjax.ops import contrastive, distances
from siamjax.ops.contrastive import Reduction
from siamjax.ops.distances import DistanceName
from siamjax.ops.losses import masked_mean
from siamjax.types import Array, Metrics, TrainPair


@dataclasses.dataclass(frozen=True)
class ContrastiveObjective:
    """Similar pairs as near as can be, others at least `margin` apart.

    `pair.similar` is 1 (True) for two inputs of the same object, 0 for two of different ones.

    Attributes:
      margin: above 0; embeddings of length 1 are 2 apart at most (Euclidean, cosine).
      form: "linear", `similar * d + (1 - similar) * max(margin - d, 0)`, or "squared", Hadsell's (see
        `ops.contrastive`).
      reduction: "mean" or "sum" over the batch; the rate of a sum depends on `batch_size`.
      distance: `d`.
    """

    margin: float = 1.0
    form: Literal["linear", "squared"] = "linear"
    reduction: Reduction = "mean"
    distance: DistanceName = "euclidean"

    def __post_init__(self):
        _check_positive(self, "margin")
        distances.named(self.distance)
        if self.form not in ("linear", "squared") or self.reduction not in ("mean", "sum"):
            raise ConfigError(f"form {self.form!r}, reduction {self.reduction!r}", "ContrastiveObjective",
                              "use 'linear' or 'squared', and 'mean' or 'sum'")

    def check(self, *, batch_size: int, negative: float) -> None:
        """Raises ConfigError unless there will be pairs of both classes."""
        if not 0 < negative < 1:
            kind = "similar" if negative == 0 else "dissimilar"
            raise ConfigError(f"all pairs are {kind}: the loss would have one class only", "data.negative",
                              "use a share between 0 and 1, e.g. 0.5")

    def __call__(self, outputs: tuple[Array, Array], pair: TrainPair, *, axis_name: str | None = None):
        """Loss of embeddings `(first, second)`, each `[B, D]`, and the metrics of it.

        Metrics: `near` and `far`, mean distances of the similar and of the other pairs; `accuracy`, the share of
        pairs on the right side of half the margin.
        """
        distance = distances.named(self.distance)(*outputs)
        loss = contrastive.contrastive if self.form == "linear" else contrastive.contrastive_squared
        right = (distance < self.margin / 2) == pair.similar
        return loss(distance, pair.similar, margin=self.margin, reduction=self.reduction, axis_name=axis_name), {
            "near": masked_mean(distance, pair.similar, axis_name)[0],
            "far": masked_mean(distance, ~pair.similar, axis_name)[0],
            "accuracy": right.mean(dtype=jnp.float32)}


@dataclasses.dataclass(frozen=True)
class TripletObjective:
    """The hardest other object of the batch farther away than the hardest view of the same one.

    Attributes:
      margin: above 0, by how much.
      distance: by which.
      within: whether inputs are compared within a side too; False for sides of two kinds.
    """

    margin: float = 0.3
    distance: DistanceName = "euclidean"
    within: bool = True

    def __post_init__(self):
        _check_positive(self, "margin")
        distances.named(self.distance)

    def check(self, *, batch_size: int, negative: float) -> None:
        """Raises ConfigError for batches without positives or negatives."""
        _check_batch(batch_size, negative)

    def __call__(self, outputs: tuple[Array, Array], pair: TrainPair, *, axis_name: str | None = None):
        """Loss of embeddings `(first, second)`, each `[B, D]`, and `near` and `far`, mean distances of the hardest."""
        loss, near, far = contrastive.triplet(
            *outputs, pair.identity, margin=self.margin, distance=distances.named(self.distance), within=self.within,
            axis_name=axis_name)
        return loss, {"near": near, "far": far}


@dataclasses.dataclass(frozen=True)
class NTXentObjective:
    """Each input's partner found among the inputs of all devices (SimCLR; across sides only: CLIP).

    Attributes:
      temperature: above 0, of the softmax over cosines.
      within: as in `TripletObjective`.
    """

    temperature: float = 0.1
    within: bool = True

    def __post_init__(self):
        _check_positive(self, "temperature")

    def check(self, *, batch_size: int, negative: float) -> None:
        """Raises ConfigError for batches without positives or negatives."""
        _check_batch(batch_size, negative)

    def __call__(self, outputs: tuple[Array, Array], pair: TrainPair, *,
                 axis_name: str | None = None) -> tuple[Array, Metrics]:
        """Loss of embeddings `(first, second)`, each `[B, D]`; `near`, mean distance (1 - cosine) of similar pairs,
        and `found`, the share whose partner is nearer than any negative.
        """
        loss, found = contrastive.nt_xent(*outputs, pair.identity, temperature=self.temperature, within=self.within,
                                          axis_name=axis_name)
        return loss, {"near": masked_mean(distances.cosine(*outputs), pair.similar, axis_name)[0], "found": found}


EmbeddingObjective = ContrastiveObjective | TripletObjective | NTXentObjective


def _check_positive(objective, name: str) -> None:
    if not getattr(objective, name) > 0:
        raise ConfigError(f"{name} is {getattr(objective, name)}", f"{type(objective).__name__}.{name}",
                          "use a number above 0")


def _check_batch(batch_size: int, negative: float) -> None:
    if batch_size < 2:
        raise ConfigError("a batch of one pair has nothing to tell it from", "batch_size", "use 2 or more")
    if negative >= 1:
        raise ConfigError("all pairs are dissimilar: there would be one class only", "data.negative",
                          "use 0, as the other pairs of a batch are the negatives, or a share below 1")
