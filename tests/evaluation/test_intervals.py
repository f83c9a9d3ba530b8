"""Bootstrap intervals: what they cover, what is paired, and what cannot be drawn from."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from siamjax.errors import DataError
from siamjax.evaluation.metrics import intervals
from siamjax.evaluation.protocols.one_pass import BoxTrackerScore, SequenceScore, interval_of
from siamjax.ops import metrics


def scored(name, overlaps, frames=None):
    """A tracker with the same overlap in all frames of each sequence."""
    rows = []
    for number, (overlap, count) in enumerate(zip(overlaps, frames or [10] * len(overlaps))):
        truth = np.tile(np.float64([10, 10, 100, 100]), (count, 1))
        boxes = truth * [1, 1, overlap, 1]
        score = metrics.score_sequence(boxes, truth)
        rows.append(SequenceScore(str(number), score, score.figures(metrics.VISIBLE), metrics.iou(boxes, truth), boxes,
                                  None, None))
    overall = metrics.score_overall([row.score for row in rows])
    return BoxTrackerScore(name, overall, overall.figures(metrics.VISIBLE), tuple(rows), {})


def test_it_covers_the_true_mean_about_as_often_as_it_says():
    random = np.random.default_rng(3)
    sets = random.normal(0.6, 0.2, (300, 40))
    found = [intervals.bootstrap(values, resamples=500, seed=number) for number, values in enumerate(sets)]
    covered = np.mean([one.low < 0.6 < one.high for one in found])
    assert 0.88 < covered < 0.98
    np.testing.assert_allclose(np.mean([one.high - one.low for one in found]), 4 * 0.2 / 40**0.5, rtol=0.1)


def test_equal_values_have_no_width_and_the_same_seed_draws_the_same():
    assert intervals.bootstrap([0.5, 0.5, 0.5]) == intervals.Interval(0.5, 0.5, 0.5)
    assert intervals.bootstrap([0.1, 0.4, 0.9], seed=1) == intervals.bootstrap([0.1, 0.4, 0.9], seed=1)
    assert str(intervals.Interval(0.71234, 0.6, 0.8)) == "0.712 [0.600, 0.800]"


def test_a_small_difference_on_every_sequence_is_seen_where_both_are_paired():
    overlaps = np.linspace(0.2, 0.9, 9)
    worse, better = scored("worse", overlaps), scored("better", overlaps + 0.05)
    alone = interval_of(better, "auc", metrics.VISIBLE)
    paired = interval_of(better, "auc", metrics.VISIBLE, against=worse)
    assert alone.mean == pytest.approx(better.figures.auc)
    assert paired.mean == pytest.approx(better.figures.auc - worse.figures.auc)
    assert alone.low < worse.figures.auc < alone.high
    assert paired.low > 0


@pytest.mark.parametrize("pooled", [False, True])
def test_sequences_weigh_as_the_convention_says(pooled):
    convention = dataclasses.replace(metrics.VISIBLE, pooled=pooled)
    tracker = scored("one", [0.2, 0.8], frames=[5, 41])
    overall = metrics.score_overall([row.score for row in tracker.sequences], convention).figures(convention)
    assert interval_of(tracker, "auc", convention).mean == pytest.approx(overall.auc)


def test_sequences_without_a_frame_that_counts_are_left_out():
    tracker = scored("one", [0.2, 0.8, 0.5], frames=[5, 5, 1])  # the first frame is given
    assert interval_of(tracker, "auc", metrics.VISIBLE).mean == pytest.approx(tracker.figures.auc)


@pytest.mark.parametrize("values", [[], [0.5, float("nan")]])
def test_nothing_is_drawn_from_nothing(values):
    with pytest.raises(DataError, match="bootstrap"):
        intervals.bootstrap(values)


def test_trackers_of_different_sequences_are_not_paired():
    with pytest.raises(DataError, match="one and two"):
        interval_of(scored("one", [0.2, 0.8]), "auc", metrics.VISIBLE, against=scored("two", [0.2]))
