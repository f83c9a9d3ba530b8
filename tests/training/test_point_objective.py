"""The objective of the anchor-free nets against plain loops in float64, alone, over devices and in the step."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax import rngs
from siamjax.errors import ConfigError
from siamjax.nets.anchor_free_heads import PixelwiseHead
from siamjax.nets.inverted import Block, InvertedTrunk
from siamjax.nets.nanotrack_heads import NanoTrackV3Head
from siamjax.nets.siamrpn import SiamRPN
from siamjax.ops.point_targets import InsideRule
from siamjax.ops.points import PointConfig, make_points
from siamjax.training import replicas
from siamjax.training.optim import OptimConfig, make_optimiser, make_schedule
from siamjax.training.point_objective import PointObjective
from siamjax.training.rpn_objective import centred
from siamjax.training.state import new_state
from siamjax.training.step import AXIS, make_train_step
from siamjax.types import PairBatch, TrainPair

NANOTRACK = PointObjective()
FEAR = PointObjective(assign=InsideRule(), box_loss="iou")
GRID, SIDE = 5, 80
BOXES, SIMILAR = [(13.0, 10, 52, 61), (30, 20, 44, 30), (5, 22, 60, 40), (20, 20, 40, 40)], [True, True, True, False]


def pair_of(boxes=BOXES, similar=SIMILAR, seed=0):
    boxes, count = jnp.array(boxes, jnp.float32), len(boxes)
    return TrainPair(jnp.zeros((count, 40, 40, 3)), jnp.zeros((count, SIDE, SIDE, 3)), boxes, boxes,
                     jnp.array(similar), jnp.arange(count), jax.random.split(jax.random.key(seed), count))


def outputs_of(count=4):
    random = np.random.default_rng(1)
    loc = random.normal(3.0, 0.6, (count, GRID * GRID, 4))
    return np.float32(random.normal(0, 2, (count, GRID * GRID, 2))), np.float32(loc)


@functools.partial(jax.jit, static_argnums=(0, 3))
def graded(objective, outputs, pair, axis_name=None):
    """Loss and metrics of outputs, and their gradient."""
    return jax.value_and_grad(lambda o: objective(o, pair, axis_name=axis_name), has_aux=True)(outputs)


def reference(objective, cls, loc, cls_targets, boxed):
    """Loss in float64 of outputs against given targets, and its two parts."""
    by_label = {0: [], 1: []}
    boxes = []
    for pair, (x, y, w, h) in enumerate(np.float64(np.array(BOXES))):
        for point, (px, py) in enumerate(np.float64(make_points(PointConfig(), GRID)) + SIDE / 2):
            label = int(cls_targets[pair, point])
            if label >= 0:
                logits = cls[pair, point]
                by_label[label].append(np.log(np.exp(logits - logits[label]).sum()))
            if boxed[pair, point]:
                left, up, right, down = np.exp(loc[pair, point])
                width = min(px + right, x + w) - max(px - left, x)
                height = min(py + down, y + h) - max(py - up, y)
                inter = max(width, 0) * max(height, 0)
                union = (left + right) * (up + down) + w * h - inter
                boxes.append(1 - (inter / union if objective.box_loss == "iou" else (inter + 1) / (union + 1)))
    halves = [np.mean(values) / 2 for values in by_label.values() if len(values) > 1]
    return sum(halves) + np.mean(boxes), sum(halves), np.mean(boxes)


@pytest.mark.parametrize("objective", [NANOTRACK, FEAR], ids=["nanotrack", "fear"])
def test_loss_and_gradient_are_those_of_the_float64_reference(objective):
    cls, loc = outputs_of()
    pair = pair_of()
    wanted = objective.targets(pair.key, centred(pair), pair.similar, GRID)
    assert wanted.boxed.any(1).tolist() == SIMILAR  # each similar pair trains
    assert (wanted.cls == 1).any(1).tolist() == SIMILAR
    (loss, metrics), (cls_grad, loc_grad) = graded(objective, (cls, loc), pair_of())
    labels, boxed = np.asarray(wanted.cls), np.asarray(wanted.boxed)
    cls, loc = np.float64(cls), np.float64(loc)
    want = reference(objective, cls, loc, labels, boxed)
    np.testing.assert_allclose([loss, metrics["cls"], metrics["loc"]], want, rtol=1e-5)
    for got, values in ((cls_grad, cls), (loc_grad, loc)):
        got, chosen = np.asarray(got), [place for place in np.ndindex(values.shape) if sum(place) % 3 == 0]
        assert len(chosen) > 60
        for place in chosen:
            slope, first = [], values[place]
            for step in (1e-6, -1e-6):
                values[place] = first + step
                slope.append(reference(objective, cls, loc, labels, boxed)[0])
            values[place] = first
            np.testing.assert_allclose(got[place], (slope[0] - slope[1]) / 2e-6, rtol=1e-3, atol=1e-6)


def test_fears_class_loss_is_a_binary_cross_entropy_of_its_one_logit():
    """Its net gives the background a logit of 0; positives and negatives have half each."""
    logit, pair = outputs_of()[0][..., 1:], pair_of()
    loss = FEAR((jnp.concatenate([jnp.zeros_like(logit), logit], -1), outputs_of()[1]), pair)[1]["cls"]
    labels = np.asarray(FEAR.targets(pair_of().key, centred(pair), pair.similar, GRID).cls)
    p = 1 / (1 + np.exp(-np.float64(logit[..., 0])))
    np.testing.assert_allclose(loss, -(np.log(p)[labels == 1].mean() + np.log(1 - p)[labels == 0].mean()) / 2,
                               rtol=1e-5)


def perfect(objective, pair, sure=20.0):
    """Outputs that name the target's box at every point in it, and the class of each point."""
    box = centred(pair)
    labels = objective.targets(pair.key, box, pair.similar, GRID).cls
    away = make_points(PointConfig(), GRID)[None] - box[:, None, :2]
    sides = jnp.concatenate([away + box[:, None, 2:] / 2, box[:, None, 2:] / 2 - away], -1)
    return sure * jax.nn.one_hot(labels, 2), jnp.log(jnp.maximum(sides, 1e-3))


@pytest.mark.parametrize("objective", [NANOTRACK, FEAR], ids=["nanotrack", "fear"])
def test_right_outputs_have_no_loss_and_the_targets_box(objective):
    (loss, metrics), _ = graded(objective, jax.jit(perfect, static_argnums=0)(objective, pair_of()), pair_of())
    np.testing.assert_allclose(metrics["cls"], 0, atol=1e-4)
    np.testing.assert_allclose(metrics["iou"], 1, atol=1e-4)
    np.testing.assert_allclose(metrics["score"], 1, atol=1e-4)
    # FEAR's boxes also train at points outside of the target, whose distances no net can give.
    assert float(metrics["loc"]) < (1e-4 if objective is NANOTRACK else 0.3)
    np.testing.assert_allclose(loss, metrics["cls"] + metrics["loc"], rtol=1e-6)


def test_loss_is_the_weighted_sum_of_its_parts():
    loss, metrics = PointObjective(cls_weight=2.0, loc_weight=0.5, box_loss="giou")(outputs_of(), pair_of())
    np.testing.assert_allclose(loss, 2 * metrics["cls"] + 0.5 * metrics["loc"], rtol=1e-6)


@pytest.mark.parametrize("objective", [NANOTRACK, FEAR], ids=["nanotrack", "fear"])
@pytest.mark.parametrize("size", [0.0, 60.0, 1e4])
def test_wild_outputs_and_pairs_of_two_objects_are_finite(objective, size):
    cls, loc = (size * out for out in outputs_of())
    for similar in (SIMILAR, [False] * 4):
        chex.assert_tree_all_finite(graded(objective, (cls, loc), pair_of([(3, 3, 0, 0), *BOXES[1:]], similar)))


@pytest.mark.parametrize("objective", [NANOTRACK, FEAR], ids=["nanotrack", "fear"])
def test_mean_over_devices_is_the_loss_of_the_whole_batch(objective):
    """Similar pairs fall unevenly on the devices: one of the four has none."""
    random = np.random.default_rng(3)
    boxes, similar = random.uniform((5, 5, 20, 20), (30, 30, 50, 50), (8, 4)), np.array([1, 1, 0, 0, 1, 0, 1, 1]) > 0
    outputs = outputs_of(8)

    (loss, metrics), grads = graded(objective, outputs, pair_of(boxes, similar))

    @functools.partial(jax.pmap, axis_name="data")
    def shared(outputs, pair):
        value, grads = graded(objective, outputs, pair, "data")
        return jax.lax.pmean(value, "data"), jax.tree.map(lambda g: g / jax.lax.axis_size("data"), grads)

    four = shared(*jax.tree.map(lambda leaf: leaf.reshape(4, 2, *leaf.shape[1:]), (outputs, pair_of(boxes, similar))))
    chex.assert_trees_all_close(jax.tree.map(lambda leaf: leaf[0], four[0]), (loss, metrics), rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_close(jax.tree.map(lambda leaf: leaf.reshape(8, *leaf.shape[2:]), four[1]), grads,
                                rtol=1e-4, atol=1e-7)


def test_outputs_that_are_no_grid_are_an_error():
    cls, loc = outputs_of()
    with pytest.raises(ConfigError, match="no square grid of points"):
        NANOTRACK((cls[:, :20], loc[:, :20]), pair_of())


@pytest.mark.parametrize(("wrong", "where"), [
    ({"cls_weight": -1.0}, "PointObjective"), ({"cls_weight": 0.0, "loc_weight": 0.0}, "PointObjective"),
    ({"box_loss": "ciou"}, r"PointObjective\.box_loss")])
def test_settings_out_of_range_are_errors(wrong, where):
    with pytest.raises(ConfigError, match=where):
        PointObjective(**wrong)


# The step, with small nets; the contract suite has two steps of each tracker.

BLOCKS = (Block(6, 3, 4, None), Block(8, 3, 2, 2))
CASES = {
    "fear": (FEAR, PixelwiseHead(hidden=8, depth=0)),
    "nanotrack": (NANOTRACK, NanoTrackV3Head(hidden=6, depth=1)),
}
OPTIM = OptimConfig(peak_lr=3e-2, final_lr=3e-2, weight_decay=1e-4, clip_norm=10.0)


def net_of(head):
    return SiamRPN(InvertedTrunk(BLOCKS, stem=4, projection=8), head)


def batch_of(size=8):
    random = np.random.default_rng(0)
    exemplar, search = random.integers(0, 100, (2, size, 96, 96, 3), np.uint8)
    shift = random.integers(-12, 13, (size, 2))
    for image, moves in ((exemplar, np.zeros_like(shift)), (search, shift)):
        for pixels, (x, y) in zip(image, moves, strict=True):
            pixels[24 + y:72 + y, 24 + x:72 + x] += np.uint8(120)
    box = np.tile(np.float32([24, 24, 48, 48]), (size, 1))
    return PairBatch(exemplar, search, box, box + np.pad(shift, ((0, 0), (0, 2))).astype(np.float32),
                     np.arange(size) % 5 != 4, np.arange(size, dtype=np.int32))


def augment(key, batch):
    keys = jax.vmap(lambda index: rngs.stream(key, "objective", index))(batch.index)
    crop = batch.exemplar[:, 16:80, 16:80].astype(jnp.float32)
    return TrainPair(crop, batch.search.astype(jnp.float32), batch.exemplar_box - 16, batch.search_box,
                     batch.similar, batch.index, keys)


@functools.cache
def run(name, devices, steps):
    objective, head = CASES[name]
    phase, net = OPTIM.phases(10)[0], net_of(head)
    tx = make_optimiser(OPTIM, make_schedule(OPTIM, 2, 10), phase)
    variables = jax.jit(net.init)(jax.random.key(1), jnp.zeros((1, 64, 64, 3)), jnp.zeros((1, 96, 96, 3)))
    step = jax.jit(jax.vmap(make_train_step(net, objective, tx, augment, phase), axis_name=AXIS))
    state = new_state(variables, tx, jax.random.key(2), ema=False)
    state = jax.tree.map(lambda leaf: jnp.stack([leaf] * devices), state)
    losses = []
    for _ in range(steps):
        state, metrics = step(state, replicas.shard_batch(batch_of(), devices))
        losses.append({name: float(value[0]) for name, value in metrics.items()})
    return jax.tree.map(lambda leaf: leaf[0], state.params), losses


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_training_lowers_the_loss_and_finds_the_box(name):
    losses = run(name, 1, 15)[1]
    assert losses[-1]["loss"] < 0.9 * losses[0]["loss"]
    assert losses[-1]["iou"] > losses[0]["iou"]


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_four_devices_give_what_one_gives(name):
    one, four = run(name, 1, 2), run(name, 4, 2)
    chex.assert_trees_all_close(four[0], one[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose([m["loss"] for m in four[1]], [m["loss"] for m in one[1]], rtol=1e-4)
