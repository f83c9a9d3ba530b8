import chex
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siamjax.ops import targets


@pytest.mark.parametrize(("positive", "negative", "size"),
                         [(16, 0, 15), (16, 0, 16), (16, 0, 17), (24, 40, 17)])
def test_labels_equal_the_reference(golden, positive, negative, size):
    labels = targets.response_labels(size, positive_radius=positive / 8, negative_radius=negative / 8)
    want = golden("geometry")[f"siamfc/labels_rpos{positive}_rneg{negative}_{size}"]
    np.testing.assert_array_equal(labels, want)


def test_training_map_has_thirteen_positives():
    labels = targets.response_labels(15, positive_radius=2)
    assert int((labels == 1).sum()) == 13
    assert int((labels == 0).sum()) == 212


@settings(deadline=None)
@given(st.integers(-4, 4), st.integers(-4, 4))
def test_moving_the_target_by_whole_cells_moves_the_labels(dx, dy):
    still = targets.response_labels(25, positive_radius=2, negative_radius=4)
    moved = targets.response_labels(25, (dx, dy), positive_radius=2, negative_radius=4)
    np.testing.assert_array_equal(moved, np.roll(still, (dy, dx), (0, 1)))


def test_centres_of_a_batch_are_taken_one_by_one():
    centres = jnp.array([[0.0, 0.0], [3.0, -2.0], [0.4, 0.7]])
    together = targets.response_labels(17, centres, positive_radius=2)
    one_by_one = [targets.response_labels(17, c, positive_radius=2) for c in centres]
    chex.assert_trees_all_equal(together, jnp.stack(one_by_one))


def test_target_outside_the_map_leaves_no_positive():
    assert not targets.response_labels(15, (20.0, 0.0), positive_radius=2).any()
