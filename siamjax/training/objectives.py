"""What ties the outputs of a net to targets and a loss, one class a kind of net."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal, Protocol

import jax.numpy as jnp

from siamjax.errors import ConfigError
from siamjax.ops import losses, targets
from siamjax.types import Array, Metrics, TrainPair


class Objective(Protocol):
    """Frozen and hashable; called inside the step."""

    def __call__(self, outputs, pair: TrainPair, *, axis_name: str | None = None) -> tuple[Array, Metrics]:
        """Loss and metrics whose means over the mapped axis are those of the global batch."""
        ...


@dataclasses.dataclass(frozen=True)
class LogisticObjective:
    """Each cell of the response says whether the target is there (SiamFC).

    Attributes:
      positive_radius: city-block distance from the target within which a cell is positive, search pixels.
      negative_radius: from here on a cell is negative; cells between have no part in the loss; 0 for none.
      centre: where the target is held to be: in the middle of the crops, as siamfc-pytorch has it even when
        it shifts them by some pixels, or where its boxes are.
      stride: of the net, pixels a cell.
      loss: of `ops.losses`, `(logits, labels, axis_name=...)`.
    """

    positive_radius: float = 16.0
    negative_radius: float = 0.0
    centre: Literal["crop", "box"] = "crop"
    stride: int = 8
    loss: Callable[..., Array] = losses.balanced_logistic

    def __post_init__(self):
        if self.centre not in ("crop", "box"):
            raise ConfigError(f"centre is {self.centre!r}", where="LogisticObjective.centre",
                              do="use 'crop' or 'box'")
        if not (self.positive_radius > 0 and self.stride > 0):
            raise ConfigError(f"positive_radius {self.positive_radius}, stride {self.stride}",
                              where="LogisticObjective", do="use positive numbers of pixels")

    def __call__(self, outputs: Array, pair: TrainPair, *, axis_name: str | None = None):
        """Loss of the response `outputs` `[B, R, R]`, and the metrics of it.

        Negative pairs (`similar` False) have no positive cell. Metrics: `centre_error`, mean distance of the
        highest cell from the target in search pixels, over similar pairs; `positive` and `negative`, mean
        response of the cells labelled so.
        """
        size = outputs.shape[-1]
        offset = self.offset(pair)
        centre = offset if self.centre == "box" else jnp.zeros_like(offset)
        labels = targets.response_labels(size, centre, positive_radius=self.positive_radius / self.stride,
                                         negative_radius=self.negative_radius / self.stride)
        labels = jnp.where(pair.similar[:, None, None], labels, 0.0)
        loss = self.loss(outputs, labels, axis_name=axis_name)
        best = targets.response_cells(size).reshape(-1, 2)[outputs.reshape(len(outputs), -1).argmax(-1)]
        error = self.stride * jnp.linalg.norm(best - offset, axis=-1)
        return loss, {"centre_error": losses.masked_mean(error, pair.similar, axis_name)[0],
                      "positive": losses.masked_mean(outputs, labels == 1, axis_name)[0],
                      "negative": losses.masked_mean(outputs, labels == 0, axis_name)[0]}

    def offset(self, pair: TrainPair) -> Array:
        """Where the response should peak, `[B, 2]` cells from its middle.

        A target off the middle of the exemplar moves the peak the other way.
        """
        def from_middle(box, crop):
            middle = jnp.array([crop.shape[2], crop.shape[1]], jnp.float32) / 2
            return box[:, :2] + box[:, 2:] / 2 - middle[None]

        return (from_middle(pair.search_box, pair.search)
                - from_middle(pair.exemplar_box, pair.exemplar)) / self.stride
