"""The numbers of a tracker's settings that ride in its state: what only scales something need not be compiled anew.

A field of settings says so in its annotation, `lr: Annotated[Share, RIDES]`; one `vmap` over states then tries many.
"""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
from flax import struct

from siamjax import fields
from siamjax.fields import RIDES
from siamjax.types import Tree


def numbers(config: Any) -> Tree:
    """The settings of `config` that ride, under their names in a tree of float32 `[]`; 0 for None."""
    names = own_names(type(config))
    return _tree(names)(*(jnp.float32(getattr(config, name) or 0) for name in names))


def names(config: Any) -> list[str]:
    """Names of all that ride, those of a tracker within as `inner.NAME`, but for those that the outer one overrules."""
    within = getattr(config, "inner", None)
    overruled = getattr(config, "OVERRULED", ())
    inner = [] if within is None else [name for name in names(within) if name.rpartition(".")[2] not in overruled]
    return [*own_names(type(config)), *(f"inner.{name}" for name in inner)]


def with_numbers(state: Tree, config: Any) -> Tree:
    """`state` with the numbers of `config`; with those of the tracker within, if there is one."""
    within = getattr(config, "inner", None)
    inner = {} if within is None else {"inner": with_numbers(state.inner, within)}
    return state.replace(settings=numbers(config), **inner)


@functools.cache
def own_names(kind: type) -> tuple[str, ...]:
    """Names of the fields of a class of settings that ride."""
    return tuple(name for name in fields.names(kind) if RIDES in fields.limits(kind, name))


@functools.cache
def _tree(names: tuple[str, ...]) -> type:
    return struct.dataclass(type("Numbers", (), {"__annotations__": dict.fromkeys(names, Any)}))
