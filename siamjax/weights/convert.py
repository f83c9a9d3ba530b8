"""Published checkpoints into linen variables, with nothing left over on either side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from flax import traverse_util

from siamjax.errors import WeightsError
from siamjax.weights.names import Names

SHOWN = 6  # names listed of each kind in a message


def convert(tensors: Mapping[str, np.ndarray], names: Names, wanted: Any, *, where: str) -> dict[str, Any]:
    """Renames and transposes a state dict.

    Args:
      tensors: the checkpoint by its own names; kernels are OIHW. Counters (`num_batches_tracked`) are left out.
      names: (theirs, ours) for every tensor of the model.
      wanted: variables dict of the net, shapes only (`jax.eval_shape` of its `init`).
      where: the file, for messages.
    Returns:
      the variables dict, float32.
    Raises:
      WeightsError: lists missing, unexpected and misshapen names, and names with values that are not finite.
    """
    theirs = {key: value for key, value in tensors.items() if not key.endswith("num_batches_tracked")}
    shapes = {key: value.shape for key, value in traverse_util.flatten_dict(wanted, sep="/").items()}
    table = dict(names)
    unnamed = sorted(set(shapes) - set(table.values()))
    assert not unnamed, f"the table has no name for {unnamed}"  # a fault of the table, not of the file
    converted, misshapen, unfinite = {}, [], []
    for name, ours in table.items():
        if name not in theirs:
            continue
        value = np.asarray(theirs[name])
        if value.ndim == 4:
            value = value.transpose(2, 3, 1, 0)  # OIHW -> HWIO
        if value.shape != shapes[ours]:
            misshapen.append(f"{name} {tuple(theirs[name].shape)}, not {_their_shape(shapes[ours])}")
        elif not np.isfinite(value).all():
            unfinite.append(name)
        converted[ours] = value.astype(np.float32)
    faults = {
        "missing": sorted(set(table) - set(theirs)), "unexpected": sorted(set(theirs) - set(table)),
        "misshapen": misshapen, "not finite": unfinite}
    if any(faults.values()):
        listed = "; ".join(f"{len(keys)} {kind}: {_some(keys)}" for kind, keys in faults.items() if keys)
        raise WeightsError(f"the checkpoint is of another model: {listed}", where,
                           "name its model with --model, or give the checkpoint of this one")
    return traverse_util.unflatten_dict(converted, sep="/")


def overlap(tensors: Mapping[str, np.ndarray], names: Names) -> float:
    """Share of the names on either side that are on both, 0..1: how much a checkpoint looks like a model."""
    theirs = {key for key in tensors if not key.endswith("num_batches_tracked")}
    table = {name for name, _ in names}
    return len(theirs & table) / max(len(theirs | table), 1)


def _their_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[3], shape[2], shape[0], shape[1]) if len(shape) == 4 else tuple(shape)


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:SHOWN]) + (f", and {len(keys) - SHOWN} more" if len(keys) > SHOWN else "")
