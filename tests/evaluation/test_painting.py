"""Masks and rotated boxes on frames."""

from __future__ import annotations

import numpy as np
import pytest

from siamjax.evaluation.drawing import annotators, painting

GREY = np.full((120, 160, 3), 100, np.uint8)
RED = (255, 0, 0)


def test_a_mask_is_tinted_its_outline_more_and_nothing_else_is_touched():
    canvas, mask = GREY.copy(), np.zeros(GREY.shape[:2], bool)
    mask[20:60, 100:160] = True  # up to the frame's edge
    mask[30, 120] = False  # a hole of one pixel stays one
    painting.tint(canvas, mask, RED)
    assert (canvas[~mask] == 100).all()
    assert canvas[40, 130].tolist() == [162, 60, 60]
    for y, x in ((20, 130), (59, 130), (40, 100), (40, 159)):
        assert canvas[y, x].tolist() == [232, 15, 15]
    untouched = GREY.copy()
    painting.tint(untouched, np.zeros_like(mask), RED)
    np.testing.assert_array_equal(untouched, GREY)


def test_a_polygon_lies_on_its_edges_and_leaves_its_inside_alone():
    canvas = GREY.copy()
    diamond = np.array([[80.0, 20], [120, 60], [80, 100], [40, 60]])
    painting.outline_polygon(canvas, diamond, RED, 3.0)
    for x, y in [(80, 20), (120, 60), (100, 40), (60, 80), (50, 50)]:
        assert canvas[y, x].tolist() == [255, 0, 0]
    for x, y in [(80, 60), (20, 20), (140, 60)]:
        assert canvas[y, x].tolist() == [100] * 3
    dashed = GREY.copy()
    painting.outline_polygon(dashed, diamond, RED, 3.0, dashed=True)
    share = (dashed != GREY).any(axis=2).sum() / (canvas != GREY).any(axis=2).sum()
    assert 0.4 < share < 0.95


@pytest.mark.parametrize("corners", [
    [[np.nan] * 2] * 4, [[np.inf, 0], [5, 5], [5, 9], [0, 9]], [[7, 7]] * 4, [[-1e9, -1e9], [1e9, -1e9], [1e9, 1e9],
                                                                           [-1e9, 1e9]], [[-50, -50]] * 4])
@pytest.mark.parametrize("dashed", [False, True])
def test_any_polygon_can_be_drawn(corners, dashed):
    canvas = GREY.copy()
    painting.outline_polygon(canvas, np.array(corners, float), RED, 2.0, dashed=dashed)
    assert (canvas == GREY).all() == (corners != [[7, 7]] * 4)


def test_a_frame_shows_each_target_in_its_colour_and_the_rotated_box_in_the_boxes_place():
    labels = np.zeros(GREY.shape[:2], np.uint8)
    labels[30:50, 30:50], labels[30:50, 100:120] = 1, 2
    boxes = np.array([[20.0, 20, 40, 40], [90, 20, 40, 40]])
    polygons = np.array([[[40, 10], [70, 40], [40, 70], [10, 40]], [[110, 10], [140, 40], [110, 70], [80, 40.0]]])
    drawn = annotators.draw(GREY, boxes, labels=labels, polygons=polygons)
    for n, (x, corner) in enumerate(((40, 10), (110, 80))):
        colour = np.array(annotators.COLOURS[n])
        np.testing.assert_allclose(drawn[40, x], 100 + painting.INNER * (colour - 100.0), atol=1)
        np.testing.assert_allclose(drawn[40, corner], colour, atol=1)
        assert drawn[57, x - 17].tolist() == [100] * 3  # the upright box's corner is not drawn
    scored = annotators.draw(GREY, boxes[:1] + [100, 60, 0, 0], polygons=polygons[:1], scores=np.array([0.5]))
    plain = annotators.draw(GREY, boxes[:1], polygons=polygons[:1])
    columns = np.flatnonzero((scored != plain).any(axis=(0, 2)))
    np.testing.assert_allclose(columns.mean(), 40, atol=1)  # the score stands over the rotated box, not the other one
    assert np.ptp(columns) < 40
    assert (GREY == 100).all()


def test_the_mask_of_a_lost_target_is_fainter():
    labels = np.zeros(GREY.shape[:2], np.uint8)
    labels[30:50, 30:50], labels[30:50, 100:120] = 1, 2
    boxes = np.array([[20.0, 20, 40, 40], [90, 20, 40, 40]])
    drawn = annotators.draw(GREY, boxes, labels=labels, lost=np.array([True, False]))
    for x, colour, share in ((40, annotators.COLOURS[0], annotators.LOST_TINT), (110, annotators.COLOURS[1], 1.0)):
        np.testing.assert_allclose(drawn[40, x], 100 + share * painting.INNER * (np.array(colour) - 100.0), atol=1)
