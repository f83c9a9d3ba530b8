import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamjax.errors import DataError
from siamjax.evaluation.metrics.verification import recall_at, roc


def test_perfect_useless_and_reversed_distances():
    similar = [True, True, False, False]
    assert roc([0.1, 0.2, 0.3, 0.4], similar).area == 1
    assert roc([0.4, 0.3, 0.2, 0.1], similar).area == 0
    assert roc([1.0] * 4, similar).area == 0.5
    assert roc([0.1, 0.2, 0.3, 0.4], similar).equal_error == (0.0, 0.2)


def test_similar_pairs_are_the_near_ones():
    """Label 1 is "the same": the flipped label gives the area of the opposite order."""
    distance, similar = np.array([0.1, 0.5, 0.4, 0.9]), np.array([1, 1, 0, 0])
    assert roc(distance, similar).area == 0.75
    assert roc(distance, 1 - similar).area == 0.25


@given(st.integers(0, 10_000))
def test_area_is_the_chance_that_a_similar_pair_is_nearer(seed):
    rng = np.random.default_rng(seed)
    similar = np.append(rng.random(20) < 0.5, [True, False])
    distance = rng.integers(0, 8, 22) / 4.0  # with ties
    near, far = distance[similar][:, None], distance[~similar][None]
    curve = roc(distance, similar)
    np.testing.assert_allclose(curve.area, ((near < far) + 0.5 * (near == far)).mean(), rtol=1e-12)
    assert (curve.false_accept[0], curve.true_accept[0]) == (0, 0)
    assert (curve.false_accept[-1], curve.true_accept[-1]) == (1, 1)
    for threshold, false, true in zip(curve.threshold, curve.false_accept, curve.true_accept):
        assert false == (distance[~similar] <= threshold).mean()
        assert true == (distance[similar] <= threshold).mean()


def test_equal_error_is_where_both_errors_meet():
    distance = np.concatenate([np.arange(10), np.arange(10) + 8]) / 10
    error, threshold = roc(distance, np.arange(20) < 10).equal_error
    np.testing.assert_allclose((error, threshold), (0.1, 0.8))


def test_errors_at_a_given_threshold_count_equal_distances_as_accepted():
    curve = roc([0.1, 0.4, 0.3, 0.9], [1, 1, 0, 0])
    assert curve.errors_at(0.3) == (0.5, 0.5)
    assert curve.errors_at(0.299) == (0.0, 0.5)
    assert curve.errors_at(0.0) == (0.0, 1.0)
    assert curve.errors_at(5.0) == (1.0, 0.0)


@pytest.mark.parametrize("similar", [[True, True], [False, False]])
def test_one_class_only_is_an_error(similar):
    with pytest.raises(DataError, match="pairs of both classes"):
        roc([0.1, 0.2], similar)


def test_distances_that_are_not_finite_are_an_error():
    with pytest.raises(DataError, match="not finite"):
        roc([0.1, np.nan], [True, False])


def test_recall_counts_queries_whose_object_is_among_the_nearest():
    distance = np.array([[0.1, 0.5, 0.9], [0.2, 0.4, 0.3], [0.1, 0.2, 0.3]])
    assert recall_at(distance, [0, 1, 9], [0, 1, 2], (1, 2, 3)) == {1: 0.5, 2: 0.5, 3: 1.0}
    assert recall_at(distance, [0, 1, 2], [0, 1, 2], (1, 3)) == {1: 1 / 3, 3: 1.0}


def test_recall_within_one_set_leaves_the_query_itself_out():
    x = np.array([0.0, 0.1, 1.0, 1.05, 5.0])
    distance = np.abs(x[:, None] - x[None])
    assert recall_at(distance, [0, 0, 1, 2, 3], [0, 0, 1, 2, 3], (1, 2), itself=True) == {1: 1.0, 2: 1.0}
    with pytest.raises(DataError, match="no query shows"):
        recall_at(distance, np.arange(5), np.arange(5), itself=True)


def test_collapsed_embeddings_find_nothing():
    assert recall_at(np.zeros((3, 3)), [0, 1, 2], [0, 1, 2], (1, 3)) == {1: 0.0, 3: 1.0}
