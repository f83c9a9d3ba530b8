"""How far figures over a few sequences can be trusted: percentile bootstrap over sequences (Efron 1979)."""

from __future__ import annotations

import dataclasses

import numpy as np

from siamjax.errors import DataError
from siamjax.types import ArrayLike

RESAMPLES = 10_000
COVERED = 95.0  # per cent


@dataclasses.dataclass(frozen=True)
class Interval:
    """A mean over sequences, and between which values it lies for `COVERED` per cent of resampled sets of them."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def bootstrap(values: ArrayLike, weights: ArrayLike | None = None, *, resamples: int = RESAMPLES,
              seed: int = 0) -> Interval:
    """The interval of a mean.

    Args:
      values: `[V]`, one a sequence; differences of two trackers for a paired comparison.
      weights: `[V]` of each in the mean, 1 by default.
      resamples: sets of `V` sequences drawn with replacement.
      seed: of the draws.
    Raises:
      DataError: there is no value, or one that is not finite.
    """
    values = np.asarray(values, np.float64)
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, np.float64)
    if not len(values) or not np.isfinite(values).all():
        raise DataError("there is no figure to draw from" if not len(values) else "a figure is not finite", "bootstrap",
                        "give sequences with frames that count")
    drawn = np.random.default_rng(seed).integers(0, len(values), (resamples, len(values)))
    means = (values * weights)[drawn].sum(axis=1) / weights[drawn].sum(axis=1)
    low, high = np.percentile(means, [50 - COVERED / 2, 50 + COVERED / 2])
    return Interval(float(np.average(values, weights=weights)), float(low), float(high))
