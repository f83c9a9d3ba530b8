"""Losses of overlap against a float64 reference, and what must hold of them for any boxes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamjax.errors import ConfigError
from siamjax.ops.overlap import iou_loss

KINDS = ["iou", "smooth", "giou", "diou"]
losses = {kind: jax.jit(lambda p, w, kind=kind: iou_loss(p, w, kind)) for kind in KINDS}
grads = {kind: jax.jit(jax.grad(lambda p, w, kind=kind: iou_loss(p, w, kind).sum())) for kind in KINDS}
box = st.tuples(st.floats(-200, 200, width=32), st.floats(-200, 200, width=32), st.floats(0.5, 300, width=32),
                st.floats(0.5, 300, width=32))


def reference(predicted, wanted, kind):
    """In float64 and in plain words, from the corners."""
    ax, ay, aw, ah = (float(v) for v in predicted)
    bx, by, bw, bh = (float(v) for v in wanted)
    width, height = min(ax + aw, bx + bw) - max(ax, bx), min(ay + ah, by + bh) - max(ay, by)
    inter = width * height if width > 0 and height > 0 else 0.0
    union = aw * ah + bw * bh - inter
    hull_w, hull_h = max(ax + aw, bx + bw) - min(ax, bx), max(ay + ah, by + bh) - min(ay, by)
    if kind == "iou":
        return 1 - inter / union
    if kind == "smooth":
        return 1 - (inter + 1) / (union + 1)
    if kind == "giou":
        return 1 - (inter / union - (hull_w * hull_h - union) / (hull_w * hull_h))
    square = (ax + aw / 2 - bx - bw / 2) ** 2 + (ay + ah / 2 - by - bh / 2) ** 2
    return 1 - (inter / union - square / (hull_w**2 + hull_h**2))


def slope(predicted, wanted, kind, step=1e-5):
    """Central differences of the reference, `[4]`."""
    moves = np.eye(4) * step
    return [(reference(predicted + m, wanted, kind) - reference(predicted - m, wanted, kind)) / (2 * step)
            for m in moves]


def some_boxes():
    """Boxes that meet, that hold one another, that lie apart, that are small: `[40, 4]` twice."""
    random = np.random.default_rng(0)
    wanted = np.concatenate([random.uniform(-40, 40, (40, 2)), random.uniform(5, 120, (40, 2))], axis=1)
    predicted = wanted + random.normal(0, 20, (40, 4))
    predicted[10:14], predicted[14:18] = wanted[10:14] + [3, 4, -4.5, -4.5], wanted[14:18] + [-6, -5, 20, 30]
    predicted[18:24, :2] += 300
    predicted[24:28], wanted[24:28] = [0.1, 0.2, 0.6, 0.55], [0.3, 0.3, 0.7, 0.4]
    predicted[:, 2:] = np.maximum(predicted[:, 2:], 0.3)
    return np.float32(predicted), np.float32(wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_values_and_gradients_are_those_of_the_float64_reference(kind):
    predicted, wanted = some_boxes()
    want = [reference(p, w, kind) for p, w in zip(predicted, wanted)]
    np.testing.assert_allclose(losses[kind](predicted, wanted), want, rtol=1e-5, atol=2e-6)
    want = [slope(np.float64(p), np.float64(w), kind) for p, w in zip(predicted, wanted)]
    np.testing.assert_allclose(grads[kind](predicted, wanted), want, rtol=1e-3, atol=2e-6)


@pytest.mark.parametrize("kind", KINDS)
@given(box, box)
def test_loss_is_within_bounds_symmetric_and_finite(kind, one, other):
    one, other = jnp.float32(one), jnp.float32(other)
    loss = float(losses[kind](one, other))
    assert -1e-6 <= loss <= (1 if kind in ("iou", "smooth") else 2) + 1e-6
    np.testing.assert_allclose(loss, losses[kind](other, one), atol=2e-6)
    assert jnp.isfinite(grads[kind](one, other)).all()


@pytest.mark.parametrize("kind", KINDS)
@given(box)
def test_equal_boxes_have_no_loss(kind, one):
    assert abs(float(losses[kind](jnp.float32(one), jnp.float32(one)))) < 1e-6


@given(box, box)
def test_stricter_measures_lose_more(one, other):
    one, other = jnp.float32(one), jnp.float32(other)
    plain, smooth, giou, diou = (float(losses[kind](one, other)) for kind in KINDS)
    assert smooth <= plain + 1e-6
    assert giou >= plain - 1e-6
    assert diou >= plain - 1e-6


@pytest.mark.parametrize(("kind", "moves"), [("iou", False), ("giou", True), ("diou", True)])
def test_what_moves_boxes_that_do_not_meet(kind, moves):
    far, wanted = jnp.array([200.0, 0, 30, 30]), jnp.array([0.0, 0, 40, 20])
    grad = grads[kind](far, wanted)
    assert bool(grad.any()) == moves
    if moves:
        assert losses[kind](far - 10 * grad / jnp.linalg.norm(grad), wanted) < losses[kind](far, wanted)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("one", [[5.0, 5, 0, 0], [5.0, 5, 20, 0], [0.0, 0, 2e4, 2e4]])
@pytest.mark.parametrize("other", [[5.0, 5, 0, 0], [5.0, 5, 30, 0], [-1e4, 3, 2e4, 1]])
def test_boxes_without_an_area_and_wild_ones_are_finite(kind, one, other):
    for pair in ((jnp.array(one), jnp.array(other)), (jnp.array(other), jnp.array(one))):
        assert jnp.isfinite(losses[kind](*pair))
        assert jnp.isfinite(grads[kind](*pair)).all()


def test_boxes_broadcast():
    predicted, wanted = some_boxes()
    many = iou_loss(predicted.reshape(4, 10, 4), wanted[:4, None])
    np.testing.assert_allclose(many[2, 5], reference(predicted[25], wanted[2], "iou"), atol=1e-6)


def test_unknown_kind_is_an_error():
    with pytest.raises(ConfigError, match=r"kind is 'ciou'.*iou, smooth, giou, diou"):
        iou_loss(jnp.zeros(4), jnp.zeros(4), "ciou")
