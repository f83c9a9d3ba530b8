"""Square crops around a target: windows, padding and resampling of the references.

A crop is a window of whole pixels resized to `m` x `m`: a square one round the context of a target, or one of the
target's own aspect, which is squeezed. Both are gathers of four taps a pixel, so nothing depends on the frame's size
but the gather's source, and the window's sides may be traced: one compile serves all sizes.
The arithmetic of `context_side` uses plain operators only, so that data workers share it with numpy.
"""

from __future__ import annotations

from typing import Literal

import chex
import jax.numpy as jnp
from jax import lax

from siamjax.types import Array, Bool, Float, Frame, Int

Resampling = Literal["float", "reference"]
Rule = Literal["siamfc", "pysot", "siammask"]
MAX_SIDE = 2**20  # larger windows would overflow the integer coordinates of their taps


def context_side(width, height, context: float = 0.5):
    """Side, in pixels, of the exemplar square `s_z` round a `width` x `height` target."""
    margin = context * (width + height)
    return ((width + margin) * (height + margin)) ** 0.5


def mean_colour(frame: Frame) -> Float[Array, "3"]:
    """Mean colour `[3]` float32 of a frame's true extent, 0..255: what fills a window's outside."""
    height, width = frame.pixels.shape[:2]
    inside = inside_extent(jnp.arange(height)[:, None], jnp.arange(width)[None], frame.extent)
    pixels = jnp.where(inside[..., None], frame.pixels, jnp.uint8(0))
    rows = jnp.sum(pixels, axis=1, dtype=jnp.uint32)  # exact
    # uint32 holds the sum of 16.8 million pixels; above that rows are added in float32 (relative 1e-6).
    total = jnp.sum(rows, axis=0, dtype=jnp.uint32 if height * width < 2**24 else jnp.float32)
    return total.astype(jnp.float32) / jnp.prod(frame.extent).astype(jnp.float32)


def inside_extent(y: Int[Array, "#*P"], x: Int[Array, "#*P"], extent: Int[Array, "2"]) -> Bool[Array, "..."]:
    """Whether integer positions lie within the true `(height, width)` of a frame."""
    return (y >= 0) & (y < extent[0]) & (x >= 0) & (x < extent[1])


def window(centre: Float[Array, "2"], side: Float[Array, ""], rule: Rule) -> tuple[Int[Array, "2"], Int[Array, ""]]:
    """The whole-pixel window of a crop.

    Args:
      centre: (x, y) of the target, frame pixels.
      side: wished side, frame pixels; rounded half to even (Python's `round`), 1 to `MAX_SIDE`.
      rule: `siamfc` and `siammask` round the corner half to even, `pysot` half up; siamfc's lies up to a pixel
        further right and down.
    Returns:
      `origin` `[2]` int32 (x, y) of the first pixel, and `n` `[]` int32, the side.
    """
    n = jnp.clip(jnp.round(side), 1, MAX_SIDE)
    if rule == "siamfc":
        origin = jnp.round(centre - (n - 1) / 2)
    elif rule == "siammask":
        origin = jnp.round(centre - (n + 1) / 2)
    else:
        origin = jnp.floor(centre - (n + 1) / 2 + 0.5)
    return origin.astype(jnp.int32), n.astype(jnp.int32)


def box_window(box: Float[Array, "4"], margin: float, *, whole: bool) -> tuple[Int[Array, "2"], Int[Array, "2"]]:
    """The whole-pixel window of a box with a margin, with the aspect of the box.

    Args:
      box: `xywh`, frame pixels.
      margin: of the box's width on its left and on its right, and of its height above and below.
      whole: coordinates are cut off towards zero, as FEAR does with its boxes of whole pixels; else rounded.
    Returns:
      `origin` `[2]` int32 (x, y) of the first pixel, and `sides` `[2]` int32 (width, height), 1 to `MAX_SIDE`.
    Source: FEAR (Borsuk et al. 2022); FEARTracker, utils.py `extend_bbox`.
    """
    settle = jnp.trunc if whole else jnp.round
    origin, sides = box[:2] - margin * box[2:], (1 + 2 * margin) * box[2:]
    return settle(origin).astype(jnp.int32), jnp.clip(settle(sides), 1, MAX_SIDE).astype(jnp.int32)


def border_colour(mean: Float[Array, "3"], rule: Rule) -> Float[Array, "3"]:
    """The whole-number colour `[3]` that fills the outside, of a mean: rounded (siamfc) or cut off (the others)."""
    return jnp.round(mean) if rule == "siamfc" else jnp.floor(mean)


def crop(frame: Frame, centre: Float[Array, "2"], side: Float[Array, ""], size: int, border: Float[Array, "3"], *,
         rule: Rule = "siamfc", resampling: Resampling = "float") -> Float[Array, "{size} {size} 3"]:
    """Cuts the square window round `centre` and resizes it.

    Args:
      frame: the whole frame; pixels beyond its extent count as outside.
      centre: (x, y), frame pixels.
      side: side of the window, frame pixels; the window has `round(side)` whole pixels.
      size: side of the crop, pixels (static).
      border: mean colour that fills the outside, 0..255.
      rule: rounding of corners and of the border's colour, see `window`.
      resampling: `reference` gives OpenCV's 8-bit fixed-point bilinear to the bit, `float` the
        bilinear value rounded to a whole level, within 1 of it and equal to it in 6 pixels of 7.
    Returns:
      `[size, size, 3]` float32, 0..255.
    Source: siamfc-pytorch siamfc/ops.py `crop_and_resize`; PySOT `get_subwindow`.
    """
    chex.assert_shape([centre, border], [(2,), (3,)])
    origin, n = window(centre, side, rule)
    return resized(frame, origin, jnp.stack([n, n]), size, border_colour(border, rule), resampling=resampling)


def resized(frame: Frame, origin: Int[Array, "2"], sides: Int[Array, "2"], size: int, colour: Float[Array, "3"], *,
            resampling: Resampling = "float") -> Float[Array, "{size} {size} 3"]:
    """The window of whole pixels at `origin`, resized to a square; see `crop`.

    Args:
      frame: the whole frame; pixels beyond its extent count as outside.
      origin, sides: (x, y) of the first pixel, and (width, height).
      size: side of the crop, pixels (static).
      colour: that fills the outside, 0..255, whole levels.
      resampling: as in `crop`.
    Returns:
      `[size, size, 3]` float32, 0..255.
    """
    chex.assert_shape(frame.pixels, (None, None, 3))
    chex.assert_shape([origin, sides, colour], [(2,), (2,), (3,)])
    columns, rows = (_taps(sides[axis], size) for axis in (0, 1))
    (left, right), (low, high) = (tuple(origin[axis] + jnp.clip(floor + i, 0, sides[axis] - 1) for i in (0, 1))
                                  for axis, (floor, _) in enumerate((columns, rows)))
    if resampling == "float":
        fx, fy = (remainder.astype(jnp.float32) / (2 * size) for _, remainder in (columns, rows))
        return _blended(frame, (left, right), (low, high), fx, fy, colour)

    def pair(row):
        """`[size, size, 3]` pairs of columns of frame rows, `colour` where outside."""
        return tuple(_gather(frame, row, column, colour) for column in (left, right))

    # Horizontally OpenCV zeroes the fraction beyond the window's rim, vertically it only clamps the rows:
    # the same result, since both rows are then the same one.
    return _fixed_point(pair(low), pair(high), _opencv_weights(*columns, size), _opencv_weights(*rows, size))


def _blended(frame: Frame, columns: tuple[Array, Array], rows: tuple[Array, Array], fx: Array, fy: Array,
             colour: Array) -> Array:
    """Bilinear crop `[Y, X, 3]` of two columns `[X]` and two rows `[Y]` a pixel, rounded to whole grey levels.

    The second ones weigh `fx` `[X]` and `fy` `[Y]`. Levels are counted from `colour`, so that outside is 0.
    """
    def taps(places, axis):
        inside = (places >= 0) & (places < frame.extent[axis])
        return jnp.clip(places, 0, frame.pixels.shape[axis] - 1), inside.astype(jnp.float32)

    columns_at, columns_inside = taps(jnp.stack(columns), 1)

    def across(row):
        y, y_inside = row

        def column(x, x_inside):
            pixels = frame.pixels.at[y[:, None], x[None]].get(mode="promise_in_bounds").astype(jnp.float32)
            return (pixels - colour[None, None]) * (y_inside[:, None] * x_inside[None])[..., None]

        left, right = map(column, columns_at, columns_inside)
        return left + (right - left) * fx[None, :, None]

    # A loop, because XLA would otherwise work out where the taps lie anew for each pixel, in one loop with all that a
    # net does next: on a CPU that takes twice as long.
    top, bottom = lax.map(across, taps(jnp.stack(rows), 0))
    # Whole grey levels, as the published nets were trained on and tracked with.
    return jnp.round(colour[None, None] + top + (bottom - top) * fy[:, None, None])


def _taps(n: Array, size: int) -> tuple[Array, Array]:
    """First tap of each output pixel, and the second one's weight as an exact fraction.

    Returns `floor`, `remainder` int32 `[size]` with `(i + .5) * n / size - .5 = floor + remainder / (2 size)`:
    integers, so that no rounding of ours moves a tap.
    """
    numerator = (2 * jnp.arange(size, dtype=jnp.int32) + 1) * n - size
    floor = jnp.floor_divide(numerator, 2 * size)
    return floor, numerator - floor * (2 * size)


def _opencv_weights(floor: Array, remainder: Array, size: int) -> tuple[Array, Array]:
    """The two taps' weights in 1/2048 as OpenCV rounds them, `[size]` int32 each.

    OpenCV keeps the coordinate `x` as float32 and takes the fraction of that: near 2**e it has `23 - e` bits,
    and their rounding decides ties of the weights. All of it is done in integers, by long division, because
    XLA's float division on the CPU may be off by one unit in the last place.
    """
    exponent = 31 - lax.clz(jnp.maximum(floor, 1))  # bits finer than 2**-23 (x < 1) decide no tie
    bits = jnp.maximum(11 - exponent, 0)
    high, rest = jnp.divmod(remainder << 12, 2 * size)
    low, rest = jnp.divmod(rest << bits, 2 * size)
    up = (rest > size) | ((rest == size) & (low % 2 == 1))
    fraction = (high << bits) + low + up  # in units of 2**-(12 + bits)

    def in_2048ths(units):
        half = 1 << bits
        weight, rest = units >> (bits + 1), units & (2 * half - 1)
        return weight + ((rest > half) | ((rest == half) & (weight % 2 == 1)))  # half to even

    return in_2048ths((4096 << bits) - fraction), in_2048ths(fraction)


def _gather(frame: Frame, y: Array, x: Array, colour: Array) -> Array:
    """Pixels `[Y, X, 3]` float32 at rows `y` `[Y]` and columns `x` `[X]`, `colour` outside the frame."""
    pixels = frame.pixels.at[y[:, None], x[None]].get(mode="clip").astype(jnp.float32)
    return jnp.where(inside_extent(y[:, None], x[None], frame.extent)[..., None], pixels, colour[None, None])


def _fixed_point(top, bottom, columns: tuple[Array, Array], rows: tuple[Array, Array]) -> Array:
    """OpenCV's bilinear in 11-bit fixed point, with the weights of either tap."""

    def across(pair):
        left, right = (side.astype(jnp.int32) for side in pair)
        return left * columns[0][None, :, None] + right * columns[1][None, :, None]

    upper = (rows[0][:, None, None] * (across(top) >> 4)) >> 16
    lower = (rows[1][:, None, None] * (across(bottom) >> 4)) >> 16
    return ((upper + lower + 2) >> 2).astype(jnp.float32)
