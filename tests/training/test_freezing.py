"""What trains when: masks, BatchNorm of frozen layers, and trainings that go on across a thaw."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from siamjax.errors import ConfigError
from siamjax.nets.layers import ConvNorm
from siamjax.training.freezing import Phase, join
from siamjax.training.optim import OptimConfig, forget_momentum, make_optimiser, make_schedule

PARAMS = {"backbone": {"conv1": {"kernel": jnp.ones(3)}, "conv10": {"kernel": jnp.ones(2)}}, "bias": jnp.ones(())}


def test_join_undoes_split():
    trained, held = Phase(frozen=("backbone/conv1",)).split(PARAMS)
    assert sorted(trained) == ["backbone/conv10/kernel", "bias"]
    assert sorted(held) == ["backbone/conv1/kernel"]
    assert join(trained, held) == PARAMS


def test_phases_thaw_one_after_the_other():
    config = OptimConfig(frozen=("backbone",), thaw=(("backbone/conv10", 4), ("backbone/conv9", 2)))
    first, second, third = config.phases(100)
    assert (first.first_step, second.first_step, third.first_step) == (0, 200, 400)
    assert first.freezes("backbone/conv9/kernel")
    assert second.freezes("backbone/conv10/kernel")
    assert not second.freezes("backbone/conv9/kernel")
    assert not third.freezes("backbone/conv10/kernel")
    assert third.freezes("backbone/conv1")
    assert not first.freezes("head/conv")


@pytest.mark.parametrize("thaw", [("head", 3), ("backbone", 0)])
def test_thaw_of_what_is_not_frozen_is_an_error(thaw):
    with pytest.raises(ConfigError, match=r"OptimConfig\.thaw"):
        OptimConfig(frozen=("backbone",), thaw=(thaw,))


class Own(nn.Module):
    """BatchNorm told to train by its field in `first` and `last`, by the call in `plain`."""

    @nn.compact
    def __call__(self, x, *, train=False):
        x = ConvNorm(4, 1, lowering="lax", name="first")(x, train=train)
        x = nn.BatchNorm(name="plain")(x, use_running_average=not train)
        return ConvNorm(4, 1, lowering="lax", name="last")(x, train=train)


def test_frozen_norms_use_and_keep_their_statistics():
    x = 3 + 2 * jax.random.normal(jax.random.key(0), (4, 5, 5, 3))
    variables = Own().init(jax.random.key(1), x)

    def run(train, *frozen):
        with Phase(frozen=frozen).hold_norms():
            return Own().apply(variables, x, train=train, mutable=["batch_stats"])

    out, updated = run(True, "first", "plain", "last")
    np.testing.assert_array_equal(out, run(False)[0])
    chex.assert_trees_all_equal(updated["batch_stats"], variables["batch_stats"])
    before, after = variables["batch_stats"], run(True, "first", "plain")[1]["batch_stats"]
    chex.assert_trees_all_equal(after["first"], before["first"])
    chex.assert_trees_all_equal(after["plain"], before["plain"])
    assert (after["last"]["norm"]["mean"] != before["last"]["norm"]["mean"]).any()
    # Nothing of it stays behind.
    unfrozen = run(True)[1]["batch_stats"]
    assert (unfrozen["first"]["norm"]["mean"] != before["first"]["norm"]["mean"]).any()


def test_optimiser_of_each_phase_goes_on_with_the_state_of_the_one_before():
    config = OptimConfig(peak_lr=1.0, final_lr=1.0, weight_decay=0.5, frozen=("backbone",),
                         thaw=(("backbone/conv10", 1),))
    before, after = (make_optimiser(config, make_schedule(config, 2, 10), phase) for phase in config.phases(10))
    ones = jax.tree.map(jnp.ones_like, PARAMS)
    held = {**ones, "backbone": jax.tree.map(jnp.zeros_like, ones["backbone"])}
    updates, state = before.update(held, before.init(PARAMS), PARAMS)
    assert not any(leaf.any() for leaf in jax.tree.leaves(updates["backbone"]))
    assert float(updates["bias"]) == -1.5
    chex.assert_trees_all_equal_structs(state, after.init(PARAMS))
    updates, _ = after.update(ones, state, PARAMS)
    assert not updates["backbone"]["conv1"]["kernel"].any()
    assert updates["backbone"]["conv10"]["kernel"].tolist() == [-1.5, -1.5]
    np.testing.assert_allclose(updates["bias"], -1.5 - 0.9 * 1.5)
    updates, _ = after.update(ones, forget_momentum(state, after.init(PARAMS), jnp.array(True)), PARAMS)
    assert float(updates["bias"]) == -1.5
    chex.assert_trees_all_equal(forget_momentum(state, after.init(PARAMS), jnp.array(False)), state)


def test_adam_forgets_its_moments_and_their_age():
    config = OptimConfig(peak_lr=1.0, final_lr=1.0, rule="adam", frozen=("backbone",), thaw=(("backbone/conv10", 1),))
    before, after = (make_optimiser(config, make_schedule(config, 2, 10), phase) for phase in config.phases(10))
    ones, start = jax.tree.map(jnp.ones_like, PARAMS), before.init(PARAMS)
    updates, state = before.update(ones, start, PARAMS)
    assert not any(leaf.any() for leaf in jax.tree.leaves(updates["backbone"]))
    forgotten = after.update(ones, forget_momentum(state, after.init(PARAMS), jnp.array(True)), PARAMS)[0]
    chex.assert_trees_all_equal(forgotten, after.update(ones, start, PARAMS)[0])
    assert forgotten["backbone"]["conv10"]["kernel"].all()
    chex.assert_trees_all_equal(forget_momentum(state, after.init(PARAMS), jnp.array(False)), state)
