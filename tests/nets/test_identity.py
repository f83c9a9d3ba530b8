from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax.errors import ConfigError
from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.identity import embed_object
from siamjax.nets.rpn_heads import DepthwiseRPN
from siamjax.nets.siamrpn import SiamRPN
from siamjax.weights.prepare import prepare

STAGES = (Stage(4, 11, 2, pool_stride=2), Stage(6, 5, pool_stride=2), Stage(8, 3), Stage(6, 3),
          Stage(4, 3, norm=False, relu=False))


@pytest.fixture(scope="module")
def tiny():
    net = SiamRPN(AlexNet(STAGES, lowering="lax"), DepthwiseRPN(hidden=4, lowering="lax"))
    shapes = (jnp.zeros((1, side, side, 3)) for side in (127, 255))
    return net, jax.jit(net.init)(jax.random.key(0), *shapes)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).uniform(0, 255, (2, 127, 127, 3)).astype(np.float32)


def test_it_is_the_mean_over_the_middle_of_the_stage(tiny, image):
    net, params = tiny
    found = embed_object(net, params, image, 3)
    _, kept = net.backbone.apply({kind: params[kind]["backbone"] for kind in params}, image,
                                 mutable=["intermediates"])
    features = np.asarray(kept["intermediates"]["stage3"][0])
    assert features.shape == (2, 10, 10, 8)
    middle = features[:, 2:8, 2:8].mean((1, 2))
    np.testing.assert_allclose(found, middle / np.linalg.norm(middle, axis=1, keepdims=True), rtol=1e-5)


def test_prepared_parameters_embed_alike(tiny, image):
    net, params = tiny
    fast, prepared = prepare(net, params)
    np.testing.assert_allclose(embed_object(fast, prepared, image, 3), embed_object(net, params, image, 3), atol=1e-4)


def test_the_stages_after_it_are_not_run(tiny, image):
    net, params = tiny
    rows = [jax.jit(lambda x, stage=stage: embed_object(net, params, x, stage)).lower(image).compile().cost_analysis()
            for stage in (2, 3, 5)]
    operations = [row["flops"] for row in rows]
    assert operations[0] < operations[1] < operations[2]


def test_a_stage_that_is_not_there_is_an_error(tiny, image):
    with pytest.raises(ConfigError, match=r"no stage 9.*stage1, stage2"):
        embed_object(*tiny, image, 9)
