"""Connected pieces against SciPy's labelling, on blobs, noise and mazes."""

from __future__ import annotations

import hypothesis.extra.numpy as hnp
import jax
import numpy as np
import pytest
from hypothesis import given
from scipy import ndimage

from siamjax.ops import components

label_all = jax.jit(components.label)
largest_outline = jax.jit(components.largest_outline)
largest_outlines = jax.jit(jax.vmap(components.largest_outline))
EIGHT = np.ones((3, 3))


def label(image):
    return label_all(image[None])[0]


def snake(side: int) -> np.ndarray:
    """One piece, one pixel wide, that fills the image row by row."""
    image = np.zeros((side, side), bool)
    image[::2] = True
    image[1::4, -1] = image[3::4, 0] = True
    return image


def same_parts(names: np.ndarray, reference: np.ndarray) -> bool:
    """Whether two labellings part the pixels alike."""
    return len(set(zip(names.tolist(), reference.tolist()))) == len(set(names)) == len(set(reference))


@given(hnp.arrays(bool, (9, 11)))
def test_pieces_and_gaps_are_those_of_scipy(image):
    names = np.asarray(label(image))
    padded = np.pad(image, 1)
    assert ((names > 0) == padded).all()
    pieces, _ = ndimage.label(padded, EIGHT)
    gaps, _ = ndimage.label(~padded)  # 4-connected
    assert same_parts(names[padded], pieces[padded])
    assert same_parts(names[~padded], gaps[~padded])


@pytest.mark.parametrize("image", [snake(63), np.random.default_rng(0).random((63, 63)) > 0.45,
                                   np.kron(np.random.default_rng(1).random((9, 9)) > 0.5, np.ones((7, 7), bool))],
                         ids=["snake", "noise", "blocks"])
def test_long_ways_round_are_followed_to_their_end(image):
    pieces, count = ndimage.label(image, EIGHT)
    names = np.asarray(label(image))[1:-1, 1:-1]
    assert len(np.unique(names[image])) == count
    assert same_parts(names[image], pieces[image])


def outline_area(piece: np.ndarray) -> float:
    """Area of the polygon through the outermost pixel centres of a filled piece, cell by cell."""
    corners = ndimage.convolve(np.pad(piece, 1).astype(int), np.ones((2, 2), int))
    return float((corners == 4).sum() + 0.5 * (corners == 3).sum())


@given(hnp.arrays(bool, (9, 11)))
def test_the_largest_outline_wins_with_its_holes_filled(image):
    ours, area = largest_outline(image)
    pieces, count = ndimage.label(image, EIGHT)
    filled = [ndimage.binary_fill_holes(pieces == i + 1) for i in range(count)]
    if not count:
        assert area == 0
        assert not np.asarray(ours).any()
        return
    most = max(map(outline_area, filled))
    assert area == most
    assert any((ours == part).all() for part in filled if outline_area(part) == most)


def test_a_ring_counts_as_the_disk_it_surrounds_and_takes_what_lies_in_it():
    y, x = np.mgrid[:40, :60]
    ring = np.abs(np.hypot(y - 18, x - 18) - 14) < 1.5
    solid = (np.abs(y - 20) < 12) & (np.abs(x - 47) < 8)
    inner = np.hypot(y - 18, x - 18) < 4
    assert ring.sum() < solid.sum()
    ours, area = largest_outline(ring | solid | inner)
    np.testing.assert_array_equal(ours, np.hypot(y - 18, x - 18) < 15.5)
    np.testing.assert_allclose(area, np.pi * 15.1**2, rtol=0.03)


def test_a_line_is_a_piece_without_area():
    image = np.zeros((9, 9), bool)
    image[4, 2:7] = True
    ours, area = largest_outline(image)
    np.testing.assert_array_equal(ours, image)
    assert area == 0


@given(hnp.arrays(bool, (3, 7, 8)))
def test_images_together_are_as_each_alone(images):
    together, areas = largest_outlines(images)
    for image, ours, area in zip(images, together, areas):
        alone, its_area = largest_outline(image)
        np.testing.assert_array_equal(ours, alone)
        assert area == its_area
