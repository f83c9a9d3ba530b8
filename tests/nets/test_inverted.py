"""Trunks of inverted residuals whose blocks are data, and anchor-free heads: sizes, counts, and what fields do."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest
from flax import linen as nn

from siamjax.nets.attention import ChannelAttention
from siamjax.nets.inverted import FBNET_C, MOBILENET_V3_SMALL, Block, InvertedResidual, InvertedTrunk, multiple_of_8
from siamjax.nets.layers import ConvNorm
from siamjax.ops import bands
from siamjax.weights import spec, zoo
from siamjax.weights.prepare import prepare

LIGHT = ("fear_xs", "nanotrack_v1", "nanotrack_v2", "nanotrack_v3")


def image(side):
    return jax.ShapeDtypeStruct((1, side, side, 3), np.float32)


@pytest.mark.parametrize(("blocks", "channels"), [
    (FBNET_C, 112), (MOBILENET_V3_SMALL, 96), pytest.param(MOBILENET_V3_SMALL[:-1], 48, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("side", "cells"), [
    (127, 8), (256, 16), *(pytest.param(*case, marks=pytest.mark.slow) for case in ((128, 8), (255, 16), (512, 32)))])
def test_sixteen_pixels_a_cell(blocks, channels, side, cells):
    net = InvertedTrunk(blocks)
    out = jax.eval_shape(lambda key, x: net.init_with_output(key, x)[0], jax.random.key(0), image(side))
    assert out.shape == (1, cells, cells, channels)


# FEAR-XS as its file has it, BatchNorm folded; the others with BatchNorm's scale and shift.
@pytest.mark.parametrize(("name", "count"), [
    ("fear_xs", 1_348_605), pytest.param("nanotrack_v1", 287_966, marks=pytest.mark.slow),
    pytest.param("nanotrack_v2", 334_078, marks=pytest.mark.slow), ("nanotrack_v3", 541_446)])
def test_numbers_of_parameters(name, count):
    wanted = zoo.wanted_variables(zoo.ZOO[name].tracker)
    assert sum(leaf.size for leaf in jax.tree.leaves(wanted["params"])) == count


@pytest.mark.parametrize(("channels", "nearest"), [
    (88.08, 88), (60, 64), (4, 8), (36, 40), (30, 32), (108, 112), (11, 16)])
def test_channels_are_rounded_but_not_below_nine_tenths(channels, nearest):
    assert multiple_of_8(channels) == nearest


def narrow(block, **changes):
    return InvertedResidual(4, 8, lambda *a, **k: ConvNorm(*a, **{"lowering": "lax", **k}), **changes)


def test_a_block_that_keeps_its_shape_adds_its_input():
    pixels = np.random.default_rng(0).normal(size=(1, 6, 6, 4)).astype(np.float32)
    block = narrow(None)
    variables = block.init(jax.random.key(0), pixels)
    variables["params"]["project"]["kernel"] *= 0
    np.testing.assert_array_equal(block.apply(variables, pixels), pixels)
    strided = narrow(None, stride=2)
    assert not np.any(strided.apply(variables, pixels))


@pytest.mark.parametrize("changes", [{}, {"stride": 2}, {"squeeze": 8}, {"activation": "hard_swish"}], ids=str)
def test_a_prepared_block_in_bands_equals_the_plain_one(changes, monkeypatch):
    class Net(nn.Module):
        prepared: bool = False

        @nn.compact
        def __call__(self, x):
            conv = functools.partial(ConvNorm, prepared=self.prepared)
            return InvertedResidual(4, 8, conv, **{"stride": 1, **changes})(x)

    x = np.random.default_rng(0).normal(size=(1, 12, 10, 4)).astype(np.float32)
    variables = Net().init(jax.random.key(0), x)
    expected = Net().apply(variables, x)
    net, prepared = prepare(Net(), variables, shapes=(x.shape,), platform="cpu")
    monkeypatch.setattr(bands, "LARGEST", 0)
    text = jax.jit(net.apply).lower(prepared, x).as_text()
    assert ("while" in text) == ("squeeze" not in changes)
    np.testing.assert_allclose(net.apply(prepared, x), expected, atol=3e-6 * np.abs(expected).max())


def test_attention_weighs_whole_channels():
    x = np.random.default_rng(1).normal(size=(2, 3, 3, 8)).astype(np.float32)
    layer = ChannelAttention(ConvNorm)
    variables = layer.init(jax.random.key(0), x)
    ratio = np.asarray(layer.apply(variables, x)) / x
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:, :1, :1], ratio.shape), rtol=1e-4)
    assert (ratio > 0).all()
    assert (ratio < 1).all()
    assert np.ptp(ratio) > 0.01


def test_depthwise_kernels_are_padded_by_half_and_nothing_is_left_to_lax():
    found = {}

    def record(call, args, kwargs, context):
        layer = context.module
        if isinstance(layer, ConvNorm) and context.method_name == "__call__" and layer.groups > 1:
            found["/".join(layer.path)] = (layer.kernel_size, layer.stride, layer.padding)
        return call(*args, **kwargs)

    net = InvertedTrunk(FBNET_C, lowering="fast", norm=None)
    with nn.intercept_methods(record):
        variables = jax.eval_shape(net.init, jax.random.key(0), image(64))
    assert found["block4/depthwise"] == (5, 2, 2)
    assert found["block7/depthwise"] == (3, 1, 1)
    assert len(found) == 16
    assert str(jax.make_jaxpr(net.apply)(variables, image(64))).count("conv_general_dilated[") == 0


@pytest.mark.parametrize("name", LIGHT)
def test_settings_survive_json(name):
    tracker = zoo.ZOO[name].tracker
    assert spec.loads(spec.dumps(tracker), where="x") == tracker


def test_blocks_are_data():
    net = InvertedTrunk((Block(8, 7, 2, 1.5, squeeze=True, activation="relu6"),), stem=8, norm=None)
    params = jax.eval_shape(net.init, jax.random.key(0), image(32))["params"]["block0"]
    assert params["depthwise"]["kernel"].shape == (7, 7, 1, 16)  # 12 brought to a multiple of 8
    assert set(params) == {"expand", "depthwise", "squeeze", "project"}
