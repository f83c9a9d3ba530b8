import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamjax.ops import losses


def ghm_first_call(logits, labels, **settings):
    return losses.ghm_c(logits, labels, jnp.zeros(30), **settings)[0]


LOSSES = {"balanced": losses.balanced_logistic,
          "balanced_negw0.5": functools.partial(losses.balanced_logistic, neg_weight=0.5),
          "focal": losses.focal, "ghmc_first_call": ghm_first_call, "ohnm": losses.ohnm}
CASES = {"labels": None, "no_positive": 0.0, "no_negative": 1.0}
UNDEFINED = {("no_positive", "ohnm"), ("no_negative", "ohnm")}  # NaN and an exception in the reference


@functools.cache
def graded(name):
    return jax.jit(jax.value_and_grad(LOSSES[name]))


@pytest.mark.parametrize(("case", "name"), sorted(set(itertools.product(CASES, LOSSES)) - UNDEFINED))
def test_value_and_gradient_equal_the_reference(golden, case, name):
    g = golden("losses")
    logits, labels = g["siamfc/input"][:, 0], g["siamfc/label"][:, 0]
    labels = labels if CASES[case] is None else np.full_like(labels, CASES[case])
    loss, grad = graded(name)(logits, labels)
    np.testing.assert_allclose(loss, g[f"siamfc/{case}/{name}/loss"], rtol=1e-5)
    want = g[f"siamfc/{case}/{name}/grad"][:, 0]
    np.testing.assert_allclose(grad, want, rtol=1e-5, atol=1e-5 * np.abs(want).max())


@pytest.mark.parametrize("name", ["balanced", "focal"])
def test_logits_of_sixty_equal_the_reference(golden, name):
    g = golden("losses")
    logits, labels = g["siamfc/extreme/input"][:, 0], g["siamfc/extreme/label"][:, 0]
    loss, grad = graded(name)(logits, labels)
    np.testing.assert_allclose(loss, g[f"siamfc/extreme/{name}/loss"], rtol=1e-5)
    want = g[f"siamfc/extreme/{name}/grad"][:, 0]
    np.testing.assert_allclose(grad, want, rtol=1e-5, atol=1e-6 * np.abs(want).max())


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("labels", [[0.0, 1.0, 0.0, 1.0], [0.0] * 4, [1.0] * 4, [0.5] * 4])
@pytest.mark.parametrize("size", [0.0, 60.0, 1e4])
def test_loss_and_gradient_are_finite_at_any_logit(name, labels, size):
    logits = size * jnp.array([-1.0, 1.0, 1.0, -1.0])
    loss, grad = graded(name)(logits, jnp.array(labels))
    assert jnp.isfinite(loss)
    assert jnp.isfinite(grad).all()


balanced = jax.jit(losses.balanced_logistic)
balanced_gradient = jax.jit(jax.grad(losses.balanced_logistic))


@given(st.integers(0, 1000), st.floats(0.1, 3.0))
def test_ignored_cells_have_no_gradient_and_sides_share_as_asked(seed, neg_weight):
    rng = np.random.default_rng(seed)
    logits = jnp.asarray(rng.normal(size=(2, 5, 5)), jnp.float32)
    labels = jnp.asarray(rng.choice([0.0, 0.5, 1.0], (2, 5, 5)), jnp.float32)
    labels = labels.at[0, 0, 0].set(1.0).at[0, 0, 1].set(0.0)
    grad = balanced_gradient(logits, labels, neg_weight=neg_weight)
    assert not grad[labels == 0.5].any()
    cells = losses.logistic(logits, labels)
    want = (cells[labels == 1].mean() + neg_weight * cells[labels == 0].mean()) / (1 + neg_weight)
    got = balanced(logits, labels, neg_weight=neg_weight)
    np.testing.assert_allclose(got, want, rtol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_mean_over_devices_is_the_loss_of_the_whole_batch(name):
    """Positives are spread unevenly, so that denominators of one's own would show."""
    rng = np.random.default_rng(0)
    logits = jnp.asarray(rng.normal(size=(8, 5, 5)), jnp.float32)
    labels = jnp.zeros((8, 5, 5)).at[0, :3].set(1.0).at[3, 2, 2].set(1.0).at[7].set(1.0).at[5, 1].set(0.5)
    loss, grad = jax.jit(jax.value_and_grad(LOSSES[name]))(logits, labels)

    def shared(shift, logits, labels):
        loss, grad = jax.value_and_grad(lambda s: LOSSES[name](logits + s, labels, axis_name="data"))(shift)
        return jax.lax.pmean((loss, grad), "data")

    split = lambda x: x.reshape(4, 2, 5, 5)  # noqa: E731
    for mapped in (jax.pmap(shared, axis_name="data"), jax.jit(jax.vmap(shared, axis_name="data"))):
        got = mapped(jnp.zeros(4), split(logits), split(labels))
        np.testing.assert_allclose(got[0], np.full(4, loss), rtol=1e-5)
        np.testing.assert_allclose(got[1], np.full(4, grad.sum()), rtol=1e-4, atol=1e-6)


def test_ghm_c_keeps_half_of_its_old_counts():
    logits, labels = jnp.zeros(6), jnp.zeros(6)
    ghm_c = jax.jit(losses.ghm_c)
    _, first = ghm_c(logits, labels, jnp.zeros(30))
    _, second = ghm_c(logits, labels, first)
    assert float(first[15]) == 3.0
    assert float(second[15]) == 4.5
    assert float(second.sum()) == 4.5


def test_ohnm_keeps_three_negatives_for_a_positive():
    logits = jnp.array([0.0, 5.0, 4.0, 3.0, 2.0, 1.0])
    grad = jax.jit(jax.grad(losses.ohnm))(logits, jnp.array([1.0, 0, 0, 0, 0, 0]))
    assert (np.asarray(grad) != 0).tolist() == [True, True, True, True, False, False]
