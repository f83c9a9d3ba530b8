"""What an anchor-free net should say of each point, made from boxes on the device; the counterpart of
`anchor_targets`."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp

from siamjax.errors import ConfigError
from siamjax.ops.anchor_targets import IGNORED, draw
from siamjax.ops.points import PointConfig, make_points
from siamjax.types import Array, Bool, Float, Key


class PointTargets(NamedTuple):
    """Targets of the points of one pair, row by row.

    Attributes:
      cls: `[N]` int32: 1 target, 0 background, -1 ignored.
      boxed: `[N]` bool, the points that train the box; none for a pair of two objects.
    """

    cls: Array
    boxed: Array


class PointRule(Protocol):
    """A rule that says which points are positive; frozen and hashable. For a batch, `vmap` it over keys, boxes and
    `similar`."""

    def __call__(self, key: Key[Array, ""], box_cxcywh: Float[Array, "4"], similar: Bool[Array, ""], *, grid: int,
                 points: PointConfig) -> PointTargets:
        """Targets of one pair.

        Args:
          key: typed key of the pair; decides which candidates are drawn, where some are.
          box_cxcywh: of the object in the search crop, pixels **from the middle of the crop**.
          similar: False where that object is not the exemplar's.
          grid: side `G` of the net's output, cells.
          points: of the net.
        """
        ...


@dataclasses.dataclass(frozen=True)
class EllipseRule:
    """Positive in the middle of the target, negative away from it, ignored between: NanoTrack's.

    The middle is an ellipse round the box's centre; some of the points on either side are drawn. In a pair of two
    objects the middle of the one that is seen is negative, and nothing else counts.

    Attributes:
      inner, outer: half axes of the ellipse within which a point is positive, and of that beyond which it is negative,
        as parts of the box's sides.
      positives, negatives: most that are drawn for a pair.
      distractors: most negatives that are drawn for a pair of two objects.
    Source: NanoTrack, datasets/point_target.py, with another random number generator; SiamBAN (Chen et al. 2020).
    """

    inner: float = 0.25
    outer: float = 0.5
    positives: int = 16
    negatives: int = 48
    distractors: int = 16

    def __post_init__(self):
        if not 0 < self.inner <= self.outer <= 8:
            raise ConfigError(f"inner {self.inner}, outer {self.outer}", "EllipseRule",
                              "use 0 < inner <= outer <= 8")
        for name in ("positives", "negatives", "distractors"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}", f"EllipseRule.{name}", "use 1 or more")

    def __call__(self, key: Key[Array, ""], box_cxcywh: Float[Array, "4"], similar: Bool[Array, ""], *, grid: int,
                 points: PointConfig) -> PointTargets:
        inside, outside = self.candidates(box_cxcywh, grid=grid, points=points)
        positive_key, negative_key = jax.random.split(key)
        positive = draw(positive_key, inside & similar, self.positives, self.positives)
        negative = draw(negative_key, jnp.where(similar, outside, inside),
                        jnp.where(similar, self.negatives, self.distractors), max(self.negatives, self.distractors))
        return PointTargets(_labels(positive, negative), positive)

    def candidates(self, box_cxcywh: Float[Array, "4"], *, grid: int,
                   points: PointConfig) -> tuple[Bool[Array, " N"], Bool[Array, " N"]]:
        """Points `[N]` bool within the inner ellipse, and beyond the outer one."""
        away = make_points(points, grid) - box_cxcywh[None, :2]
        # Multiplied out: a side of 0 must not divide.
        axes = box_cxcywh[2:] ** 2
        squares = (away**2 * axes[None, ::-1]).sum(-1)
        return squares < self.inner**2 * axes.prod(), squares > self.outer**2 * axes.prod()


@dataclasses.dataclass(frozen=True)
class InsideRule:
    """Positive inside the target's box, negative outside, nothing ignored or drawn: FEAR's.

    Attributes:
      radius: city-block distance, cells, from the cell of the target's centre within which a point trains the box,
        whether it lies inside or not.
    Source: FEARTracker, dataset/box_coder.py and dataset/utils.py, but that boxes there are cut to whole pixels and
    to the crop.
    """

    radius: int = 2

    def __post_init__(self):
        if not 0 <= self.radius <= 127:
            raise ConfigError(f"radius is {self.radius}", "InsideRule.radius", "use 0 to 127 cells")

    def __call__(self, key: Key[Array, ""], box_cxcywh: Float[Array, "4"], similar: Bool[Array, ""], *, grid: int,
                 points: PointConfig) -> PointTargets:
        place = jnp.asarray(make_points(points, grid))
        inside = (jnp.abs(place - box_cxcywh[None, :2]) < box_cxcywh[None, 2:] / 2).all(-1)
        cell = jnp.floor(box_cxcywh[:2] / points.stride)
        near = jnp.abs(place / points.stride - cell[None]).sum(-1) <= self.radius
        return PointTargets(_labels(inside & similar, ~(inside & similar)), near & similar)


def _labels(positive: Array, negative: Array) -> Array:
    return jnp.where(positive, 1, jnp.where(negative, 0, IGNORED)).astype(jnp.int32)
