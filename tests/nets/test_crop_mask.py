"""Masks of crops: cells keep their places from level to level, memory tells the target, training is as tracking."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax.nets import crop_mask
from siamjax.nets.anchor_free_heads import PixelwiseHead
from siamjax.nets.crop_mask import CropSegment, MaskedRPN, Memory
from siamjax.nets.inverted import Block, InvertedTrunk
from siamjax.weights.prepare import prepare

LAX = {"lowering": "lax"}
BLOCKS = (Block(4, 3, 2, None), Block(6, 3, 2, None), Block(8, 3, 2, None))
NET = MaskedRPN(InvertedTrunk(BLOCKS, stem=4, projection=4, **LAX), PixelwiseHead(hidden=4, depth=1, **LAX),
                segment=CropSegment((6, 5, 4, 3), **LAX), used_stages=(1, 2, 3))
SIDE = 64


def crops(seed=0, batch=2):
    rng = np.random.default_rng(seed)
    return [rng.uniform(0, 255, (batch, SIDE, SIDE, 3)).astype(np.float32) for _ in range(2)]


@functools.cache
def variables():
    """Of the net, drawn without its `init`, which would be compiled."""
    shapes, rng = jax.eval_shape(NET.init, jax.random.key(0), *crops(batch=1)), np.random.default_rng(2)

    def drawn(leaf):
        if leaf.ndim < 2:  # biases, scales and variances
            return jnp.asarray(rng.uniform(0.5, 1, leaf.shape), leaf.dtype)
        return jnp.asarray(rng.normal(size=leaf.shape) / np.sqrt(np.prod(leaf.shape[:-1])), leaf.dtype)

    return jax.tree.map(drawn, shapes)


@pytest.mark.slow
def test_a_trunk_gives_the_stages_it_is_asked_for_and_runs_no_others():
    trunk, params = NET.backbone, {kind: parts["backbone"] for kind, parts in variables().items()}
    image = crops()[0][:1, :16, :16]
    (_, kept), (levels, seen) = jax.jit(lambda image: (
        trunk.apply(params, image, mutable="intermediates"),
        trunk.apply(params, image, stages=(0, 2), mutable="intermediates")))(image)
    for number, level in zip((0, 2), levels, strict=True):
        np.testing.assert_array_equal(level, kept["intermediates"][f"stage{number}"][0])
    assert seen["intermediates"].keys() == {"stage0", "stage1", "stage2"}


@pytest.mark.slow
def test_the_masks_of_training_are_those_of_tracking():
    exemplar, search = crops()
    trained = jax.jit(NET.apply)(variables(), exemplar, search)
    memory = jax.jit(functools.partial(NET.apply, method="remember"))(variables(), exemplar)
    tracked = jax.jit(functools.partial(NET.apply, method="mask"))(variables(), memory, search)
    assert trained.shape == (2, SIDE // 2, SIDE // 2)
    np.testing.assert_allclose(trained, tracked, atol=1e-5)


@pytest.mark.slow
def test_the_prepared_net_gives_the_same_masks_and_boxes():
    pair = crops()
    net, params = prepare(NET, variables(), shapes=tuple(crop.shape for crop in pair), platform="gpu")

    def all_of(net):
        def run(variables):
            bound = net.bind(variables)
            return bound(*pair), bound.detect(bound.embed_exemplar(pair[0]), pair[1])

        return jax.jit(run)

    found, wanted = (jax.tree.leaves(all_of(own)(tree)) for own, tree in ((net, params), (NET, variables())))
    for fast, plain in zip(found, wanted, strict=True):
        np.testing.assert_allclose(fast, plain, atol=1e-3 * np.abs(plain).max())


@pytest.mark.slow
def test_one_search_in_four_trains_without_its_memory():
    exemplar, search = (np.repeat(crop[:1], 4, axis=0) for crop in crops())
    other = crops(1)[0][[0, 0, 0, 0]]
    apply = jax.jit(functools.partial(NET.segment.apply, train=True, mutable=["batch_stats"]))
    own = {kind: parts["segment"] for kind, parts in variables().items()}
    levels = [NET.apply(variables(), image, method="levels") for image in (exemplar, other, search)]
    maps = [apply(own, search, levels[2], Memory(z[-2:], jnp.full((4, 32, 32, 1), likely)))[0]
            for z, likely in ((levels[0], 0.9), (levels[1], 0.1))]
    np.testing.assert_allclose(maps[0][1], maps[0][3], atol=1e-4)
    assert np.abs(maps[0][0] - maps[0][1]).max() > 1e-3  # the first hears nothing of its memory


def test_likeness_tells_the_target_from_the_rest():
    rng = np.random.default_rng(0)
    target, rest = rng.normal(size=(2, 8))
    inside = np.zeros((6, 6), bool)
    inside[2:4, 1:5] = True
    z = np.where(inside[..., None], target, rest)[None].astype(np.float32)
    x = np.where(inside.T[..., None], target, rest)[None].astype(np.float32)
    likely = jnp.asarray(inside[None, ..., None], jnp.float32)
    maps = np.asarray(crop_mask.likeness(jnp.asarray(x), jnp.asarray(z), likely))
    np.testing.assert_array_equal(maps[0, ..., 0] > 0.5, inside.T)
    np.testing.assert_array_equal(maps[0, ..., 1] > maps[0, ..., 2], inside.T)


@pytest.mark.parametrize("side", [4, 7])
def test_twice_as_many_cells_keep_every_feature_in_its_place(side):
    x = np.broadcast_to(np.arange(side, dtype=np.float32)[None, :, None, None], (1, side, side, 1))
    both = np.asarray(crop_mask.doubled(jnp.asarray(x)))[0, ..., 0]
    assert both.shape == (2 * side, 2 * side)
    np.testing.assert_allclose(both[:, 0], np.minimum(np.arange(2 * side) / 2, side - 1))
    turned = np.asarray(crop_mask.doubled(jnp.asarray(x.swapaxes(1, 2))))[0, ..., 0]
    np.testing.assert_array_equal(turned, both.T)


@pytest.mark.parametrize("side", [16, 8, 4])
def test_fewer_cells_are_the_mean_round_their_places(side):
    step = 16 // side
    ramp = np.broadcast_to(np.arange(16, dtype=np.float32)[None, None, :, None], (1, 16, 16, 1))
    few = np.asarray(crop_mask.shrunk(jnp.asarray(ramp), side))[0, ..., 0]
    assert few.shape == (side, side)
    shift = 0 if step == 1 else 0.5  # of `step` cells, an even number, the middle lies between two
    np.testing.assert_allclose(few[0, 1:], step * np.arange(1, side) - shift)


def test_box_maps_are_one_in_the_middle_and_zero_on_the_rim():
    maps = np.asarray(crop_mask.box_maps(16, 0.5, 1))[0]  # the box takes half of the crop
    np.testing.assert_allclose(maps[8, 8], 1)
    np.testing.assert_allclose(maps[4, :, 1], 0)
    np.testing.assert_allclose(maps[:, 12, 0], 0)
    assert (maps[..., 2] == np.minimum(maps[..., 0], maps[..., 1])).all()
