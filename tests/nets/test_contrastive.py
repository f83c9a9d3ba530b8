"""Nets of two inputs: what is shared, what is not, and which backbones they take."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax.errors import ConfigError
from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.contrastive import EmbeddingHead, PseudoSiamese, Siamese, Tower
from siamjax.nets.layers import Norm
from siamjax.nets.mobilenet import IMAGENET, MobileNetV2
from siamjax.nets.resnet import ResNet18
from siamjax.nets.siamfc import SiamFC
from siamjax.nets.text import TextBackbone
from siamjax.ops.distances import euclidean

STAGES = (Stage(4, 7, 4), Stage(6, 3, relu=False))
ALEX = AlexNet(STAGES, lowering="lax")
HEAD = EmbeddingHead(5)


def images(count=2, channels=3, side=39, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, (count, side, side, channels)).astype(np.float32)


def init(net, *inputs):
    return jax.jit(net.init)(jax.random.key(0), *inputs)


def test_equal_inputs_have_equal_embeddings_whichever_side_they_are_on():
    net = Siamese(ALEX, HEAD)
    variables = init(net, images(), images())
    first, second = net.apply(variables, images(seed=1), images(seed=2))
    one, other = net.apply(variables, images(seed=2), images(seed=1))
    np.testing.assert_allclose(first, other, atol=1e-6)
    np.testing.assert_allclose(second, one, atol=1e-6)
    np.testing.assert_allclose(first, net.apply(variables, images(seed=1), "second", method="embed"), atol=1e-6)
    same = net.apply(variables, images(), images())
    np.testing.assert_allclose(euclidean(*same), 0, atol=1e-6)


def test_inputs_of_two_sizes_pass_one_after_the_other():
    net = Siamese(ALEX, HEAD)
    variables = init(net, images(), images())
    first, second = net.apply(variables, images(), images(side=55))
    chex.assert_shape((first, second), (2, 5))


@pytest.mark.parametrize("normalise", [True, False])
def test_head_normalises_where_it_is_asked_to(normalise):
    net = Siamese(ALEX, EmbeddingHead(5, normalise=normalise))
    first, _ = net.apply(init(net, images(), images()), images(), images())
    lengths = jnp.linalg.norm(first, axis=1)
    assert bool(jnp.allclose(lengths, 1, atol=1e-5)) == normalise


def test_head_pools_over_all_places_and_joins_levels():
    maps = jnp.arange(24.0).reshape(2, 2, 3, 2)
    head = EmbeddingHead(4, normalise=False)
    variables = init(head, maps)
    np.testing.assert_allclose(head.apply(variables, maps), head.apply(variables, maps.mean((1, 2))), rtol=1e-5)
    levels = (maps, maps[:, :1, :1])
    assert init(head, levels)["params"]["dense"]["kernel"].shape == (4, 4)


def test_norm_of_the_head_brings_pooled_features_to_one_scale():
    """Features of any mean and size give the same embeddings in training, and the statistics are kept."""
    head = EmbeddingHead(4, normalise=False, norm=Norm())
    pooled = jnp.asarray(np.random.default_rng(0).normal(size=(16, 3)), jnp.float32)
    moved = pooled * jnp.array([[10.0, 1.0, 5.0]]) + jnp.array([[50.0, -3.0, 0.0]])
    variables = init(head, pooled)
    one, other = (head.apply(variables, x, train=True, mutable=["batch_stats"]) for x in (pooled, moved))
    np.testing.assert_allclose(one[0], other[0], atol=1e-3)
    np.testing.assert_allclose(other[1]["batch_stats"]["norm"]["mean"], 0.1 * moved.mean(0), rtol=1e-4, atol=1e-6)
    assert jnp.abs(head.apply(variables, moved) - other[0]).max() > 1


@pytest.mark.parametrize("backbone", [
    ALEX, MobileNetV2(width=0.125, used_layers=(1, 2), lowering="lax"),
    MobileNetV2(width=0.125, used_layers=(2,), layout=IMAGENET, lowering="lax"),
    ResNet18(used_layers=(1,), lowering="lax")], ids=lambda b: type(b).__name__)
def test_any_backbone_is_a_tower(backbone):
    net = Siamese(backbone, HEAD)
    shapes = jax.eval_shape(net.init_with_output, jax.random.key(0), images(side=63), images(side=63))
    chex.assert_shape(shapes[0], (2, 5))
    assert set(shapes[1]["params"]) == {"backbone", "head"}


def test_a_trackers_backbone_has_the_same_names():
    tracker = jax.eval_shape(SiamFC(ALEX).init, jax.random.key(0), images(), images(side=55))
    mine = jax.eval_shape(Siamese(ALEX, HEAD).init, jax.random.key(0), images(), images())
    chex.assert_trees_all_equal_shapes(tracker["params"]["backbone"], mine["params"]["backbone"])


def pseudo(head=HEAD):
    return PseudoSiamese(Tower(ALEX, HEAD), Tower(ALEX.clone(stages=(Stage(8, 5, 3),)), head))


def test_towers_have_their_own_architecture_parameters_and_channels():
    net, sketches = pseudo(), images(channels=1)
    variables = init(net, images(), sketches)
    first, second = jax.jit(net.apply)(variables, images(), sketches)
    chex.assert_shape((first, second), (2, 5))
    params = variables["params"]
    assert params["first"]["backbone"]["conv1"]["kernel"].shape[2] == 3
    assert params["second"]["backbone"]["conv1"]["kernel"].shape[2] == 1
    assert set(params["second"]["backbone"]) == {"conv1"} != set(params["first"]["backbone"])
    np.testing.assert_allclose(net.apply(variables, images(), "first", method="embed"), first, atol=1e-6)
    np.testing.assert_allclose(net.apply(variables, sketches, "second", method="embed"), second, atol=1e-6)

    def touched(side):
        def total(params):
            return net.apply({**variables, "params": params}, images(), sketches)[side].sum()

        grads = jax.jit(jax.grad(total))(params)
        return {name: any(bool(leaf.any()) for leaf in jax.tree.leaves(tree)) for name, tree in grads.items()}

    assert touched(0) == {"first": True, "second": False}
    assert touched(1) == {"first": False, "second": True}


def test_towers_of_one_description_share_no_parameters():
    tower = Tower(ALEX)
    net = PseudoSiamese(tower, tower)
    params = init(net, images(), images())["params"]
    assert set(params) == {"first", "second"}
    chex.assert_trees_all_equal_shapes(params["first"], params["second"])
    assert (params["first"]["head"]["dense"]["kernel"] != params["second"]["head"]["dense"]["kernel"]).any()
    assert net == PseudoSiamese(Tower(ALEX), Tower(ALEX))


@pytest.mark.usefixtures("no_shape_checks")
def test_towers_whose_embeddings_cannot_be_compared_are_an_error():
    with pytest.raises(ConfigError, match="embeddings of 5 and of 6 numbers"):
        init(pseudo(EmbeddingHead(6)), images(), images(channels=1))


def text_of(tokens, kernel_size=3):
    net = TextBackbone(6, features=8, kernel_size=kernel_size)
    variables = net.init(jax.random.key(0), jnp.zeros((1, 4), jnp.int32))
    return np.asarray(net.apply(variables, jnp.array(tokens, jnp.int32)))


def test_padding_behind_the_words_does_not_matter():
    short, long = text_of([[3, 5]]), text_of([[3, 5, 0, 0, 0]])
    np.testing.assert_allclose(short, long, atol=1e-6)
    assert np.isfinite(text_of([[0, 0]])).all()


def test_order_matters_to_the_convolution_and_not_to_the_bag():
    for kernel_size, differs in ((3, True), (1, False)):
        one, other = text_of([[1, 2, 3]], kernel_size), text_of([[3, 2, 1]], kernel_size)
        assert (np.abs(one - other).max() > 1e-3) == differs
