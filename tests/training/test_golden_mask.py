"""Whole-model training of SiamMask, base and sharp, against the reference: losses, overlaps, gradients, BatchNorm."""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import traverse_util

from siamjax.nets.mask_heads import Refine
from siamjax.nets.necks import Adjust
from siamjax.nets.resnet import ResNet50
from siamjax.nets.rpn_heads import DepthwiseBranch, DepthwiseRPN
from siamjax.nets.siammask import SiamMask
from siamjax.ops.anchor_targets import AnchorTargets
from siamjax.training.freezing import Phase, join
from siamjax.training.mask_objective import MaskObjective
from siamjax.types import TrainPair
from siamjax.weights import names

pytestmark = pytest.mark.slow


def siammask(refined):
    return SiamMask(
        ResNet50(used_layers=(0, 1, 2, 3) if refined else (3,), lowering="lax"),
        Adjust((256,), margin=4, lowering="lax"), DepthwiseRPN(lowering="lax"),
        DepthwiseBranch(256, 63 * 63, lowering="lax"), Refine(lowering="lax") if refined else None)


class Case(NamedTuple):
    """Which parameters get gradients in a variant, which BatchNorms hold still, and the bar of the norms."""

    train: bool
    params: Phase
    norms: Phase
    bar: float


BACKBONE = Phase(frozen=("backbone",))
THAWED = Phase(frozen=("backbone",), thawed=("backbone/layer2", "backbone/layer3"))
# In the reference the neck gets a gradient here that nothing uses but the clipping.
REFINING = Phase(frozen=("backbone", "head", "mask/mix", "mask/out"))
VARIANTS = {
    "base/stage0": Case(True, BACKBONE, BACKBONE, 3e-3),
    "base/stage1_bn_train": Case(True, THAWED, THAWED, 3e-3),
    "base/stage1_bn_eval": Case(True, THAWED, BACKBONE, 3e-3),
    "base/frozen": Case(False, Phase(), Phase(), 1e-3),
    "sharp/refine": Case(True, REFINING, Phase(frozen=("backbone", "neck", "head")), 3e-3),
    "sharp/refine_frozen_bn": Case(False, Phase(frozen=("head", "mask/mix", "mask/out")), Phase(), 1e-3)}
OBJECTIVES = {"base": MaskObjective(), "sharp": MaskObjective(rpn_weight=0.0)}


def tables(kind):
    return names.siammask(refined=kind == "sharp")


@pytest.fixture(scope="module")
def model(golden, filled):
    """`(net, variables, pair, recorded targets)` of base or sharp."""
    @functools.cache
    def of(kind):
        g, inputs, side = golden("training_part2"), golden("inputs"), 143 if kind == "sharp" else 255
        first = (255 - side) // 2
        exemplar, search = (np.stack([inputs[f"{name}_bag"], inputs[f"{name}_tennis"]]).astype(np.float32)
                            for name in ("z", "x255"))
        corners = g[f"{kind}/boxes_x1y1x2y2"].astype(np.float32)
        box = np.concatenate([corners[:, :2] + 0.5, corners[:, 2:] - corners[:, :2]], axis=1)
        mask = (g[f"{kind}/labels/mask"][:, 0] > 0).astype(np.float32)
        pair = TrainPair(exemplar, search[:, first:first + side, first:first + side], None, box, np.ones(2, bool),
                         np.arange(2), None, mask, np.ones(2, bool))
        labels = {name: g[f"{kind}/labels/{name}"] for name in ("cls", "loc", "loc_weight")}
        wanted = AnchorTargets(labels["cls"].reshape(2, -1).astype(np.int32),
                               labels["loc"].reshape(2, 4, -1).transpose(0, 2, 1), labels["loc_weight"].reshape(2, -1))
        net = siammask(kind == "sharp")
        return net, filled(net, tables(kind), 127, side), pair, wanted

    return of


@pytest.fixture(scope="module")
def gradients(model):
    """`(loss, metrics, statistics, gradients by path)` of a variant."""
    @functools.cache
    def compute(variant):
        kind, case = variant.split("/")[0], VARIANTS[variant]
        net, variables, pair, wanted = model(kind)
        trained, held = case.params.split(variables["params"])

        @jax.jit
        @functools.partial(jax.value_and_grad, has_aux=True)
        def run(trained, held, stats, pair):
            with case.norms.hold_norms():
                outputs, updated = net.apply({"params": join(trained, held), "batch_stats": stats}, pair.exemplar,
                                             pair.search, train=case.train, mutable=["batch_stats"])
            loss, metrics = OBJECTIVES[kind].compare(outputs, wanted, pair)
            return loss, (metrics, updated["batch_stats"])

        (loss, (metrics, stats)), grads = run(trained, held, variables["batch_stats"], pair)
        return loss, metrics, stats, grads

    return compute


@pytest.mark.parametrize("variant", VARIANTS)
def test_losses_overlaps_and_gradients(golden, gradients, variant):
    g, (loss, metrics, _, grads), case = golden("training_part2"), gradients(variant), VARIANTS[variant]
    values = [loss, metrics["cls"], metrics["loc"], metrics["mask"]]
    np.testing.assert_allclose(values, g[f"{variant}/losses_total_cls_loc_mask"], rtol=1e-4)
    overlaps = [metrics["mask_iou"], metrics["mask_sr50"], metrics["mask_sr70"]]
    np.testing.assert_allclose(overlaps, g[f"{variant}/accuracy_iou_iou5_iou7"], rtol=1e-3, atol=1e-6)
    ours = dict(tables(variant.split("/")[0]))
    keys, norms = g[f"{variant}/param_keys"], g[f"{variant}/grad_l2"]
    noise = 1e-6 * np.nanmax(norms)
    for key, want in zip(map(str, keys), norms, strict=True):
        path = ours[key].removeprefix("params/")
        if path in grads:
            np.testing.assert_allclose(jnp.linalg.norm(grads[path]), want, rtol=case.bar, atol=noise, err_msg=key)
        else:  # what is frozen has none there either, or a zero that its optimiser does not hold
            assert np.isnan(want) or want == 0, key
        if f"{variant}/grad/{key}" in g and path in grads:
            whole = g[f"{variant}/grad/{key}"]
            assert np.linalg.norm(grads[path] - whole) <= 1e-2 * np.linalg.norm(whole) + noise, key
    np.testing.assert_allclose(optax.tree.norm(grads), g[f"{variant}/grad_l2_total"], rtol=case.bar)


@pytest.mark.parametrize("variant", [variant for variant, case in VARIANTS.items() if case.train])
def test_batchnorm_learns_where_it_trains_and_only_there(golden, model, gradients, variant):
    """The coarse mask's layers do not run when it is refined; in the reference their statistics still move."""
    g, kind = golden("training_part2"), variant.split("/")[0]
    before = traverse_util.flatten_dict(model(kind)[1]["batch_stats"], sep="/")
    after = traverse_util.flatten_dict(gradients(variant)[2], sep="/")
    recorded = (g[f"{variant}/{name}"] for name in ("bn_keys", "bn_l2_after", "bn_training"))
    ours = dict(tables(kind))
    for key, want, trains in zip(*recorded, strict=True):
        path = ours[str(key)].removeprefix("batch_stats/")
        if kind == "sharp" and path.startswith("mask/mix"):
            continue
        assert (before[path] != after[path]).any() == trains, key
        got = after[path]
        if path.endswith("exemplar/norm/var"):  # PyTorch keeps the unbiased variance, of two exemplars' 5 x 5 cells
            got = got + (got - 0.9 * before[path]) / (2 * 5 * 5 - 1)
        np.testing.assert_allclose(jnp.linalg.norm(got), want, rtol=3e-3, err_msg=str(key))
