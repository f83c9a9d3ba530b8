"""Is a score the probability that it claims to be? Fitted by logistic regression, shown by reliability diagrams.

NumPy, float64, on the host. `truth` is True (1) where what the score claims is so: for a tracker, where its box
overlaps the true one by half or more.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from siamjax.errors import DataError
from siamjax.types import ArrayLike

OVERLAP = 0.5  # of box and true box, from which the box holds the target
STEPS = 100  # of Newton's method at most; a dozen are usual
SETTLED = 1e-10  # change of a coefficient that ends it


@dataclasses.dataclass(frozen=True, eq=False)
class Logistic:
    """The probability `sigmoid(features @ slope + offset)`.

    Attributes:
      slope: `[F]`.
      offset: log odds where all features are 0.
    """

    slope: np.ndarray
    offset: float

    def __call__(self, features: ArrayLike) -> np.ndarray:
        """Probabilities `[N]` of `features` `[N, F]`."""
        return sigmoid(np.asarray(features, np.float64) @ self.slope + self.offset)


@dataclasses.dataclass(frozen=True, eq=False)
class Reliability:
    """What came true of the claims in each bin; bins without a claim are left out.

    Attributes:
      claimed: `[K]` mean probability in the bin, rising.
      came_true: `[K]` share of it that is so.
      count: `[K]` claims in it.
    """

    claimed: np.ndarray
    came_true: np.ndarray
    count: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error: the gap between both, in the mean over claims, 0..1 (Naeini et al. 2015)."""
        return float(np.average(np.abs(self.claimed - self.came_true), weights=self.count))


def fit(features: ArrayLike, truth: ArrayLike, weight: ArrayLike | None = None, *, ridge: float = 1.0) -> Logistic:
    """Logistic regression (Platt 1999 where there is one feature) by Newton's method.

    Args:
      features: `[N, F]`, or `[N]` for one.
      truth: `[N]` bool.
      weight: `[N]` of each example, 1 by default.
      ridge: half of it times the squared slopes, of features of unit deviation, is added to the loss (the sum over
        examples): data that a slope can part perfectly gets a finite one. The offset is free.
    Raises:
      DataError: one class only, or features that are not finite.
    """
    y = _checked(truth)
    x = np.asarray(features, np.float64).reshape(len(y), -1)
    w = np.ones(len(y)) if weight is None else np.asarray(weight, np.float64)
    if not np.isfinite(x).all():
        raise DataError("a feature is not finite", "calibration", "check the weights and their inputs")
    if not (w[y].sum() > 0 and w[~y].sum() > 0):
        raise DataError(f"{y.sum()} of {len(y)} claims are true", "calibration", "give examples of both kinds")
    mean, deviation = x.mean(0), x.std(0) + 1e-12
    z = np.column_stack([(x - mean) / deviation, np.ones(len(x))])
    penalty = np.append(np.full(x.shape[1], ridge), 0.0)
    theta = np.append(np.zeros(x.shape[1]), np.log(w[y].sum() / w[~y].sum()))

    def loss(theta):
        return float((w * np.logaddexp(0, np.where(y, -1, 1) * (z @ theta))).sum() + (penalty * theta**2).sum() / 2)

    for _ in range(STEPS):
        p = sigmoid(z @ theta)
        slope = z.T @ (w * (p - y)) + penalty * theta
        change = np.linalg.solve((z * (w * p * (1 - p))[:, None]).T @ z + np.diag(penalty + 1e-12), slope)
        while loss(theta - change) > loss(theta) and np.abs(change).max() > SETTLED:  # a full step may go too far
            change = change / 2
        theta = theta - change
        if np.abs(change).max() < SETTLED:
            break
    return Logistic(theta[:-1] / deviation, float(theta[-1] - (theta[:-1] * mean / deviation).sum()))


def reliability(probability: ArrayLike, truth: ArrayLike, *, bins: int = 10,
                equal: Literal["width", "mass"] = "width") -> Reliability:
    """The reliability diagram of claims `[N]`.

    Args:
      probability: `[N]` in 0..1.
      truth: `[N]` bool.
      bins: their number.
      equal: bins of one width, a tenth each; or of one mass, as many claims in each, give or take one.
    Raises:
      DataError: no claim, or a probability outside 0..1.
    """
    claimed, y = _probabilities(probability, truth)
    if equal == "width":
        number = np.minimum((claimed * bins).astype(int), bins - 1)
    else:
        number = np.empty(len(claimed), int)
        number[np.argsort(claimed, kind="stable")] = np.arange(len(claimed)) * bins // len(claimed)
    count = np.bincount(number, minlength=bins)
    some = count > 0
    means = [np.bincount(number, values, bins)[some] / count[some] for values in (claimed, y)]
    return Reliability(means[0], means[1], count[some])


def brier(probability: ArrayLike, truth: ArrayLike) -> float:
    """Mean squared distance of claims `[N]` from what is so, 0 to 1: calibration and sharpness in one (Brier 1950)."""
    claimed, y = _probabilities(probability, truth)
    return float(np.square(claimed - y).mean())


def log_odds(probability: ArrayLike) -> np.ndarray:
    """Logits `[...]` of probabilities, those nearer than 1e-6 to 0 or 1 as if they were at that."""
    p = np.clip(np.asarray(probability, np.float64), 1e-6, 1 - 1e-6)
    return np.log(p) - np.log1p(-p)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -x))


def _probabilities(probability: ArrayLike, truth: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    claimed, y = np.asarray(probability, np.float64), _checked(truth)
    if not ((claimed >= 0) & (claimed <= 1)).all():  # NaN too
        raise DataError("a score is outside 0..1", "calibration", "give probabilities")
    return claimed, y


def _checked(truth: ArrayLike) -> np.ndarray:
    y = np.asarray(truth, bool)
    if not len(y):
        raise DataError("there is nothing to compare", "calibration", "give a frame after the first")
    return y
