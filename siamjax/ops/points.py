"""Points of an anchor-free net: one a cell, from which the distances to the four sides of a box are given."""

from __future__ import annotations

import dataclasses
import math

import jax.numpy as jnp
import numpy as np

from siamjax import fields
from siamjax.errors import ConfigError
from siamjax.fields import Stride
from siamjax.ops.anchors import MAX_DELTA
from siamjax.types import Array, ArrayLike, Float


@dataclasses.dataclass(frozen=True)
class PointConfig:
    """Where the points of a search are: one a cell. It stands where a region-proposal net has an `AnchorConfig`.

    Attributes:
      stride: pixels of the search crop per cell.
    """

    stride: Stride = 16

    def __post_init__(self):
        fields.check(self)

    @property
    def per_cell(self) -> int:
        """Points a cell."""
        return 1

    def grid_of(self, count: int) -> int:
        """Side `G` of the square grid that `count` points make; raises ConfigError where there is none."""
        grid = math.isqrt(count)
        if grid * grid != count:
            raise ConfigError(f"{count} outputs are no square grid of points", "PointConfig",
                              "give an anchor-free head's outputs, one a cell")
        return grid

    def proposals(self, loc: Float[Array, "N 4"]) -> Float[Array, "N 4"]:
        """Boxes `[N, 4]` `cxcywh`, pixels from the crop's middle, of logarithms of distances `loc` `[N, 4]`.

        The distances are to the left, upper, right and lower side; see `AnchorConfig.proposals` for the cut.
        """
        distances = jnp.exp(jnp.clip(loc, -MAX_DELTA, MAX_DELTA))
        return boxes_of(make_points(self, self.grid_of(len(loc))), distances)


def make_points(config: PointConfig, grid: int) -> Float[np.ndarray, "N 2"]:
    """Points `[N, 2]` float32 (x, y) of a `grid` x `grid` map, pixels, `N = G * G`, row by row.

    Cell `G // 2` is at the crop's middle, as with anchors (`ops.anchors.make_anchors`).
    """
    along = ((np.arange(grid) - grid // 2) * config.stride).astype(np.float32)
    return np.stack(np.meshgrid(along, along), axis=-1).reshape(-1, 2)


def boxes_of(points: Float[ArrayLike, "#*N 2"], distances: Float[Array, "#*N 4"]) -> Float[Array, "... 4"]:
    """Boxes `[..., 4]` `cxcywh` whose sides are at `distances` `[..., 4]` (left, up, right, down) of `points`
    `[..., 2]`, in the same pixels. Source: FCOS (Tian et al. 2019), section 3.1."""
    before, after = distances[..., :2], distances[..., 2:]
    return jnp.concatenate([points + (after - before) / 2, after + before], axis=-1)
