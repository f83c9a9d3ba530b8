"""J, F and their statistics against davis2017-evaluation, and what they must be whatever the masks."""

from __future__ import annotations

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy import ndimage

from siamjax.errors import DataError
from siamjax.evaluation.metrics import davis

BAR = 1e-6
images = hnp.arrays(bool, (12, 17))


@pytest.fixture
def clip(golden):
    """True masks, results and void pixels `[12, 120, 160]`."""
    g = golden("metrics")
    return [np.unpackbits(g[f"davis/{name}_bits"], axis=-1)[..., :g["davis/shape"][2]].astype(bool)
            for name in ("gt", "res", "void")]


@pytest.mark.parametrize("with_void", [False, True])
def test_j_and_f_are_the_references(golden, clip, with_void):
    g, suffix = golden("metrics"), "_void" if with_void else ""
    truth, result, void = clip
    ignored = void if with_void else [None] * len(truth)
    j = [davis.region_similarity(*frame) for frame in zip(result, truth, ignored)]
    f = [davis.boundary_accuracy(*frame) for frame in zip(result, truth, ignored)]
    np.testing.assert_allclose(j, g[f"davis/J{suffix}"], atol=BAR)
    np.testing.assert_allclose(f, g[f"davis/F{suffix}"], atol=BAR)
    if not with_void:
        for values, name in ((j, "J"), (f, "F")):
            ours = davis.statistics(np.array(values))
            np.testing.assert_allclose([ours.mean, ours.recall, ours.decay], g[f"davis/{name}_mean_recall_decay"],
                                       atol=BAR)


def test_the_boundary_and_a_bound_in_pixels_are_the_references(golden, clip):
    g = golden("metrics")
    truth, result, _ = clip
    wanted = np.unpackbits(g["davis/boundary_frame0_bits"], axis=-1)[:, :160].astype(bool)
    assert any(np.array_equal(davis.boundary(mask), wanted) for mask in (truth[0], result[0]))
    np.testing.assert_allclose(davis.boundary_accuracy(result[0], truth[0], bound=2), g["davis/F_frame0_bound_th_2px"],
                               atol=BAR)


@pytest.mark.parametrize("count", [5, 23, 300])
def test_statistics_are_the_references(golden, count):
    g = golden("metrics")
    values = g[f"davis/statistics_{count}/in"]
    ours = davis.statistics(values)
    mean, recall, decay = g[f"davis/statistics_{count}/mean_recall_decay"]
    np.testing.assert_allclose([ours.mean, ours.recall], [mean, recall], atol=BAR)
    if count > 256:  # the reference overflows its 8 bits
        assert np.isnan(decay)
        np.testing.assert_allclose(ours.decay, values[:76].mean() - values[224:].mean(), atol=BAR)
    else:
        np.testing.assert_allclose(ours.decay, decay, atol=BAR)


@given(images, images)
def test_both_are_symmetric_within_0_and_1_and_1_on_the_same_mask(a, b):
    for measure in (davis.region_similarity, davis.boundary_accuracy):
        assert 0 <= measure(a, b) <= 1
        assert measure(a, b) == pytest.approx(measure(b, a))
        assert measure(a, a) == 1


@given(images, images, images)
def test_void_pixels_count_for_nothing(a, b, void):
    for measure in (davis.region_similarity, davis.boundary_accuracy):
        assert measure(a, b, void) == measure(a & ~void, b & ~void, void) == measure(a | void, b | void, void)


@given(images, st.floats(0, 20))
def test_growing_by_a_disk_takes_all_within_reach(image, radius):
    wanted = ndimage.distance_transform_edt(~image) <= radius if image.any() else image
    np.testing.assert_array_equal(davis.dilated(image, radius), wanted)


def test_a_shift_within_the_bound_costs_no_boundary_and_one_beyond_it_costs_all():
    truth = np.zeros((480, 854), bool)
    truth[100:300, 200:500] = True
    assert davis.boundary_accuracy(np.roll(truth, 7, 1), truth) == 1  # 8 px, of 854 x 480
    far = davis.boundary_accuracy(np.roll(truth, 9, 1), truth)
    assert 0.5 < far < 0.8  # upper and lower edges still agree
    assert davis.boundary_accuracy(np.zeros_like(truth), truth) == 0


def test_statistics_leave_out_what_is_not_a_number():
    assert davis.statistics(np.array([1.0, np.nan, 0.5, 0.4])) == davis.Statistics(
        mean=pytest.approx(1.9 / 3), recall=pytest.approx(1 / 3), decay=pytest.approx(1 - 0.45))
    assert davis.statistics(np.array([0.7])) == davis.Statistics(0.7, 1.0, 0.0)
    with pytest.raises(DataError, match="without a number"):
        davis.statistics(np.array([np.nan]))


def test_a_box_fills_its_pixels_and_its_ellipse_pi_quarters_of_them():
    box = np.array([3.0, 5.0, 40.0, 20.0])
    filled, round_ = davis.box_mask(box, (60, 80)), davis.ellipse_mask(box, (60, 80))
    wanted = np.zeros((60, 80), bool)
    wanted[5:25, 3:43] = True
    np.testing.assert_array_equal(filled, wanted)
    assert not (round_ & ~filled).any()
    np.testing.assert_allclose(round_.sum(), np.pi / 4 * 800, rtol=0.02)


@pytest.mark.parametrize("box", [[-50, -50, 20, 20], [np.nan] * 4, [10, 10, 0, 0], [70, 50, 100, 100]])
def test_boxes_out_of_the_frame_without_area_or_unknown_fill_what_is_left(box):
    filled, round_ = (kind(np.array(box, float), (60, 80)) for kind in (davis.box_mask, davis.ellipse_mask))
    assert filled.any() == (box[0] == 70)
    assert not (round_ & ~filled).any()


@pytest.mark.parametrize(("mask", "match"), [(np.zeros((5, 6), bool), "shapes"), (np.zeros((6, 6), int), "True or")])
def test_masks_that_cannot_be_compared_are_refused(mask, match):
    with pytest.raises(DataError, match=match):
        davis.region_similarity(mask, np.zeros((6, 6), bool))
