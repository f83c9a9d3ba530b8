"""Whole-model training of the region-proposal nets against the reference: losses, gradients, BatchNorm, SGD steps."""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import traverse_util

from siamjax.nets.alexnet import PYSOT, AlexNet
from siamjax.nets.layers import Norm
from siamjax.nets.mobilenet import MobileNetV2
from siamjax.nets.necks import Adjust
from siamjax.nets.resnet import ResNet50
from siamjax.nets.rpn_heads import DepthwiseRPN, MultiRPN
from siamjax.nets.siamrpn import SiamRPN
from siamjax.ops import losses
from siamjax.training.freezing import Phase, join
from siamjax.training.optim import OptimConfig, make_optimiser, make_schedule
from siamjax.training.state import new_state
from siamjax.training.step import AXIS, make_train_step
from siamjax.types import TrainPair
from siamjax.weights import names
from siamjax.weights.names import Names

RATE = {"alex": 1.0, "mobilev2_l234": 0.1, "r50_l234": 0.1}  # of the backbone


class Case(NamedTuple):
    net: SiamRPN
    names: Names
    thawed: tuple[str, ...]
    grid: int
    samples: int  # from which the head's first BatchNorm has its moments: two exemplars' cells


def multi(backbone, weighted):
    return SiamRPN(backbone(lowering="lax"), MultiRPN(weighted=weighted, lowering="lax"), Adjust(lowering="lax"))


CASES = {
    "alex": Case(SiamRPN(AlexNet(PYSOT, Norm(), lowering="lax"), DepthwiseRPN(lowering="lax")),
                 names.siamrpn_alex(), ("backbone/conv4", "backbone/conv5"), 17, 2 * 4 * 4),
    "mobilev2_l234": Case(multi(MobileNetV2, False), names.siamrpn_mobilev2(),
                          tuple(f"backbone/layer{i}" for i in (2, 3, 4)), 25, 2 * 5 * 5),
    "r50_l234": Case(multi(ResNet50, True), names.siamrpn_r50(),
                     tuple(f"backbone/layer{i}" for i in (2, 3, 4)), 25, 2 * 5 * 5)}
NETS = ["alex", pytest.param("mobilev2_l234", marks=pytest.mark.slow), pytest.param("r50_l234", marks=pytest.mark.slow)]
VARIANTS = {"epoch0": 3e-3, "epoch10": 3e-3, "frozen": 1e-3}  # and the bar of the norms of its gradients
# Two units in the last place of the images move MobileNet's norms by up to 2e-3 in eval mode and 5e-3 in train mode,
# and gradients themselves by 3e-2: its ReLU6 cuts off on both sides, and a unit at the edge goes this way or that.
SLACK = {"alex": 1.0, "mobilev2_l234": 2.5, "r50_l234": 1.0}
WHOLE = 3e-2


def phase_of(case: Case, variant: str) -> Phase:
    return {"epoch0": Phase(frozen=("backbone",)), "epoch10": Phase(0, ("backbone",), case.thawed),
            "frozen": Phase()}[variant]


@pytest.fixture(scope="module")
def pair(golden):
    inputs = golden("inputs")
    exemplar, search = (np.stack([inputs[f"{kind}_bag"], inputs[f"{kind}_tennis"]]).astype(np.float32)
                        for kind in ("z", "x255"))
    return TrainPair(exemplar, search, None, None, jnp.ones(2, bool), jnp.arange(2), None)


@pytest.fixture(scope="module")
def variables(golden, fill, pair):
    @functools.cache
    def filled(name):
        case, flat, g = CASES[name], {}, golden("training_part1")
        recorded = {*map(str, g[f"{name}/epoch0/param_keys"]), *map(str, g[f"{name}/epoch0/bn_keys"])}
        wanted = traverse_util.flatten_dict(
            jax.eval_shape(case.net.init, jax.random.key(0), pair.exemplar, pair.search), sep="/")
        for theirs, ours in case.names:
            if theirs in recorded:
                shape = wanted[ours].shape
                if len(shape) == 4:
                    flat[ours] = fill(theirs, [shape[i] for i in (3, 2, 0, 1)]).transpose(2, 3, 1, 0)
                else:
                    flat[ours] = fill(theirs, list(shape))
        assert flat.keys() == wanted.keys()
        return traverse_util.unflatten_dict({k: jnp.asarray(v) for k, v in flat.items()}, sep="/")

    return filled


@pytest.fixture(scope="module")
def objective(golden):
    """The losses of the recorded labels; what was drawn there cannot be drawn here."""
    def of(grid):
        g = golden("training_part1")
        labels, target, weight = (g[f"labels{grid}/{name}"] for name in ("cls", "loc", "loc_weight"))
        target = target.reshape(2, 4, -1).transpose(0, 2, 1)

        def loss(outputs, pair, *, axis_name=None):
            cls = losses.two_class(outputs[0], labels.reshape(2, -1), axis_name=axis_name)
            loc = losses.weighted_l1(outputs[1], target, weight.reshape(2, -1))
            return cls + 1.2 * loc, {"cls": cls, "loc": loc}

        return loss

    return of


@pytest.fixture(scope="module")
def gradients(variables, pair, objective):
    """`(losses, statistics, gradients by path)` of a net in a variant."""
    @functools.cache
    def compute(name, variant):
        case = CASES[name]
        phase, loss_of = phase_of(case, variant), objective(case.grid)
        trained, held = phase.split(variables(name)["params"])

        @jax.jit
        @functools.partial(jax.value_and_grad, has_aux=True)
        def run(trained, held, stats, pair):  # as arguments: XLA would fold a backbone of constants for a minute
            with phase.hold_norms():
                outputs, updated = case.net.apply(
                    {"params": join(trained, held), "batch_stats": stats}, pair.exemplar, pair.search,
                    train=variant != "frozen", mutable=["batch_stats"])
            loss, metrics = loss_of(outputs, pair)
            return loss, (metrics, updated["batch_stats"])

        (loss, (metrics, stats)), grads = run(trained, held, variables(name)["batch_stats"], pair)
        return (loss, metrics["cls"], metrics["loc"]), stats, grads

    return compute


@pytest.mark.parametrize("variant", ["epoch10", *(pytest.param(variant, marks=pytest.mark.slow)
                                                  for variant in ("epoch0", "frozen"))])
@pytest.mark.parametrize("name", NETS)
def test_losses_and_gradients(golden, gradients, name, variant):
    g, ours = golden("training_part1"), dict(CASES[name].names)
    values, _, grads = gradients(name, variant)
    np.testing.assert_allclose(values, g[f"{name}/{variant}/losses_total_cls_loc"], rtol=1e-4)
    keys, norms = g[f"{name}/{variant}/param_keys"], g[f"{name}/{variant}/grad_l2"]
    noise, bar = 1e-6 * np.nanmax(norms), SLACK[name] * VARIANTS[variant]
    for key, want in zip(map(str, keys), norms, strict=True):
        path = ours[key].removeprefix("params/")
        assert (path in grads) == (not np.isnan(want)), key
        if path in grads:
            np.testing.assert_allclose(jnp.linalg.norm(grads[path]), want, rtol=bar, atol=noise, err_msg=key)
        if f"{name}/{variant}/grad/{key}" in g and path in grads:
            whole = g[f"{name}/{variant}/grad/{key}"]
            got = grads[path].transpose(3, 2, 0, 1) if grads[path].ndim == 4 else grads[path]
            assert np.linalg.norm(got - whole) <= WHOLE * np.linalg.norm(whole) + noise, key
    np.testing.assert_allclose(optax.tree.norm(grads), g[f"{name}/{variant}/grad_l2_total"], rtol=bar)


@pytest.mark.parametrize("variant", [pytest.param("epoch0", marks=pytest.mark.slow), "epoch10"])
@pytest.mark.parametrize("name", NETS)
def test_batchnorm_learns_where_it_trains_and_only_there(golden, variables, gradients, name, variant):
    """PyTorch keeps the unbiased variance, Flax the biased one: it tells where an exemplar has few cells only."""
    g, ours = golden("training_part1"), dict(CASES[name].names)
    before = traverse_util.flatten_dict(variables(name)["batch_stats"], sep="/")
    after = traverse_util.flatten_dict(gradients(name, variant)[1], sep="/")
    recorded = (g[f"{name}/{variant}/{kind}"] for kind in ("bn_keys", "bn_l2_after", "bn_training"))
    for key, want, trains in zip(*recorded, strict=True):
        path = ours[str(key)].removeprefix("batch_stats/")
        assert (before[path] != after[path]).any() == trains, key
        got = after[path]
        if path.endswith("exemplar/norm/var"):
            got = got + (got - 0.9 * before[path]) / (CASES[name].samples - 1)
        np.testing.assert_allclose(jnp.linalg.norm(got), want, rtol=3e-3, err_msg=str(key))


@pytest.mark.slow  # by default its gradients above, and the updates of test_optim.py
@pytest.mark.parametrize("name", NETS)
def test_three_sgd_steps(golden, variables, pair, objective, name):
    g, case = golden("training_part1"), CASES[name]
    rates = g[f"{name}/steps/lr_groups"]
    config = OptimConfig(peak_lr=rates[-1], final_lr=rates[-1], weight_decay=1e-4, clip_norm=10.0,
                         factors=(("backbone", RATE[name]),))
    assert RATE[name] == pytest.approx(rates[0] / rates[-1])
    phase = phase_of(case, "epoch10")
    tx = make_optimiser(config, make_schedule(config, 1, 10), phase)
    step = make_train_step(case.net, objective(case.grid), tx, lambda key, pair: pair, phase)
    step = jax.jit(jax.vmap(step, in_axes=(0, None), axis_name=AXIS))
    state = new_state(variables(name), tx, jax.random.key(0), ema=False)
    state = jax.tree.map(lambda leaf: leaf[None], state)
    seen = []
    for _ in range(3):
        state, metrics = step(state, pair)
        seen.append([float(metrics["loss"][0]), float(metrics["gradient"][0])])
    np.testing.assert_allclose(seen, g[f"{name}/steps/loss_and_grad_norm"], rtol=3e-3)
    ours, params = dict(case.names), traverse_util.flatten_dict(state.params, sep="/")
    keys = map(str, g[f"{name}/epoch10/param_keys"])
    for key, want in zip(keys, g[f"{name}/steps/param_l2_after"], strict=True):
        np.testing.assert_allclose(jnp.linalg.norm(params[ours[key].removeprefix("params/")]), want, rtol=1e-3,
                                   err_msg=key)
