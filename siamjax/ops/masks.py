"""Masks of a crop brought back to the frame: as a whole image, or as an outline whose cost is the same for any frame.

A mask `[m, m]` of probabilities lies in the frame by its `affine` `[2, 3]`, which takes a pixel `(x, y, 1)` of
the mask to frame pixels, pixel centres being at integers in both. It only scales and shifts: crops are never
turned. Between its pixels a mask is bilinear, beyond its rim it has one value, the `border`, and the last pixel
blends into it, as in OpenCV's `warpAffine`.

The published systems paste the mask into a whole frame, threshold it and trace its contours on the host. Here
the frame's pixels are sampled on a lattice of at most `LATTICE x LATTICE` of those that the mask covers. Masks
of up to `LATTICE` frame pixels a side lie on it pixel by pixel, and the outline's points are those of the
reference. Larger ones are sampled at every second or third pixel, twice as finely as the mask's own, and the
outline's end on each row and column is interpolated between samples: over 60 random blobs in windows of 300 to
900 px the least rectangle's area was within 0.5 % of the exact one. Pieces are told apart on the lattice, not on
the mask's pixels: whether two of them that touch at a corner are one depends on the frame's.
"""

from __future__ import annotations

from typing import NamedTuple

import chex
import jax.numpy as jnp
from jax import lax

from siamjax.ops import components
from siamjax.types import Array, Float, Int, Real

LATTICE = 256  # samples a side: twice a refined mask's 127 pixels, and one a frame pixel for targets to 128 px


class Region(NamedTuple):
    """What a mask covers of the frame: its largest piece, holes filled, cut off at the frame's border.

    A pixel stands for its centre, so a region of `w` by `h` pixels measures `w - 1` by `h - 1`, like contours
    and rectangles of OpenCV.

    Attributes:
      x, y: `[K]` float32, frame pixels of the lattice's columns and rows: whole numbers, rising up to the mask's
        or the frame's end and the same from there on.
      inside: `[K, K]` bool, row by row, False where the lattice has ended.
      points: `[4 K, 2]` (x, y), frame pixels: the region's ends on each row (left, then right) and on each column
        (top, then bottom). Rows and columns without any repeat one of the region's points, so that no mask is
        needed; zeros for an empty region.
      area: `[]` px, within the outline through the outermost pixel centres.
    """

    x: Array
    y: Array
    inside: Array
    points: Array
    area: Array


def sample(mask: Float[Array, "h w"], affine: Float[Array, "2 3"], x: Real[Array, " X"], y: Real[Array, " Y"],
           border: float | Float[Array, ""] = 0.0) -> Float[Array, "Y X"]:
    """The mask at the frame's columns `x` `[X]` and rows `y` `[Y]`: `[Y, X]` float32.

    Args:
      affine: see the head of this file.
      border: value beyond the rim. PySOT has 0, SiamMask -1.
    """
    chex.assert_shape(affine, (2, 3))
    chex.assert_rank([mask, x, y], [2, 1, 1])

    def weights(positions, axis):
        """Of each mask pixel along one axis, `[positions, pixels]`; what is missing to 1 is the border's."""
        place = (positions - affine[axis, 2]) / affine[axis, axis]
        pixels = jnp.arange(mask.shape[1 - axis], dtype=jnp.float32)
        return jnp.maximum(1 - jnp.abs(place[:, None] - pixels[None]), 0)

    inner = jnp.matmul(weights(y, 1), mask - border, precision=lax.Precision.HIGHEST)
    return jnp.matmul(inner, weights(x, 0).T, precision=lax.Precision.HIGHEST) + border


def render(mask: Float[Array, "h w"], affine: Float[Array, "2 3"], shape: tuple[int, int],
           border: float | Float[Array, ""] = 0.0) -> Float[Array, "H W"]:
    """The mask pasted into a whole frame: `[H, W]` float32 probabilities, and `border` where it is not.

    Args:
      mask, affine, border: as in `sample`.
      shape: `(H, W)` of the frame, static.
    Source: SiamMask, tools/test.py `siamese_track`; with the float coordinates of OpenCV 5
    (OpenCV 4 rounds them to 1/32 px).
    """
    height, width = shape
    return sample(mask, affine, jnp.arange(width, dtype=jnp.float32), jnp.arange(height, dtype=jnp.float32), border)


def filled_box(box: Float[Array, "4"], size: int) -> tuple[Float[Array, "{size} {size}"], Float[Array, "2 3"]]:
    """A mask `[size, size]` of a whole `xywh` box `[4]`, and its affine `[2, 3]`.

    Pixels of the frame in the box (`x` to `x + w - 1`) get 0.5 or more, and those outside less.
    """
    mask = jnp.pad(jnp.ones((size - 2, size - 2), jnp.float32), 1)
    scale = box[2:] / (size - 2)
    return mask, jnp.concatenate([jnp.diag(scale), (box[:2] - 0.5 - 0.5 * scale)[:, None]], axis=1)


def region(mask: Float[Array, "h w"], affine: Float[Array, "2 3"], extent: Int[Array, "2"],
           threshold: float | Float[Array, ""], border: float | Float[Array, ""] = 0.0, *,
           lattice: int = LATTICE) -> Region:
    """The largest piece of what a mask covers of a frame.

    Args:
      mask: probabilities.
      affine: see the head of this file.
      extent: (height, width) of the frame; nothing beyond it counts.
      threshold: a pixel belongs to the mask above it, 0..1.
      border: as in `sample`, at most `threshold`.
      lattice: samples a side (static); as many as the mask has pixels where that is more.
    Pieces and holes are those of the lattice (`ops.components`).
    """
    side = max(lattice, *mask.shape)
    (x, x_on), (y, y_on) = (_lattice(mask, affine, extent, axis, side) for axis in (0, 1))
    values = sample(mask, affine, x, y, border)
    inside, cells = components.largest_outline((values > threshold) & x_on[None] & y_on[:, None])
    left, in_row = _first_inside(values, inside, x, threshold)
    right, _ = _first_inside(values[:, ::-1], inside[:, ::-1], -x[::-1], threshold)
    top, in_column = _first_inside(values.T, inside.T, y, threshold)
    bottom, _ = _first_inside(values.T[:, ::-1], inside.T[:, ::-1], -y[::-1], threshold)
    row = jnp.argmax(in_row)
    spare = jnp.where(in_row[row], jnp.stack([left[row], y[row]]), 0.0)
    points = jnp.concatenate([jnp.stack([left, y], -1), jnp.stack([-right, y], -1),
                              jnp.stack([x, top], -1), jnp.stack([x, -bottom], -1)])
    known = jnp.concatenate([in_row, in_row, in_column, in_column])
    area = cells * pitch(x) * pitch(y)
    return Region(x, y, inside, jnp.where(known[:, None], points, spare[None]), area)


def pitch(places: Real[Array, " K"]) -> Float[Array, ""]:
    """Mean distance `[]` of the samples `[K]` along a lattice's side, px; they are whole pixels, so each may differ."""
    last = jnp.argmax(places)
    return jnp.maximum((places[last] - places[0]) / jnp.maximum(last, 1), 1.0)


def _lattice(mask: Array, affine: Array, extent: Array, axis: int, lattice: int) -> tuple[Array, Array]:
    """Frame pixels of the samples along an axis, `[lattice]`, and which of them are real."""
    last = extent[1 - axis].astype(jnp.float32) - 1
    first_covered = jnp.floor(affine[axis, 2] - affine[axis, axis])
    last_covered = jnp.ceil(affine[axis, 2] + affine[axis, axis] * mask.shape[1 - axis])
    start, stop = jnp.maximum(first_covered, 0), jnp.minimum(last_covered, last)
    stride = jnp.maximum((stop - start) / (lattice - 1), 1.0)
    place = start + jnp.round(stride * jnp.arange(lattice, dtype=jnp.float32))
    return jnp.minimum(place, jnp.maximum(stop, start)), place <= stop


def _first_inside(values: Array, inside: Array, place: Array, threshold) -> tuple[Array, Array]:
    """Place of each row's first pixel above the threshold, `[rows]`, and whether it has any.

    Between the last sample outside and the first inside the values run straight; the first whole pixel beyond
    the crossing is taken, which is the sample itself where samples are one pixel apart.
    """
    first = jnp.argmax(inside, axis=1)
    before = jnp.maximum(first - 1, 0)
    high, low = (jnp.take_along_axis(values, index[:, None], axis=1)[:, 0] for index in (first, before))
    step = place[first] - place[before]
    crossing = place[first] - step * (high - threshold) / jnp.maximum(high - low, 1e-12)
    found = jnp.where(step > 0, jnp.clip(jnp.floor(crossing) + 1, place[before] + 1, place[first]), place[first])
    return found, jnp.any(inside, axis=1)
