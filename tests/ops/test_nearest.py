import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siamjax.errors import ConfigError
from siamjax.ops.nearest import nearest

REFERENCE = {
    "euclidean": lambda d, a, b: np.sqrt((d**2).sum(-1)), "squared": lambda d, a, b: (d**2).sum(-1),
    "manhattan": lambda d, a, b: np.abs(d).sum(-1),
    "cosine": lambda d, a, b: 1 - (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)}


@pytest.mark.parametrize("name", REFERENCE)
@settings(max_examples=6)
@given(seed=st.integers(0, 10_000), size=st.sampled_from([5, 8, 13]), count=st.sampled_from([1, 5]))
def test_equals_all_distances_sorted_in_float64(name, seed, size, count):
    rng = np.random.default_rng(seed)
    queries, gallery = rng.normal(size=(3, 6)).astype(np.float32), rng.normal(size=(size, 6)).astype(np.float32)
    distance, index = nearest(queries, gallery, count, distance=name, block=4)
    a, b = queries.astype(np.float64)[:, None], gallery.astype(np.float64)[None]
    wanted = REFERENCE[name](a - b, a, b)
    order = np.argsort(wanted, axis=1, kind="stable")[:, :count]
    np.testing.assert_array_equal(index, order)
    np.testing.assert_allclose(distance, np.take_along_axis(wanted, order, 1), rtol=1e-5, atol=1e-6)


def test_of_equal_distances_the_lower_index_comes_first_across_blocks():
    gallery = np.zeros((10, 2), np.float32)
    gallery[3] = 1
    distance, index = nearest(np.zeros((1, 2)), gallery, 10, block=4)
    np.testing.assert_array_equal(index[0], [0, 1, 2, 4, 5, 6, 7, 8, 9, 3])
    np.testing.assert_allclose(distance[0], [0] * 9 + [np.sqrt(2)], rtol=1e-6)


def test_a_large_gallery_keeps_the_nearest_of_near_duplicates():
    """By a matrix product their distances, a millionth of their length, would be rounding."""
    rng = np.random.default_rng(0)
    gallery = np.repeat(rng.normal(size=(1, 64)), 20_000, 0).astype(np.float32) * 100
    gallery += rng.normal(size=gallery.shape).astype(np.float32) * 1e-3
    distance, index = nearest(gallery[[777, 19_999]], gallery, 2)
    np.testing.assert_array_equal(index[:, 0], [777, 19_999])
    np.testing.assert_array_equal(distance[:, 0], 0)
    assert (distance[:, 1] > 1e-3).all()


@pytest.mark.parametrize("count", [0, 4])
def test_more_than_there_are_is_an_error(count):
    with pytest.raises(ConfigError, match=f"the {count} nearest of 3"):
        nearest(np.zeros((1, 2)), np.zeros((3, 2)), count)


@pytest.mark.usefixtures("no_shape_checks")
def test_two_sizes_are_an_error():
    with pytest.raises(ConfigError, match="embeddings of 2 and of 3 numbers"):
        nearest(np.zeros((1, 2)), np.zeros((3, 3)), 1)
