from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamjax.errors import DataError
from siamjax.evaluation.metrics.calibration import brier, fit, log_odds, reliability, sigmoid


def drawn(seed: int, slope=(1.5, -0.7), offset=0.4, count: int = 20_000):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, len(slope))) * [1.0, 5.0] + [2.0, -3.0]
    return features, rng.random(count) < sigmoid(features @ np.array(slope) + offset)


def test_a_fit_finds_the_law_that_the_data_was_drawn_by():
    features, truth = drawn(0)
    found = fit(features, truth)
    np.testing.assert_allclose([*found.slope, found.offset], [1.5, -0.7, 0.4], atol=0.08)
    assert reliability(found(features), truth).error < 0.01


@given(st.integers(0, 10_000))
def test_claims_of_a_fit_are_true_in_the_mean_and_no_slope_is_better(seed):
    features, truth = drawn(seed, count=300)
    if truth.all() or not truth.any():
        return
    found = fit(features, truth, ridge=0.0 if 30 < truth.sum() < 270 else 1.0)
    np.testing.assert_allclose(found(features).mean(), truth.mean(), atol=1e-8)

    def loss(slope):
        z = features @ slope + found.offset
        return np.logaddexp(0, np.where(truth, -z, z)).sum() + np.square(slope * features.std(0)).sum() / 2

    ridged = fit(features, truth)
    assert loss(ridged.slope) <= min(loss(ridged.slope * 1.2), loss(ridged.slope * 0.8)) + abs(
        ridged.offset - found.offset) * 300


def test_weights_count_as_copies():
    features, truth = drawn(1, count=50)
    weight = np.random.default_rng(2).integers(1, 4, 50)
    whole, weighted = fit(features.repeat(weight, 0), truth.repeat(weight), ridge=0.0), fit(features, truth, weight,
                                                                                         ridge=0.0)
    np.testing.assert_allclose(weighted.slope, whole.slope, rtol=1e-6)
    np.testing.assert_allclose(weighted.offset, whole.offset, rtol=1e-6)


def test_data_that_a_threshold_parts_gets_a_finite_slope():
    found = fit(np.array([-1e3, -1e3 + 1e-6, 1e3]), [False, False, True])
    assert np.isfinite(found.slope).all()
    assert found([[-1e3], [1e3]]).round().tolist() == [0, 1]


def test_a_feature_that_says_nothing_gets_no_slope():
    found = fit(np.zeros(4), [True, False, True, True])
    np.testing.assert_allclose(found([[0.0]]), 0.75, atol=1e-9)


def test_reliability_of_claims_counted_by_hand():
    claims, truth = [0.05, 0.05, 0.95, 1.0], [False, True, True, True]
    diagram = reliability(claims, truth)
    np.testing.assert_allclose(diagram.claimed, [0.05, 0.975])
    np.testing.assert_allclose(diagram.came_true, [0.5, 1.0])
    assert diagram.count.tolist() == [2, 2]
    np.testing.assert_allclose(diagram.error, (2 * 0.45 + 2 * 0.025) / 4)
    np.testing.assert_allclose(brier(claims, truth), (0.05**2 + 0.95**2 + 0.05**2) / 4)


def test_bins_of_one_mass_hold_as_many_claims():
    rng = np.random.default_rng(3)
    claims = rng.random(1003) ** 4
    diagram = reliability(claims, rng.random(1003) < claims, equal="mass")
    assert diagram.count.sum() == 1003
    assert np.ptp(diagram.count) <= 1
    assert (np.diff(diagram.claimed) > 0).all()
    assert diagram.error < 0.06


@given(st.integers(0, 10_000))
def test_the_error_is_0_for_claims_that_come_true_and_their_gap_otherwise(seed):
    rng = np.random.default_rng(seed)
    share = rng.integers(1, 10, 10)
    claims = (np.arange(10) + 0.5).repeat(10) / 10
    truth = (np.arange(10)[None] < share[:, None]).ravel()
    gap = np.abs((np.arange(10) + 0.5) / 10 - share / 10)
    np.testing.assert_allclose(reliability(claims, truth).error, gap.mean(), atol=1e-12)


def test_log_odds_undo_the_sigmoid_and_stay_finite():
    x = np.linspace(-13, 13, 27)
    np.testing.assert_allclose(log_odds(sigmoid(x)), x, rtol=1e-6)
    assert np.isfinite(log_odds([0.0, 1.0])).all()


@pytest.mark.parametrize(("call", "message"), [
    (lambda: fit([1.0, 2.0], [True, True]), "2 of 2 claims are true"),
    (lambda: fit([1.0, np.nan], [True, False]), "not finite"),
    (lambda: reliability([0.5, 1.5], [True, False]), "outside 0..1"),
    (lambda: brier([np.nan], [True]), "outside 0..1"),
    (lambda: reliability([], []), "nothing to compare")])
def test_what_cannot_be_calibrated_is_an_error(call, message):
    with pytest.raises(DataError, match=message):
        call()
