"""One optax chain for the whole run: frozen layers and layer-wise rates are masks on one tree."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import traverse_util

from siamjax.errors import ConfigError
from siamjax.training.freezing import Phase, starts
from siamjax.types import Array, Params

Schedule = Callable[[Any], Array]  # step to rate
MOMENTA = (optax.TraceState, optax.ScaleByAdamState)


@dataclasses.dataclass(frozen=True)
class OptimConfig:
    """SGD with momentum, or Adam, as PyTorch has them: decay joins the gradient, the rate multiplies what comes of it.

    The rate changes once an epoch. After `warmup_epochs` that rise from `warmup_lr`, by equal factors that stop one
    short of `peak_lr`, it falls from `peak_lr` by equal factors.

    Attributes:
      peak_lr, final_lr: rate of the first epoch after the warm-up, and of the last (`reach_final`) or the epoch
        after the last.
      reach_final: True as PySOT has it, False as siamfc-pytorch does, which never gets there.
      warmup_lr, warmup_epochs: of the warm-up.
      base_lr: PySOT's BASE_LR: all rates are those above times `base_lr / peak_lr`, which its published trackers
        were trained with and its log does not show. None: the rates as they are printed.
      warmup_steps: steps over which the rate rises from 0 in a line, on top of the above.
      momentum, weight_decay: of all parameters that train, biases and BatchNorm among them.
      clip_norm: largest global norm of the gradient of what trains, None for no limit.
      frozen: parameters that do not train, by the start of their path ("backbone/conv1").
      thaw: `(start of path, epoch)`, parameters among the frozen that train from that epoch on. All momentum is
        forgotten then, for PySOT builds its optimiser anew.
      factors: `(start of path, factor)` on the rate; of several that fit, the longest holds.
      rule: "sgd", or "adam", whose second moments fade by 0.999 a step.
    """

    peak_lr: float = 1e-2
    final_lr: float = 1e-5
    reach_final: bool = False
    warmup_lr: float = 1e-3
    warmup_epochs: int = 0
    base_lr: float | None = None
    warmup_steps: int = 0
    momentum: float = 0.9
    weight_decay: float = 5e-4
    clip_norm: float | None = None
    frozen: tuple[str, ...] = ()
    thaw: tuple[tuple[str, int], ...] = ()
    factors: tuple[tuple[str, float], ...] = ()
    rule: Literal["sgd", "adam"] = "sgd"

    def __post_init__(self):
        if self.rule not in ("sgd", "adam"):
            raise ConfigError(f"rule is {self.rule!r}", where="OptimConfig.rule", do="use 'sgd' or 'adam'")
        for name in ("peak_lr", "final_lr", "warmup_lr", "base_lr"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ConfigError(f"{name} is {value}", where=f"OptimConfig.{name}",
                                  do="use a positive rate, e.g. 1e-3")
        if not (0 <= self.momentum < 1 and self.weight_decay >= 0):
            raise ConfigError(f"momentum {self.momentum}, weight_decay {self.weight_decay}", where="OptimConfig",
                              do="use a momentum in 0..1 and no negative value")
        for name in ("warmup_steps", "warmup_epochs"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}", where=f"OptimConfig.{name}",
                                  do="use 0 (none) or more")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ConfigError(f"clip_norm is {self.clip_norm}", where="OptimConfig.clip_norm",
                              do="use a positive norm, or none")
        for start, epoch in self.thaw:
            if epoch < 1 or not starts(start, self.frozen):
                raise ConfigError(f"'{start}' is to thaw in epoch {epoch}, but is not frozen before",
                                  where="OptimConfig.thaw", do="name it, or what it is part of, in frozen, and an "
                                  "epoch of 1 or later")

    def phases(self, steps_per_epoch: int) -> tuple[Phase, ...]:
        """The stretches between thaws, from step 0 on."""
        return tuple(Phase(epoch * steps_per_epoch, self.frozen,
                           tuple(start for start, at in self.thaw if at <= epoch))
                     for epoch in sorted({0, *(at for _, at in self.thaw)}))


def epoch_rates(config: OptimConfig, epochs: int) -> np.ndarray:
    """Rate of each epoch, `[epochs]` float64.

    Raises:
      ConfigError: the warm-up leaves no epoch.
    Source: PySOT, pysot/utils/lr_scheduler.py; siamfc-pytorch, siamfc/siamfc.py.
    """
    falling = epochs - config.warmup_epochs
    if falling < 1:
        raise ConfigError(f"{config.warmup_epochs} epochs of warm-up in a training of {epochs}",
                          where="OptimConfig.warmup_epochs", do="use fewer, or train for longer")
    warmup = _geometric(config.warmup_lr, config.peak_lr, config.warmup_epochs, config.warmup_epochs)
    main = _geometric(config.peak_lr, config.final_lr, falling, falling - config.reach_final)
    return np.concatenate([warmup, main]) * (config.base_lr / config.peak_lr if config.base_lr else 1.0)


def make_schedule(config: OptimConfig, epochs: int, steps_per_epoch: int) -> Schedule:
    """Rate of a step; that of the last epoch after it."""
    # In float64 on the host: a float32 power would miss the reference by its rounding.
    rates = epoch_rates(config, epochs)

    def schedule(step):
        rate = jnp.asarray(rates, jnp.float32)[jnp.minimum(step // steps_per_epoch, epochs - 1)]
        return rate * jnp.minimum(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else rate

    return schedule


def make_optimiser(config: OptimConfig, schedule: Schedule, phase: Phase) -> optax.GradientTransformation:
    """Clipping, decay, momentum, factors and rate of a phase; its updates of what is frozen are zero.

    The state is of the same form in every phase, so that one follows on the other.
    """
    def trains(params):
        return _by_path(lambda path, _: not phase.freezes(path), params)

    def scale(updates, params=None):
        return _by_path(lambda path, update: update * (0.0 if phase.freezes(path) else _factor(path, config)), updates)

    return optax.chain(
        optax.clip_by_global_norm(config.clip_norm) if config.clip_norm else optax.identity(),
        optax.add_decayed_weights(config.weight_decay, mask=trains),
        optax.trace(config.momentum) if config.rule == "sgd" else optax.scale_by_adam(config.momentum),
        optax.stateless(scale),
        optax.scale_by_learning_rate(schedule))


def forget_momentum(opt_state: Any, when: Array) -> Any:
    """The state of the optimiser, its momentum (and Adam's second moments and count) 0 if `when` `[]` holds."""
    def forget(state):
        if not isinstance(state, MOMENTA):
            return state
        return jax.tree.map(lambda leaf: jnp.where(when, jnp.zeros_like(leaf), leaf), state)

    return jax.tree.map(forget, opt_state, is_leaf=lambda state: isinstance(state, MOMENTA))


def check_paths(config: OptimConfig, params: Params) -> None:
    """Raises ConfigError where `frozen`, `thaw` or `factors` name what `params` has not, or where all is frozen."""
    paths = list(traverse_util.flatten_dict(params, sep="/"))
    named = {"frozen": config.frozen, "thaw": [start for start, _ in config.thaw],
             "factors": [start for start, _ in config.factors]}
    for name, beginnings in named.items():
        for start in beginnings:
            if not any(starts(path, (start,)) for path in paths):
                raise ConfigError(f"no parameter's path starts with '{start}'", where=f"optim.{name}",
                                  do=f"the parameters are {', '.join(paths)}")
    if all(starts(path, config.frozen) for path in paths):
        raise ConfigError("every parameter is frozen", where="optim.frozen", do="leave some out")


def _geometric(first: float, last: float, count: int, steps: int) -> np.ndarray:
    """`count` numbers from `first` on, of which number `steps` is `last`."""
    return first * (last / first) ** (np.arange(count) / max(steps, 1))


def _factor(path: str, config: OptimConfig) -> float:
    fitting = [(len(start), factor) for start, factor in config.factors if starts(path, (start,))]
    return max(fitting)[1] if fitting else 1.0


def _by_path(function, tree):
    return jax.tree_util.tree_map_with_path(
        lambda keys, leaf: function("/".join(str(k.key) for k in keys), leaf), tree)
