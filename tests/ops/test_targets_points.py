"""Targets of points against plain loops in float64, and the draw among them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamjax.errors import ConfigError
from siamjax.ops.point_targets import EllipseRule, InsideRule
from siamjax.ops.points import PointConfig

STRIDE = 16
RULES = {rule: jax.jit(functools.partial(rule, points=PointConfig(STRIDE)), static_argnames="grid")
         for rule in (EllipseRule(), InsideRule(), EllipseRule(positives=300, negatives=300, distractors=300))}
ELLIPSE, INSIDE, ALL = RULES.values()
BOXES = [(0, 0, 51.2, 51.2), (13.3, -20.1, 80, 44), (-60, 47, 120, 150), (3, 3, 9, 9), (100, -110, 70, 30),
         (0, 0, 260, 260), (-16, 32, 64, 32)]


def points(grid):
    """`(row, column, x, y)` of each point, pixels from the crop's middle."""
    return [(row, column, (column - grid // 2) * STRIDE, (row - grid // 2) * STRIDE)
            for row in range(grid) for column in range(grid)]


def ellipse_labels(box, similar, grid):
    """NanoTrack's labels before the draw."""
    cx, cy, w, h = box
    labels = []
    for _, _, x, y in points(grid):
        small = ((cx - x) / (w / 4)) ** 2 + ((cy - y) / (h / 4)) ** 2 < 1
        large = ((cx - x) / (w / 2)) ** 2 + ((cy - y) / (h / 2)) ** 2 > 1
        labels.append((1 if small else 0 if large else -1) if similar else (0 if small else -1))
    return np.array(labels)


def inside_labels(box, similar, grid):
    """FEAR's labels, and which points train the box; its crop begins `grid // 2` cells left of the middle."""
    cx, cy, w, h = box
    cell_x, cell_y = (np.floor((c + grid // 2 * STRIDE) / STRIDE) for c in (cx, cy))
    labels, boxed = [], []
    for row, column, x, y in points(grid):
        sides = (x - (cx - w / 2), y - (cy - h / 2), cx + w / 2 - x, cy + h / 2 - y)
        labels.append(int(similar and min(sides) > 0))
        boxed.append(similar and abs(row - cell_y) + abs(column - cell_x) <= 2)
    return np.array(labels), np.array(boxed)


@pytest.mark.parametrize("grid", [15, 16])
@pytest.mark.parametrize("similar", [True, False])
@pytest.mark.parametrize("box", BOXES)
def test_labels_are_those_of_the_reference(box, similar, grid):
    labels, (plain, boxed) = ellipse_labels(box, similar, grid), inside_labels(box, similar, grid)
    count = min(48 if similar else 16, (labels == 0).sum())
    box, similar = jnp.float32(box), jnp.array(similar)
    np.testing.assert_array_equal(ALL(jax.random.key(0), box, similar, grid=grid).cls, labels)
    drawn = ELLIPSE(jax.random.key(0), box, similar, grid=grid)
    assert int((drawn.cls == 1).sum()) == min(16, (labels == 1).sum())
    assert int((drawn.cls == 0).sum()) == count
    assert ((drawn.cls == labels) | (drawn.cls == -1)).all()
    np.testing.assert_array_equal(drawn.boxed, drawn.cls == 1)
    got = INSIDE(jax.random.key(0), box, similar, grid=grid)
    np.testing.assert_array_equal(got.cls, plain)
    np.testing.assert_array_equal(got.boxed, boxed)


def test_targets_of_a_box_by_hand():
    """In the middle, 51.2 px wide as FEAR's crops show it: nine points lie in it, and thirteen train the box."""
    got = INSIDE(jax.random.key(0), jnp.array([0, 0, 51.2, 51.2]), jnp.array(True), grid=16)
    cls, boxed = np.asarray(got.cls).reshape(16, 16), np.asarray(got.boxed).reshape(16, 16)
    assert cls.sum() == cls[7:10, 7:10].sum() == 9
    assert boxed.sum() == 13
    assert boxed[8, 6:11].all()
    assert boxed[6:11, 8].all()
    got = ALL(jax.random.key(0), jnp.array([0, 0, 70.0, 70]), jnp.array(True), grid=15)
    cls = np.asarray(got.cls).reshape(15, 15)
    assert (cls == 1).sum() == 5  # the middle and its four neighbours
    assert cls[7, 5:10].tolist() == [-1, 1, 1, 1, -1]


@functools.cache
def many(similar):
    keys = jax.random.split(jax.random.key(7), 200)
    return jax.vmap(functools.partial(ELLIPSE, grid=15), in_axes=(0, None, None))(
        keys, jnp.array([5.0, -9, 210, 200]), jnp.array(similar))


@pytest.mark.parametrize("similar", [True, False])
def test_draw_reaches_all_candidates_and_changes_with_the_key(similar):
    cls, labels = np.asarray(many(similar).cls), ellipse_labels((5, -9, 210, 200), similar, 15)
    for label in (0, 1):
        assert ((cls == label).any(0) == (labels == label)).all()  # 200 draws of a tenth of them or more
    assert not (cls[0] == cls[1]).all()
    assert (np.asarray(many(similar).boxed).any() == similar)


def test_draw_is_a_function_of_the_key():
    box = jnp.array([5.0, -9, 210, 200])
    one, again, other = (ELLIPSE(jax.random.key(seed), box, jnp.array(True), grid=15).cls for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


@pytest.mark.parametrize("rule", [ELLIPSE, INSIDE])
@given(st.floats(-130, 130), st.floats(-130, 130), st.floats(1, 300), st.floats(1, 300))
def test_a_pair_of_two_objects_teaches_background_only(rule, x, y, w, h):
    got = rule(jax.random.key(1), jnp.array([x, y, w, h], jnp.float32), jnp.array(False), grid=16)
    assert (got.cls != 1).all()
    assert not got.boxed.any()


@pytest.mark.parametrize("rule", RULES.values())
def test_boxes_may_have_no_area(rule):
    for similar in (True, False):
        got = rule(jax.random.key(1), jnp.zeros(4), jnp.array(similar), grid=16)
        assert (got.cls != 1).all()


@pytest.mark.parametrize(("rule", "wrong"), [
    (EllipseRule, {"inner": 0.0}), (EllipseRule, {"inner": 0.6}), (EllipseRule, {"outer": 9.0}),
    (EllipseRule, {"positives": 0}), (EllipseRule, {"negatives": 0}), (EllipseRule, {"distractors": 0}),
    (InsideRule, {"radius": -1}), (InsideRule, {"radius": 200})])
def test_settings_out_of_range(rule, wrong):
    with pytest.raises(ConfigError, match=f"{rule.__name__}.*use "):
        rule(**wrong)
