"""Named key streams: every use of randomness has a name and folds in what makes it distinct."""

from __future__ import annotations

import functools
import zlib

import jax

from siamjax.types import Array


def stream(key: Array, name: str, *folds: int | Array) -> Array:
    """Key of the stream `name`, made distinct by `folds` (e.g. step, global sample index).

    Args:
      key: the typed root key of the run (`jax.random.key(seed)`).
      name: name of the use; hashed with crc32, which does not change between processes.
      folds: integers folded in one after the other.
    """
    key = jax.random.fold_in(key, zlib.crc32(name.encode()))
    return functools.reduce(jax.random.fold_in, folds, key)
