"""The prepared form against the plain one."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from siamjax.errors import ConfigError
from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.layers import ConvNorm
from siamjax.nets.siamfc import SiamFC
from siamjax.weights.prepare import prepare

# Each form once: stem, Winograd of 5x5 in groups and of 3x3 in one, too few channels for it, no BatchNorm.
STAGES = (Stage(64, 11, 2, pool_stride=2), Stage(32, 5, groups=2, pool_stride=2), Stage(8, 3),
          Stage(4, 3, norm=False, relu=False))


@pytest.fixture(scope="module")
def case():
    net = SiamFC(AlexNet(stages=STAGES, lowering="auto"), logit_bias=True)
    image = np.random.default_rng(0).uniform(0, 255, (1, 127, 127, 3)).astype(np.float32)
    variables = jax.jit(net.init)(jax.random.key(0), image, image)
    leaves, tree = jax.tree.flatten(variables)
    rng = np.random.default_rng(1)  # statistics and biases away from what they start from, and positive
    leaves = [leaf * rng.uniform(0.7, 1.3, leaf.shape) + 0.1 * (leaf.ndim < 2) for leaf in leaves]
    return net, jax.tree.unflatten(tree, [leaf.astype(np.float32) for leaf in leaves]), image


def embed(net, variables, image):
    return jax.jit(lambda v, x: net.apply(v, x, method="embed"))(variables, image)


@pytest.mark.parametrize("platform", ["cpu", pytest.param("gpu", marks=pytest.mark.slow)])
def test_prepared_net_equals_the_plain_one(case, platform):
    net, variables, image = case
    plain = embed(SiamFC(AlexNet(stages=STAGES, lowering="lax")), variables, image)
    prepared = embed(*prepare(net, variables, platform=platform), image)
    assert np.abs(prepared - plain).max() <= 6e-6 * np.abs(plain).max()


def test_tree_holds_what_the_platform_runs(case):
    net, variables, _ = case
    _, cpu = prepare(net, variables, platform="cpu")
    backbone = cpu["params"]["backbone"]
    assert [kernel.shape for kernel in backbone["conv2"]["transformed"]] == [(36, 32, 16)] * 2
    assert [kernel.shape for kernel in backbone["conv3"]["transformed"]] == [(16, 32, 8)]
    assert {name for name, layer in backbone.items() if "kernel" in layer} == {"conv1", "conv4"}
    assert cpu["params"]["bias"] == variables["params"]["bias"]  # belongs to no convolution: kept
    assert set(cpu) == {"params"}
    _, gpu = prepare(net, variables, platform="gpu")
    assert all(set(layer) == {"kernel", "bias"} for layer in gpu["params"]["backbone"].values())
    assert {leaf.dtype for leaf in jax.tree.leaves((cpu, gpu))} == {np.dtype(np.float32)}


def test_lax_lowering_keeps_plain_kernels(case):
    _, variables, _ = case
    _, prepared = prepare(SiamFC(AlexNet(stages=STAGES, lowering="lax"), logit_bias=True), variables,
                          platform="cpu")
    assert all("kernel" in layer for layer in prepared["params"]["backbone"].values())


def test_plain_variables_are_left_alone(case):
    net, variables, _ = case
    before = jax.tree.map(np.array, variables)
    prepare(net, variables)
    jax.tree.map(np.testing.assert_array_equal, before, variables)


def test_fold_is_exact_where_the_variance_is_small():
    """A small variance makes large factors; the folded product must not lose digits by them."""
    layer = ConvNorm(4, 1, lowering="lax")
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 3, 2)).astype(np.float32)
    variables = layer.init(jax.random.key(0), image)
    variables["batch_stats"]["norm"]["var"] = jnp.full((4,), 1e-3)
    net, prepared = prepare(layer, variables, shapes=(image.shape,))
    expected = layer.apply(variables, image)
    assert np.abs(net.apply(prepared, image) - expected).max() <= 1e-6 * np.abs(expected).max()


class Unaware(nn.Module):
    @nn.compact
    def __call__(self, x):
        return ConvNorm(4, 1)(x)


def test_a_net_that_cannot_be_prepared_is_refused(case):
    layer = Unaware()
    image = np.zeros((1, 3, 3, 2), np.float32)
    with pytest.raises(ConfigError, match="prepared"):
        prepare(layer, layer.init(jax.random.key(0), image), shapes=(image.shape,))
    net, variables, _ = case
    with pytest.raises(ConfigError, match="prepared"):
        prepare(prepare(net, variables)[0], variables)
