"""Masks in the frame: pasting back as OpenCV does, regions against the whole frame's pixels."""

from __future__ import annotations

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from scipy import ndimage

from siamjax.ops import masks

render = jax.jit(masks.render, static_argnames="shape")
region = jax.jit(masks.region, static_argnames="lattice")
SIDE, THRESHOLD = 31, 0.4
FRAME = np.int32([90, 120])


def affine_of(scale: float, x: float, y: float) -> jnp.ndarray:
    return jnp.float32([[scale, 0, x], [0, scale, y]])


def blob(seed: int, side: int = SIDE) -> np.ndarray:
    """Smooth random probabilities, some of them touching the rim."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), side / 10)
    return (1 / (1 + np.exp(-3 * noise / noise.std()))).astype(np.float32)


def outline_area(inside: np.ndarray) -> float:
    """Area of the polygon through the outermost pixel centres of a filled piece (Pick's rule, pixel by pixel)."""
    corners = ndimage.convolve(np.pad(inside, 1).astype(int), np.ones((2, 2), int))
    return float((corners == 4).sum() + 0.5 * (corners == 3).sum())


def filled_pieces(binary: np.ndarray) -> list[np.ndarray]:
    pieces, count = ndimage.label(binary, np.ones((3, 3)))
    return [ndimage.binary_fill_holes(pieces == i + 1) for i in range(count)]


@pytest.mark.parametrize("case", range(16))
def test_pasting_back_is_opencvs(golden, case):
    g = golden("resample")
    mask, pad = g[f"paste/{g[f'paste/{case}/mask']}"], float(g[f"paste/{case}/pad"])
    pasted = np.asarray(render(mask, np.float32(g[f"paste/{case}/matrix"]), (270, 360), pad))
    np.testing.assert_allclose(pasted[::3, ::3], g[f"paste/{case}/out_sub3"], atol=1e-4)
    assert (pasted > 0.3).sum() == g[f"paste/{case}/area_gt_0.3"]
    np.testing.assert_allclose(pasted.sum(dtype=np.float64), g[f"paste/{case}/sum"], rtol=1e-6, atol=0.01)


def test_a_mask_beyond_the_frame_leaves_the_border():
    pasted = render(np.ones((5, 5), np.float32), affine_of(2.0, 500.0, 10.0), (30, 40), -1.0)
    np.testing.assert_array_equal(pasted, np.full((30, 40), -1, np.float32))
    empty = region(np.ones((5, 5), np.float32), affine_of(2.0, 500.0, 10.0), np.int32([30, 40]), 0.5)
    assert empty.area == 0
    assert not empty.inside.any()
    np.testing.assert_array_equal(empty.points, np.zeros_like(empty.points))


@settings(max_examples=10)
@given(st.integers(0, 10_000), st.floats(0.3, 3.5), st.floats(-60, 100), st.floats(-60, 70),
       st.sampled_from([0.0, -1.0]))
def test_a_region_is_the_largest_piece_of_the_frames_own_pixels(seed, scale, x, y, border):
    affine = affine_of(scale, x, y)
    whole = np.asarray(render(blob(seed), affine, tuple(FRAME.tolist()), border)) > THRESHOLD
    ours = region(blob(seed), affine, FRAME, THRESHOLD, border, lattice=128)
    pieces = filled_pieces(whole)
    most = max(map(outline_area, pieces), default=0.0)
    assert ours.area == most
    piece = np.zeros_like(whole)
    rows, columns = np.nonzero(ours.inside)
    piece[np.int32(ours.y)[rows], np.int32(ours.x)[columns]] = True
    assert not pieces or any((piece == part).all() for part in pieces if outline_area(part) == most)
    for axis in (0, 1) if pieces else ():
        ends = np.flatnonzero(piece.any(axis=axis))
        assert (ours.points[:, axis].min(), ours.points[:, axis].max()) == (ends[0], ends[-1])


def test_pieces_beyond_the_frame_do_not_count():
    mask = np.zeros((SIDE, SIDE), np.float32)
    mask[5:25, 2:14] = 1.0  # larger, and left of the frame
    mask[10:20, 18:24] = 1.0
    ours = region(mask, affine_of(2.0, -36.0, 4.0), FRAME, 0.5)
    np.testing.assert_array_equal(ours.points.min(0), [0, 24])
    np.testing.assert_array_equal(ours.points.max(0), [10, 42])
    assert ours.area == 10 * 18


def test_a_hole_is_filled_and_other_pieces_are_left_out():
    mask = np.zeros((SIDE, SIDE), np.float32)
    mask[5:16, 5:16] = 1.0
    mask[9:12, 9:12] = 0.0
    mask[20:26, 20:26] = 1.0
    ours = region(mask, affine_of(1.0, 10.0, 20.0), FRAME, 0.5)
    assert ours.area == 100
    np.testing.assert_array_equal(ours.points.min(0), [15, 25])
    np.testing.assert_array_equal(ours.points.max(0), [25, 35])


@pytest.mark.parametrize(("mask", "area"), [(np.zeros((5, 5)), 0), (np.eye(5)[2:3].T @ np.eye(5)[2:3], 0),
                                            (np.ones((5, 5)), 16), (np.pad(np.ones((3, 3)), 1), 4)],
                         ids=["empty", "one pixel", "full", "3 x 3"])
def test_few_pixels_have_the_area_between_their_centres(mask, area):
    ours = region(np.float32(mask), affine_of(1.0, 7.0, 9.0), FRAME, 0.5)
    assert ours.area == area
    assert np.isfinite(ours.points).all()


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 6))])
def test_masks_larger_than_the_lattice_lose_less_than_a_pixel(seed):
    affine, frame = affine_of(9.3, 55.3, -20.7), np.int32([400, 500])
    exact = region(blob(seed), affine, frame, THRESHOLD, lattice=512)
    coarse = region(blob(seed), affine, frame, THRESHOLD, lattice=64)  # every fifth pixel, and half a mask pixel
    np.testing.assert_allclose(coarse.area, exact.area, rtol=0.08)  # so large a mask is never too small
    np.testing.assert_allclose(coarse.points.min(0), exact.points.min(0), atol=2)
    np.testing.assert_allclose(coarse.points.max(0), exact.points.max(0), atol=2)


def test_the_region_maps_over_masks():
    stack = np.stack([blob(seed) for seed in range(3)])
    affines = jnp.stack([affine_of(1.0 + i, 5.0 * i, 3.0) for i in range(3)])
    together = jax.jit(jax.vmap(lambda m, a: masks.region(m, a, FRAME, THRESHOLD)))(stack, affines)
    for i in range(3):
        alone = region(stack[i], affines[i], FRAME, THRESHOLD)
        np.testing.assert_array_equal(together.inside[i], alone.inside)
        np.testing.assert_allclose(together.points[i], alone.points, atol=1e-4)
