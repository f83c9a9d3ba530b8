"""Properties of boxes that hold for all of them."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from siamjax.ops import boxes

number = st.floats(-500, 500, width=32)
side = st.floats(0.5, 400, width=32)
box = st.builds(lambda x, y, w, h: jnp.array([x, y, w, h], jnp.float32), number, number, side, side)


@given(box, st.booleans())
def test_join_undoes_the_split(b, half_pixel):
    np.testing.assert_allclose(boxes.join(*boxes.centre_and_size(b, half_pixel=half_pixel), half_pixel=half_pixel),
                               b, atol=1e-4)


@given(box, box)
def test_iou_is_symmetric_within_bounds_and_one_on_itself(a, b):
    assert float(boxes.iou(a, b)) == float(boxes.iou(b, a))
    assert 0 <= float(boxes.iou(a, b)) <= 1 + 1e-6
    np.testing.assert_allclose(boxes.iou(a, a), 1, rtol=1e-3)


@given(box, box, st.integers(-64, 64))
def test_iou_does_not_see_a_shift(a, b, shift):
    moved = jnp.array([shift, shift, 0, 0], jnp.float32)
    np.testing.assert_allclose(boxes.iou(a + moved, b + moved), boxes.iou(a, b), atol=2e-3)


def test_iou_by_hand():
    a, b = jnp.array([0.0, 0, 4, 4]), jnp.array([2.0, 2, 4, 4])
    np.testing.assert_allclose(boxes.iou(a, b), 4 / 28, rtol=1e-6)
    assert float(boxes.iou(a, jnp.array([9.0, 9, 1, 1]))) == 0
    assert float(boxes.iou(jnp.zeros(4), jnp.zeros(4))) == 0
