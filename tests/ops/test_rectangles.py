"""Rectangles of masks against rotating calipers in float64, OpenCV's, and a search that does not hurry."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from siamjax.ops import masks, rectangles

UNIT = np.float32([[1, 0, 0], [0, 1, 0]])
BATCH = 20  # masks a program


@functools.cache
def compiled(shape: tuple[int, int], lattice: int):
    def one(mask):
        found = masks.region(mask, jnp.asarray(UNIT), jnp.array(shape), 0.5, lattice=lattice)
        return (found, rectangles.min_max(found), rectangles.min_area(found), rectangles.best_overlap(found))

    return jax.jit(jax.vmap(one))


def rectangles_of(binary: np.ndarray):
    """Of masks `[N, h, w]`: filled largest pieces `[N, h, w]`, outline areas `[N]`, and the three rectangles each."""
    shape = binary.shape[1:]
    lattice = 64 if max(shape) <= 64 else 128
    spare = -len(binary) % BATCH
    padded = np.concatenate([binary, np.zeros((spare, *shape))]).astype(np.float32)
    batches = [compiled(shape, lattice)(batch) for batch in np.split(padded, len(padded) // BATCH)]
    found, *three = jax.tree.map(lambda *leaves: np.concatenate(leaves)[:len(binary)], *batches)
    return (found.inside[:, :shape[0], :shape[1]], found.area, *three)


def random_masks(count: int, side: int) -> np.ndarray:
    """Blobs of all sizes, with holes, crumbs and straight edges."""
    rng = np.random.default_rng(5)
    smooth = rng.choice([1.5, 2.5, 5.0], count)
    noise = np.stack([ndimage.gaussian_filter(rng.normal(size=(side, side)), sigma) for sigma in smooth])
    noise /= noise.std(axis=(1, 2), keepdims=True)
    y, x = np.mgrid[:side, :side] - side / 2
    angle = rng.uniform(0, np.pi, (count, 1, 1))
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    extents = rng.uniform(4, side / 2, (2, count, 1, 1))
    bars = (np.abs(u) < extents[0]) & (np.abs(v) < extents[1])
    return ((noise > rng.uniform(-0.5, 1, (count, 1, 1))) & bars).astype(np.float32)


def calipers(points: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """(area, corners) of the least rectangle on each edge of the convex hull, float64."""
    points = np.unique(np.float64(points), axis=0)

    def chain(points):
        hull: list = []
        for p in points:
            while len(hull) > 1 and cross(hull[-1] - hull[-2], p - hull[-1]) <= 0:
                hull.pop()
            hull.append(p)
        return hull[:-1]

    def cross(a, b):
        return a[0] * b[1] - a[1] * b[0]

    hull = np.array(chain(points) + chain(points[::-1])) if len(points) > 1 else points
    found = []
    for edge in np.roll(hull, -1, 0) - hull if len(hull) > 1 else [np.array([1.0, 0.0])]:
        along = edge / np.linalg.norm(edge)
        axes = np.stack([along, [-along[1], along[0]]])
        place = hull @ axes.T
        low, high = place.min(0), place.max(0)
        square = np.array([low, [high[0], low[1]], high, [low[0], high[1]]])
        found.append((float(np.prod(high - low)), square @ axes))
    return found


def area(corners) -> float:
    x, y = np.float64(corners).T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def overlap(corners, mask) -> float:
    """IoU of a rectangle and a mask whose pixels are squares."""
    fine = np.kron(mask > 0, np.ones((4, 4), bool))
    y, x = (np.mgrid[:fine.shape[0], :fine.shape[1]] + 0.5) / 4 - 0.5
    corners = np.float64(corners)
    within = np.ones(fine.shape, bool)
    for p, q in zip(corners, np.roll(corners, -1, 0)):
        within &= (q - p)[0] * (y - p[1]) - (q - p)[1] * (x - p[0]) >= 0
    return (within & fine).sum() / max((within | fine).sum(), 1)


def agrees(ours, region_points, iou) -> bool:
    """The least area within 1 %, and the place of one of the rectangles that come within 0.1 % of it."""
    candidates = calipers(region_points)
    least = min(size for size, _ in candidates)
    near = [corners for size, corners in candidates if size <= 1.001 * least]
    return area(ours) <= 1.01 * least and max(iou(ours, corners) for corners in near) >= 0.97


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_random_masks_have_the_rectangles_of_rotating_calipers(polygon_iou, count):
    solid, sizes, _, turned, _ = rectangles_of(random_masks(count, 48))
    for corners, piece, size in zip(turned, solid, sizes):
        assert size == 0 or agrees(corners, np.argwhere(piece)[:, ::-1], polygon_iou)
        (right, _), (_, down) = corners[1] - corners[0], corners[3] - corners[0]
        assert right >= 0
        assert down >= 0
    assert (sizes > 0).sum() > 0.95 * count


def test_the_reference_masks_have_opencvs_rectangles(golden, polygon_iou):
    g = golden("resample")
    shape = tuple(g["contour/shape_hw"].tolist())
    binary = np.unpackbits(g["contour/mask_bits"], axis=1)[:, :np.prod(shape)].reshape(-1, *shape)
    solid, sizes, upright, turned, _ = rectangles_of(binary)
    for i, (_, _, outline, _) in enumerate(g["contour/ncontours_npoints_area_pixels"]):
        assert sizes[i] == outline  # OpenCV's contourArea
        if outline == 0:
            continue
        x, y, w, h = g["contour/bounding_rect_of_largest_xywh"][i]
        np.testing.assert_array_equal(upright[i], rectangles.box_corners(jnp.float32([x, y, w - 1, h - 1])))
        wanted = g["contour/box_points_xy"][i]
        np.testing.assert_allclose(area(turned[i]), area(wanted), rtol=1e-4)
        assert agrees(turned[i], np.argwhere(solid[i])[:, ::-1], polygon_iou)
        assert polygon_iou(turned[i], wanted) > 0.999 or i == 30  # whose mask has two rectangles of one area


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 3), (40, 1), (1, 40), (48, 48)])
def test_few_pixels_and_full_masks_have_rectangles_through_their_centres(width, height):
    binary = np.zeros((1, 48, 48))
    binary[0, :height, :width] = 1
    _, _, upright, turned, best = rectangles_of(binary)
    exact = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]])
    for corners in (upright[0], turned[0]):
        np.testing.assert_allclose(np.sort(corners, axis=0), np.sort(exact, axis=0), atol=1e-4)
    np.testing.assert_allclose(area(best[0]), width * height, rtol=0.05)  # of squares round the centres


def test_an_empty_mask_has_finite_rectangles_without_area():
    for corners in rectangles_of(np.zeros((1, 48, 48)))[2:]:
        np.testing.assert_array_equal(corners, np.zeros((1, 4, 2)))


def test_the_best_overlap_is_the_best_of_the_three_on_every_mask():
    solid, sizes, *three = rectangles_of(random_masks(40, 48))
    scores = np.array([[overlap(corners, piece) for corners, piece, size in zip(kind, solid, sizes) if size > 100]
                       for kind in three])
    upright, turned, best = scores.mean(axis=1)
    assert upright < turned < best - 0.05
    assert (scores[2] > scores[:2].max(axis=0) - 0.005).all()


def test_no_rectangle_near_the_best_overlap_is_much_better():
    rng = np.random.default_rng(0)
    solid, sizes, *_, best = rectangles_of(random_masks(20, 48))
    for piece, size, corners in zip(solid, sizes, np.float64(best)):
        if size < 100:
            continue
        centre, sides = corners.mean(0), corners - corners.mean(0)
        others = []
        for _ in range(100):
            angle, stretch = rng.normal(0, 0.2), np.exp(rng.normal(0, 0.1, 2))
            turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
            others.append(overlap(sides @ turn * stretch + centre + rng.normal(0, 1.5, 2), piece))
        assert max(others) < overlap(corners, piece) + 0.01


@pytest.mark.parametrize("degrees", [0, 17, 45, 80])
def test_of_a_turned_rectangle_both_that_turn_find_the_angle_and_the_sides(degrees, polygon_iou):
    y, x = np.mgrid[:48, :48] - 23.5
    angle = np.deg2rad(degrees)
    axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    u, v = (axis[0] * x + axis[1] * y for axis in axes)
    half = np.array([[-18, -9], [18, -9], [18, 9], [-18, 9]])
    _, _, _, turned, best = rectangles_of(((np.abs(u) < 18) & (np.abs(v) < 9))[None])
    assert polygon_iou(turned[0], half @ axes + 23.5) > 0.9  # half a pixel inside of the outline
    assert polygon_iou(best[0], half @ axes + 23.5) > 0.96


def test_a_box_has_its_corners_in_reading_order():
    np.testing.assert_array_equal(rectangles.box_corners(jnp.float32([3, 4, 10, 20])),
                                  [[3, 4], [13, 4], [13, 24], [3, 24]])


def test_rectangles_move_with_the_mask():
    binary = np.pad(random_masks(40, 44), ((0, 0), (0, 4), (0, 4)))
    here, there = (rectangles_of(np.roll(binary, shift, (1, 2))) for shift in ((0, 0), (3, 4)))
    for before, after in zip(here[2:4], there[2:4]):
        moved = np.broadcast_to([4, 3], before.shape) * (here[1] > 0)[:, None, None]
        np.testing.assert_allclose(after - before, moved, atol=1e-3)
