"""Whole-model training of SiamFC against the reference: loss, gradients, SGD steps, BatchNorm buffers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import traverse_util

from siamjax.nets.alexnet import AlexNet
from siamjax.nets.siamfc import SiamFC
from siamjax.training.freezing import Phase
from siamjax.training.objectives import LogisticObjective
from siamjax.training.optim import OptimConfig, make_optimiser, make_schedule
from siamjax.training.state import new_state
from siamjax.training.step import AXIS, make_train_step
from siamjax.types import TrainPair

NET = SiamFC(AlexNet(lowering="lax"))
LEAVES = {("0", "weight"): "kernel", ("0", "bias"): "bias",
          ("1", "weight"): "norm/scale", ("1", "bias"): "norm/bias",
          ("1", "running_mean"): "norm/mean", ("1", "running_var"): "norm/var"}


def place(key):
    """`backbone.conv1.0.weight` to `(params, backbone/conv1/kernel)`."""
    *path, part, leaf = key.split(".")
    return ("batch_stats" if leaf.startswith("running") else "params"), "/".join([*path, LEAVES[part, leaf]])


def linen(array):
    return np.transpose(array, (2, 3, 1, 0)) if np.ndim(array) == 4 else array


@pytest.fixture(scope="module")
def variables(golden, fill):
    weights, flat = golden("weights"), {"params": {}, "batch_stats": {}}
    for key, shape in zip(weights["siamfc/keys"], weights["siamfc/shapes"], strict=True):
        if not key.endswith("num_batches_tracked"):
            kind, path = place(str(key))
            flat[kind][path] = jnp.asarray(linen(fill(str(key), [int(n) for n in str(shape).split("x")])))
    return {kind: traverse_util.unflatten_dict(leaves, sep="/") for kind, leaves in flat.items()}


@pytest.fixture(scope="module")
def pair(golden):
    inputs = golden("inputs")
    exemplar = np.stack([inputs["z_bag"], inputs["z_tennis"]]).astype(np.float32)
    search = np.stack([inputs["x255_bag"], inputs["x255_tennis"]])[:, 8:247, 8:247].astype(np.float32)
    middle = jnp.array([[43.5, 43.5, 40, 40]] * 2), jnp.array([[99.5, 99.5, 40, 40]] * 2)
    return TrainPair(exemplar, search, *middle, jnp.ones(2, bool), jnp.arange(2), None)


@pytest.fixture(scope="module")
def gradients(variables, pair):
    """`gradients("train")`, or in eval mode."""
    def loss_of(params, train):
        out, updated = NET.apply({**variables, "params": params}, pair.exemplar, pair.search, train=train,
                                 mutable=["batch_stats"])
        return LogisticObjective()(out, pair)[0], (out, updated["batch_stats"])

    compute = jax.jit(jax.value_and_grad(loss_of, has_aux=True), static_argnums=1)
    return functools.cache(lambda variant: compute(variables["params"], variant == "train"))


def lookup(tree, path):
    for name in path.split("/"):
        tree = tree[name]
    return tree


@pytest.mark.parametrize(("variant", "bar"), [("train", 3e-3), pytest.param("eval", 1e-3, marks=pytest.mark.slow)])
def test_loss_and_gradient_norms(golden, gradients, variant, bar):
    g = golden("training_part1")
    (loss, (response, _)), grads = gradients(variant)
    np.testing.assert_allclose(loss, g[f"siamfc/{variant}/loss"], rtol=1e-4)
    np.testing.assert_allclose(response, g[f"siamfc/{variant}/response"][:, 0], rtol=1e-3, atol=1e-4)
    want = dict(zip(g[f"siamfc/{variant}/param_keys"], g[f"siamfc/{variant}/grad_l2"], strict=True))
    got = {key: float(jnp.linalg.norm(lookup(grads, place(str(key))[1]))) for key in want}
    # Below a millionth of the largest a norm is rounding: biases that a train-mode BatchNorm takes away.
    noise = 1e-6 * max(want.values())
    for key in want:
        np.testing.assert_allclose(got[key], want[key], rtol=bar, atol=noise, err_msg=str(key))
    np.testing.assert_allclose(optax.tree.norm(grads), g[f"siamfc/{variant}/grad_l2_total"], rtol=bar)


def test_batchnorm_buffers_after_one_forward(golden, gradients):
    """PyTorch keeps the unbiased variance, Flax the biased: at most 4e-4 here, within BatchNorm's bar."""
    g = golden("training_part1")
    stats = gradients("train")[0][1][1]
    for key, want in zip(g["siamfc/train/bn_keys"], g["siamfc/train/bn_l2_after"], strict=True):
        got = jnp.linalg.norm(lookup(stats, place(str(key))[1]))
        np.testing.assert_allclose(got, want, rtol=3e-3, err_msg=str(key))


@pytest.mark.slow
def test_four_sgd_steps(golden, variables, pair):
    g = golden("training_part1")
    config = OptimConfig(peak_lr=1e-2, final_lr=1e-2, momentum=0.9, weight_decay=5e-4)
    tx = make_optimiser(config, make_schedule(config, 1, 10), Phase())
    step = make_train_step(NET, LogisticObjective(), tx, lambda key, pair: pair, Phase())
    step = jax.jit(jax.vmap(step, axis_name=AXIS))
    state = jax.tree.map(lambda leaf: leaf[None], new_state(variables, tx, jax.random.key(0), ema=False))
    losses = []
    for _ in range(4):
        state, metrics = step(state, jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], pair))
        losses.append(float(metrics["loss"][0]))
    np.testing.assert_allclose(losses, g["siamfc/steps/losses"], rtol=1e-4)
    keys, want = g["siamfc/train/param_keys"], g["siamfc/steps/param_l2_after"]
    for key, norm in zip(keys, want, strict=True):
        np.testing.assert_allclose(jnp.linalg.norm(lookup(state.params, place(str(key))[1])), norm, rtol=1e-3,
                                   err_msg=str(key))
