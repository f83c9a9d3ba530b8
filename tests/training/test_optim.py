import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from siamjax.errors import ConfigError
from siamjax.settings import replace_by_path
from siamjax.training.optim import (
    OptimConfig,
    check_paths,
    epoch_rates,
    forget_momentum,
    make_optimiser,
    make_schedule,
)

PARAMS = {"backbone": {"conv1": {"kernel": jnp.ones(3)}, "conv10": {"kernel": jnp.ones(2)}},
          "bias": jnp.ones(())}


def test_rate_per_epoch_equals_the_reference(golden):
    schedule = make_schedule(OptimConfig(), epochs=50, steps_per_epoch=1166)
    rates = [float(schedule(jnp.asarray(1166 * epoch))) for epoch in range(50)]
    np.testing.assert_allclose(rates, golden("schedules")["siamfc/lr_per_epoch"], rtol=1e-6)


PYSOT = {
    "siamrpn_r50_l234_dwxcorr_8gpu": (20, OptimConfig(5e-3, 5e-4, True, 1e-3, 5, base_lr=5e-3)),
    "siamrpn_r50_l234_dwxcorr_16gpu": (20, OptimConfig(5e-3, 5e-4, True, 1e-3, 5, base_lr=5e-3)),
    "siamrpn_r50_l234_dwxcorr_otb_8gpu": (20, OptimConfig(5e-3, 2.5e-3, True, 1e-3, 5, base_lr=5e-3)),
    "siamrpn_alex_dwxcorr_16gpu": (50, OptimConfig(1e-2, 5e-4, True, 5e-3, 5, base_lr=5e-3))}


@pytest.mark.parametrize("name", PYSOT)
def test_rates_of_pysot_as_printed_and_as_published(golden, name):
    epochs, config = PYSOT[name]
    printed, backbone, neck, head = golden("schedules")[f"pysot/{name}/lr_space_and_groups"].T
    np.testing.assert_allclose(epoch_rates(dataclasses.replace(config, base_lr=None), epochs), printed, rtol=1e-12)
    published = epoch_rates(config, epochs)
    np.testing.assert_allclose(published, head, rtol=1e-12)
    np.testing.assert_allclose(published, neck, rtol=1e-12)
    factor = 1.0 if "alex" in name else 0.1
    np.testing.assert_allclose(factor * published[-10:], backbone[-10:], rtol=1e-12)
    schedule = make_schedule(config, epochs, 7)
    np.testing.assert_allclose([schedule(jnp.asarray(7 * e)) for e in range(epochs)], head, rtol=1e-6)


def test_log_rate_reaches_its_end(golden):
    want = golden("schedules")["generic/log"]
    config = OptimConfig(want[0], want[-1], reach_final=True)
    np.testing.assert_allclose(epoch_rates(config, len(want)), want, rtol=1e-9)
    assert epoch_rates(config, 1).tolist() == [want[0]]


def test_warmup_longer_than_the_training_is_an_error():
    with pytest.raises(ConfigError, match="5 epochs of warm-up in a training of 5"):
        epoch_rates(OptimConfig(warmup_epochs=5), 5)


def test_rate_changes_at_the_first_step_of_an_epoch_and_stays_after_the_last():
    schedule = make_schedule(OptimConfig(peak_lr=1.0, final_lr=0.01), epochs=2, steps_per_epoch=10)
    np.testing.assert_allclose([schedule(jnp.asarray(s)) for s in (0, 9, 10, 19, 20, 500)],
                               [1, 1, 0.1, 0.1, 0.1, 0.1], rtol=1e-6)


def test_warmup_rises_in_a_line_to_the_rate():
    schedule = make_schedule(OptimConfig(peak_lr=1.0, final_lr=1.0, warmup_steps=4), 1, 10)
    np.testing.assert_allclose([schedule(jnp.asarray(s)) for s in range(6)], [0.25, 0.5, 0.75, 1, 1, 1])


def test_updates_are_those_of_sgd_with_momentum_in_pytorch():
    """By hand: v = momentum v + (clipped gradient + decay p), p = p - rate v."""
    config = OptimConfig(peak_lr=0.1, final_lr=0.1, momentum=0.9, weight_decay=0.5, clip_norm=1.0)
    tx = make_optimiser(config, make_schedule(config, 1, 10), config.phases(10)[0])
    params = {"w": jnp.array([1.0, -2.0])}
    p, v, state = np.array([1.0, -2.0]), np.zeros(2), tx.init(params)
    for gradient in (np.array([3.0, 4.0]), np.array([0.1, 0.2])):
        updates, state = tx.update({"w": jnp.asarray(gradient, jnp.float32)}, state, params)
        params = {"w": params["w"] + updates["w"]}
        v = 0.9 * v + gradient / max(1, np.linalg.norm(gradient)) + 0.5 * p
        p = p - 0.1 * v
        np.testing.assert_allclose(params["w"], p, rtol=1e-6)


def test_updates_are_those_of_adam_in_pytorch():
    """By hand: first and second moments of (gradient + decay p), each over what its start from 0 leaves out."""
    config = OptimConfig(peak_lr=0.1, final_lr=0.1, momentum=0.9, weight_decay=0.5, rule="adam")
    tx = make_optimiser(config, make_schedule(config, 1, 10), config.phases(10)[0])
    params = {"w": jnp.array([1.0, -2.0])}
    p, m, v, state = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2), tx.init(params)
    for step, gradient in enumerate((np.array([3.0, 4.0]), np.array([0.1, 0.2]), np.array([-5.0, 0.0])), start=1):
        updates, state = tx.update({"w": jnp.asarray(gradient, jnp.float32)}, state, params)
        params = {"w": params["w"] + updates["w"]}
        gradient = gradient + 0.5 * p
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        p = p - 0.1 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
        np.testing.assert_allclose(params["w"], p, rtol=1e-5)


def test_factors_and_frozen_go_by_whole_names_and_the_longest_holds():
    config = OptimConfig(peak_lr=1.0, final_lr=1.0, weight_decay=0.0, frozen=("backbone/conv1",),
                         factors=(("backbone", 2.0), ("backbone/conv10", 3.0), ("bias", 5.0)))
    tx = make_optimiser(config, make_schedule(config, 1, 10), config.phases(10)[0])
    updates, _ = tx.update(PARAMS, tx.init(PARAMS), PARAMS)
    assert updates["backbone"]["conv1"]["kernel"].tolist() == [0, 0, 0]
    assert updates["backbone"]["conv10"]["kernel"].tolist() == [-3, -3]
    assert float(updates["bias"]) == -5


@pytest.mark.parametrize(("settings", "says"), [
    ({"frozen": ("backbone/conv2",)}, "backbone/conv10/kernel"),
    ({"factors": (("head", 2.0),)}, "optim.factors"),
    ({"frozen": ("backbone", "bias")}, "every parameter is frozen")])
def test_a_path_that_names_nothing_is_an_error(settings, says):
    with pytest.raises(ConfigError, match=says):
        check_paths(OptimConfig(**settings), PARAMS)


@pytest.mark.parametrize("settings", [{"peak_lr": 0.0}, {"final_lr": float("nan")}, {"momentum": 1.0},
                                      {"weight_decay": -1.0}, {"clip_norm": 0.0}, {"warmup_steps": -1},
                                      {"warmup_epochs": -1}, {"base_lr": 0.0}])
def test_settings_out_of_range_are_errors(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        OptimConfig(**settings)


GRADIENTS = [{"backbone": {"conv1": {"kernel": jnp.float32([3, -4, 1])}, "conv10": {"kernel": jnp.float32([0.1, 0])}},
              "bias": jnp.float32(-2)}, {"backbone": {"conv1": {"kernel": jnp.float32([0.3, 4, 1])},
                                                      "conv10": {"kernel": jnp.float32([7, -1])}},
                                         "bias": jnp.float32(0.5)}]


def stepped(tx, count=2):
    """Updates and states of a few steps."""
    state, out = tx.init(PARAMS), []
    for gradients in GRADIENTS[:count]:
        updates, state = tx.update(gradients, state, PARAMS)
        out.append((updates, state))
    return out


@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_state_and_updates_of_the_first_rules_are_as_in_earlier_versions_to_the_bit(rule):
    """The chain of 0.1: checkpoints of that time go on."""
    config = OptimConfig(peak_lr=0.1, final_lr=0.01, clip_norm=1.0, weight_decay=0.1, rule=rule)
    schedule = make_schedule(config, 2, 1)
    then = optax.chain(
        optax.clip_by_global_norm(1.0), optax.add_decayed_weights(0.1, mask=lambda p: jax.tree.map(lambda _: True, p)),
        optax.trace(0.9) if rule == "sgd" else optax.scale_by_adam(0.9),
        optax.stateless(lambda updates, params=None: jax.tree.map(lambda u: u * 1.0, updates)),
        optax.scale_by_learning_rate(schedule))
    now = make_optimiser(config, schedule, config.phases(1)[0])
    chex.assert_trees_all_equal(stepped(now), stepped(then))


def test_adamw_decays_beside_its_moments_as_optax_does():
    config = OptimConfig(peak_lr=0.1, final_lr=0.1, weight_decay=0.5, rule="adamw")
    now = make_optimiser(config, make_schedule(config, 1, 10), config.phases(10)[0])
    for (got, _), (want, _) in zip(stepped(now), stepped(optax.adamw(0.1, weight_decay=0.5)), strict=True):
        chex.assert_trees_all_close(got, want, rtol=1e-6)


def test_a_rule_of_ones_own_gets_clipping_decay_freezing_factors_and_the_rate():
    config = OptimConfig(peak_lr=0.1, final_lr=0.1, weight_decay=0.0, rule=optax.scale_by_sign,
                         frozen=("backbone/conv1",), factors=(("bias", 5.0),))
    (updates, _), _ = stepped(make_optimiser(config, make_schedule(config, 1, 10), config.phases(10)[0]))
    assert updates["backbone"]["conv1"]["kernel"].tolist() == [0, 0, 0]
    np.testing.assert_allclose(updates["backbone"]["conv10"]["kernel"], [-0.1, 0])
    np.testing.assert_allclose(updates["bias"], 0.5)
    assert replace_by_path(config, "rule", "adamw").rule == "adamw"


@pytest.mark.parametrize("rule", ["sgd", "adam", "adamw", optax.scale_by_lion])
def test_momentum_of_any_rule_is_forgotten_at_a_thaw_but_not_the_count_of_the_rate(rule):
    config = OptimConfig(peak_lr=1.0, final_lr=0.01, weight_decay=0.0, rule=rule)
    tx = make_optimiser(config, make_schedule(config, 2, 1), config.phases(1)[0])
    _, state = stepped(tx, 1)[0]
    kept, forgotten = (forget_momentum(state, tx.init(PARAMS), jnp.array(when)) for when in (False, True))
    chex.assert_trees_all_equal(kept, state)
    first, _ = stepped(tx, 1)[0]
    again, _ = tx.update(GRADIENTS[0], forgotten, PARAMS)
    chex.assert_trees_all_close(again, jax.tree.map(lambda u: u / 10, first), rtol=1e-5)  # the rate of the second epoch


def test_cosine_falls_from_step_to_step_after_a_rise_in_a_line_as_optax_has_it():
    config = OptimConfig(peak_lr=2e-3, final_lr=4e-5, fall="cosine", warmup_steps=10)
    schedule = make_schedule(config, 5, 20)
    np.testing.assert_allclose([schedule(jnp.asarray(step)) for step in range(10)], 2e-4 * np.arange(1, 11), rtol=1e-5)
    want = optax.cosine_decay_schedule(2e-3, 90, 0.02)
    np.testing.assert_allclose([schedule(jnp.asarray(step)) for step in range(10, 120)],
                               [want(step) for step in range(110)], rtol=1e-5)


@pytest.mark.parametrize(("settings", "says"), [
    ({"fall": "line"}, "'geometric' or 'cosine'"), ({"rule": "lion"}, "a function that gives an Optax"),
    ({"fall": "cosine", "warmup_epochs": 1}, "set warmup_steps"),
    ({"fall": "cosine", "warmup_steps": 20}, "20 steps of warm-up in a training of 20")])
def test_rules_and_falls_that_are_none_are_errors(settings, says):
    with pytest.raises(ConfigError, match=says):
        make_schedule(OptimConfig(**settings), 2, 10)
