"""Boxes on frames, and contact sheets."""

from __future__ import annotations

import numpy as np
import pytest

from siamjax.errors import ConfigError
from siamjax.evaluation.drawing import annotators, painting, sheets

GREY = np.full((240, 320, 3), 100, np.uint8)
BOX = np.array([[60.0, 100, 80, 60]])


def test_a_box_lies_on_its_edges_and_the_frame_is_left_alone():
    before = GREY.copy()
    drawn = annotators.draw(GREY, BOX)
    np.testing.assert_array_equal(GREY, before)
    colour = np.array(annotators.COLOURS[0])
    for y, x in ((100, 100), (159, 100), (130, 60), (130, 139)):
        np.testing.assert_allclose(drawn[y, x], colour, atol=1)
    np.testing.assert_array_equal(drawn[130, 100], GREY[130, 100])
    np.testing.assert_array_equal(drawn[20, 20], GREY[20, 20])


def test_edges_between_pixels_are_shared_out():
    canvas = np.zeros((8, 8, 3), np.uint8)
    painting.fill(canvas, 2.25, 3, 4, 3.5, (200, 200, 200), 1.0)
    assert canvas[3, 2, 0] == 75  # 0.75 of a column times 0.5 of a row of 200
    assert canvas[3, 3, 0] == 100
    assert canvas.sum() == 3 * 175


def test_each_target_has_its_colour_and_the_truth_is_white():
    drawn = annotators.draw(GREY, np.array([[20, 60, 40, 40], [120, 60, 40, 40.0]]), truth=[220, 60, 40, 40])
    for x, colour in ((20, annotators.COLOURS[0]), (120, annotators.COLOURS[1]), (220, painting.WHITE)):
        nearest = np.abs(drawn[80, x - 1 : x + 2].astype(int) - colour).sum(axis=1).min()
        assert nearest < 150, colour


def test_a_lost_box_is_dashed_and_dimmed():
    top = annotators.draw(GREY, BOX, lost=np.array([True]))[100, 62:138]
    painted = (top != 100).any(axis=1)
    assert 0.4 < painted.mean() < 0.95
    assert np.abs(top.astype(int) - annotators.COLOURS[0]).sum(axis=1).min() > 30
    assert (annotators.draw(GREY, BOX)[100, 62:138] != 100).any(axis=1).all()


def test_scores_are_written_inside_the_frame_wherever_the_box_is():
    for box in ([[60, 100, 80, 60]], [[0, 0, 40, 40]], [[-500, -500, 40, 40]], [[310, 230, 50, 50]]):
        box = np.array(box, float)
        plain, labelled = annotators.draw(GREY, box), annotators.draw(GREY, box, scores=np.array([0.87]))
        assert (plain != labelled).any(axis=2).sum() > 200, box
    assert (annotators.draw(GREY, BOX, scores=np.array([np.nan])) == annotators.draw(GREY, BOX)).all()


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize(
    "box",
    [[np.nan] * 4, [np.inf, 0, 5, 5], [-1e9, -1e9, 2e9, 2e9], [5, 5, 0, 0], [5, 5, -3, 4], [1e12, 0, 5, 5]],
)
def test_any_box_can_be_drawn(box, lost):
    drawn = annotators.draw(GREY, np.array([box]), scores=np.array([0.5]), lost=np.array([lost]))
    assert drawn.shape == GREY.shape
    if not np.isfinite(box).all():
        np.testing.assert_array_equal(drawn, GREY)


def test_tiny_frames_take_labels_too():
    tiny = np.zeros((5, 7, 3), np.uint8)
    assert annotators.draw(tiny, np.array([[1, 1, 3, 3.0]]), scores=np.array([1.0])).shape == tiny.shape


def test_a_contact_sheet_has_a_cell_a_picture():
    pictures = [np.full((h, 100, 3), value, np.uint8) for h, value in ((50, 200), (100, 150), (50, 100))]
    sheet = sheets.contact_sheet(pictures, ["a", "b", "c"], columns=2, width=50)
    assert sheet.shape == (2 * 54 + 4, 2 * 54 + 4, 3)
    assert sheet[29, 29, 0] == 200
    assert sheet[29, 83, 0] == 150
    assert sheet[83, 29, 0] == 100
    assert sheet[83, 83, 0] == 24
    with pytest.raises(ConfigError, match="one label each"):
        sheets.contact_sheet(pictures, ["a"])
    with pytest.raises(ConfigError):
        sheets.contact_sheet([])
