"""The three rectangles that stand for a mask (SiamMask, Wang et al. 2019, section 3.3), from its region.

Corners are `[4, 2]` (x, y), frame pixels with pixel centres at integers, in the order top left, top right, bottom
right, bottom left: of the rectangle when it is turned upright by 45 degrees at most.
"""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp
from jax import lax

from siamjax.ops.masks import Region, pitch
from siamjax.types import Array, Float

ROWS = 128  # of the region that the overlap of a candidate is summed over
ROUNDS = 24
FIRST_STEP, SHRINK = 0.08, 0.7  # of a side, or of a radian times 2; times 0.7 in a round without gain
_SINE = 1e-6  # keeps the edges of an upright rectangle off infinity


def box_corners(box: Float[Array, "*N 4"]) -> Float[Array, "*N 4 2"]:
    """Corners `[..., 4, 2]` of `xywh` boxes `[..., 4]`."""
    low, high = box[..., :2], box[..., :2] + box[..., 2:]
    left, top, right, bottom = low[..., 0], low[..., 1], high[..., 0], high[..., 1]
    return jnp.stack([jnp.stack([left, top], -1), jnp.stack([right, top], -1),
                      jnp.stack([right, bottom], -1), jnp.stack([left, bottom], -1)], axis=-2)


def min_max(region: Region) -> Float[Array, "4 2"]:
    """The upright rectangle round a region, through its outermost pixel centres: `[4, 2]`."""
    low, high = jnp.min(region.points, axis=0), jnp.max(region.points, axis=0)
    return box_corners(jnp.concatenate([low, high - low]))


def min_area(region: Region) -> Float[Array, "4 2"]:
    """The rectangle of least area round a region's pixel centres, at any angle: `[4, 2]`.

    One side of it lies on an edge of the convex hull (Freeman and Shapira 1975). From each row's left end the
    hull's next edge is the leftmost way down to the left end of any row below, and likewise on the right: that
    is every edge of the hull, found by comparing all pairs of rows, and some lines beside. All of them are
    tried, so for masks on the lattice pixel by pixel the result is that of rotating calipers, without their loop;
    for larger ones the hull's edges are those between the sampled rows. Of equal areas the upright one wins, then
    that of the topmost edge.
    """
    chex.assert_shape(region.points, (None, 2))
    origin = region.points[0]  # short coordinates: float32 keeps their differences
    points = region.points - origin[None]
    rows = len(region.y)
    left, right = points[:rows], points[rows:2 * rows]
    slopes = jnp.concatenate([_next_edge(left, 1), _next_edge(right, -1)])
    along = jnp.stack([slopes, jnp.ones_like(slopes)], -1) / jnp.sqrt(1 + slopes**2)[:, None]
    along = jnp.concatenate([jnp.float32([[1, 0]]), along])
    across = jnp.stack([-along[:, 1], along[:, 0]], -1)
    outward = jnp.concatenate([along, across, -along, -across])
    high, low = _support(points, outward).reshape(2, 2, -1).transpose(0, 2, 1) * jnp.float32([1, -1])[:, None, None]
    best = jnp.argmin(jnp.prod(high - low, axis=-1))
    axes, size = jnp.stack([along[best], across[best]]), (high - low)[best]
    centre = (low + high)[best] / 2 @ axes + origin
    # `along` leads down: the side nearer to level comes first, and leads right.
    steep = axes[0, 1] > jnp.abs(axes[0, 0])
    upright = jnp.where(steep, jnp.stack([-axes[1], axes[0]]), jnp.where(axes[0, 0] < 0, -axes, axes))
    return _corners(centre, jnp.where(steep, size[::-1], size), upright)


def best_overlap(region: Region) -> Float[Array, "4 2"]:
    """The rectangle, at any angle, that overlaps a region best (intersection over union): `[4, 2]`.

    The automatic box of VOT2016, called Opt in the SiamMask paper. Overlap is an area, so here each pixel is the
    square round its centre, and the best rectangle of an upright block of pixels is half a pixel larger on every
    side than the other two.

    Three local searches: from the rectangle of least area, the upright one and the one with the region's second
    moments, each grown by half a pixel or shrunk if that is better. In each of `ROUNDS` rounds it is moved,
    stretched and turned in 26 ways; the best is kept, or steps shrink when none is better. They may all end in
    local bests; the result overlaps at least as well as either of the other two rectangles.

    The overlap is summed over `ROWS` rows: the region's share of a row between two ends is read from a running
    sum, so a trial costs four reads a row whatever the mask's size.
    """
    x, y = region.x, region.y
    spacing = jnp.stack([pitch(x), pitch(y)])
    spans, rows, row_height = _running_sums(region, spacing[1])
    total = jnp.sum(region.inside) * spacing[0] * spacing[1]

    def length_left_of(places):
        return spacing[0] * _read(spans, (places - x[0]) / spacing[0] + 0.5)

    def overlap(trial):
        """IoU `[]` of `trial` `[5]`: centre (x, y), width, height, angle."""
        centre, size = trial[:2], jnp.maximum(trial[2:4], 0)
        cosine, sine = jnp.cos(trial[4]), jnp.sin(trial[4])
        cosine = jnp.where(jnp.abs(cosine) < _SINE, _SINE, cosine)
        sine = jnp.where(jnp.abs(sine) < _SINE, _SINE, sine)
        down = rows - centre[1]
        # Two strips between parallel lines: where the row enters and leaves both.
        middle = jnp.stack([-down * sine / cosine, down * cosine / sine])
        half = jnp.abs(jnp.stack([size[0] / cosine, size[1] / sine])) / 2
        begin = centre[0] + jnp.max(middle - half[:, None], axis=0)
        end = centre[0] + jnp.min(middle + half[:, None], axis=0)
        within = length_left_of(jnp.maximum(begin, end)) - length_left_of(begin)
        inter = jnp.sum(within) * row_height
        union = jnp.prod(size) + total - inter
        return jnp.where(union > 0, inter / jnp.where(union > 0, union, 1), 0.0)

    overlaps = jnp.vectorize(overlap, signature="(n)->()")

    def search(start):
        grown = start.at[2:4].add(jnp.where(total > 0, spacing, 0))
        sizes = jnp.stack([start, *(grown.at[2:4].multiply(share) for share in (1.0, 0.9, 0.8))])
        scores = overlaps(sizes)
        first = jnp.argmax(scores)

        def improve(_, carry):
            best, score, step = carry
            trials = best[None] + step * _moves(best)
            scores = overlaps(trials)
            top = jnp.argmax(scores)
            gain = scores[top] > score
            return (jnp.where(gain, trials[top], best), jnp.maximum(scores[top], score),
                    jnp.where(gain, step, step * SHRINK))

        return lax.fori_loop(0, ROUNDS, improve, (sizes[first], scores[first], jnp.float32(FIRST_STEP)))[:2]

    starts = jnp.stack([_trial(min_area(region)), _trial(min_max(region)), _moments(region)])
    ends, scores = jax.vmap(search)(starts)
    best = ends[jnp.argmax(scores)]
    return _corners(best[:2], best[2:4], _axes(best[4]))


def _next_edge(ends: Array, side: int) -> Array:
    """Slopes dx / dy `[K]` of the hull's edge down from each row's end `[K, 2]`; 0 where there is no row below."""
    dx, dy = (ends[None, :, i] - ends[:, None, i] for i in (0, 1))
    slope = jnp.where(dy > 0, side * dx / jnp.where(dy > 0, dy, 1), jnp.inf)
    least = jnp.min(slope, axis=1)
    return side * jnp.where(jnp.isfinite(least), least, 0.0)


def _support(points: Array, directions: Array) -> Array:
    """How far points `[P, 2]` reach in unit directions `[D, 2]`: `[D]`."""
    # One maximum, and no product of the two matrices: all of it is then one fused loop, without [P, D] in memory.
    place = points[:, 0, None] * directions[None, :, 0] + points[:, 1, None] * directions[None, :, 1]
    return jnp.max(place, axis=0)


def _axes(angle: Array) -> Array:
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    return jnp.stack([jnp.stack([cosine, sine]), jnp.stack([-sine, cosine])])


def _corners(centre: Array, size: Array, axes: Array) -> Array:
    """Corners `[4, 2]` of the rectangle of `size` `[2]` along `axes` `[2, 2]` (unit rows)."""
    half = jnp.float32([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (size / 2)[None]
    return half @ axes + centre[None]


def _trial(corners: Array) -> Array:
    """Centre, width, height and angle `[5]` of a rectangle."""
    top, side = corners[1] - corners[0], corners[3] - corners[0]
    angle = jnp.where(jnp.any(top != 0), jnp.arctan2(top[1], top[0]), jnp.arctan2(-side[0], side[1]))
    size = jnp.sqrt(jnp.stack([jnp.sum(top**2), jnp.sum(side**2)]))
    return jnp.concatenate([jnp.mean(corners, axis=0), size, angle[None]])


def _moments(region: Region) -> Array:
    """The rectangle `[5]` whose centre and second moments are the region's."""
    share = region.inside / jnp.maximum(jnp.sum(region.inside), 1)
    of_columns, of_rows = jnp.sum(share, axis=0), jnp.sum(share, axis=1)
    centre = jnp.stack([of_columns @ region.x, of_rows @ region.y])
    dx, dy = region.x - centre[0], region.y - centre[1]
    xx, yy, xy = of_columns @ dx**2, of_rows @ dy**2, dy @ share @ dx
    angle = jnp.arctan2(2 * xy, xx - yy) / 2
    mean, spread = (xx + yy) / 2, jnp.sqrt((xx - yy)**2 / 4 + xy**2)
    size = jnp.sqrt(12 * jnp.maximum(jnp.stack([mean + spread, mean - spread]), 0))
    return jnp.concatenate([centre, size, angle[None]])


def _moves(trial: Array) -> Array:
    """Directions `[26, 5]` of a search step, in units of the rectangle's sides and of half a radian."""
    along, across = _axes(trial[4]) * trial[2:4, None]
    width, height = (jnp.zeros(5).at[i].set(trial[i]) for i in (2, 3))
    turn = jnp.zeros(5).at[4].set(0.5)
    shift_x, shift_y = (jnp.concatenate([axis, jnp.zeros(3)]) for axis in (along, across))
    edges = [shift / 2 + side for shift, side in ((shift_x, width), (-shift_x, width),
                                                      (shift_y, height), (-shift_y, height))]
    moves = [shift_x, shift_y, width, height, width + height, width - height, turn, *edges,
             turn + shift_x / 2, turn - shift_x / 2]
    stacked = jnp.stack(moves)
    return jnp.concatenate([stacked, -stacked])


def _running_sums(region: Region, spacing: Array) -> tuple[Array, Array, Array]:
    """Samples of the region left of each column, on `ROWS` rows spread over it.

    A region of few rows has several in each of its own, so that a rectangle's upper and lower edges count exactly
    enough.
    Returns:
      `[R, K + 1]` counts, the rows' places `[R]`, and their distance `[]`, px.
    """
    occupied = jnp.any(region.inside, axis=1)
    first, beyond = jnp.argmax(occupied), len(occupied) - jnp.argmax(occupied[::-1])
    step = jnp.where(occupied[first], (beyond - first) / ROWS, 0)
    row = first - 0.5 + (jnp.arange(ROWS) + 0.5) * step
    nearest = jnp.clip(jnp.round(row).astype(jnp.int32), 0, len(occupied) - 1)
    running = jnp.cumsum(region.inside[nearest].astype(jnp.float32), axis=1)
    return jnp.pad(running, ((0, 0), (1, 0))), region.y[nearest] + (row - nearest) * spacing, step * spacing


def _read(running: Array, columns: Array) -> Array:
    """Running sums `[R, K]` at a column `[R]` of each row, linearly between whole columns."""
    index = jnp.clip(columns, 0, running.shape[1] - 1)
    below = jnp.floor(index).astype(jnp.int32)
    above = jnp.minimum(below + 1, running.shape[1] - 1)
    low, high = (jnp.take_along_axis(running, at[:, None], axis=1)[:, 0] for at in (below, above))
    return low + (high - low) * (index - below)
