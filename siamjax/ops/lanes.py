"""`vmap` over images as a larger batch, for functions that divide a batch to stay in the cache."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
from jax.custom_batching import custom_vmap

from siamjax.types import Array, Tree


def as_batch(function: Callable[..., Array]) -> Callable[..., Array]:
    """`function(x, weights, **options)`, which maps `[B, ...]` to `[B, ...]`, with a `vmap` of its own.

    `weights` is an array or a tree of arrays.

    Many targets are a `vmap` over `x` alone. Carried into a loop over bands or chunks of a batch it would widen what
    each round holds, by as many times as there are targets, past any cache; so the targets join the batch instead.
    There is no reverse-mode derivative through it: callers have gradients of their own (`ops.conv`).
    """
    @functools.wraps(function)
    def mapped(x: Array, weights: Tree, **options) -> Array:
        with_options = functools.partial(function, **options)
        call = custom_vmap(with_options)

        @call.def_vmap
        def over_lanes(lanes, batched, x, weights):
            if not batched[0] or any(jax.tree.leaves(batched[1])):
                axes = tuple(jax.tree.map(lambda is_batched: 0 if is_batched else None, batched))
                return jax.vmap(with_options, in_axes=axes)(x, weights), True
            y = call(x.reshape(-1, *x.shape[2:]), weights)
            return y.reshape(lanes, -1, *y.shape[1:]), True

        return call(x, weights)

    return mapped
