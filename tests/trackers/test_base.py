"""What trackers share: work that is done only where it is needed."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax.trackers.base import where_needed


@pytest.fixture
def work():
    """A function of factors and a value that needs work from 4 up, and the list of the times it was worked."""
    done = []

    def product(factors, value):
        jax.debug.callback(lambda: done.append(1))
        return {"value": value * factors.sum()}

    def function(factors, value):
        return where_needed(value >= 4, product, {"value": value}, factors, value)["value"]

    def worked():
        jax.effects_barrier()
        count = len(done)
        done.clear()
        return count

    return function, worked


FACTORS = np.float32([1, 2])
LANES = functools.partial(jax.vmap, in_axes=(None, 0))


@pytest.mark.parametrize("jitted", [False, True])
def test_one_lane_works_where_it_needs_to(work, jitted):
    function, worked = work
    function = jax.jit(function) if jitted else function
    assert (function(FACTORS, jnp.float32(5)), worked()) == (15, 1)
    assert (function(FACTORS, jnp.float32(2)), worked()) == (2, 0)


def test_lanes_work_only_where_one_of_them_needs_to(work):
    function, worked = work
    lanes = jax.jit(LANES(function))
    np.testing.assert_array_equal(lanes(FACTORS, jnp.float32([1, 5, 2, 4])), [1, 15, 2, 12])
    assert worked() > 0
    np.testing.assert_array_equal(lanes(FACTORS, jnp.float32([1, 3, 2, 0])), [1, 3, 2, 0])
    assert worked() == 0


def test_frame_by_frame_only_those_that_need_it_are_worked_on(work):
    function, worked = work

    @jax.jit
    def scan(values):
        return jax.lax.scan(lambda carry, row: (carry, LANES(function)(FACTORS, row)), 0, values)[1]

    values = np.float32([[1, 2, 3], [5, 1, 4], [0, 1, 2]])
    np.testing.assert_array_equal(scan(values), [[1, 2, 3], [15, 1, 12], [0, 1, 2]])
    assert worked() == 1  # all lanes of the one row


def test_lanes_of_lanes_have_the_same_values(work):
    function, _ = work
    values = jnp.float32([[1, 5, 2], [1, 2, 3]])
    np.testing.assert_array_equal(jax.jit(LANES(LANES(function)))(FACTORS, values), [[1, 15, 2], [1, 2, 3]])
