"""The device axis: the only file that knows that pmap carries it."""

from __future__ import annotations

import jax
from flax import jax_utils

from siamjax.errors import ConfigError
from siamjax.training.step import AXIS, TrainStep


def replicated(step: TrainStep) -> TrainStep:
    """`step` over all devices of all processes; the state it is given is donated to it."""
    return jax.pmap(step, axis_name=AXIS, donate_argnums=0)


def compiled(step: TrainStep, state, batch) -> TrainStep:
    """A `replicated` step as a program for a state and a batch of these shapes."""
    program = step.lower(state, batch).compile()  # type: ignore[attr-defined]  # of what `pmap` gives
    # With several processes JAX (0.10) holds a program's arguments against the shapes of all of them and refuses its
    # own; the step itself then takes the program from the compilation cache.
    return program if jax.process_count() == 1 else step


def replicate(tree):
    """A copy of each leaf on each local device, `[D, ...]`."""
    # With another axis name than pmap's the step would compile twice.
    return jax_utils.replicate(tree, axis_name=AXIS)


def unreplicate(tree):
    """The first local device's copy."""
    return jax_utils.unreplicate(tree)


def check_batch_size(batch_size: int, *, processes: int, local_devices: int) -> None:
    """Raises ConfigError unless the global batch divides over all devices of all processes."""
    devices = processes * local_devices
    if batch_size % devices:
        raise ConfigError(
            f"batch of {batch_size} does not divide over {devices} devices", where="Experiment.batch_size",
            do=f"use a multiple of {devices}, e.g. {devices * -(-batch_size // devices)}")


def shard_batch(batch, num_devices: int):
    """Splits each leaf `[B, ...]` of a process's share of the batch into `[D, B/D, ...]`."""
    check_batch_size(len(jax.tree.leaves(batch)[0]), processes=1, local_devices=num_devices)
    return jax.tree.map(lambda a: a.reshape(num_devices, -1, *a.shape[1:]), batch)
