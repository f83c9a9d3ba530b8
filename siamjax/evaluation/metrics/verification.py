"""How well distances tell the same object from others: ROC, equal error rate, recall. NumPy, float64, on the host.

`similar` is True (1) for a pair of inputs that show the same object; such pairs should have small distances.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from siamjax.errors import DataError
from siamjax.types import ArrayLike


@dataclasses.dataclass(frozen=True, eq=False)
class Curve:
    """The receiver operating characteristic of accepting pairs by their distance.

    Attributes:
      threshold: `[K]` rising; pairs of this distance or less are accepted. The first, -inf, accepts none.
      false_accept: `[K]` share of the different pairs that are accepted.
      true_accept: `[K]` share of the similar pairs that are accepted.
    """

    threshold: np.ndarray
    false_accept: np.ndarray
    true_accept: np.ndarray

    @property
    def area(self) -> float:
        """Under the curve: the chance that a similar pair is nearer than a different one, half of it for a tie."""
        return float(np.trapezoid(self.true_accept, self.false_accept))

    @property
    def equal_error(self) -> tuple[float, float]:
        """The rate at which as many different pairs are accepted as similar ones refused, and its threshold.

        Where no threshold makes them equal, the mean of both at the one that makes them most alike.
        """
        refused = 1 - self.true_accept
        best = int(np.argmin(np.abs(self.false_accept - refused)))
        return float(self.false_accept[best] + refused[best]) / 2, float(self.threshold[best])

    def errors_at(self, threshold: float) -> tuple[float, float]:
        """Shares of the different pairs that are accepted, and of the similar ones that are refused, at a threshold."""
        place = int(np.searchsorted(self.threshold, threshold, side="right")) - 1
        return float(self.false_accept[place]), float(1 - self.true_accept[place])


def roc(distance: ArrayLike, similar: ArrayLike) -> Curve:
    """The curve of pairs with these distances `[N]` and labels `[N]`.

    Raises:
      DataError: pairs of one class only, or a distance that is no number.
    """
    distance, similar = np.asarray(distance, np.float64), np.asarray(similar, bool)
    positive, negative = int(similar.sum()), int((~similar).sum())
    if not (positive and negative):
        raise DataError(f"{positive} similar and {negative} different pairs", "verification",
                        "give pairs of both classes")
    if not np.isfinite(distance).all():
        raise DataError("a distance is not finite", "verification", "check the weights and their inputs")
    order = np.argsort(distance, kind="stable")
    ordered, labels = distance[order], similar[order]
    last = np.append(ordered[1:] != ordered[:-1], True)  # equal distances are accepted together

    def accepted(kind: np.ndarray, count: int) -> np.ndarray:
        return np.concatenate([[0.0], np.cumsum(kind)[last] / count])

    return Curve(np.concatenate([[-np.inf], ordered[last]]), accepted(~labels, negative), accepted(labels, positive))


def recall_at(distance: ArrayLike, query: ArrayLike, gallery: ArrayLike, ranks: tuple[int, ...] = (1, 5),
              *, itself: bool = False) -> dict[int, float]:
    """Share of the queries that have their object among the nearest of a gallery.

    Args:
      distance: `[Q, G]` of queries and gallery.
      query, gallery: `[Q]` and `[G]`, the object in each; queries whose object the gallery lacks are left out.
      ranks: how many of the nearest count.
      itself: query `i` and gallery entry `i` are one input, which does not count.
    Returns:
      Recall by rank. Of several at one distance the worst order counts, so equal embeddings find nothing.
    Raises:
      DataError: no query has its object in the gallery.
    """
    distance = np.asarray(distance, np.float64)
    same = np.asarray(query)[:, None] == np.asarray(gallery)[None]
    if itself:
        distance = np.where(np.eye(len(distance), dtype=bool), np.inf, distance)
        same &= ~np.eye(len(distance), dtype=bool)
    asked = same.any(axis=1)
    if not asked.any():
        raise DataError("no query shows an object of the gallery", "recall", "give each object two inputs or more")
    nearest = np.where(same, distance, np.inf).min(axis=1, keepdims=True)
    ahead = (~same & (distance <= nearest)).sum(axis=1)[asked]
    return {rank: float((ahead < rank).mean()) for rank in ranks}
