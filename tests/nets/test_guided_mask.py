"""Masks guided by boxes: windows are exemplars in place, one cell's mask is that of all cells, what it is shown."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax.nets import guided_mask
from siamjax.nets.alexnet import V1, AlexNet
from siamjax.nets.guided_mask import DEEP, FINE, HALVES, MIDDLE, PIXELS, GuidedMask, Segment
from siamjax.nets.similarity_heads import PixelwiseRPN, SimilarityRPN
from siamjax.weights.prepare import prepare

STAGES = tuple(dataclasses.replace(stage, features=4 * stage.groups) for stage in V1)
USED = (1, 2, 5)
LAX = {"lowering": "lax"}
NET = GuidedMask(AlexNet(STAGES, used_stages=USED, **LAX),
                 SimilarityRPN(PixelwiseRPN(hidden=4, context=4, depth=1, **LAX)), Segment(4, (4, 4), **LAX))


def images(search=143, batch=2):
    rng = np.random.default_rng(0)
    return [rng.uniform(0, 255, (batch, side, side, 3)).astype(np.float32) for side in (127, search)]


@functools.cache
def variables():
    return jax.jit(NET.init)(jax.random.key(0), *images(batch=1))


@functools.cache
def plain():
    """Maps of the plain net."""
    return jax.jit(NET.apply)(variables(), *images())


def test_an_alexnet_gives_the_stages_it_is_asked_for():
    plain, levels = AlexNet(STAGES, **LAX), AlexNet(STAGES, used_stages=USED, **LAX)
    image = images()[0]
    params = jax.jit(plain.init)(jax.random.key(1), image)
    assert jax.tree.structure(params) == jax.tree.structure(jax.eval_shape(levels.init, jax.random.key(1), image))
    last, taken = jax.jit(lambda params: plain.apply(params, image, mutable="intermediates"))(params)
    outputs = jax.jit(levels.apply)(params, image)
    for number, level in zip(USED, outputs, strict=True):
        np.testing.assert_array_equal(level, taken["intermediates"][f"stage{number}"][0])
    np.testing.assert_array_equal(last, outputs[-1])


def test_the_window_of_a_cell_is_an_exemplar_in_its_place():
    exemplar, search = images(search=159)
    row, column = 3, 1
    placed = search[:, 8 * row:8 * row + 127, 8 * column:8 * column + 127]

    @jax.jit
    def seen(variables):
        bound = NET.bind(variables)
        kernels = bound.embed_exemplar(exemplar)
        cues = bound.detect(kernels, search)[2]
        return cues, bound.windows(cues, jnp.tile(jnp.array([[[row, column]]]), (2, 1, 1))), bound.detect(
            kernels, placed)[2]

    cues, (_, windows, box), alone = seen(variables())
    for window, level, place in zip(windows, alone.levels, (PIXELS, FINE, MIDDLE, DEEP), strict=True):
        assert window.shape[1] == place.side
        np.testing.assert_allclose(window, level, atol=1e-3)
    np.testing.assert_array_equal(box, cues.boxes[:, row, column])


def test_the_mask_at_a_cell_is_that_of_all_cells():
    exemplar, search = images()
    cls, loc, maps = plain()

    @jax.jit
    def tracked(variables):
        bound = NET.bind(variables)
        found_cls, found_loc, cues = bound.detect(bound.embed_exemplar(exemplar), search)
        return found_cls, found_loc, bound.mask_at(cues, jnp.array([[2, 0], [0, 1]]))

    found_cls, found_loc, masks = tracked(variables())
    np.testing.assert_allclose(found_cls, cls, atol=1e-5)
    np.testing.assert_allclose(found_loc, loc, atol=1e-5)
    assert maps.shape == (2, 3, 3, 127 * 127)
    for mask, wanted in zip(masks, (maps[0, 2, 0], maps[1, 0, 1])):
        np.testing.assert_allclose(mask.reshape(-1), wanted, atol=1e-4)


def test_the_prepared_net_gives_the_same_masks():
    crops = images()
    net, params = prepare(NET, variables(), shapes=tuple(crop.shape for crop in crops), platform="gpu")
    for fast, wanted in zip(jax.jit(net.apply)(params, *crops), plain(), strict=True):
        np.testing.assert_allclose(fast, wanted, atol=1e-3 * np.abs(wanted).max())


def test_the_likeliest_box_is_of_the_anchor_with_the_highest_logit():
    cls, loc = np.zeros((1, 1, 1, 10), np.float32), np.zeros((1, 1, 1, 20), np.float32)
    cls[..., 5 + 2] = 1  # foreground of the square anchor, 64 px a side
    loc[..., 2], loc[..., 10 + 2] = 0.25, np.log(0.5)  # a quarter of a side to the right, half as wide
    np.testing.assert_allclose(NET.likeliest(jnp.asarray(cls), jnp.asarray(loc))[0, 0, 0], [16, 0, 32, 64], atol=1e-4)


@pytest.mark.parametrize("place", [FINE, MIDDLE, HALVES])
def test_box_maps_are_one_in_the_middle_and_zero_on_the_rim(place):
    maps = np.asarray(guided_mask.box_maps(jnp.array([[4.0, -6.0, 41.0, 21.0]]), place))[0]
    x = place.first + place.step * np.arange(place.side) - 63
    np.testing.assert_allclose(maps[0, :, 0], np.clip(1 - np.abs(x - 4) / 20.5, -1, 1), atol=1e-5)
    inside = (np.abs(x - 4) < 20.5)[None] & (np.abs(x + 6) < 10.5)[:, None]
    np.testing.assert_array_equal(maps[..., 2] > 1e-5, inside)  # on the rim it rounds either way


@pytest.mark.parametrize(("source", "target"), [(DEEP, MIDDLE), (MIDDLE, FINE), (FINE, HALVES), (HALVES, PIXELS)])
def test_resampling_keeps_every_feature_in_its_place(source, target):
    def places(lattice):
        return (lattice.first + lattice.step * np.arange(lattice.side)).astype(np.float32)

    x = np.broadcast_to(places(source)[None, :, None, None], (1, source.side, source.side, 1))
    rows = np.asarray(guided_mask.resample(jnp.asarray(x), source, target))[0, :, 0, 0]
    np.testing.assert_allclose(rows, np.clip(places(target), places(source)[0], places(source)[-1]), atol=1e-3)


def test_similarity_is_one_where_the_exemplar_lies():
    z = np.random.default_rng(0).uniform(1, 2, (1, 6, 6, 8)).astype(np.float32)
    own = np.asarray(guided_mask.similarity(jnp.asarray(z), jnp.asarray(z))).reshape(36, 36)
    np.testing.assert_allclose(np.diag(own), 1, atol=1e-4)
    assert (own <= 1 + 1e-5).all()
    assert own.min() < 0  # of features that are all positive
