"""MobileNetV2: sizes, geometry and parameters, and what its fields do."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from flax import linen as nn

from siamjax.nets.layers import ConvNorm
from siamjax.nets.mobilenet import IMAGENET, MobileNetV2
from siamjax.weights import spec

NARROW = MobileNetV2(width=0.25, lowering="lax")


def image(side):
    return jax.ShapeDtypeStruct((1, side, side, 3), np.float32)


def outputs(net, side):
    return jax.eval_shape(lambda key, x: net.init_with_output(key, x)[0], jax.random.key(0), image(side))


def parameters(net):
    return jax.eval_shape(net.init, jax.random.key(0), image(127))["params"]


@pytest.mark.parametrize(("width", "channels", "count"), [
    (1.4, (44, 134, 448), 3_485_204), *(pytest.param(*case, marks=pytest.mark.slow) for case in (
        (1.0, (32, 96, 320), 1_812_800), (0.75, (24, 72, 240), 1_037_832), (0.5, (16, 48, 160), 477_376)))])
def test_widths_are_cut_not_rounded(width, channels, count):
    net = MobileNetV2(width=width)
    assert [level.shape for level in outputs(net, 255)] == [(1, 31, 31, c) for c in channels]
    assert sum(leaf.size for leaf in jax.tree.leaves(parameters(net))) == count


@pytest.mark.parametrize(("side", "sides"), [(127, (63, 63, 31, 15)), (143, (71, 71, 35, 17)),
                                             (255, (127, 127, 63, 31)), (287, (143, 143, 71, 35))])
def test_sides_of_each_stage(side, sides):
    levels = outputs(NARROW.clone(used_layers=tuple(range(8))), side)
    assert [level.shape[1] for level in levels] == [*sides, *[sides[3]] * 4]


def test_strides_paddings_and_dilations_of_the_depthwise_convolutions():
    found = {}

    def record(call, args, kwargs, context):
        layer = context.module
        if isinstance(layer, ConvNorm) and context.method_name == "__call__":
            found["/".join(layer.path)] = (layer.stride, layer.padding, layer.dilation)
        return call(*args, **kwargs)

    with nn.intercept_methods(record):
        parameters(NARROW)
    assert found["layer0"] == (2, 0, 1)
    plain, dilated, wide = (1, 1, 1), (1, 2, 2), (1, 4, 4)
    expected = {1: [plain], 2: [(2, 0, 1), plain], 3: [(2, 0, 1), plain, plain],
                4: [plain, dilated, dilated, dilated], 5: [dilated] * 3, 6: [dilated, wide, wide], 7: [wide]}
    for stage, blocks in expected.items():
        assert [found[f"layer{stage}/block{j}/depthwise"] for j in range(len(blocks))] == blocks, stage
    assert len(found) == 1 + 3 * sum(map(len, expected.values()))


def test_the_imagenet_layout_has_the_same_parameters_and_stride_32():
    net = NARROW.clone(layout=IMAGENET, used_layers=tuple(range(8)))
    shapes, plain = (jax.tree.map(lambda leaf: leaf.shape, parameters(n)) for n in (net, NARROW))
    assert shapes == plain
    assert [level.shape[1] for level in outputs(net, 224)] == [112, 112, 56, 28, 14, 14, 7, 7]


def test_later_stages_than_used_are_not_built():
    net = NARROW.clone(used_layers=(3,))
    assert set(parameters(net)) == {"layer0", "layer1", "layer2", "layer3"}
    assert outputs(net, 127).shape == (1, 15, 15, 8)  # a bare array


def test_a_block_that_keeps_its_shape_adds_to_its_input():
    """With its projection zero, only the input is left of it; the first block of a stage leaves nothing."""
    net = NARROW.clone(used_layers=(3,))
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 63, 63, 3)).astype(np.float32)
    variables = jax.jit(net.init)(jax.random.key(0), pixels)
    layer3 = variables["params"]["layer3"]
    for block in ("block1", "block2"):
        layer3[block]["project"]["kernel"] *= 0
    _, kept = jax.jit(lambda v: net.apply(v, pixels, capture_intermediates=True, mutable=["intermediates"]))(variables)
    kept = kept["intermediates"]["layer3"]
    np.testing.assert_array_equal(kept["__call__"][0], kept["block0"]["__call__"][0])
    assert np.abs(kept["__call__"][0]).max() > 0


def test_nothing_is_left_to_lax_on_a_cpu():
    """1x1 are products, the stem and depthwise ones shifted multiply-adds, strided and dilated ones too."""
    net = MobileNetV2(width=0.25, lowering="fast")
    variables = jax.eval_shape(net.init, jax.random.key(0), image(63))
    assert str(jax.make_jaxpr(net.apply)(variables, image(63))).count("conv_general_dilated[") == 0


def test_settings_survive_json():
    net = MobileNetV2(width=0.5, layout=IMAGENET, normalise=True)
    assert spec.loads(spec.dumps(net), where="x") == net
