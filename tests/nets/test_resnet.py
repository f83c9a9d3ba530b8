"""ResNets: sizes, geometry and parameters, and what their fields do."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from flax import linen as nn
from flax import traverse_util

from siamjax.nets import trunk
from siamjax.nets.layers import ConvNorm
from siamjax.nets.resnet import IMAGENET, ResNet18, ResNet34, ResNet50
from siamjax.weights import spec

NARROW = ResNet50(blocks=(1, 2, 2, 2), width=4, lowering="lax")


def image(side, batch=1):
    return jax.ShapeDtypeStruct((batch, side, side, 3), np.float32)


def parameters(net):
    return jax.eval_shape(net.init, jax.random.key(0), image(127))["params"]


def geometry(net, side=127):
    """`(size, stride, padding, dilation, groups)` of each convolution, by its path."""
    found = {}

    def record(call, args, kwargs, context):
        layer = context.module
        if isinstance(layer, ConvNorm) and context.method_name == "__call__":
            found["/".join(layer.path)] = (layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.groups)
        return call(*args, **kwargs)

    with nn.intercept_methods(record):
        jax.eval_shape(net.init, jax.random.key(0), image(side))
    return found


@pytest.mark.parametrize(("make", "channels", "count"), [
    (ResNet18, (128, 256, 512), 12_552_768), (ResNet34, (128, 256, 512), 22_660_928),
    (ResNet50, (512, 1024, 2048), 45_528_128)])
def test_parameters_and_channels_are_pysots(make, channels, count):
    net = make()
    outputs, variables = jax.eval_shape(lambda key, x: net.init_with_output(key, x), jax.random.key(0), image(255))
    assert [level.shape for level in outputs] == [(1, 31, 31, c) for c in channels]
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == count


@pytest.mark.parametrize(("side", "sides"), [(127, (61, 31, 15)), (143, (69, 35, 17)), (255, (125, 63, 31)),
                                             (287, (141, 71, 35)), (831, (413, 207, 103))])
def test_sides_of_each_stage(side, sides):
    net = NARROW.clone(used_layers=(0, 1, 2, 3, 4))
    levels = jax.eval_shape(lambda key, x: net.init_with_output(key, x)[0], jax.random.key(0), image(side))
    assert [level.shape[1] for level in levels] == [*sides, sides[2], sides[2]]


def test_stride_is_in_the_3x3_and_the_first_block_has_half_the_dilation():
    found = geometry(NARROW)
    assert found["conv1"] == (7, 2, 0, 1, 1)
    assert {found[f"layer{i}/block{j}/conv{k}"][:2] for i in (2, 3, 4) for j in (0, 1) for k in (1, 3)} == {(1, 1)}
    three = {path: shape[1:4] for path, shape in found.items() if path.endswith("conv2")}  # stride, padding, dilation
    assert three == {
        "layer1/block0/conv2": (1, 1, 1),
        "layer2/block0/conv2": (2, 0, 1), "layer2/block1/conv2": (1, 1, 1),
        "layer3/block0/conv2": (1, 1, 1), "layer3/block1/conv2": (1, 2, 2),
        "layer4/block0/conv2": (1, 2, 2), "layer4/block1/conv2": (1, 4, 4)}
    assert {path: shape[:4] for path, shape in found.items() if "downsample" in path} == {
        "layer1/block0/downsample": (1, 1, 0, 1), "layer2/block0/downsample": (3, 2, 0, 1),
        "layer3/block0/downsample": (3, 1, 1, 1), "layer4/block0/downsample": (3, 1, 2, 2)}


def test_basic_blocks_dilate_their_second_convolution_in_full():
    found = {path: shape[1:4] for path, shape in geometry(ResNet18(width=4)).items()}
    assert "layer1/block0/downsample" not in found
    assert [found[f"layer{i}/block0/conv{j}"] for i in (2, 3, 4) for j in (1, 2)] == [
        (2, 0, 1), (1, 1, 1), (1, 1, 1), (1, 2, 2), (1, 2, 2), (1, 4, 4)]
    assert found["layer4/block1/conv1"] == found["layer4/block1/conv2"] == (1, 4, 4)


def test_the_imagenet_layout_has_the_same_parameters_and_stride_32():
    net = NARROW.clone(layout=IMAGENET)
    shapes, plain = (jax.tree.map(lambda leaf: leaf.shape, parameters(n)) for n in (net, NARROW))
    assert shapes == plain
    levels = jax.eval_shape(lambda key, x: net.init_with_output(key, x)[0], jax.random.key(0), image(224))
    assert [level.shape[1] for level in levels] == [28, 14, 7]


def test_later_stages_than_used_are_not_built():
    net = NARROW.clone(used_layers=(3,))
    assert set(parameters(net)) == {"conv1", "layer1", "layer2", "layer3"}
    level = jax.eval_shape(lambda key, x: net.init_with_output(key, x)[0], jax.random.key(0), image(127))
    assert level.shape == (1, 15, 15, 64)  # a bare array
    assert set(parameters(NARROW.clone(used_layers=(0,)))) == {"conv1"}


def test_normalisation_is_torchvisions():
    rng = np.random.default_rng(0)
    pixels = rng.uniform(0, 255, (1, 63, 63, 3)).astype(np.float32)
    variables = jax.jit(NARROW.init)(jax.random.key(0), pixels)
    by_hand = (pixels / 255 - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
    np.testing.assert_allclose(trunk.normalised(pixels), by_hand, rtol=1e-4, atol=1e-5)
    own, plain = jax.jit(NARROW.clone(normalise=True).apply), jax.jit(NARROW.apply)
    for got, want in zip(own(variables, pixels), plain(variables, by_hand)):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_training_moves_the_statistics_of_every_norm():
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 63, 63, 3)).astype(np.float32)
    variables = jax.jit(NARROW.init)(jax.random.key(0), pixels)
    _, updated = jax.jit(lambda v: NARROW.apply(v, pixels, train=True, mutable=["batch_stats"]))(variables)
    before, after = (traverse_util.flatten_dict(tree["batch_stats"], sep="/") for tree in (variables, updated))
    assert [path for path in before if np.array_equal(before[path], after[path])] == []


def test_only_strided_convolutions_are_left_to_lax_on_a_cpu():
    """1x1 are products and 3x3 Winograd's, dilated or not: stem, and the two 3x3 of layer2's first block are not."""
    net = ResNet50(blocks=(1, 1, 1, 2), width=32, lowering="fast")
    variables = jax.eval_shape(net.init, jax.random.key(0), image(63))
    assert str(jax.make_jaxpr(net.apply)(variables, image(63))).count("conv_general_dilated[") == 3


def test_settings_survive_json():
    net = ResNet18(layout=IMAGENET, normalise=True)
    assert spec.loads(spec.dumps(net), where="x") == net
