"""Heads that read similarities: their maps, the forms they run in, and what they can tell before any training."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.siamrpn import SiamRPN
from siamjax.nets.similarity_heads import PixelwiseRPN, SimilarityRPN
from siamjax.weights.prepare import prepare

ANCHORS, CHANNELS = 5, 8


def head(lowering="lax"):
    return SimilarityRPN(PixelwiseRPN(hidden=6, context=4, depth=1, lowering=lowering))


def features(exemplar=6, search=13, seed=0):
    """An exemplar cut from its search features at row 3, column 5."""
    x = np.random.default_rng(seed).standard_normal((2, search, search, CHANNELS)).astype(np.float32)
    return x[:, 3:3 + exemplar, 5:5 + exemplar], x


@functools.partial(jax.jit, static_argnums=0)
def through(net, variables, z, x):
    return net.apply(variables, net.apply(variables, z, method="kernels"), x)


@functools.partial(jax.jit, static_argnums=0)
def made(net, z, x):
    return net.init(jax.random.key(1), net.apply({"params": {"gain": jnp.ones(2)}}, z, method="kernels"), x)


@pytest.mark.parametrize("size", [1, 6, *(pytest.param(size, marks=pytest.mark.slow) for size in (4, 5, 7))])
def test_maps_have_a_cell_for_each_place_of_the_exemplar(size):
    z, x = features(size)
    cls, loc = through(head(), made(head(), z, x), z, x)
    grid = 13 - size + 1
    assert cls.shape == (2, grid, grid, 2 * ANCHORS)
    assert loc.shape == (2, grid, grid, 4 * ANCHORS)
    assert cls.dtype == loc.dtype == jnp.float32


def test_the_class_peaks_at_the_exemplar_before_any_training():
    z, x = features()
    variables = made(head(), z, x)
    variables["params"]["gain"] = jnp.array([0.0, 50.0])
    cls, _ = through(head(), variables, z, x)
    for foreground in np.moveaxis(np.asarray(cls[..., ANCHORS:]), 3, 1).reshape(-1, 8, 8):
        assert np.unravel_index(foreground.argmax(), (8, 8)) == (3, 5)


def test_the_background_hears_nothing_of_the_response():
    z, x = features()
    variables = made(head(), z, x)
    quiet = {**variables, "params": {**variables["params"], "gain": jnp.zeros(2)}}
    (loud_cls, loud_loc), (quiet_cls, quiet_loc) = (through(head(), v, z, x) for v in (variables, quiet))
    np.testing.assert_array_equal(loud_cls[..., :ANCHORS], quiet_cls[..., :ANCHORS])
    np.testing.assert_array_equal(loud_loc, quiet_loc)
    assert np.abs(loud_cls[..., ANCHORS:] - quiet_cls[..., ANCHORS:]).max() > 0.1


def test_boxes_depend_on_directions_of_features_not_on_their_lengths():
    z, x = features()
    net = PixelwiseRPN(hidden=6, context=4, depth=1, lowering="lax")
    variables = jax.jit(lambda z: net.init(jax.random.key(1), net.apply({}, z, method="kernels"), x))(z)
    (_, loc), (_, scaled) = (through(net, variables, scale * z, x) for scale in (1, 7))
    np.testing.assert_allclose(scaled, loc, rtol=1e-4, atol=1e-5)


def test_forms_agree():
    stages = (Stage(4, 11, 4), Stage(CHANNELS, 3, relu=False))
    images = [np.random.default_rng(2).integers(0, 256, (1, size, size, 3)).astype(np.float32) for size in (47, 79)]
    variables = jax.jit(SiamRPN(AlexNet(stages, lowering="lax"), head()).init)(jax.random.key(0), *images)
    outputs = []
    for lowering in ("lax", "auto"):
        net = SiamRPN(AlexNet(stages, lowering=lowering), head(lowering))
        outputs.append(jax.jit(net.apply)(variables, *images))
        tracking, folded = prepare(net, variables, shapes=tuple(image.shape for image in images))
        outputs.append(jax.jit(tracking.apply)(folded, *images))
    for other in outputs[1:]:
        for actual, expected in zip(other, outputs[0]):
            np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
