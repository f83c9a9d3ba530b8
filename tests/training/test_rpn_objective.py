"""The objective of the region-proposal nets, alone and in the step."""

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax import rngs
from siamjax.errors import ConfigError
from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.rpn_heads import DepthwiseRPN
from siamjax.nets.siamrpn import SiamRPN
from siamjax.ops.anchors import AnchorConfig, encode, make_anchors
from siamjax.training import replicas
from siamjax.training.optim import OptimConfig, make_optimiser, make_schedule
from siamjax.training.rpn_objective import RPNObjective, centred
from siamjax.training.state import new_state
from siamjax.training.step import AXIS, make_train_step
from siamjax.types import PairBatch, TrainPair

GRID, SIDE = 17, 255
BOX = (127.5 - 51.056 / 2, 127.5 - 76.584 / 2, 51.056, 76.584)  # xywh, in the middle of the crop


def pair_of(boxes, similar, seed=0):
    boxes, count = jnp.array(boxes, jnp.float32), len(boxes)
    return TrainPair(jnp.zeros((count, 127, 127, 3)), jnp.zeros((count, SIDE, SIDE, 3)), boxes, boxes,
                     jnp.array(similar), jnp.arange(count), jax.random.split(jax.random.key(seed), count))


@jax.jit
def targets_of(pair):
    return RPNObjective().targets(pair.key, centred(pair), pair.similar, GRID)


@jax.jit
def boxes_of(pair):
    anchors = make_anchors(AnchorConfig(), GRID)
    return jax.vmap(lambda box: encode(anchors, box[None]))(centred(pair))


def perfect(boxes, similar, sure=20.0):
    """Outputs that name the target's box at every anchor and the class of the anchors that will be drawn."""
    pair = pair_of(boxes, similar)
    return sure * jax.nn.one_hot(targets_of(pair).cls, 2), boxes_of(pair)


def test_right_outputs_have_no_loss_and_the_targets_box():
    case = [BOX, (110, 60, 64, 70), BOX], [True, True, False]
    loss, metrics = jax.jit(RPNObjective())(perfect(*case), pair_of(*case))
    assert float(loss) < 1e-4
    np.testing.assert_allclose(metrics["iou"], 1, atol=1e-4)
    np.testing.assert_allclose(metrics["score"], 1, atol=1e-4)


def test_targets_are_where_the_tracker_decodes():
    """A box in the middle of the crop belongs to the middle cell: 14 anchors fit this one."""
    pair = pair_of([BOX], [True])
    wanted = targets_of(pair)
    assert int((wanted.cls == 1).sum()) == 14
    cells = np.argwhere(np.asarray(wanted.cls).reshape(5, GRID, GRID) == 1)[:, 1:]
    np.testing.assert_array_equal(cells.mean(0), [8, 8])


def test_loss_is_the_weighted_sum_of_its_parts():
    case = [BOX, BOX], [True, False]
    outputs = jax.tree.map(lambda x: x + 0.3, perfect(*case, sure=1.0))
    loss, metrics = jax.jit(RPNObjective(cls_weight=2.0, loc_weight=0.5))(outputs, pair_of(*case))
    np.testing.assert_allclose(loss, 2 * metrics["cls"] + 0.5 * metrics["loc"], rtol=1e-6)
    # Each weight sums to 1 over a pair's positives; 4 coordinates are off by 0.3; a negative pair counts in B.
    np.testing.assert_allclose(metrics["loc"], 4 * 0.3 / 2, rtol=1e-4)
    assert float(metrics["positives"]) == 14


def test_draw_is_a_function_of_the_key_of_the_pair():
    case = [BOX, (100, 90, 70, 60)], [True, False]

    def targets(seed, first=0):
        return targets_of(jax.tree.map(lambda leaf: leaf[first:], pair_of(*case, seed=seed)))

    one = targets(seed=0)
    chex.assert_trees_all_equal(one, targets(seed=0))
    chex.assert_trees_all_equal(jax.tree.map(lambda leaf: leaf[1:], one), targets(seed=0, first=1))
    assert (one.cls != targets(seed=1).cls).any(axis=1).all()


def test_outputs_of_another_number_of_anchors_are_an_error():
    with pytest.raises(ConfigError, match="no square grid of 3 anchors"):
        RPNObjective(anchors=AnchorConfig(ratios=(0.5, 1.0, 2.0)))(perfect([BOX], [True]), pair_of([BOX], [True]))


@pytest.mark.parametrize("wrong", [{"cls_weight": -1.0}, {"cls_weight": 0.0, "loc_weight": 0.0}])
def test_weights_out_of_range_are_errors(wrong):
    with pytest.raises(ConfigError, match="RPNObjective"):
        RPNObjective(**wrong)


# The step, with a net small enough to train in seconds.

STAGES = (Stage(4, 11, 8), Stage(6, 3, relu=False))
NET = SiamRPN(AlexNet(STAGES, lowering="lax"), DepthwiseRPN(hidden=6, lowering="lax"))
OPTIM = OptimConfig(peak_lr=1e-2, final_lr=1e-2, weight_decay=1e-4, clip_norm=10.0)


def batch_of(step, size=8):
    rng = np.random.default_rng(step)
    exemplar, search = rng.integers(0, 100, (2, size, 111, 111, 3), np.uint8)
    shift = rng.integers(-10, 11, (size, 2))
    for image, moves in ((exemplar, np.zeros_like(shift)), (search, shift)):
        for pixels, (x, y) in zip(image, moves, strict=True):
            pixels[29 + y:81 + y, 29 + x:81 + x] += np.uint8(120)
    box = np.tile(np.float32([29, 29, 52, 52]), (size, 1))
    index = np.arange(step * size, (step + 1) * size, dtype=np.int32)
    return PairBatch(exemplar, search, box, box + np.pad(shift, ((0, 0), (0, 2))).astype(np.float32),
                     rng.random(size) < 0.8, index)


def augment(key, batch):
    crop = batch.exemplar[:, 24:87, 24:87].astype(jnp.float32)
    keys = jax.vmap(lambda index: rngs.stream(key, "objective", index))(batch.index)
    return TrainPair(crop, batch.search.astype(jnp.float32), batch.exemplar_box - 24, batch.search_box,
                     batch.similar, batch.index, keys)


@functools.cache
def variables():
    return jax.jit(NET.init)(jax.random.key(1), jnp.zeros((1, 63, 63, 3)), jnp.zeros((1, 111, 111, 3)))


def setup(config=OPTIM):
    phase = config.phases(10)[0]
    tx = make_optimiser(config, make_schedule(config, 2, 10), phase)
    return make_train_step(NET, RPNObjective(), tx, augment, phase), new_state(variables(), tx, jax.random.key(2),
                                                                               ema=False)


@functools.cache
def compiled_once():
    return jax.jit(jax.vmap(setup()[0], axis_name=AXIS))


def run(devices, steps, batch=batch_of):
    (_, state), one = setup(), compiled_once()
    state = jax.tree.map(lambda leaf: jnp.stack([leaf] * devices), state)
    losses = []
    for number in range(steps):
        state, metrics = one(state, replicas.shard_batch(batch(number), devices))
        losses.append(float(metrics["loss"][0]))
    return jax.tree.map(lambda leaf: leaf[0], state.replace(key=None)), losses


@pytest.fixture(scope="module")
def one_device():
    return run(1, 6)  # later the sign of a difference of nothing but rounding decides a gradient of the L1 loss


def test_same_seed_same_bits(one_device):
    again, losses = run(1, 6)
    chex.assert_trees_all_equal(again, one_device[0])
    assert losses == one_device[1]


def test_four_devices_give_what_one_gives(one_device):
    """Positives, single positives and negative pairs fall unevenly on the devices."""
    four, losses = run(4, 6)
    chex.assert_trees_all_close(four.params, one_device[0].params, rtol=1e-5, atol=1e-5)
    chex.assert_trees_all_close(four.batch_stats, one_device[0].batch_stats, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(losses, one_device[1], rtol=1e-4)


def test_two_steps_lower_the_loss_and_thirty_by_half():
    _, losses = run(1, 30, batch=lambda number: batch_of(0))
    assert losses[2] < losses[0]
    assert losses[-1] < 0.5 * losses[0]


def test_frozen_backbone_costs_no_gradient():
    def cost(config):
        step, state = setup(config)
        arguments = jax.eval_shape(lambda: (jax.tree.map(lambda leaf: leaf[None], state),
                                            replicas.shard_batch(batch_of(0), 1)))
        return jax.jit(jax.vmap(step, axis_name=AXIS)).lower(*arguments).cost_analysis()["flops"]

    assert cost(dataclasses.replace(OPTIM, frozen=("backbone",))) < 0.7 * cost(OPTIM)
