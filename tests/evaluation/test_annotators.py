"""Annotators that a list combines."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from siamjax.evaluation import Answer, Box, Mask, RotatedBox, Score, Trace, annotate, draw
from siamjax.evaluation.drawing.annotators import COLOURS

GREY = np.full((120, 160, 3), 100, np.uint8)
CORNERS = np.array([[80.0, 20], [120, 60], [80, 100], [40, 60]])
INSIDE = np.zeros(GREY.shape[:2], bool)
INSIDE[50:70, 70:90] = True
ANSWER = Answer(np.array([50.0, 30, 60, 60]), 0.5, polygon=CORNERS, mask=INSIDE,
                path=np.array([[10.0, 10], [10, 100], [60, 110]]))
ALL = [Mask(), Box(), RotatedBox(), Score(), Trace()]


def changed(picture):
    return (picture != GREY).any(axis=2)


@pytest.mark.parametrize("annotator", ALL, ids=lambda one: type(one).__name__)
def test_each_draws_its_own_on_a_copy(annotator):
    marks = changed(annotate(GREY, [ANSWER], [annotator]))
    assert marks.any()
    assert (GREY == 100).all()
    places = {Mask: (60, 80), Box: (30, 80), RotatedBox: (60, 120), Trace: (50, 10)}
    for kind, place in places.items():
        assert marks[place] == isinstance(annotator, kind)


def test_nothing_is_drawn_of_what_there_is_not():
    bare = Answer(np.full(4, np.nan))
    assert not changed(annotate(GREY, [bare], ALL)).any()


def test_a_list_is_drawn_in_its_order_and_targets_have_their_colours():
    red = (255, 0, 0)
    answers = [ANSWER, dataclasses.replace(ANSWER, box=np.array([5.0, 5, 20, 20]))]
    drawn = annotate(GREY, answers, [Box(), Box(red)])
    assert drawn[5, 15].tolist() == list(red)
    assert annotate(GREY, answers, [Box(red), Box()])[5, 15].tolist() == list(COLOURS[1])


def test_the_trace_is_as_long_as_it_says():
    long, short = (changed(annotate(GREY, [ANSWER], [Trace(length)])) for length in (3, 2))
    assert long[50, 10]
    assert not short[50, 10]
    assert short[105, 35]


def test_one_of_ones_own_is_a_function():
    def cross(canvas, answer, target):
        canvas[int(answer.box[1]), int(answer.box[0])] = 255, 0, target

    drawn = draw(GREY, np.array([[5, 6, 1, 1], [7, 8, 1, 1.0]]), annotators=[cross])
    assert drawn[6, 5].tolist() == [255, 0, 0]
    assert drawn[8, 7].tolist() == [255, 0, 1]
    assert changed(drawn).sum() == 2
