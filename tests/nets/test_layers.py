"""Max pooling against XLA's window reduction."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from jax import lax

from siamjax.nets.layers import max_pool


def window_maximum(x, size, stride, padding):
    around = (padding, padding)
    return lax.reduce_window(x, -np.inf, lax.max, (1, size, size, 1), (1, stride, stride, 1),
                             ((0, 0), around, around, (0, 0)))


@pytest.mark.parametrize(("size", "stride", "padding", "side"),
                         [(3, 2, 0, 9), (3, 2, 1, 8), (3, 1, 0, 7), (2, 2, 0, 6)])
def test_max_pool_equals_reduce_window(size, stride, padding, side):
    x = np.random.default_rng(0).standard_normal((2, side, side + 1, 3)).astype(np.float32)
    expected = window_maximum(x, size, stride, padding)
    np.testing.assert_array_equal(max_pool(x, size, stride, padding), expected)
    gradient, expected = (jax.grad(lambda x: (pool(x, size, stride, padding) ** 2).sum())(x)  # noqa: B023
                          for pool in (max_pool, window_maximum))
    np.testing.assert_allclose(gradient, expected, rtol=1e-6)  # without ties both send it to the one largest


def test_ties_share_the_gradient():
    gradient = jax.grad(lambda x: max_pool(x, 2, 2).sum())(np.ones((1, 2, 2, 1), np.float32))
    np.testing.assert_allclose(gradient.sum(), 1.0)
    assert gradient.min() > 0
