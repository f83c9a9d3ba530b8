"""The training step: a pure function, wrapped once by `replicas`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jax import lax

from siamjax import rngs
from siamjax.training.freezing import Phase, join
from siamjax.training.objectives import Objective
from siamjax.training.optim import forget_momentum
from siamjax.training.state import TrainState
from siamjax.types import Array, Metrics, PairBatch, TrainPair

AXIS = "data"
Augment = Callable[[Array, PairBatch], TrainPair]
TrainStep = Callable[[TrainState, PairBatch], tuple[TrainState, Metrics]]


def make_train_step(net: nn.Module, objective: Objective, tx: optax.GradientTransformation, augment: Augment,
                    phase: Phase, *, train_norm: bool = True, ema: float = 0.0) -> TrainStep:
    """The step `(state, batch) -> (state, metrics)`, to be mapped over `AXIS`.

    Args:
      net: module called with exemplars and searches.
      objective: `(outputs, pair, axis_name=AXIS) -> (loss, metrics)` of a device's share of the batch, whose
        means over the axis are those of the global batch.
      tx: optimiser, of the whole tree of parameters.
      augment: cuts the crops from the patches of the batch.
      phase: what trains; for the rest no gradient is computed and its BatchNorms are as they were. At the first
        step of any phase but the first the optimiser forgets its momentum.
      train_norm: whether BatchNorm uses the statistics of the (global) batch.
      ema: decay of the moving average of the parameters, 0 for none.
    Returns:
      The step. A bad step (NaN or Inf in the loss or a gradient on any device) leaves everything as it was on
      all devices, but for `step` and the counts of skipped steps; its metric `good` is 0.
    """
    net = synchronised(net)

    def train_step(state: TrainState, batch: PairBatch) -> tuple[TrainState, Metrics]:
        pair = augment(rngs.stream(state.key, "augment", state.step), batch)
        trained, held = phase.split(state.params)
        if phase.first_step:
            fresh = tx.init(state.params)
            state = state.replace(opt_state=forget_momentum(state.opt_state, fresh, state.step == phase.first_step))

        def loss_of(trained):
            variables = {"params": join(trained, held), "batch_stats": state.batch_stats}
            with phase.hold_norms():
                outputs, updated = net.apply(variables, pair.exemplar, pair.search, train=train_norm,
                                             mutable=["batch_stats"])
            loss, metrics = objective(outputs, pair, axis_name=AXIS)
            return loss, (updated.get("batch_stats", state.batch_stats), metrics)

        (loss, (stats, metrics)), grads = jax.value_and_grad(loss_of, has_aux=True)(trained)
        good = lax.pmin(_all_finite((loss, grads)).astype(jnp.int32), AXIS) > 0
        loss, grads, stats, metrics = lax.pmean((loss, grads, stats, metrics), AXIS)
        metrics = {"loss": loss, **metrics, "gradient": optax.tree.norm(grads), "good": good}

        grads = join(grads, jax.tree.map(jnp.zeros_like, held))
        updates, opt_state = tx.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        new = state.replace(params=params, batch_stats=stats, opt_state=opt_state,
                            ema=_average(state.ema, params, ema, state.step) if ema else None)
        return _keep_if(good, new, state), metrics

    return train_step


def synchronised(net: nn.Module) -> nn.Module:
    """`net` with the statistics of all its BatchNorms averaged over `AXIS`."""
    changes: dict = {"axis_name": AXIS} if "axis_name" in _fields(net) else {}
    for name in _fields(net):
        if isinstance(getattr(net, name), nn.Module):
            changes[name] = synchronised(getattr(net, name))
    return net.clone(**changes)


def _fields(net: nn.Module) -> list[str]:
    return [f.name for f in dataclasses.fields(net) if f.name not in ("parent", "name")]


def _all_finite(tree) -> Array:
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]).all()


def _average(old, params, decay: float, step: Array):
    # Young averages forget faster, so that a start from random parameters is soon forgotten.
    share = 1 - jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    # In this form a parameter that does not move keeps its average to the bit.
    return jax.tree.map(lambda a, p: a + share * (p - a), old, params)


def _keep_if(good: Array, new: TrainState, old: TrainState) -> TrainState:
    """`new` where the step was good, else `old`; either way the step is counted."""
    def choose(name):
        return jax.tree.map(lambda n, o: jnp.where(good, n, o), getattr(new, name), getattr(old, name))

    bad = 1 - good.astype(jnp.int32)
    return old.replace(
        **{name: choose(name) for name in ("params", "batch_stats", "opt_state", "ema")}, step=old.step + 1,
        skipped=old.skipped + bad, skipped_in_a_row=(old.skipped_in_a_row + 1) * bad)
