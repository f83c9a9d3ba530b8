import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax import rngs
from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.siamfc import SiamFC
from siamjax.training import replicas
from siamjax.training.freezing import Phase
from siamjax.training.objectives import LogisticObjective
from siamjax.training.optim import OptimConfig, make_optimiser, make_schedule
from siamjax.training.state import new_state
from siamjax.training.step import AXIS, make_train_step, synchronised
from siamjax.types import PairBatch, TrainPair

STAGES = (Stage(4, 11, 2, pool_stride=2), Stage(4, 5, groups=2, pool_stride=2),
          Stage(4, 3, norm=False, relu=False))
NET = SiamFC(AlexNet(STAGES, lowering="lax"), response_scale=0.1, logit_bias=True)
CONFIG = OptimConfig(peak_lr=1e-2, final_lr=1e-3, clip_norm=5.0)


def batch_of(step, size=8):
    rng = np.random.default_rng(step)
    box = np.tile(np.float32([40, 40, 20, 30]), (size, 1))
    exemplar, search = rng.integers(0, 256, (2, size, 95, 95, 3), np.uint8)
    index = np.arange(step * size, (step + 1) * size, dtype=np.int32)
    return PairBatch(exemplar, search, box, box, rng.random(size) < 0.8, index)


def augment(key, batch):
    """Noise of each sample from its own index, and the middle of the patch as exemplar."""
    def noise(index):
        return jax.random.normal(rngs.stream(key, "noise", index), (95, 95, 3))

    search = batch.search + jax.vmap(noise)(batch.index)
    return TrainPair(batch.exemplar[:, 20:75, 20:75].astype(jnp.float32), search, batch.exemplar_box - 20,
                     batch.search_box, batch.similar, batch.index,
                     jax.vmap(lambda index: rngs.stream(key, "objective", index))(batch.index))


@functools.cache
def variables_of(net):
    return jax.jit(net.init)(jax.random.key(1), jnp.zeros((1, 55, 55, 3)), jnp.zeros((1, 95, 95, 3)))


def setup(config=CONFIG, net=NET, phase=None, **options):
    phase = phase or config.phases(10)[0]
    tx = make_optimiser(config, make_schedule(config, 2, 10), phase)
    variables = variables_of(net)
    step = make_train_step(net, LogisticObjective(), tx, augment, phase, **options)
    return step, new_state(variables, tx, jax.random.key(2), ema=options.get("ema", 0) > 0)


def mapped(step, devices):
    """`step` by vmap over `devices` shares: the mathematics of pmap on one device."""
    one = jax.jit(jax.vmap(step, axis_name=AXIS))
    return lambda state, batch: one(state, replicas.shard_batch(batch, devices))


def spread(state, devices):
    return jax.tree.map(lambda leaf: jnp.stack([leaf] * devices), state)


def first(tree):
    tree = tree.replace(key=None) if hasattr(tree, "key") else tree  # a key may be sliced once only
    return jax.tree.map(lambda leaf: leaf[0], tree)


def run(step, state, steps, devices):
    step, state = mapped(step, devices), spread(state, devices)
    for number in range(steps):
        state, metrics = step(state, batch_of(number))
    return state, metrics


@pytest.fixture(scope="module")
def pmapped():
    """State and metrics after 20 steps of pmap over four devices; the number of traces."""
    step, state = setup(ema=0.9)
    traces = 0

    def counted(state, batch):
        nonlocal traces
        traces += 1
        return step(state, batch)

    step4, state = replicas.replicated(counted), replicas.replicate(state)
    for number in range(20):
        state, metrics = step4(state, replicas.shard_batch(batch_of(number), 4))
        jax.block_until_ready(metrics)
    return state, metrics, traces


def test_one_trace_for_many_steps(pmapped):
    assert pmapped[2] == 1


def test_replicas_stay_equal(pmapped):
    for leaf in jax.tree.leaves(pmapped[0].replace(key=None)):
        np.testing.assert_array_equal(leaf, np.broadcast_to(leaf[:1], leaf.shape))


@pytest.mark.parametrize("devices", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_one_device_and_four_give_the_same_parameters(pmapped, devices):
    """20 steps, trained BatchNorm, a negative pair here and there: vmap over 1 and 4 shares = pmap over 4."""
    state, metrics = run(*setup(ema=0.9), 20, devices)
    got, want = first(state), replicas.unreplicate(pmapped[0].replace(key=None))
    chex.assert_trees_all_close(got, want, rtol=1e-5, atol=1e-5)
    chex.assert_trees_all_close(first(metrics), replicas.unreplicate(pmapped[1]), rtol=1e-4, atol=1e-4)


def test_parameters_move_and_the_loss_falls():
    step, state = setup()
    step = mapped(step, 1)
    before, losses = state.params, []
    state = spread(state, 1)
    for _ in range(20):
        state, metrics = step(state, batch_of(0))
        losses.append(float(metrics["loss"][0]))
    assert losses[-1] < 0.9 * losses[0]
    moved = jax.tree.map(lambda a, b: bool((a != b[0]).any()), before, state.params)
    assert all(jax.tree.leaves(moved))


FROZEN = OptimConfig(peak_lr=1e-2, final_lr=1e-3, frozen=("backbone/conv1", "backbone/conv2/norm"),
                     factors=(("backbone", 0.5), ("backbone/conv2", 0.25)))


def test_frozen_parameters_stay_to_the_bit_and_the_rest_moves():
    step, state = setup(FROZEN)
    before = state.params
    after, _ = run(step, state, 5, 2)
    after, before = first(after).params["backbone"], before["backbone"]
    chex.assert_trees_all_equal(after["conv1"], before["conv1"])
    chex.assert_trees_all_equal(after["conv2"]["norm"], before["conv2"]["norm"])
    assert (after["conv2"]["kernel"] != before["conv2"]["kernel"]).any()
    assert (after["conv3"]["kernel"] != before["conv3"]["kernel"]).any()


def cost(config):
    step, state = setup(config, train_norm=False)
    args = jax.eval_shape(lambda: (spread(state, 1), replicas.shard_batch(batch_of(0), 1)))
    analysis = jax.jit(jax.vmap(step, axis_name=AXIS)).lower(*args).cost_analysis()
    return analysis["flops"]


def test_frozen_layers_cost_no_gradient():
    """conv1 and conv2 are nearly all the work; of it the gradients are more than half."""
    everything = cost(OptimConfig())
    frozen = cost(OptimConfig(frozen=("backbone/conv1", "backbone/conv2")))
    assert frozen < 0.6 * everything  # 0.54 by the compiler of JAX 0.10, 0.551 by that of 0.12


def test_factor_scales_the_update():
    def kernel_after(factors):
        after, _ = run(*setup(OptimConfig(factors=factors)), 1, 1)
        return first(after).params["backbone"]["conv3"]["kernel"]

    start = setup()[1].params["backbone"]["conv3"]["kernel"]
    one, two = kernel_after(()) - start, kernel_after((("backbone/conv3", 0.5),)) - start
    np.testing.assert_allclose(two, one / 2, rtol=1e-3, atol=1e-8)


def test_momentum_is_forgotten_at_the_step_where_a_phase_begins():
    """From there on it is as if the step before had left none."""
    def after(momentum, phase):
        config = dataclasses.replace(CONFIG, momentum=momentum)
        return first(run(*setup(config, phase=phase), 2, 1)[0]).params

    forgotten = after(0.9, Phase(first_step=1))
    chex.assert_trees_all_equal(forgotten, after(0.0, Phase()))
    kept = after(0.9, Phase())
    assert (kept["backbone"]["conv3"]["kernel"] != forgotten["backbone"]["conv3"]["kernel"]).any()


def test_norm_in_eval_mode_keeps_its_statistics():
    step, state = setup(train_norm=False)
    before = state.batch_stats
    after, _ = run(step, state, 3, 2)
    chex.assert_trees_all_equal(first(after).batch_stats, before)


def test_bad_step_is_skipped_by_all_devices():
    """The NaN is in one sample, on the third of four devices."""
    def poisoned(key, batch):
        pair = augment(key, batch)
        bad = (pair.index == 13)[:, None, None, None]
        return pair.replace(search=jnp.where(bad, jnp.nan, pair.search))

    config = CONFIG
    tx = make_optimiser(config, make_schedule(config, 2, 10), Phase())
    _, start = setup(ema=0.9)
    step = replicas.replicated(make_train_step(NET, LogisticObjective(), tx, poisoned, Phase(), ema=0.9))
    state = replicas.replicate(start)
    kept = []
    for number in range(3):
        state, metrics = step(state, replicas.shard_batch(batch_of(number), 4))
        kept.append(jax.device_get(state.replace(key=None)))
        assert bool(replicas.unreplicate(metrics)["good"]) == (number != 1)
    for name in ("params", "batch_stats", "opt_state", "ema"):
        chex.assert_trees_all_equal(getattr(kept[1], name), getattr(kept[0], name))
    bad, good = (k.params["backbone"]["conv1"]["kernel"] for k in kept[1:])
    assert (good != bad).any()
    assert [int(k.step[3]) for k in kept] == [1, 2, 3]
    assert [int(k.skipped[3]) for k in kept] == [0, 1, 1]
    assert [int(k.skipped_in_a_row[3]) for k in kept] == [0, 1, 0]


def test_moving_average_follows_the_parameters():
    step, state = setup(ema=0.5)
    start = state.params
    after = first(run(step, state, 1, 1)[0])
    # (1 + 0) / (10 + 0) is less than the decay asked for.
    want = jax.tree.map(lambda old, new: 0.1 * old + 0.9 * new, start, after.params)
    chex.assert_trees_all_close(after.ema, want, rtol=1e-6, atol=1e-7)


def test_every_batchnorm_is_synchronised_and_no_other_field_changes():
    net = synchronised(NET)
    assert net.backbone.axis_name == AXIS
    assert net == NET.clone(backbone=NET.backbone.clone(axis_name=AXIS))
