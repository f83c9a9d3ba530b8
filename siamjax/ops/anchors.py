"""Anchor boxes of a region-proposal net, and boxes as differences from them."""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated

import jax.numpy as jnp
import numpy as np

from siamjax import fields
from siamjax.errors import ConfigError
from siamjax.fields import Length, Stride, Within
from siamjax.types import Array, ArrayLike, Float

MAX_DELTA = 10.0  # of a proposal from its anchor: sides 22,000 times as long


@dataclasses.dataclass(frozen=True)
class AnchorConfig:
    """Shapes of the anchors of a cell; the defaults are those of all published trackers.

    Attributes:
      stride: pixels of the search crop per cell; an anchor's area is about `(stride * scale) ** 2`.
      ratios: height to width.
      scales: factors on the stride.
    """

    stride: Stride = 8
    ratios: Annotated[tuple[float, ...], Length(1, 64), Within(1e-3, 1e3)] = (0.33, 0.5, 1.0, 2.0, 3.0)
    scales: Annotated[tuple[int, ...], Length(1, 64), Within(1, 1024)] = (8,)

    def __post_init__(self):
        fields.check(self)
        if base_sizes(self).min() < 1:
            raise ConfigError(f"anchors of no area: {base_sizes(self).tolist()}", where="AnchorConfig",
                              do="use a larger stride, or ratios nearer to 1")

    @property
    def per_cell(self) -> int:
        """Anchors a cell, `A`."""
        return len(self.ratios) * len(self.scales)

    def grid_of(self, count: int) -> int:
        """Side `G` of the square grid that `count` anchors make; raises ConfigError where there is none."""
        grid = math.isqrt(count // self.per_cell)
        if grid * grid * self.per_cell != count:
            raise ConfigError(f"{count} outputs are no square grid of {self.per_cell} anchors a cell",
                              where="AnchorConfig", do="give the net and the anchors the same number a cell")
        return grid

    def proposals(self, loc: Float[Array, "N 4"]) -> Float[Array, "N 4"]:
        """Boxes `[N, 4]` `cxcywh`, pixels from the crop's middle, of a net's differences `loc` `[N, 4]`.

        exp of a wild difference would be infinite, so each is cut to `MAX_DELTA`; no sane one is.
        """
        return decode(make_anchors(self, self.grid_of(len(loc))), jnp.clip(loc, -MAX_DELTA, MAX_DELTA))


def base_sizes(config: AnchorConfig) -> Float[np.ndarray, "A 2"]:
    """Widths and heights `[A, 2]` float32, pixels; ratios outside, scales inside.

    Sides are cut to whole strides before they are scaled, up to 13 % of a side: published weights know no others.
    Source: PySOT, pysot/utils/anchor.py.
    """
    sizes = []
    for ratio in config.ratios:
        width = int(math.sqrt(config.stride**2 / ratio))
        height = int(width * ratio)
        sizes += [(width * scale, height * scale) for scale in config.scales]
    return np.array(sizes, np.float32)


def make_anchors(config: AnchorConfig, grid: int, centre: float = 0.0) -> Float[np.ndarray, "N 4"]:
    """Anchors of a `grid` x `grid` map of cells.

    Args:
      config: shapes of the anchors.
      grid: cells a side, `G`.
      centre: x and y of cell `G // 2`, search crop pixels: 0 measures from the middle of the crop, as trackers
        and targets here do; PySOT's training counts pixels, whose middle is `search_size // 2`.
    Returns:
      `[N, 4]` float32 `cxcywh`, pixels, `N = A * G * G`; flat index `a * G * G + y * G + x`.
    """
    sizes = base_sizes(config)
    along = (centre + (np.arange(grid) - grid // 2) * config.stride).astype(np.float32)
    shape = (len(sizes), grid, grid)
    return np.stack([np.broadcast_to(along[None, None, :], shape), np.broadcast_to(along[None, :, None], shape),
                     np.broadcast_to(sizes[:, 0, None, None], shape),
                     np.broadcast_to(sizes[:, 1, None, None], shape)], axis=-1).reshape(-1, 4)


def encode(anchors: Float[ArrayLike, "#*N 4"], box_cxcywh: Float[Array, "#*N 4"]) -> Float[Array, "... 4"]:
    """Differences `(dx, dy, dw, dh)` that lead from each anchor to the box.

    Args:
      anchors: `cxcywh`.
      box_cxcywh: `[..., 4]`, of positive size, in the same pixels; shapes broadcast.
    Returns:
      `[..., 4]`: moves as parts of the anchor's sides, and logarithms of the ratios of sides. No variances.
    """
    centre, size = anchors[..., :2], anchors[..., 2:]
    return jnp.concatenate([(box_cxcywh[..., :2] - centre) / size, jnp.log(box_cxcywh[..., 2:] / size)], axis=-1)


def decode(anchors: Float[ArrayLike, "#*N 4"], loc: Float[Array, "#*N 4"]) -> Float[Array, "... 4"]:
    """Inverse of `encode`: boxes `[..., 4]` `cxcywh` of differences `loc` `[..., 4]`, neither clipped."""
    centre, size = anchors[..., :2], anchors[..., 2:]
    return jnp.concatenate([loc[..., :2] * size + centre, jnp.exp(loc[..., 2:]) * size], axis=-1)
