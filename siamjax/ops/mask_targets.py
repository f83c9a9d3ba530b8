"""Training targets of a mask branch, cut from the target's mask on the device.

The mask at a cell is of a window of the search crop, as large as the exemplar and as far from its neighbours' as
the cells are: the one place of the crop where the exemplar's features were compared.
"""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp
from jax import lax

from siamjax.errors import ConfigError
from siamjax.types import Array, Bool, Float, Int


def signed(mask: Float[Array, "*N"]) -> Float[Array, "*N"]:
    """1.0 where more than half of a pixel is the object's, else -1.0; `mask` of any shape, 0..1."""
    return jnp.where(mask > 0.5, 1.0, -1.0)


def positive_cells(labels: Int[Array, " N"], grid: int, most: int) -> tuple[Int[Array, "K 2"], Bool[Array, " K"]]:
    """The cells with a positive anchor: those whose masks train.

    There are at most as many as positive anchors are drawn, so the loss looks at a few cells of hundreds, and at
    all that count.

    Args:
      labels: int of the anchors of one pair in their flat order, 1 for a positive.
      grid: side `G` of the net's output, cells.
      most: cells returned (fewer where the grid has fewer); at least the positive anchors that are drawn.
    Returns:
      `cells` `[K, 2]` int32 (row, column), the positive ones first and in rising order, and `chosen` `[K]` bool,
      True for those.
    """
    chex.assert_rank(labels, 1)
    positive = (labels.reshape(-1, grid, grid) == 1).any(0).reshape(-1)
    chosen, index = lax.top_k(positive.astype(jnp.int32), min(most, grid * grid))  # of equals the first
    return jnp.stack(jnp.divmod(index, grid), axis=-1).astype(jnp.int32), chosen > 0


def at_cells(maps: Float[Array, "G G C"], cells: Int[Array, "K 2"]) -> Float[Array, "K C"]:
    """What maps `[G, G, C]` hold at `cells` `[K, 2]` (row, column): `[K, C]`."""
    return maps[cells[:, 0], cells[:, 1]]


def windows(target: Float[Array, "S S"], cells: Int[Array, "K 2"], grid: int, *, size: int,
            stride: int) -> Float[Array, "K {size} {size}"]:
    """The windows of a crop whose masks the net gives at some cells.

    Args:
      target: of the search crop, see `signed`.
      cells: (row, column).
      grid: side `G` of the net's output, cells; the grid of windows lies in the middle of the crop.
      size: side of a window, px.
      stride: px from cell to cell.
    Returns:
      `[K, size, size]`, 0 beyond the crop: 32 px to each side of the outer cells of SiamMask base, none for sharp.
    Raises:
      ConfigError: the crop and the grid do not fit each other.
    Source: SiamMask, models/siammask.py `select_mask_logistic_loss`, there by `unfold`.
    """
    chex.assert_rank([target, cells], 2)
    margin, odd = divmod((grid - 1) * stride + size - target.shape[0], 2)
    if odd or margin < 0:
        raise ConfigError(f"{grid} windows of {size} px, {stride} px apart, on a crop of {target.shape[0]} px",
                          where="AugmentConfig.search_size",
                          do=f"use a crop of {(grid - 1) * stride + size} px, or one smaller by a multiple of 2")
    padded = jnp.pad(target, margin)
    return jax.vmap(lambda cell: lax.dynamic_slice(padded, tuple(cell * stride), (size, size)))(cells)
