"""Objectives of embeddings, alone and in the step over devices."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax.errors import ConfigError
from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.contrastive import EmbeddingHead, PseudoSiamese, Siamese, Tower
from siamjax.nets.layers import Norm
from siamjax.ops import contrastive, distances
from siamjax.ops.views import edge_sketch
from siamjax.training import replicas
from siamjax.training.embedding_objective import ContrastiveObjective, NTXentObjective, TripletObjective
from siamjax.training.optim import OptimConfig, make_optimiser, make_schedule
from siamjax.training.state import new_state
from siamjax.training.step import AXIS, make_train_step
from siamjax.types import PairBatch, TrainPair


def pair_of(identity):
    identity = jnp.array(identity)
    return TrainPair(None, None, None, None, identity[:, 0] == identity[:, 1], None, None, identity=identity)


PAIR = pair_of([[0, 0], [1, 2], [3, 3], [4, 5]])
FIRST = jnp.zeros((4, 2))
SECOND = jnp.array([[0.2, 0.0], [0.3, 0.0], [0.4, 0.0], [0.0, 2.0]])


@pytest.mark.parametrize("form", ["linear", "squared"])
def test_contrastive_reads_similar_as_1_for_the_same(form):
    objective = ContrastiveObjective(form=form)
    loss, metrics = objective((FIRST, SECOND), PAIR)
    linear = [0.2, 0.7, 0.4, 0.0]
    want = np.mean(linear) if form == "linear" else np.mean(np.square(linear)) / 2
    np.testing.assert_allclose(loss, want, rtol=1e-6)
    np.testing.assert_allclose([metrics["near"], metrics["far"], metrics["accuracy"]], [0.3, 1.15, 0.75], rtol=1e-6)
    flipped = objective((FIRST, SECOND), PAIR.replace(similar=~PAIR.similar))[0]
    assert abs(float(flipped - loss)) > 0.1


def test_settings_reach_the_losses():
    embeddings = (FIRST + 0.1, SECOND)
    d = distances.manhattan(*embeddings)
    np.testing.assert_allclose(
        ContrastiveObjective(margin=2.0, reduction="sum", distance="manhattan")(embeddings, PAIR)[0],
        contrastive.contrastive(d, PAIR.similar, margin=2.0, reduction="sum"), rtol=1e-6)
    np.testing.assert_allclose(
        TripletObjective(margin=0.5, distance="cosine", within=False)(embeddings, PAIR)[0],
        contrastive.triplet(*embeddings, PAIR.identity, margin=0.5, distance=distances.cosine, within=False)[0])
    np.testing.assert_allclose(NTXentObjective(temperature=0.5, within=False)(embeddings, PAIR)[0],
                               contrastive.nt_xent(*embeddings, PAIR.identity, temperature=0.5, within=False)[0])


def test_found_is_the_share_of_partners_that_are_nearest():
    first = jnp.eye(4)
    second = jnp.eye(4)[jnp.array([0, 1, 3, 2])]
    pair = pair_of([[0, 0], [1, 1], [2, 2], [3, 3]])
    _, metrics = NTXentObjective(within=False)((first, second), pair)
    assert float(metrics["found"]) == 0.5
    assert float(metrics["near"]) == 0.5


@pytest.mark.parametrize(("make", "says"), [
    (lambda: ContrastiveObjective(margin=0.0), "ContrastiveObjective.margin"),
    (lambda: TripletObjective(margin=-1.0), "TripletObjective.margin"),
    (lambda: NTXentObjective(temperature=0.0), "NTXentObjective.temperature"),
    (lambda: ContrastiveObjective(form="cubic"), "'linear' or 'squared'"),
    (lambda: ContrastiveObjective(distance="hamming"), "hamming"),
    (lambda: ContrastiveObjective().check(batch_size=8, negative=0.0), "all pairs are similar"),
    (lambda: ContrastiveObjective().check(batch_size=8, negative=1.0), "all pairs are dissimilar"),
    (lambda: TripletObjective().check(batch_size=1, negative=0.0), "batch of one"),
    (lambda: NTXentObjective().check(batch_size=1, negative=0.0), "batch of one"),
    (lambda: NTXentObjective().check(batch_size=8, negative=1.0), "all pairs are dissimilar")])
def test_settings_that_cannot_train_are_errors(make, says):
    with pytest.raises(ConfigError, match=says):
        make()


# The step over devices: trained BatchNorm, negatives of all, an object that comes twice.

BACKBONE = AlexNet((Stage(4, 5, 3), Stage(6, 3, relu=False)), lowering="lax")
NETS = {"shared": Siamese(BACKBONE, EmbeddingHead(6, norm=Norm())),
        "separate": PseudoSiamese(Tower(BACKBONE, EmbeddingHead(6)),
                                  Tower(BACKBONE.clone(stages=(Stage(8, 5, 3),)), EmbeddingHead(6)))}
CONFIG = OptimConfig(peak_lr=0.05, final_lr=0.05, weight_decay=1e-4, clip_norm=5.0)
OBJECTIVES = {"contrastive": ContrastiveObjective(margin=1.0), "triplet": TripletObjective(),
              "nt_xent": NTXentObjective(temperature=0.2, within=False)}


def batch_of(step, size=8):
    """Objects are stripes of their own width and direction, under noise."""
    rng = np.random.default_rng(step)
    identity = np.stack([rng.permutation(size)] * 2, axis=1).astype(np.int32)
    identity[1] = identity[0]
    identity[2] = identity[2:4, 0]
    y, x = np.mgrid[:27, :27]

    def images(objects):
        waves = [np.sin((x * np.cos(k) + y * np.sin(k)) * (0.4 + 0.15 * k) + rng.uniform(0, 6)) for k in objects]
        return np.uint8(128 + 80 * np.stack(waves)[..., None] + rng.uniform(-20, 20, (size, 27, 27, 3)))

    index = np.arange(step * size, (step + 1) * size, dtype=np.int32)
    first, second = images(identity[:, 0]), images(identity[:, 1])
    return PairBatch(first, second, None, None, identity[:, 0] == identity[:, 1], index, identity=identity)


def augment(sketched):
    def crops(key, batch):
        search = batch.search.astype(jnp.float32)
        return TrainPair(batch.exemplar.astype(jnp.float32), edge_sketch(search) if sketched else search, None, None,
                         batch.similar, batch.index, None, identity=batch.identity)

    return crops


def run(net, objective, devices, steps, batch=batch_of):
    phase = CONFIG.phases(10)[0]
    tx = make_optimiser(CONFIG, make_schedule(CONFIG, 2, 10), phase)
    sketched = net == "separate"
    second = jnp.zeros((1, 27, 27, 1 if sketched else 3))
    variables = jax.jit(NETS[net].init)(jax.random.key(1), jnp.zeros((1, 27, 27, 3)), second)
    step = make_train_step(NETS[net], OBJECTIVES[objective], tx, augment(sketched), phase)
    one = jax.jit(jax.vmap(step, axis_name=AXIS))
    state = jax.tree.map(lambda leaf: jnp.stack([leaf] * devices),
                         new_state(variables, tx, jax.random.key(2), ema=False))
    losses = []
    for number in range(steps):
        state, metrics = one(state, replicas.shard_batch(batch(number), devices))
        losses.append(float(metrics["loss"][0]))
    return jax.tree.map(lambda leaf: leaf[0], state.replace(key=None)), losses


@pytest.mark.parametrize(("net", "objective"), [
    ("shared", "triplet"), *(pytest.param(*case, marks=pytest.mark.slow)
                             for case in (("shared", "contrastive"), ("separate", "nt_xent")))])
def test_four_devices_give_what_one_gives(net, objective):
    one, losses = run(net, objective, 1, 3)
    four, shared = run(net, objective, 4, 3)
    np.testing.assert_allclose(shared, losses, rtol=1e-4)
    chex.assert_trees_all_close(four.params, one.params, rtol=1e-4, atol=2e-5)
    chex.assert_trees_all_close(four.batch_stats, one.batch_stats, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("net", "objective"), [
    ("separate", "nt_xent"), *(pytest.param(*case, marks=pytest.mark.slow)
                               for case in (("shared", "contrastive"), ("separate", "triplet")))])
def test_training_lowers_the_loss(net, objective):
    _, losses = run(net, objective, 1, 25, batch=lambda number: batch_of(0))
    assert losses[-1] < 0.7 * losses[0]
