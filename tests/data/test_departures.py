from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamjax.data.departures import Departures, DeparturesConfig, Photos, bezier, eased
from siamjax.errors import ConfigError
from siamjax.evaluation.metrics.departures import visits

SMALL = DeparturesConfig(departures=2, present=12, away=4)


def test_the_target_leaves_and_returns_as_often_as_told():
    for seed in range(4):
        there = np.isfinite(Departures(SMALL, seed).boxes).all(axis=1)
        assert there[0]
        assert there[-1]
        runs = visits(there)
        assert len(runs) == 3
        for end, start in zip(SMALL.returns, [run[0] for run in runs[1:]]):
            assert start >= end  # part of the visit is spent on coming in
            assert not there[end - SMALL.away:end].any()


def test_distractors_stay_and_leave_the_target_in_sight():
    clip = Departures(SMALL, 1)
    others = clip.all_boxes[:, :-1]
    centres = np.stack([item.way for item in clip.items[:-1]], 1)
    assert ((centres >= 0) & (centres <= [SMALL.width, SMALL.height])).all()
    assert np.isfinite(others).mean() > 0.8  # one may hide behind another
    middle = SMALL.present // 2
    assert clip.layout(middle).visible[-1] > 0.99
    apart = np.linalg.norm(centres[middle] - clip.items[-1].centre(middle), axis=1)
    assert (apart >= clip.items[-1].size).all()


def test_distractors_look_like_the_target():
    clip = Departures(SMALL, 2)
    *others, target = clip.items
    assert [np.array_equal(item.radius, target.radius) for item in others] == [False, True, True]
    near = [np.abs(item.texture.mean((0, 1)) - target.texture.mean((0, 1))).max() for item in others]
    assert near[0] < min(40, near[1])
    assert not any(np.array_equal(item.texture, target.texture) for item in others)


def test_frames_are_a_function_of_config_seed_and_number():
    first, again, other = Departures(SMALL, 0), Departures(SMALL, 0), Departures(SMALL, 3)
    np.testing.assert_array_equal(again.image(20), first.image(20))
    assert not np.array_equal(other.image(20), first.image(20))
    assert first.image(0).shape == (240, 320, 3)


def plain(*colour: int) -> np.ndarray:
    """A photograph `[30, 50, 3]` of one colour."""
    return np.full((30, 50, 3), colour, np.uint8)


def test_photographs_take_the_place_of_patterns_and_move_nothing():
    crowd = (plain(0, 200, 0), plain(0, 0, 200), plain(200, 200, 0))
    behind = np.arange(240, dtype=np.uint8)[:, None, None].repeat(320, 1).repeat(3, 2) // 4
    drawn, clip = Departures(SMALL, 1), Departures(SMALL, 1, Photos(plain(200, 0, 0), crowd, behind))
    np.testing.assert_array_equal(clip.all_boxes, drawn.all_boxes)
    image, labels = clip.image(5), clip.layout(5).labels
    for label, channels in ((3, [0]), (0, [1]), (1, [2]), (2, [0, 1])):
        inside = image[labels == label].mean(0)
        assert set(np.flatnonzero(inside > 100)) == set(channels)
    repeated = clip.background[0]
    for axis in (0, 1):
        assert np.abs(repeated - np.roll(repeated, 1, axis)).max() <= 1  # no seam
    with pytest.raises(ConfigError, match="give one for each"):
        Departures(SMALL, 1, Photos(plain(1, 1, 1), crowd[:2], behind))


@given(st.integers(0, 1000))
def test_ways_begin_and_end_where_they_should(seed):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 100, (4, 2))
    curve = bezier(corners, np.linspace(0, 1, 9))
    np.testing.assert_allclose(curve[[0, -1]], corners[[0, -1]])
    times, stops = np.array([3, 7, 12]), rng.uniform(0, 100, (3, 2))
    way = eased(times, stops, 20)
    np.testing.assert_allclose(way[times], stops)
    np.testing.assert_allclose(way[[0, 19]], stops[[0, 2]])


@pytest.mark.parametrize("change", [{"departures": 0}, {"present": 4}, {"away": 1}, {"distractors": 0}])
def test_a_clip_without_departures_is_refused(change):
    with pytest.raises(ConfigError, match="DeparturesConfig"):
        DeparturesConfig(**change)
