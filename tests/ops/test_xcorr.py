"""Correlations: forms against each other, against the reference, and their properties."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax.errors import ConfigError
from siamjax.ops import xcorr

OPERATORS = {"dense": (xcorr.dense, 1), "depthwise": (xcorr.depthwise, 1), "upchannel": (xcorr.upchannel, 3)}


def example(name, batch=2, exemplars=2):
    rng = np.random.default_rng(3)
    z = rng.standard_normal((exemplars, 4, 5, 8 * OPERATORS[name][1])).astype(np.float32)
    return z, rng.standard_normal((batch, 9, 11, 8)).astype(np.float32)


@pytest.mark.parametrize("exemplars", [1, 3])
@pytest.mark.parametrize("name", OPERATORS)
def test_fast_equals_plain_with_gradients(name, exemplars):
    correlate, _ = OPERATORS[name]
    z, x = example(name, batch=3, exemplars=exemplars)

    @functools.partial(jax.jit, static_argnums=0)
    def with_gradients(form, z, x):
        y, back = jax.vjp(lambda z, x: correlate(z, x, lowering=form), z, x)
        return y, *back(jnp.cos(jnp.arange(y.size, dtype=jnp.float32)).reshape(y.shape))

    results = [with_gradients(form, z, x) for form in ("lax", "fast", "auto")]
    for other in results[1:]:
        for actual, expected in zip(other, results[0]):
            assert actual.shape == expected.shape
            assert np.abs(actual - expected).max() <= 3e-6 * np.abs(expected).max()


@pytest.mark.parametrize("lowering", ["lax", "fast"])
def test_reference_values(golden, lowering):
    heads = golden("heads")
    kernel, search = (heads[f"xcorr/{name}"].transpose(0, 2, 3, 1) for name in ("kernel", "search"))
    up = heads["xcorr/up_kernel"].transpose(0, 2, 3, 1)
    for actual, expected in (
            (xcorr.depthwise(kernel, search, lowering=lowering), heads["xcorr/depthwise"]),
            (xcorr.dense(kernel, search, lowering=lowering)[..., None], heads["xcorr/slow"]),
            (xcorr.upchannel(up, search, lowering=lowering), heads["xcorr/fast_up"])):
        np.testing.assert_allclose(np.moveaxis(actual, 3, 1), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("lowering", ["lax", "fast"])
def test_dense_is_the_sum_of_depthwise_over_channels(lowering):
    z, x = example("dense")
    np.testing.assert_allclose(xcorr.dense(z, x, lowering=lowering),
                               xcorr.depthwise(z, x, lowering=lowering).sum(-1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", OPERATORS)
def test_shifting_the_search_shifts_the_response(name):
    correlate, _ = OPERATORS[name]
    z, x = example(name)
    y, shifted = (correlate(z, array) for array in (x, jnp.roll(x, (1, 2), axis=(1, 2))))
    np.testing.assert_allclose(shifted[:, 1:, 2:], y[:, :-1, :-2], rtol=1e-4, atol=1e-5)


def test_a_response_is_largest_where_the_exemplar_was_cut():
    x = np.random.default_rng(0).standard_normal((1, 9, 11, 64)).astype(np.float32)
    response = xcorr.dense(x[:, 3:7, 4:9], x)[0]
    assert np.unravel_index(np.argmax(response), response.shape) == (3, 4)


def test_a_cpu_compiles_no_convolution_and_others_nothing_else():
    z, x = example("depthwise")
    for name in OPERATORS:
        traced = jax.jit(OPERATORS[name][0]).trace(np.repeat(z, OPERATORS[name][1], axis=3), x)
        assert "stablehlo.convolution" not in traced.lower(lowering_platforms=("cpu",)).as_text()
        assert "stablehlo.convolution" in traced.lower(lowering_platforms=("cuda",)).as_text()


@pytest.mark.usefixtures("no_shape_checks")
def test_unequal_batches_and_unknown_lowerings_are_refused():
    z, x = example("dense")
    with pytest.raises(AssertionError):
        xcorr.dense(z, np.repeat(x, 2, axis=0))
    with pytest.raises(ConfigError, match="quick"):
        xcorr.depthwise(z, x, lowering="quick")


def test_pixelwise_compares_every_pixel_with_every_other():
    z, x = example("dense")
    out = xcorr.pixelwise(z, x)
    assert out.shape == (2, 9, 11, 20)
    np.testing.assert_allclose(out, np.einsum("bhwc,byxc->byxhw", z, x).reshape(out.shape), rtol=1e-5, atol=1e-5)
    for lowering in ("lax", "fast"):
        np.testing.assert_allclose(xcorr.pixelwise(z[:1], x, lowering=lowering)[0], out[0], rtol=1e-5, atol=1e-5)
