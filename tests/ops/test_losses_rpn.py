"""Losses of anchors against the reference, and their degenerate cases."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax.ops import losses


def pairs_last(logits):
    """`[B, 2A, H, W]`, background of all anchors and then target of all, as `[B, N, 2]`."""
    return np.moveaxis(logits.reshape(2, 2, -1), 1, -1)


def coordinates_last(loc):
    return np.moveaxis(loc.reshape(2, 4, -1), 1, -1)


@pytest.mark.parametrize(
    "case", ["mixed", "no_positive", "no_negative", "all_ignored", "one_positive", "one_negative"])
def test_class_loss_and_gradient_equal_the_reference(golden, case):
    g = golden("losses")
    logits, labels = pairs_last(g[f"cls/{case}/logits"]), g[f"cls/{case}/label"].reshape(2, -1)
    loss, grad = jax.jit(jax.value_and_grad(losses.two_class))(jnp.asarray(logits), labels)
    np.testing.assert_allclose(loss, g[f"cls/{case}/pysot/loss"], rtol=1e-6)
    np.testing.assert_allclose(grad, pairs_last(g[f"cls/{case}/pysot/grad"]), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("case", ["pos", "second_sample_without_positive", "zero"])
def test_box_loss_and_gradient_equal_the_reference(golden, case):
    g = golden("losses")
    pred, target = coordinates_last(g["loc/pred"]), coordinates_last(g["loc/target"])
    weight = g[f"loc/{case}/weight"].reshape(2, -1)
    loss, grad = jax.jit(jax.value_and_grad(losses.weighted_l1))(jnp.asarray(pred), target, weight)
    np.testing.assert_allclose(loss, g[f"loc/{case}/loss"], rtol=1e-6)
    np.testing.assert_allclose(grad, coordinates_last(g[f"loc/{case}/grad"]), rtol=1e-6)


def test_box_loss_has_no_gradient_where_it_is_exact(golden):
    g = golden("losses")
    pred, target = coordinates_last(g["loc_exact/pred"]), coordinates_last(g["loc/target"])
    weight = g["loc/pos/weight"].reshape(2, -1)
    loss, grad = jax.jit(jax.value_and_grad(losses.weighted_l1))(jnp.asarray(pred), target, weight)
    np.testing.assert_allclose(loss, g["loc_exact/loss"], rtol=1e-6)
    np.testing.assert_allclose(grad, coordinates_last(g["loc_exact/grad"]), rtol=1e-6)


@pytest.mark.parametrize("size", [60.0, 1e4])
def test_class_loss_is_finite_at_any_logit(size):
    logits = size * jnp.array([[-1.0, 1], [1, -1], [-1, 1], [1, -1]])
    loss, grad = jax.jit(jax.value_and_grad(losses.two_class))(logits, jnp.array([0, 0, 1, 1]))
    assert jnp.isfinite(loss)
    assert jnp.isfinite(grad).all()


@pytest.mark.parametrize("positives", [[0], [0, 6], [0, 1, 7]])
def test_mean_over_devices_is_the_class_loss_of_the_whole_batch(positives):
    """One positive a device, but two in the batch: they count, for the batch is what is asked."""
    logits = jnp.asarray(np.random.default_rng(0).normal(size=(8, 5, 2)), jnp.float32)
    labels = jnp.zeros((8, 5), jnp.int32).at[jnp.array(positives), 2].set(1).at[3].set(-1)
    loss, grad = jax.jit(jax.value_and_grad(losses.two_class))(logits, labels)
    if len(positives) == 1:
        np.testing.assert_allclose(loss, -0.5 * jax.nn.log_softmax(logits)[..., 0][labels == 0].mean(), rtol=1e-5)

    @functools.partial(jax.pmap, axis_name="data")
    def shared(logits, labels):
        loss, grad = jax.value_and_grad(losses.two_class)(logits, labels, axis_name="data")
        return jax.lax.pmean(loss, "data"), grad / jax.lax.axis_size("data")

    got = shared(logits.reshape(4, 2, 5, 2), labels.reshape(4, 2, 5))
    np.testing.assert_allclose(got[0], np.full(4, loss), rtol=1e-5)
    np.testing.assert_allclose(got[1].reshape(8, 5, 2), grad, rtol=1e-4, atol=1e-7)
