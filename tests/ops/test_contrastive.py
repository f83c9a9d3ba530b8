"""Values and gradients against float64 numpy; the whole batch's on any number of devices."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax.errors import ConfigError
from siamjax.ops import contrastive, distances

# Distances: 0, inside the margin of 1, on it, outside.
APART = np.array([0.0, 0.3, 0.999, 1.0, 2.5])
LABELS = {"mixed": [1, 0, 1, 0, 0], "flipped": [0, 1, 0, 1, 1], "all similar": [1] * 5, "all different": [0] * 5}


def pairs():
    """Embeddings `[5, 4]` at the distances `APART`."""
    rng = np.random.default_rng(0)
    first, direction = rng.normal(size=(2, 5, 4))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    second = first + APART[:, None] * direction
    return first.astype(np.float32), second.astype(np.float32)


def reference(form, first, second, similar, margin=1.0):
    """Losses of the pairs and their gradients by `first`, float64; where the distance has no gradient, 0."""
    difference = np.float64(first) - np.float64(second)
    d = np.sqrt((difference**2).sum(1))
    direction = np.divide(difference, d[:, None], out=np.zeros_like(difference), where=d[:, None] > 0)
    short, s = np.maximum(margin - d, 0), np.float64(similar)
    if form == "linear":
        losses, slope = s * d + (1 - s) * short, s - (1 - s) * (d < margin)
    else:
        losses, slope = (s * d**2 + (1 - s) * short**2) / 2, s * d - (1 - s) * short
    return losses, slope[:, None] * direction


FORMS = {"linear": contrastive.contrastive, "squared": contrastive.contrastive_squared}


@functools.cache
def of_pairs(form, reduction):
    """One program for all labels."""
    def loss(first, second, similar):
        return FORMS[form](distances.euclidean(first, second), similar, margin=1.0, reduction=reduction)

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("labels", LABELS)
def test_contrastive_equals_float64(form, reduction, labels):
    first, second = pairs()
    similar = np.array(LABELS[labels], bool)
    value, (by_first, by_second) = of_pairs(form, reduction)(first, second, similar)
    losses, gradient = reference(form, first, second, similar)
    share = 1 / len(losses) if reduction == "mean" else 1.0
    np.testing.assert_allclose(value, share * losses.sum(), rtol=1e-6, atol=1e-6)
    kept = np.abs(APART - 1) > 1e-6  # on the margin rounding decides the side
    np.testing.assert_allclose(by_first[kept], share * gradient[kept], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(by_second[kept], -share * gradient[kept], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_similar_1_means_the_same_object(form):
    """Label 1 pulls together and label 0 pushes apart; flipped anywhere, this fails."""
    near, far = jnp.array([0.1]), jnp.array([0.9])
    for same, other in (([1], [0]), ([True], [False]), ([1.0], [0.0])):
        assert float(FORMS[form](near, same, margin=1.0)) < float(FORMS[form](far, same, margin=1.0))
        assert float(FORMS[form](near, other, margin=1.0)) > float(FORMS[form](far, other, margin=1.0))
        assert float(FORMS[form](jnp.zeros(1), same, margin=1.0)) == 0
        assert float(FORMS[form](2 * jnp.ones(1), other, margin=1.0)) == 0


def test_linear_form_is_the_one_that_is_asked_for():
    distance = jnp.array([0.25, 0.25, 3.0, 3.0])
    got = contrastive.contrastive(distance, [1, 0, 1, 0], margin=2.0, reduction="sum")
    np.testing.assert_allclose(got, 0.25 + 1.75 + 3.0 + 0.0, rtol=1e-6)


# Batches in which an object comes twice and pairs are not all similar.

IDENTITY = np.array([[0, 0], [1, 1], [2, 3], [0, 0], [4, 4], [5, 6], [7, 7], [8, 8]])


def views(seed=1, size=5):
    return np.random.default_rng(seed).normal(size=(2, len(IDENTITY), size)).astype(np.float32)


def reference_triplet(first, second, identity, margin, within, name="euclidean"):
    x = np.float64(np.concatenate([first, second]))
    who, side = identity.T.reshape(-1), np.arange(len(x)) // len(first)
    d = {"euclidean": lambda d: np.sqrt((d**2).sum(-1)), "manhattan": lambda d: np.abs(d).sum(-1)}[name](
        x[:, None] - x[None])
    losses = []
    for i in range(len(x)):
        others = [j for j in range(len(x)) if j != i and (within or side[j] != side[i])]
        same, rest = [[d[i, j] for j in others if (who[j] == who[i]) == want] for want in (True, False)]
        if same and rest:
            losses.append(max(margin + max(same) - min(rest), 0))
    return np.mean(losses)


def reference_nt_xent(first, second, identity, temperature, within):
    x = np.float64(np.concatenate([first, second]))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    who, count = identity.T.reshape(-1), len(first)
    logits, losses = x @ x.T / temperature, []
    for i in range(len(x)):
        partner = (i + count) % (2 * count)
        rivals = [j for j in range(len(x)) if who[j] != who[i] and (within or j // count != i // count)]
        if who[partner] == who[i]:
            losses.append(np.log(sum(np.exp(logits[i, [partner, *rivals]]))) - logits[i, partner])
    return np.mean(losses)


def numeric(loss, x, step=1e-6):
    """Gradient of a float64 function by differences."""
    gradient = np.zeros(x.shape)
    for place in np.ndindex(*x.shape):
        moved = [np.float64(x), np.float64(x)]
        moved[0][place] += step
        moved[1][place] -= step
        gradient[place] = (loss(moved[0]) - loss(moved[1])) / (2 * step)
    return gradient


@pytest.mark.parametrize("within", [True, False])
@pytest.mark.parametrize("name", ["euclidean", "manhattan"])
def test_triplet_equals_float64(within, name):
    def loss(x):
        return contrastive.triplet(x[0], x[1], IDENTITY, margin=0.7, distance=distances.named(name), within=within)[0]

    value, gradient = jax.jit(jax.value_and_grad(loss))(views())
    want = lambda x: reference_triplet(*x, IDENTITY, 0.7, within, name)  # noqa: E731
    np.testing.assert_allclose(value, want(views()), rtol=1e-6)
    np.testing.assert_allclose(gradient, numeric(want, views()), atol=1e-6)


@pytest.mark.parametrize("within", [True, False])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_nt_xent_equals_float64(within, temperature):
    def loss(x):
        return contrastive.nt_xent(x[0], x[1], IDENTITY, temperature=temperature, within=within)[0]

    value, gradient = jax.jit(jax.value_and_grad(loss))(views())
    want = lambda x: reference_nt_xent(*x, IDENTITY, temperature, within)  # noqa: E731
    np.testing.assert_allclose(value, want(views()), rtol=1e-6)
    np.testing.assert_allclose(gradient, numeric(want, views()), atol=2e-6)


def test_nt_xent_of_distinct_objects_is_simclrs():
    """Equation 1 as it is written: one positive, all else but itself in the denominator."""
    first, second = views()
    z = np.float64(np.concatenate([first, second]))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    s = np.exp(z @ z.T / 0.5)
    np.fill_diagonal(s, 0)
    count = len(first)
    want = np.mean([-np.log(s[i, (i + count) % (2 * count)] / s[i].sum()) for i in range(2 * count)])
    distinct = np.tile(np.arange(count)[:, None], (1, 2))
    np.testing.assert_allclose(contrastive.nt_xent(first, second, distinct, temperature=0.5)[0], want, rtol=1e-6)


LOSSES = {
    "linear mean": lambda a, b, i, **k: contrastive.contrastive(
        distances.euclidean(a, b), i[:, 0] == i[:, 1], margin=3.0, **k),
    "linear sum": lambda a, b, i, **k: contrastive.contrastive(
        distances.euclidean(a, b), i[:, 0] == i[:, 1], margin=3.0, reduction="sum", **k),
    "squared sum": lambda a, b, i, **k: contrastive.contrastive_squared(
        distances.euclidean(a, b), i[:, 0] == i[:, 1], margin=3.0, reduction="sum", **k),
    "triplet": lambda a, b, i, **k: contrastive.triplet(a, b, i, margin=0.7, **k)[0],
    "triplet across": lambda a, b, i, **k: contrastive.triplet(a, b, i, margin=0.7, within=False, **k)[0],
    "nt_xent": lambda a, b, i, **k: contrastive.nt_xent(a, b, i, **k)[0],
    "nt_xent across": lambda a, b, i, **k: contrastive.nt_xent(a, b, i, within=False, **k)[0]}


@pytest.mark.parametrize("devices", [4, pytest.param(8, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", [name if name in ("linear mean", "triplet", "nt_xent across") else
                                  pytest.param(name, marks=pytest.mark.slow) for name in LOSSES])
def test_mean_over_devices_is_the_loss_of_the_whole_batch(name, devices):
    """Negatives come from all devices; the same object lies on several, and one holds no similar pair."""
    first, second = views()
    turn = np.eye(5, dtype=np.float32)

    def of(turn, first, second, identity, **axis):
        return LOSSES[name](first @ turn, second @ turn, identity, **axis)

    loss, gradient = jax.jit(jax.value_and_grad(of))(turn, first, second, IDENTITY)

    def shared(first, second, identity):
        return jax.lax.pmean(jax.value_and_grad(of)(turn, first, second, identity, axis_name="data"), "data")

    shares = [x.reshape(devices, -1, x.shape[-1]) for x in (first, second, IDENTITY)]
    maps = [jax.jit(jax.vmap(shared, axis_name="data"))]
    if devices <= jax.local_device_count():
        maps.append(jax.pmap(shared, axis_name="data"))
    for mapped in maps:
        got = mapped(*shares)
        np.testing.assert_allclose(got[0], np.full(devices, loss), rtol=1e-5)
        np.testing.assert_allclose(got[1], np.broadcast_to(gradient, got[1].shape), rtol=1e-4, atol=1e-5)


@functools.cache
def graded(name):
    return jax.jit(jax.value_and_grad(LOSSES[name]))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("identity", [np.zeros((4, 2), int), np.arange(8).reshape(4, 2),
                                      np.tile(np.arange(4)[:, None], (1, 2))])
def test_collapsed_embeddings_have_finite_losses_and_gradients(name, identity):
    """All equal, all zeros; all of one object, all of different ones, four distinct pairs."""
    for x in (jnp.ones((4, 3)), jnp.zeros((4, 3))):
        loss, gradient = graded(name)(x, x, identity)
        assert jnp.isfinite(loss)
        assert jnp.isfinite(gradient).all()


@pytest.mark.parametrize("loss", [contrastive.contrastive, contrastive.contrastive_squared])
@pytest.mark.parametrize("margin", [0.0, -1.0, float("nan")])
def test_a_margin_that_is_not_above_0_is_an_error(loss, margin):
    with pytest.raises(ConfigError, match=f"margin is {margin}"):
        loss(jnp.ones(2), [0, 1], margin=margin)
    with pytest.raises(ConfigError, match=f"margin is {margin}"):
        contrastive.triplet(*views(), IDENTITY, margin=margin)


def test_other_settings_out_of_range_are_errors():
    with pytest.raises(ConfigError, match="temperature is 0"):
        contrastive.nt_xent(*views(), IDENTITY, temperature=0.0)
    with pytest.raises(ConfigError, match="reduction is 'median'"):
        contrastive.contrastive(jnp.ones(2), [0, 1], margin=1.0, reduction="median")


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize("loss", [contrastive.nt_xent, lambda *a: contrastive.triplet(*a, margin=1.0)])
def test_a_batch_of_one_and_embeddings_of_two_sizes_are_errors(loss):
    one = jnp.ones((1, 4))
    with pytest.raises(ConfigError, match="batch of one pair"):
        loss(one, one, jnp.zeros((1, 2), int))
    with pytest.raises(ConfigError, match="embeddings of 4 and of 3 numbers"):
        loss(jnp.ones((2, 4)), jnp.ones((2, 3)), jnp.zeros((2, 2), int))
