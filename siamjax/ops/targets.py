"""Training targets made from boxes, on the device."""

from __future__ import annotations

import jax.numpy as jnp

from siamjax.types import Array, ArrayLike, Float, Real


def response_cells(size: int) -> Float[Array, "{size} {size} 2"]:
    """Places `(x, y)` of the cells of a `size` x `size` response, from its middle: `[size, size, 2]`."""
    offsets = jnp.arange(size, dtype=jnp.float32) - (size - 1) / 2
    return jnp.stack(jnp.meshgrid(offsets, offsets), axis=-1)


def response_labels(size: int, centre: Real[ArrayLike, "*N 2"] | tuple[float, float] = (0.0, 0.0), *,
                    positive_radius: float, negative_radius: float = 0.0) -> Float[Array, "... {size} {size}"]:
    """Labels of a response map: 1 near the target, 0 far from it, 0.5 in the ring between, if there is one.

    Args:
      size: side `R` of the response, cells.
      centre: place `(x, y)` of the target, cells from the middle of the map (0, 0 when both crops
        are centred on it); it may lie between cells or outside of the map.
      positive_radius: largest city-block distance of a positive cell, cells (16 px / stride 8 = 2).
      negative_radius: cells nearer than this that are not positive get 0.5, which losses leave out; cells.
    Returns:
      `[..., R, R]` float32 in {0, 0.5, 1}.
    Source: siamfc-pytorch, siamfc/siamfc.py `_create_labels`, there for a centred target only.
    """
    centre = jnp.asarray(centre, jnp.float32)
    cells = response_cells(size).reshape((1,) * (centre.ndim - 1) + (size, size, 2))
    distance = jnp.abs(cells - centre[..., None, None, :]).sum(-1)
    between = jnp.where(distance < negative_radius, 0.5, 0.0)
    return jnp.where(distance <= positive_radius, 1.0, between).astype(jnp.float32)
