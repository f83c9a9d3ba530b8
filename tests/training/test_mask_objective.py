"""The objective of SiamMask, alone, over devices, and in the step."""

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from siamjax.errors import ConfigError
from siamjax.nets.mask_heads import Refine
from siamjax.nets.necks import Adjust
from siamjax.nets.resnet import ResNet
from siamjax.nets.rpn_heads import DepthwiseBranch, DepthwiseRPN
from siamjax.nets.siammask import SiamMask
from siamjax.ops.anchors import AnchorConfig, encode, make_anchors
from siamjax.training.mask_objective import MaskObjective
from siamjax.training.optim import OptimConfig, make_optimiser, make_schedule
from siamjax.training.rpn_objective import RPNObjective, centred
from siamjax.training.state import new_state
from siamjax.training.step import AXIS, make_train_step
from siamjax.types import TrainPair

GRID, SIDE, MASK = 3, 143, 15  # cells, px of the search, px of a net's masks
WINDOW = 127
BOX = (40.0, 38.0, 63.0, 63.0)
MASKS_ALONE = MaskObjective(rpn_weight=0.0)


def pair_of(masked, similar=None, seed=0):
    count = len(masked)
    boxes = jnp.tile(jnp.array([BOX]), (count, 1))
    mask = np.zeros((count, SIDE, SIDE), np.float32)
    mask[:, 40:99, 44:98] = 1
    similar = [True] * count if similar is None else similar
    return TrainPair(jnp.zeros((count, 127, 127, 3)), jnp.zeros((count, SIDE, SIDE, 3)), boxes, boxes,
                     jnp.array(similar), jnp.arange(count), jax.random.split(jax.random.key(seed), count),
                     jnp.asarray(mask), jnp.array(masked))


def outputs_of(count, seed=0, side=MASK):
    random = np.random.default_rng(seed)
    shapes = (count, 5 * GRID * GRID, 2), (count, 5 * GRID * GRID, 4), (count, GRID, GRID, side * side)
    return tuple(jnp.asarray(random.normal(size=shape), jnp.float32) for shape in shapes)


@jax.jit
def labels_of(pair):
    return RPNObjective().targets(pair.key, centred(pair), pair.similar, GRID).cls


def test_right_outputs_have_no_loss_and_the_targets_mask():
    pair = pair_of([True, True])
    anchors = make_anchors(AnchorConfig(), GRID)
    loc = jax.vmap(lambda box: encode(anchors, box[None]))(centred(pair))
    cls = labels_of(pair)
    rows = [[2 * pair.mask[:, 8 * y:8 * y + WINDOW, 8 * x:8 * x + WINDOW] - 1 for x in range(3)] for y in range(3)]
    maps = jnp.stack([jnp.stack(row, 1) for row in rows], 1).reshape(2, GRID, GRID, -1)
    outputs = 20 * jax.nn.one_hot(cls, 2), loc, 20 * maps
    loss, metrics = jax.jit(MaskObjective())(outputs, pair_of([True, True]))
    assert float(loss) < 1e-4
    assert float(metrics["mask_iou"]) == float(metrics["mask_sr50"]) == float(metrics["mask_sr70"]) == 1
    np.testing.assert_allclose(metrics["iou"], 1, atol=1e-4)


def test_pairs_without_a_mask_train_classes_and_boxes_alone():
    outputs = outputs_of(3)
    similar = [True, True, False]  # the last shows two objects, and has no positive anchor
    graded = jax.jit(jax.value_and_grad(MaskObjective(), has_aux=True))
    (_, metrics), grads = graded(outputs, pair_of([True, False, True], similar))
    for pair, moves in enumerate((True, False, False)):
        assert bool((grads[2][pair] != 0).any()) == moves
    assert (grads[0] != 0).any((1, 2)).all()
    (_, alone), _ = graded(outputs, pair_of([True, False, False], similar))
    np.testing.assert_allclose(metrics["mask"], alone["mask"], rtol=1e-6)
    (loss, none), grads = graded(outputs, pair_of([False] * 3, similar))
    assert float(none["mask"]) == float(none["mask_iou"]) == 0
    assert (grads[2] == 0).all()
    rpn, _ = jax.jit(RPNObjective())(outputs[:2], pair_of([False] * 3, similar))
    np.testing.assert_allclose(loss, rpn, rtol=1e-6)


def test_only_cells_with_a_positive_anchor_train():
    def aside():
        pair = pair_of([True])
        return pair.replace(search_box=pair.search_box + jnp.array([[4.0, 4, 0, 0]]))

    positive = np.asarray((labels_of(aside()).reshape(5, GRID, GRID) == 1).any(0))
    cls, loc, maps = outputs_of(1)
    grads = jax.jit(jax.grad(lambda maps, pair: MASKS_ALONE((cls, loc, maps), pair)[0]))(maps, aside())
    np.testing.assert_array_equal(np.asarray((grads != 0).any(-1))[0], positive)
    assert 0 < positive.sum() < positive.size


def test_loss_is_the_weighted_sum_of_its_parts():
    outputs = outputs_of(2)
    objective = MaskObjective(RPNObjective(cls_weight=2.0, loc_weight=0.5), rpn_weight=3.0, mask_weight=7.0)
    loss, metrics = jax.jit(objective)(outputs, pair_of([True, True]))
    np.testing.assert_allclose(loss, 3 * (2 * metrics["cls"] + 0.5 * metrics["loc"]) + 7 * metrics["mask"], rtol=1e-5)
    sharp, metrics = jax.jit(MASKS_ALONE)(outputs, pair_of([True, True]))
    np.testing.assert_allclose(sharp, 36 * metrics["mask"], rtol=1e-6)


def test_four_devices_give_the_loss_of_the_whole_batch():
    """Masks are known of the first device's pairs and of one of the last's."""
    masked, outputs = [True, True, False, False, False, False, False, True], outputs_of(8)
    graded = jax.value_and_grad(MASKS_ALONE, has_aux=True)
    (loss, metrics), grads = jax.jit(graded)(outputs, pair_of(masked))

    def share(tree):
        return jax.tree.map(lambda leaf: leaf.reshape(4, 2, *leaf.shape[1:]), tree)

    mapped = jax.vmap(functools.partial(graded, axis_name=AXIS), axis_name=AXIS)
    (losses, shared), parts = jax.jit(mapped)(share(outputs), share(pair_of(masked)))
    np.testing.assert_allclose(losses.mean(), loss, rtol=1e-5)
    np.testing.assert_allclose(parts[2].reshape(grads[2].shape) / 4, grads[2], rtol=1e-4, atol=1e-8)
    for name in ("mask", "mask_iou", "mask_sr50"):
        np.testing.assert_allclose(shared[name].mean(), metrics[name], rtol=1e-5)


def test_settings_and_batches_that_cannot_be_used():
    for settings in ({"mask_weight": -1.0}, {"rpn_weight": 0.0, "mask_weight": 0.0}, {"window": 0}):
        with pytest.raises(ConfigError):
            MaskObjective(**settings)
    with pytest.raises(ConfigError, match=r"set data\.masks=true"):
        jax.eval_shape(MaskObjective(), outputs_of(1), pair_of([True]).replace(mask=None, masked=None))


# In the step, with a refinement: what lies below it is frozen.

NET = SiamMask(
    ResNet((1, 1, 1), bottleneck=False, width=4, used_layers=(0, 1, 2, 3), lowering="lax"),
    Adjust((8,), margin=4, lowering="lax"), DepthwiseRPN(hidden=8, lowering="lax"),
    DepthwiseBranch(8, 15 * 15, lowering="lax"), Refine((4, 4, 4), lowering="lax"))
OPTIM = OptimConfig(peak_lr=0.02, final_lr=0.02, weight_decay=1e-4, clip_norm=10.0,
                    frozen=("backbone", "neck", "head", "mask/mix", "mask/out"))


def test_refinement_learns_and_what_it_stands_on_stays():
    phase = OPTIM.phases(10)[0]
    tx = make_optimiser(OPTIM, make_schedule(OPTIM, 2, 10), phase)
    pair = pair_of([True, True])
    random = np.random.default_rng(0)
    pair = pair.replace(exemplar=jnp.asarray(random.uniform(0, 255, (2, 127, 127, 3)), jnp.float32),
                        search=jnp.asarray(random.uniform(0, 255, (2, SIDE, SIDE, 3)), jnp.float32), key=None)
    variables = jax.jit(NET.init)(jax.random.key(1), pair.exemplar, pair.search)

    def same_draw(_, pair):
        """The same anchors in every step: only the parameters change."""
        return pair.replace(key=jax.random.split(jax.random.key(4), 2))

    step = make_train_step(NET, MASKS_ALONE, tx, same_draw, phase)
    step = jax.jit(jax.vmap(step, in_axes=(0, None), axis_name=AXIS))
    before = new_state(variables, tx, jax.random.key(2), ema=False)
    state, seen = jax.tree.map(lambda leaf: leaf[None], before), []
    for _ in range(15):
        state, metrics = step(state, pair)
        seen.append(float(metrics["mask"][0]))
    assert seen[-1] < 0.8 * seen[0]
    after = jax.tree.map(lambda leaf: leaf[0], (state.params, state.batch_stats))
    moved = [traverse_util.flatten_dict(jax.tree.map(lambda a, b: bool((a != b).any()), new, old), sep="/")
             for new, old in zip(after, (before.params, before.batch_stats))]
    for path, has in {**moved[0], **moved[1]}.items():
        trains = path.startswith("refine") or path.startswith(("mask/exemplar", "mask/search"))
        assert has == trains, path


def test_objective_is_a_setting():
    assert hash(MaskObjective()) == hash(dataclasses.replace(MASKS_ALONE, rpn_weight=1.0))
    chex.assert_equal(MaskObjective(), dataclasses.replace(MASKS_ALONE, rpn_weight=1.0))
