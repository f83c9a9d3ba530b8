import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from siamjax.errors import ConfigError
from siamjax.ops import distances

NAMES = ("euclidean", "squared", "cosine", "manhattan")


@functools.cache
def graded(name):
    """One program for all embeddings of a size."""
    return jax.jit(jax.value_and_grad(distances.named(name), argnums=(0, 1)))


def reference(name, a, b):
    """Distance and gradients by `a` and by `b`, float64."""
    d = a - b
    if name == "squared":
        return (d**2).sum(), 2 * d, -2 * d
    if name == "euclidean":
        r = np.sqrt((d**2).sum())
        return r, d / r, -d / r
    if name == "manhattan":
        return np.abs(d).sum(), np.sign(d), -np.sign(d)
    p, q, dot = np.linalg.norm(a), np.linalg.norm(b), a @ b
    return 1 - dot / (p * q), -(b / (p * q) - dot * a / (p**3 * q)), -(a / (p * q) - dot * b / (p * q**3))


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 10_000), size=st.sampled_from([1, 6]))
def test_value_and_gradients_equal_float64(name, seed, size):
    # Not shorter than 1: the terms of a gradient, which may cancel, are as large as 1 over the length.
    a, b = (np.float32(x / min(1, np.linalg.norm(x))) for x in np.random.default_rng(seed).normal(size=(2, size)))
    assume((a != b).any())  # where the distance is 0 its slope is anything
    value, gradients = graded(name)(a, b)
    want, *wanted = reference(name, a.astype(np.float64), b.astype(np.float64))
    np.testing.assert_allclose(value, want, rtol=1e-6, atol=1e-6)
    for got, expected in zip(gradients, wanted):
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("b", [[1.0, -2.0, 0.0], [0.0, 0.0, 0.0], [1e-30, 0.0, 0.0], [1e-45, 0.0, 0.0]])
def test_equal_and_vanishing_embeddings_have_finite_gradients(name, b):
    b = jnp.array(b)
    for a in (b, jnp.zeros(3), b * 2):
        value, gradients = graded(name)(a, b)
        assert jnp.isfinite(value)
        assert all(jnp.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("name", NAMES)
def test_equal_embeddings_are_0_apart_and_have_no_gradient(name):
    a = jnp.array([0.6, -0.8, 0.0])
    value, gradient = jax.jit(jax.value_and_grad(distances.named(name)))(a, a)
    np.testing.assert_allclose(value, 0, atol=1e-6)
    np.testing.assert_allclose(gradient, 0, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 10_000))
def test_a_distance_is_symmetric_not_negative_and_broadcasts(name, seed):
    a, b = np.random.default_rng(seed).normal(size=(2, 4, 5)).astype(np.float32)
    named = jax.jit(distances.named(name))
    one, other = (named(x[:, None], y[None]) for x, y in ((a, b), (b, a)))
    np.testing.assert_allclose(one, other.T, rtol=1e-6)
    np.testing.assert_allclose(jnp.diagonal(one), named(a, b), rtol=1e-6)
    assert (one >= 0).all()


def test_cosine_does_not_see_length():
    a, b = jnp.array([1.0, 2.0, -1.0]), jnp.array([0.5, 0.0, 3.0])
    np.testing.assert_allclose(distances.cosine(a, b), distances.cosine(1e3 * a, 1e-3 * b), rtol=1e-6)
    assert float(distances.cosine(a, jnp.zeros(3))) == 1


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize("name", NAMES)
def test_embeddings_of_two_sizes_are_an_error(name):
    with pytest.raises(ConfigError, match="embeddings of 4 and of 5 numbers"):
        distances.named(name)(jnp.zeros((2, 4)), jnp.zeros((2, 5)))


def test_an_unknown_distance_lists_those_there_are():
    with pytest.raises(ConfigError, match=r"'hamming'.*euclidean, squared, cosine, manhattan"):
        distances.named("hamming")
