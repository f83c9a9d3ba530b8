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
Rule = Callable[[], optax.GradientTransformation]
RULES = ("sgd", "adam", "adamw")


@dataclasses.dataclass(frozen=True)
class OptimConfig:
    """SGD with momentum, or Adam, as PyTorch has them: decay joins the gradient, the rate multiplies what comes of it.

    The rate changes once an epoch. After `warmup_epochs` that rise from `warmup_lr`, by equal factors that stop one
    short of `peak_lr`, it falls from `peak_lr` by equal factors; or, as a cosine, at every step.

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
      rule: "sgd"; "adam", whose second moments fade by 0.999 a step; "adamw", Adam with a decay that does not pass
        through its moments; or a function without arguments that gives an Optax transformation of one's own, from
        gradients to updates before the rate, such as `optax.scale_by_lion`.
      fall: how the rate falls: "geometric", by equal factors from epoch to epoch, or "cosine", from step to step after
        `warmup_steps`, with `final_lr` at the end.
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
    rule: Literal["sgd", "adam", "adamw"] | Rule = "sgd"
    fall: Literal["geometric", "cosine"] = "geometric"

    def __post_init__(self):
        if self.rule not in RULES and not callable(self.rule):
            raise ConfigError(f"rule is {self.rule!r}", where="OptimConfig.rule",
                              do="use 'sgd', 'adam', 'adamw' or a function that gives an Optax transformation")
        if self.fall not in ("geometric", "cosine"):
            raise ConfigError(f"fall is {self.fall!r}", where="OptimConfig.fall", do="use 'geometric' or 'cosine'")
        if self.fall == "cosine" and self.warmup_epochs:
            raise ConfigError("warm-up by epochs before a cosine", where="OptimConfig.warmup_epochs",
                              do="set warmup_steps instead")
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
    rates, steps = epoch_rates(config, epochs), epochs * steps_per_epoch - config.warmup_steps
    if config.fall == "cosine" and steps < 1:
        raise ConfigError(f"{config.warmup_steps} steps of warm-up in a training of {epochs * steps_per_epoch}",
                          where="OptimConfig.warmup_steps", do="use fewer, or train for longer")

    def schedule(step):
        if config.fall == "cosine":
            share = jnp.clip((step - config.warmup_steps) / steps, 0.0, 1.0)
            least = config.final_lr / config.peak_lr
            rate = jnp.float32(rates[0]) * (least + (1 - least) * (1 + jnp.cos(jnp.pi * share)) / 2)
        else:
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

    decay = optax.add_decayed_weights(config.weight_decay, mask=trains)
    if callable(config.rule):
        rule = config.rule()
    elif config.rule == "sgd":
        rule = optax.trace(config.momentum)
    else:
        rule = optax.scale_by_adam(config.momentum)
    return optax.chain(
        optax.clip_by_global_norm(config.clip_norm) if config.clip_norm else optax.identity(),
        *((rule, decay) if config.rule == "adamw" else (decay, rule)),
        optax.stateless(scale),
        optax.scale_by_learning_rate(schedule))


def forget_momentum(opt_state: Any, fresh: Any, when: Array) -> Any:
    """The state of the optimiser; all of it but the count of steps that the rate goes by is `fresh` if `when` holds.

    Args:
      opt_state, fresh: states of the same optimiser, now and at its start.
      when: `[]` bool.
    """
    def of_rate(state):
        return isinstance(state, optax.ScaleByScheduleState)

    return jax.tree.map(lambda old, new: old if of_rate(old) else jnp.where(when, new, old), opt_state, fresh,
                        is_leaf=of_rate)


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
