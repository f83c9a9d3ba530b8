"""Published checkpoints into linen variables, with nothing left over on either side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from flax import traverse_util

from siamjax.errors import WeightsError
from siamjax.types import Params
from siamjax.weights.names import Names
from siamjax.weights.state_dicts import shortened, what_is_not_finite

SHOWN = 6  # names listed of each kind in a message


def convert(tensors: Mapping[str, np.ndarray], names: Names, wanted: Params, *, where: str) -> Params:
    """Renames and transposes a state dict.

    Args:
      tensors: the checkpoint by its own names; kernels are OIHW. Counters (`num_batches_tracked`) are left out.
      names: (theirs, ours) for every tensor of the model; one of ours may have several of theirs, of which a
        checkpoint has one; a tensor whose ours is None is left out.
      wanted: variables dict of the net, shapes only (`jax.eval_shape` of its `init`).
      where: the file, for messages.
    Returns:
      the variables dict, float32.
    Raises:
      WeightsError: lists missing, unexpected and misshapen names; or, where the names are right, those with values
        that are not finite or not floats.
    """
    theirs = _without_counters(tensors)
    shapes = _shapes(wanted)
    spellings = _spellings(names)
    assert set(shapes) == set(spellings), f"net and table differ in {sorted(set(shapes) ^ set(spellings))}"
    converted: dict[str, np.ndarray] = {}
    missing, twice, misshapen, unfinite, whole = [], [], [], [], []
    for ours, options in spellings.items():
        found = [name for name in options if name in theirs]
        if len(found) != 1:
            (twice if found else missing).append(" or ".join(options))
            continue
        value = _in_linen_layout(theirs[found[0]])
        if value.shape != shapes[ours]:
            misshapen.append(f"{found[0]} {tuple(theirs[found[0]].shape)}, not {_their_shape(shapes[ours])}")
        elif value.dtype.kind != "f":
            whole.append(f"{found[0]} ({value.dtype})")
        elif not np.isfinite(value).all():
            unfinite.append(f"{found[0]} ({what_is_not_finite(value)})")
        converted[ours] = value.astype(np.float32, copy=False)
    faults = {
        "missing": sorted(missing), "unexpected": sorted(set(theirs) - {name for name, _ in names}),
        "under two names": twice, "misshapen": misshapen}
    if any(faults.values()):
        listed = "; ".join(f"{len(keys)} {kind}: {_some(keys)}" for kind, keys in faults.items() if keys)
        raise WeightsError(f"the checkpoint is of another model: {listed}", where,
                           "say what it is with --model or --backbone, or give the checkpoint of this one")
    if unfinite:
        raise WeightsError(f"{len(unfinite)} of its {len(theirs)} tensors are not finite: {_some(unfinite)}", where,
                           "its training diverged, or the file is damaged: give an earlier checkpoint")
    if whole:
        raise WeightsError(f"{len(whole)} of its {len(theirs)} tensors are of whole numbers: {_some(whole)}", where,
                           "save the model with float32 weights; quantised ones need their scales")
    return traverse_util.unflatten_dict(converted, sep="/")


def overlap(tensors: Mapping[str, np.ndarray], names: Names) -> float:
    """Share of the names of checkpoint and model that both have, 0..1."""
    theirs, spellings = set(_without_counters(tensors)), _spellings(names)
    shared = sum(any(name in theirs for name in options) for options in spellings.values())
    unexpected = len(theirs - {name for name, _ in names})
    return shared / max(len(spellings) + unexpected, 1)


def fits(tensors: Mapping[str, np.ndarray], names: Names, wanted: Params) -> bool:
    """Whether the tensors that the table names have the shapes of the net; `wanted` as in `convert`."""
    shapes = _shapes(wanted)
    return all(_in_linen_layout(tensors[name]).shape == shapes[ours]
               for name, ours in names if name in tensors and ours is not None)


def _without_counters(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {key: np.asarray(value) for key, value in tensors.items() if not key.endswith("num_batches_tracked")}


def _spellings(names: Names) -> dict[str, list[str]]:
    """Their names of each of ours."""
    spellings: dict[str, list[str]] = {}
    for name, ours in names:
        if ours is not None:
            spellings.setdefault(ours, []).append(name)
    return spellings


def _shapes(wanted: Params) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in traverse_util.flatten_dict(wanted, sep="/").items()}


def _in_linen_layout(value: np.ndarray) -> np.ndarray:
    """OIHW as HWIO, a matrix OI as the 1x1 convolution that it is; vectors as they are."""
    value = np.asarray(value)
    value = value[..., None, None] if value.ndim == 2 else value
    return value.transpose(2, 3, 1, 0) if value.ndim == 4 else value


def _their_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[3], shape[2], shape[0], shape[1]) if len(shape) == 4 else tuple(shape)


def _some(keys: list[str]) -> str:
    return ", ".join(map(shortened, keys[:SHOWN])) + (f", and {len(keys) - SHOWN} more" if len(keys) > SHOWN else "")
