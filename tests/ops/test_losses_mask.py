"""The mask loss against the reference, base and sharp, and its degenerate cases."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax.ops import losses, mask_targets

SIDE, STRIDE = 127, 8


def targets_at(mask, cells, grid):
    """The windows of masks `[B, S, S]`, +1 and -1, at cells `[B, K, 2]`."""
    cut = functools.partial(mask_targets.windows, grid=grid, size=SIDE, stride=STRIDE)
    return jax.vmap(cut)(jnp.asarray(mask, jnp.float32), cells)


def loss_and_overlaps(logits, weight, mask):
    """Of maps `[B, G, G, m * m]`: the way the objective takes."""
    grid, side = logits.shape[1], int(logits.shape[-1] ** 0.5)
    labels = jnp.asarray(weight, jnp.int32).reshape(len(logits), -1)
    cells, chosen = jax.vmap(lambda w: mask_targets.positive_cells(w, grid, 16))(labels)
    found = jax.vmap(mask_targets.at_cells)(logits, cells)
    found = losses.upsample_aligned(found.reshape(*chosen.shape, side, side), SIDE)
    target = targets_at(mask, cells, grid)
    overlap = losses.mask_overlap(found, target)
    means = [losses.masked_mean(values, chosen)[0] for values in (
        overlap, (overlap > 0.5).astype(jnp.float32), (overlap > 0.7).astype(jnp.float32))]
    return losses.soft_margin(found, target, chosen), jnp.stack(means)


graded = jax.jit(jax.value_and_grad(loss_and_overlaps, has_aux=True))


@pytest.mark.parametrize("case", ["three", "one", "none", "good", "with_ignore"])
def test_base_loss_gradient_and_overlaps_equal_the_reference(golden, case):
    g = golden("losses")
    logits, b, y, x = np.zeros((2, 25, 25, 63 * 63), np.float32), *g[f"mask_base/{case}/positions_b_y_x"].T
    logits[b, y, x] = g.get(f"mask_base/{case}/logits_at_positions", 0)
    (loss, overlaps), grad = graded(logits, g[f"mask_base/{case}/weight"], g["mask_base/mask"][:, 0])
    want = g[f"mask_base/{case}/loss_iou_iou5_iou7"]
    np.testing.assert_allclose(loss, want[0], rtol=1e-5)
    np.testing.assert_allclose(overlaps, want[1:], rtol=1e-5)
    if len(b):
        whole = g[f"mask_base/{case}/grad_at_positions"]
        np.testing.assert_allclose(grad[b, y, x], whole, rtol=1e-5, atol=1e-5 * np.abs(whole).max())
    np.testing.assert_allclose(np.abs(grad).sum(dtype=np.float64), g[f"mask_base/{case}/grad_abs_sum_all"], rtol=1e-5)


@pytest.mark.parametrize("case", ["mixed", "none", "all"])
def test_sharp_loss_gradient_and_overlaps_equal_the_reference(golden, case):
    g = golden("losses")
    logits = np.kron(g["mask_sharp/logits_blocks16"], np.ones((8, 8), np.float32))[:, :SIDE, :SIDE]
    (loss, overlaps), grad = graded(logits.reshape(2, 3, 3, -1), g[f"mask_sharp/{case}/weight"],
                                    g["mask_sharp/mask"][:, 0])
    want = g[f"mask_sharp/{case}/loss_iou_iou5_iou7"]
    np.testing.assert_allclose(loss, want[0], rtol=1e-5)
    np.testing.assert_allclose(overlaps, want[1:], rtol=1e-5)
    grad = np.asarray(grad).reshape(18, SIDE, SIDE)
    np.testing.assert_allclose(np.linalg.norm(grad, axis=(1, 2)), g[f"mask_sharp/{case}/grad_row_l2"], rtol=1e-5)
    np.testing.assert_allclose(grad[:, ::16, ::16], g[f"mask_sharp/{case}/grad_sub"], rtol=1e-5, atol=1e-12)


def test_upsampling_and_its_gradient_equal_the_reference(golden):
    g = golden("losses")
    maps, index = jnp.asarray(g["upsample63/in"]), jnp.arange(SIDE * SIDE, dtype=jnp.float32).reshape(SIDE, SIDE)
    out, back = jax.vjp(lambda m: losses.upsample_aligned(m, SIDE), maps)
    np.testing.assert_allclose(out, g["upsample63/out127"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(back(index / 1e4)[0], g["upsample63/grad_of_sum_out_times_index_over_1e4"], rtol=1e-5)
    np.testing.assert_array_equal(losses.upsample_aligned(out, SIDE), out)


def test_beyond_the_crop_costs_ln_2_and_teaches_nothing():
    logits, chosen = jnp.full((1, 4, 4), 7.0), jnp.ones(1, bool)
    loss, grad = jax.jit(jax.value_and_grad(losses.soft_margin))(logits, jnp.zeros((1, 4, 4)), chosen)
    np.testing.assert_allclose(loss, np.log(2), rtol=1e-6)
    assert (grad == 0).all()


@pytest.mark.parametrize("size", [60.0, 1e4])
def test_loss_is_finite_at_any_logit(size):
    logits = size * jnp.array([[[-1.0, 1], [1, -1]]])
    loss, grad = jax.jit(jax.value_and_grad(losses.soft_margin))(logits, -jnp.sign(logits), jnp.ones(1, bool))
    np.testing.assert_allclose(loss, size)
    assert jnp.isfinite(grad).all()


def test_overlap_of_nothing_with_nothing_is_whole():
    logits = jnp.array([[[-1.0, -1]], [[-1, -1]], [[1, 1]], [[1, -1]]])
    target = jnp.array([[[-1.0, 0]], [[1, 1]], [[0, -1]], [[1, 1]]])
    np.testing.assert_allclose(losses.mask_overlap(logits, target), [1, 0, 0, 0.5])


def test_mean_over_devices_is_the_loss_of_the_whole_batch():
    random = np.random.default_rng(0)
    logits = jnp.asarray(random.normal(size=(8, 3, 5, 5)), jnp.float32)
    target = jnp.sign(jnp.asarray(random.normal(size=(8, 3, 5, 5)), jnp.float32))
    chosen = jnp.zeros((8, 3), bool).at[jnp.array([0, 0, 1, 6]), jnp.array([0, 2, 1, 1])].set(True)
    loss, grad = jax.jit(jax.value_and_grad(losses.soft_margin))(logits, target, chosen)

    @functools.partial(jax.pmap, axis_name="data")
    def shared(*rows):
        loss, grad = jax.value_and_grad(losses.soft_margin)(*rows, axis_name="data")
        return jax.lax.pmean(loss, "data"), grad / jax.lax.axis_size("data")

    got = shared(*(rows.reshape(4, 2, *rows.shape[1:]) for rows in (logits, target, chosen)))
    np.testing.assert_allclose(got[0], np.full(4, loss), rtol=1e-5)
    np.testing.assert_allclose(got[1].reshape(grad.shape), grad, rtol=1e-5, atol=1e-9)
