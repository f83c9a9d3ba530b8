"""Boxes in another format than `xywh` pixels are found out, and those of real targets are let through."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamjax.data.box_rules import BoxFile, check_boxes, find_fault
from siamjax.data.readers import open_data
from siamjax.errors import DataError

SIZE = 480, 640
SIDES = np.array([SIZE[1], SIZE[0]] * 2, np.float64)


def walk(seed, count=40, *, size=SIZE, side=(10, 120)):
    """A target's way through the frame, wholly inside: `[count, 4]` float64."""
    random = np.random.default_rng(seed)
    scale = np.exp(0.02 * random.normal(size=(count, 1)).cumsum(0)) * random.uniform(*side, (1, 2))
    room = np.array([size[1], size[0]]) - scale - 1
    middle = np.clip(random.uniform(0.1, 0.9, 2) * room + 4 * random.normal(size=(count, 2)).cumsum(0), 0, room)
    return np.concatenate([middle, scale], axis=1)


FORMATS = {
    "normalised": lambda b: b / SIDES,
    "normalised centres": lambda b: np.concatenate([b[:, :2] + b[:, 2:] / 2, b[:, 2:]], 1) / SIDES,
    "normalised corners": lambda b: np.concatenate([b[:, :2], b[:, :2] + b[:, 2:]], 1) / SIDES,
    "corners": lambda b: np.concatenate([b[:, :2], b[:, :2] + b[:, 2:]], 1),
    "centres": lambda b: np.concatenate([b[:, :2] + b[:, 2:] / 2, b[:, 2:]], 1),
    "of frames three times as large": lambda b: 3 * b,
    "of thousandths": lambda b: 1000 * b / np.array([240, 180] * 2),
}
SAYS = {"normalised": "as if normalised", "normalised centres": "as if normalised", "corners": "x1,y1,x2,y2",
        "normalised corners": "as if normalised", "centres": "these look like the middle",
        "of frames three times as large": "drawn on larger ones", "of thousandths": "drawn on larger ones"}


def files(boxes):
    return [BoxFile(f"v{n}/groundtruth.txt", one, SIZE, lambda row, n=n: f"v{n}, line {row + 1}")
            for n, one in enumerate(boxes)]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("seed", range(3))
def test_a_set_in_another_format_is_refused_and_the_format_named(kind, seed):
    boxes = [FORMATS[kind](walk(100 * seed + n, side=(120, 220))) for n in range(20)]
    with pytest.raises(DataError, match=SAYS[kind]) as caught:
        check_boxes(files(boxes))
    assert "groundtruth.txt" in caught.value.where
    images = BoxFile("annotations.json", np.concatenate(boxes)[::7], SIZE, str, scenes=100)
    with pytest.raises(DataError, match=SAYS[kind]):
        check_boxes([images])


@pytest.mark.parametrize(("kind", "start"), [("normalised", 0.1), ("normalised centres", 0.5), ("corners", 0.75),
                                             ("of frames three times as large", 0.5)])
@pytest.mark.parametrize("count", [1, 4, 40])
def test_one_video_is_enough_where_its_target_is_not_in_the_first_corner(kind, start, count):
    boxes = np.array([start * SIZE[1], start * SIZE[0], 90, 60]) + np.arange(count)[:, None] * [1, 0.5, 0.1, 0]
    with pytest.raises(DataError, match=SAYS[kind]):
        check_boxes(files([FORMATS[kind](boxes)]))


def test_corners_that_fit_are_known_by_their_motion():
    boxes = np.array([20, 30, 60, 50]) + np.arange(30)[:, None] * [2.0, 1, 0.1, 0.1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_boxes(files([boxes]))
    with pytest.warns(RuntimeWarning, match="move as corners"):
        check_boxes(files([FORMATS["corners"](boxes)]))


def test_an_absent_target_shows_nothing_and_other_rows_still_do():
    boxes = FORMATS["normalised"](walk(3))
    boxes[::2] = np.nan
    with pytest.raises(DataError, match="as if normalised"):
        check_boxes(files([boxes]))
    check_boxes(files([np.full((4, 4), np.nan)]))
    check_boxes([])


sides = st.integers(60, 4000)


@st.composite
def plausible(draw):
    """A target that walks about and out of its frame, up to its middle, with a box here and there that is far off."""
    height, width = draw(sides), draw(sides)
    count = draw(st.integers(1, 60))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    side = np.exp(random.uniform(np.log(3), np.log(0.95 * min(height, width))))
    scale = side * np.exp(0.03 * random.normal(size=(count, 2)).cumsum(0))
    frame = np.array([width, height])
    steps = draw(st.sampled_from([0, 0.2, 2, 10])) * random.normal(size=(count, 2))
    middle = np.clip(random.uniform(0, 1, 2) * frame + steps.cumsum(0), 0, frame)
    boxes = np.concatenate([middle - scale / 2, scale], axis=1)
    boxes[random.uniform(size=count) < draw(st.sampled_from([0, 0.3]))] = np.nan
    if count > 20:
        boxes[draw(st.integers(0, count - 1))] = [5 * width, 20, 30, 40]
    return boxes, np.array([height, width])


@given(plausible())
def test_real_targets_are_never_refused(target):
    boxes, size = target
    assert find_fault(boxes, size) is None


@given(st.lists(plausible(), min_size=8, max_size=14))
def test_sets_of_real_targets_are_never_refused(targets):
    sizes = np.concatenate([np.broadcast_to(size, (len(boxes), 2)) for boxes, size in targets])
    assert find_fault(np.concatenate([boxes for boxes, _ in targets]), sizes, len(targets)) is None


@pytest.mark.parametrize("name", ["sequences", "training"])
def test_the_sets_beside_the_project_are_let_through_without_a_word(shared, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_data(shared / name)


@pytest.mark.parametrize(("change", "says"), [
    (lambda b: b + [1, 1, 0, 0], "if x and y count from 1"),
    (lambda b: np.where(np.arange(40)[:, None] == 7, [900, 10, 30, 30], b),
     "10 of 400 boxes lie wholly outside .*line 8"),
    (lambda b: np.where(np.arange(40)[:, None] == 5, [90, 10, 0.4, 30], b), "less than a pixel wide .*line 6"),
    (lambda b: 100 * b / SIDES, "if they are percent"),
], ids=["from 1", "outside", "tiny", "percent"])
def test_what_may_be_wrong_is_said_once_a_set_with_its_first_place(change, says):
    boxes = [change(walk(n)) for n in range(10)]
    if "count from 1" in says:
        for one in boxes[:3]:
            one[:2, 0] = SIZE[1] + 1 - one[:2, 2]
    with pytest.warns(RuntimeWarning, match=says) as caught:
        check_boxes(files(boxes))
    assert len(caught) == 1


def test_a_file_of_boxes_smaller_than_a_pixel_is_refused():
    with pytest.raises(DataError, match="smaller than a pixel"):
        check_boxes(files([np.tile([100, 50, 0.4, 0.7], (5, 1))]))


def test_boxes_of_frames_that_lie_on_their_side_are_told():
    boxes = np.array([200, 500, 40, 30]) + np.arange(30)[:, None] * [0.5, 1, 0, 0]
    with pytest.raises(DataError, match="fit the frame on its side"):
        check_boxes(files([boxes]))
