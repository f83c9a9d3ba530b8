"""Inverted residuals in bands of rows against the three convolutions one after the other."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax.ops import bands
from siamjax.ops.conv import Geometry


def example(count=2, height=13, width=10, channels=4, inside=8, features=6, size=3):
    rng = np.random.default_rng(size)

    def folded(*shape):
        return (rng.normal(0, 0.3, shape).astype(np.float32), rng.normal(0, 0.3, shape[-1:]).astype(np.float32))

    weights = folded(1, 1, channels, inside), folded(size, size, 1, inside), folded(1, 1, inside, features)
    return rng.normal(size=(count, height, width, channels)).astype(np.float32), weights


@pytest.fixture(params=[1, 3, pytest.param(13, marks=pytest.mark.slow)], ids="{} rows at least".format)
def rows(request, monkeypatch):
    """How many input rows of `example` a band may have."""
    monkeypatch.setattr(bands, "BAND", request.param * 4 * 8 * 14)


@pytest.mark.parametrize(("size", "options"), [
    (3, {"padding": 1}), (3, {"padding": 1, "stride": 2}), (3, {"stride": 2}), (5, {"padding": 2, "stride": 2}),
    (3, {"padding": 2, "dilation": 2})], ids=str)
@pytest.mark.parametrize("activate", [jax.nn.relu, pytest.param(jax.nn.hard_swish, marks=pytest.mark.slow)])
def test_bands_give_what_the_whole_gives(rows, size, options, activate):
    x, weights = example(size=size)
    whole, banded = (jax.jit(functools.partial(
        bands.inverted_residual, activate=activate, geometry=Geometry(groups=8, **options), lowering=form))(x, weights)
        for form in ("lax", "fast"))
    assert whole.shape == banded.shape
    np.testing.assert_allclose(banded, whole, atol=3e-6 * np.abs(whole).max())


def test_targets_of_a_vmap_join_the_batch():
    x, weights = example(count=3)
    banded = jax.jit(functools.partial(bands.inverted_residual, activate=jax.nn.relu,
                                       geometry=Geometry(padding=1, groups=8), lowering="fast"))
    lanes = jax.jit(jax.vmap(banded, in_axes=(0, None)))(x[:, None], weights)
    np.testing.assert_allclose(lanes[:, 0], banded(x, weights), atol=1e-6)
    doubled = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), weights)  # weights a lane
    each = jax.jit(jax.vmap(banded))(np.stack([x, x]), doubled)
    np.testing.assert_allclose(each[1], banded(x, jax.tree.map(lambda leaf: 2 * leaf, weights)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("rows", "stride", "reach", "row", "most"), [
    (64, 2, 2, 49_920, 4), (32, 2, 4, 39_168, 4), (63, 1, 2, 49_920, 7), (61, 1, 2, 49_920, 1), (5, 1, 2, 10**7, 1)])
def test_a_band_divides_the_rows_and_fits(rows, stride, reach, row, most):
    assert bands._band_rows(rows, stride, reach, row) == most
