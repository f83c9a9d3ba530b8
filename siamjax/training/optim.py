"""One optax chain for the whole run: frozen layers and layer-wise rates are masks on one tree."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import traverse_util

from siamjax.errors import ConfigError
from siamjax.types import Array, Params

Schedule = Callable[[Any], Array]  # step to rate


@dataclasses.dataclass(frozen=True)
class OptimConfig:
    """SGD with momentum, as PyTorch has it: decay joins the gradient, the rate multiplies the momentum.

    Attributes:
      peak_lr, final_lr: rate of epoch 0, and of the epoch after the last (SPEC 7.4).
      momentum, weight_decay: of all parameters that train, biases and BatchNorm among them.
      clip_norm: largest global norm of the gradient, None for no limit.
      warmup_steps: steps over which the rate rises from 0 in a line.
      frozen: parameters that do not train, by the start of their path ("backbone/conv1").
      factors: `(start of path, factor)` on the rate; of several that fit, the longest holds.
    """

    peak_lr: float = 1e-2
    final_lr: float = 1e-5
    momentum: float = 0.9
    weight_decay: float = 5e-4
    clip_norm: float | None = None
    warmup_steps: int = 0
    frozen: tuple[str, ...] = ()
    factors: tuple[tuple[str, float], ...] = ()

    def __post_init__(self):
        for name in ("peak_lr", "final_lr"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ConfigError(f"{name} is {getattr(self, name)}", where=f"OptimConfig.{name}",
                                  do="use a positive rate, e.g. 1e-3")
        if not (0 <= self.momentum < 1 and self.weight_decay >= 0 and self.warmup_steps >= 0):
            raise ConfigError(f"momentum {self.momentum}, weight_decay {self.weight_decay}, "
                              f"warmup_steps {self.warmup_steps}", where="OptimConfig",
                              do="use a momentum in 0..1 and no negative value")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ConfigError(f"clip_norm is {self.clip_norm}", where="OptimConfig.clip_norm",
                              do="use a positive norm, or none")


def make_schedule(config: OptimConfig, epochs: int, steps_per_epoch: int) -> Schedule:
    """Rate of a step: `peak * (final / peak) ** (epoch / epochs)`, so `final` is never quite reached.

    Source: siamfc-pytorch, siamfc/siamfc.py (SPEC 7.4); the warm-up is ours.
    """
    # In float64 on the host: a float32 power would miss the reference by its rounding.
    rates = config.peak_lr * (config.final_lr / config.peak_lr) ** (np.arange(epochs) / epochs)

    def schedule(step):
        rate = jnp.asarray(rates, jnp.float32)[jnp.minimum(step // steps_per_epoch, epochs - 1)]
        return rate * jnp.minimum(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else rate

    return schedule


def make_optimiser(config: OptimConfig, schedule: Schedule) -> optax.GradientTransformation:
    """Clipping, decay, momentum, factors and rate; its updates of frozen parameters are zero."""
    def trains(params):
        return _by_path(lambda path, _: not _starts(path, config.frozen), params)

    def scale(updates, params=None):
        return _by_path(lambda path, update: update * _factor(path, config), updates)

    return optax.chain(
        optax.clip_by_global_norm(config.clip_norm) if config.clip_norm else optax.identity(),
        optax.add_decayed_weights(config.weight_decay, mask=trains),
        optax.trace(config.momentum),
        optax.stateless(scale),
        optax.scale_by_learning_rate(schedule))


def split(params: Params, frozen: tuple[str, ...]) -> tuple[dict, dict]:
    """The leaves that train and those that are frozen, by path.

    The step differentiates by the first only: XLA never sees a gradient of the others.
    """
    flat = traverse_util.flatten_dict(params, sep="/")
    return ({k: v for k, v in flat.items() if not _starts(k, frozen)},
            {k: v for k, v in flat.items() if _starts(k, frozen)})


def join(trained: dict, held: dict) -> Params:
    """What `split` took apart."""
    return traverse_util.unflatten_dict({**trained, **held}, sep="/")


def check_paths(config: OptimConfig, params: Params) -> None:
    """Raises ConfigError where `frozen` or `factors` name what `params` has not."""
    paths = list(traverse_util.flatten_dict(params, sep="/"))
    for name, starts in (("frozen", config.frozen), ("factors", tuple(start for start, _ in config.factors))):
        for start in starts:
            if not any(_starts(path, (start,)) for path in paths):
                raise ConfigError(f"no parameter's path starts with '{start}'", where=f"optim.{name}",
                                  do=f"the parameters are {', '.join(paths)}")
    if all(_starts(path, config.frozen) for path in paths):
        raise ConfigError("every parameter is frozen", where="optim.frozen", do="leave some out")


def _starts(path: str, starts: tuple[str, ...]) -> bool:
    return any(path == start or path.startswith(f"{start}/") for start in starts)


def _factor(path: str, config: OptimConfig) -> float:
    if _starts(path, config.frozen):
        return 0.0
    fitting = [(len(start), factor) for start, factor in config.factors if _starts(path, (start,))]
    return max(fitting)[1] if fitting else 1.0


def _by_path(function, tree):
    return jax.tree_util.tree_map_with_path(
        lambda keys, leaf: function("/".join(str(k.key) for k in keys), leaf), tree)
