"""Distances of embeddings over their last axis; value and gradient are finite everywhere, at distance 0 too.

Every function takes `a` and `b` `[..., D]`, whose other axes broadcast, and gives `[...]` float32: 0 for equal
embeddings, more the less alike they are. Where a distance has no gradient (its cone's tip, a corner, an embedding of
zeros) the gradient is 0, so two equal embeddings neither attract nor repel each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias, get_args

import jax.numpy as jnp
import numpy as np

from siamjax.errors import ConfigError
from siamjax.types import Array, ArrayLike, Float, Real

DistanceName: TypeAlias = Literal["euclidean", "squared", "cosine", "manhattan"]
Distance: TypeAlias = Callable[[ArrayLike, ArrayLike], Array]
# The squares of a shorter vector's numbers leave float32.
SHORTEST = float(np.sqrt(np.finfo(np.float32).tiny))


def named(name: str) -> Distance:
    """The distance of that name.

    Raises:
      ConfigError: there is none.
    """
    distances: dict[str, Distance] = {"euclidean": euclidean, "squared": squared_euclidean, "cosine": cosine,
                                      "manhattan": manhattan}
    if name not in distances:
        raise ConfigError(f"there is no distance {name!r}", "distance",
                          f"use one of {', '.join(get_args(DistanceName))}")
    return distances[name]


def euclidean(a: Real[ArrayLike, "... D"], b: Real[ArrayLike, "... D"]) -> Float[Array, "..."]:
    """Length of the difference."""
    return _root(squared_euclidean(a, b))


def squared_euclidean(a: Real[ArrayLike, "... D"], b: Real[ArrayLike, "... D"]) -> Float[Array, "..."]:
    """Sum of the squared differences."""
    return jnp.square(_difference(a, b)).sum(-1)


def cosine(a: Real[ArrayLike, "... D"], b: Real[ArrayLike, "... D"]) -> Float[Array, "..."]:
    """1 less the cosine of the angle between them, 0 to 2; 1 where one is all zeros."""
    _difference(a, b)
    return 1 - (normalised(a) * normalised(b)).sum(-1)


def manhattan(a: Real[ArrayLike, "... D"], b: Real[ArrayLike, "... D"]) -> Float[Array, "..."]:
    """Sum of the absolute differences."""
    difference = _difference(a, b)
    # Not `abs`, whose gradient in JAX is 1 at 0.
    return (difference * jnp.sign(difference)).sum(-1)


def normalised(x: Real[ArrayLike, "*N D"]) -> Float[Array, "*N D"]:
    """`x` `[..., D]` over its Euclidean length, float32; shorter ones than `SHORTEST` as they are, over that."""
    x = jnp.asarray(x, jnp.float32)
    length = _root(jnp.square(x).sum(-1, keepdims=True))
    return x / jnp.maximum(length, SHORTEST)


def _root(square: Array) -> Array:
    """Square root with a gradient of 0 at 0."""
    positive = square > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1.0)), 0.0)


def _difference(a: ArrayLike, b: ArrayLike) -> Array:
    a, b = jnp.asarray(a, jnp.float32), jnp.asarray(b, jnp.float32)
    if a.shape[-1:] != b.shape[-1:]:
        sizes = f"embeddings of {a.shape[-1]} and of {b.shape[-1]} numbers"
        raise ConfigError(sizes, "distance", "compare embeddings of one net, or give both towers heads of one size")
    return a - b
