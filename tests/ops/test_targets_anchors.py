"""Targets of anchors: the reference's before the draw, its counts after."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamjax.errors import ConfigError
from siamjax.ops.anchor_targets import AssignConfig, assign, candidate_labels
from siamjax.ops.anchors import AnchorConfig

CASES = [(25, i) for i in range(13)] + [(17, 0), (17, 1)]
PYSOT = {"anchors": AnchorConfig(), "config": AssignConfig()}
candidates = jax.jit(functools.partial(candidate_labels, **PYSOT), static_argnames="grid")
assigned = jax.jit(functools.partial(assign, **PYSOT), static_argnames="grid")


def box_of(golden, grid, case):
    """`cxcywh` from the middle of the crop; the reference counts pixels, and pixel 127 is the middle one."""
    number = [0, 4][case] if grid == 17 else case
    x1, y1, x2, y2 = golden("geometry")["targets/boxes_x1y1x2y2"][number]
    return jnp.array([(x1 + x2) / 2 - 127, (y1 + y2) / 2 - 127, x2 - x1, y2 - y1], jnp.float32)


def recorded(g, name):
    """`(array, stride)`: large arrays are stored in part."""
    return (g[name], 1) if name in g else (g[f"{name}/sub"], int(g[f"{name}/stride"]))


@pytest.mark.parametrize(("grid", "case"), CASES)
def test_candidates_are_the_references(golden, grid, case):
    g, box = golden("geometry"), box_of(golden, grid, case)
    name = f"pysot/target{grid}/{case}"
    for similar, key in ((True, "label_full"), (False, "negpair_label_full")):
        got = candidates(box, jnp.array(similar), grid=grid)
        np.testing.assert_array_equal(got, g[f"{name}/{key}"].reshape(-1))


@pytest.mark.parametrize(("grid", "case"), CASES)
def test_drawn_are_as_many_as_in_the_reference(golden, grid, case):
    g, box = golden("geometry"), box_of(golden, grid, case)
    name = f"pysot/target{grid}/{case}"
    for similar, key in ((True, f"label_sampled_seed{100 + case}"),
                         (False, f"negpair_label_sampled_seed{200 + case}")):
        got = assigned(jax.random.key(case), box, jnp.array(similar), grid=grid)
        want = g[f"{name}/{key}"].reshape(-1)
        for label in (1, 0, -1):
            assert int((got.cls == label).sum()) == int((want == label).sum())
    got = assigned(jax.random.key(0), box, jnp.array(True), grid=grid)
    delta, stride = recorded(g, f"{name}/delta")
    np.testing.assert_allclose(got.loc.T.reshape(-1)[::stride], delta.reshape(-1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.unique(got.loc_weight), g[f"{name}/delta_weight_sampled"], rtol=1e-6)


@functools.cache
def drawn(similar, grid=17, number=200):
    keys = jax.random.split(jax.random.key(7), number)
    box = jnp.array([5.0, -9.0, 80.0, 70.0])
    many = jax.jit(jax.vmap(functools.partial(assign, grid=grid, **PYSOT), in_axes=(0, None, None)))
    targets = many(keys, box, jnp.array(similar))
    return targets, np.asarray(candidates(box, jnp.array(similar), grid=grid))


@pytest.mark.parametrize("similar", [True, False])
def test_draw_is_of_the_candidates_and_reaches_all(similar):
    targets, labels = drawn(similar)
    cls = np.asarray(targets.cls)
    assert ((cls == labels[None]) | (cls == -1)).all()
    seen = (cls == 0).any(0)
    # 48 of a thousand, drawn 200 times: one that is never drawn has a chance of 1e-4.
    assert seen[labels == 0].mean() > 0.99
    assert not (cls[0] == cls[1]).all()


def test_two_objects_teach_background_only():
    targets, _ = drawn(similar=False)
    assert (np.asarray(targets.cls) != 1).all()
    assert not np.asarray(targets.loc).any()
    assert not np.asarray(targets.loc_weight).any()
    assert ((np.asarray(targets.cls) == 0).sum(-1) == 16).all()


@given(st.floats(-60, 60), st.floats(-60, 60), st.floats(10, 200), st.floats(10, 200))
def test_weights_of_a_pair_sum_to_one_or_none(x, y, w, h):
    targets = assigned(jax.random.key(1), jnp.array([x, y, w, h], jnp.float32), jnp.array(True), grid=17)
    positives = int((targets.cls == 1).sum())
    assert positives <= 16
    assert int((targets.cls == 0).sum()) <= 48
    np.testing.assert_allclose(targets.loc_weight.sum(), float(positives > 0), atol=1e-5)
    assert bool(((targets.loc_weight > 0) == (targets.cls == 1)).all())


def test_boxes_may_train_where_classes_do_not():
    wide = functools.partial(assign, grid=17, anchors=AnchorConfig(), config=AssignConfig(box_iou=0.3))
    half = jnp.array([0.0, 0, 45, 45])  # 0.7 times the anchors' size: no anchor overlaps it by 0.6
    published, wider = (jax.jit(rule)(jax.random.key(1), half, jnp.array(True)) for rule in (
        functools.partial(assign, grid=17, **PYSOT), wide))
    assert not published.loc_weight.any()
    np.testing.assert_array_equal(published.cls, wider.cls)
    np.testing.assert_allclose(wider.loc_weight.sum(), 1, rtol=1e-5)
    assert int((wider.loc_weight > 0).sum()) > 10
    assert not jax.jit(wide)(jax.random.key(1), half, jnp.array(False)).loc_weight.any()


def test_object_of_another_video_may_have_no_area():
    targets = assigned(jax.random.key(1), jnp.array([0.0, 0, 0, 0]), jnp.array(False), grid=17)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in targets)


def test_grid_smaller_than_the_draw():
    targets = assigned(jax.random.key(1), jnp.array([0.0, 0, 64, 64]), jnp.array(True), grid=3)
    assert int((targets.cls == 1).sum()) == 9  # a step of 8 px both ways leaves an overlap of 0.62


@pytest.mark.parametrize("wrong", [{"positive_iou": 0.2}, {"positives": 0}, {"block": 0}, {"box_iou": 0.0}])
def test_settings_out_of_range(wrong):
    with pytest.raises(ConfigError, match="AssignConfig"):
        AssignConfig(**wrong)
