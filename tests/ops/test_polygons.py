"""Overlaps of convex polygons: the exact ones of the golden pairs, and what must hold for any."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from siamjax.ops import polygons

SQUARE = np.array([[0.0, 0], [10, 0], [10, 10], [0, 10]])


def rotated(x, y, width, height, angle):
    half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * np.array([width, height]) / 2
    cosine, sine = np.cos(angle), np.sin(angle)
    return half @ np.array([[cosine, sine], [-sine, cosine]]) + np.array([x, y])


rectangles = st.builds(rotated, *[st.floats(-50, 50)] * 2, *[st.floats(1, 60)] * 2, st.floats(-3, 3))


@pytest.mark.parametrize(("name", "frame_size"), [
    ("nobound", None), ("wh_260_220", (260, 220)), ("wh_150_140", (150, 140))])
def test_overlaps_of_the_golden_pairs(golden, name, frame_size):
    g = golden("metrics")
    ours = [polygons.iou(a.reshape(4, 2), b.reshape(4, 2), frame_size) for a, b in zip(g["poly/a"], g["poly/b"])]
    np.testing.assert_allclose(ours, g[f"poly/got10k_poly_iou_{name}"], atol=1e-6)


@given(rectangles, rectangles)
def test_iou_is_symmetric_within_0_and_1_and_1_on_itself(a, b):
    value = polygons.iou(a, b)
    assert 0 <= value <= 1 + 1e-9
    assert value == pytest.approx(polygons.iou(b, a), abs=1e-9)
    assert value == pytest.approx(polygons.iou(a, np.roll(b[::-1], 1, axis=0)), abs=1e-9)
    assert polygons.iou(a, a) == pytest.approx(1)


@given(rectangles)
def test_the_area_of_a_rectangle_is_the_product_of_its_sides(a):
    sides = np.hypot(*(a[1] - a[0])), np.hypot(*(a[2] - a[1]))
    assert polygons.area(a) == pytest.approx(sides[0] * sides[1])


def test_squares_by_hand():
    assert polygons.iou(SQUARE, SQUARE + [5, 0]) == pytest.approx(1 / 3)
    assert polygons.iou(SQUARE, SQUARE + [10, 0]) == 0  # they touch
    assert polygons.iou(SQUARE, SQUARE + [50, 0]) == 0
    diamond = np.array([[5.0, -5], [15, 5], [5, 15], [-5, 5]])
    assert polygons.iou(SQUARE, diamond) == pytest.approx(100 / 200)
    assert polygons.iou(np.zeros((4, 2)), np.zeros((4, 2))) == 0


def test_what_lies_beyond_the_frame_does_not_count():
    assert polygons.iou(SQUARE - [5, 0], SQUARE, (100, 100)) == pytest.approx(0.5)
    assert polygons.iou(SQUARE + [200, 0], SQUARE, (100, 100)) == 0
