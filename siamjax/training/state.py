"""What a training carries from step to step: arrays only."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from siamjax.types import Array, Params


@struct.dataclass
class TrainState:
    """State of a training; the position in the data is `step`.

    Attributes:
      step: `[]` int32, batches taken, bad ones among them.
      params, batch_stats: of the net.
      opt_state: of the optimiser; its own count leaves bad steps out.
      ema: moving average of `params`, None for none.
      key: `[]` typed root key of the run; never split, only folded into streams.
      skipped: `[]` int32, bad steps so far.
      skipped_in_a_row: `[]` int32, bad steps since the last good one.
    """

    step: Array
    params: Params
    batch_stats: Params
    opt_state: Any
    ema: Params | None
    key: Array
    skipped: Array
    skipped_in_a_row: Array


def new_state(variables: Params, tx: optax.GradientTransformation, key: Array, *, ema: bool) -> TrainState:
    """State of step 0 with the `variables` of a net."""
    params = variables["params"]
    zero = jnp.zeros((), jnp.int32)
    return TrainState(step=zero, params=params, batch_stats=variables.get("batch_stats", {}),
                      opt_state=tx.init(params), ema=jax.tree.map(jnp.copy, params) if ema else None, key=key,
                      skipped=zero, skipped_in_a_row=zero)


def variables_of(state: TrainState) -> Params:
    """Variables of the net as they train."""
    return {"params": state.params, **({"batch_stats": state.batch_stats} if state.batch_stats else {})}


def tracking_variables(state: TrainState) -> Params:
    """Variables to track with: the moving average where there is one."""
    return variables_of(state if state.ema is None else state.replace(params=state.ema))
