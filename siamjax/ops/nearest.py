"""The nearest of many embeddings, exactly, in blocks: memory does not grow with their number."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax import lax

from siamjax.errors import ConfigError
from siamjax.ops import distances
from siamjax.ops.distances import DistanceName
from siamjax.types import Array, ArrayLike, Float, Int

BLOCK = 4096


def nearest(queries: Float[ArrayLike, "Q D"], gallery: Float[ArrayLike, "G D"], count: int, *,
            distance: DistanceName = "euclidean",
            block: int = BLOCK) -> tuple[Float[Array, "Q {count}"], Int[Array, "Q {count}"]]:
    """The `count` embeddings of a gallery that are nearest to each query.

    Differences are formed number by number, never by a matrix product, whose rounding would hide how near the nearest
    are.

    Args:
      count: 1 to `G`.
      distance: by which.
      block: embeddings of the gallery that are compared at a time.
    Returns:
      Distances `[Q, count]` float32, rising, and indices `[Q, count]` int32; of equal distances the lower index first.
    Raises:
      ConfigError: a count that is out of range, or embeddings of two sizes.
    """
    queries, gallery = jnp.asarray(queries, jnp.float32), jnp.asarray(gallery, jnp.float32)
    if not 1 <= count <= len(gallery):
        raise ConfigError(f"the {count} nearest of {len(gallery)}", "nearest",
                          "ask for 1 or more, and no more than there are")
    if queries.shape[-1] != gallery.shape[-1]:
        raise ConfigError(f"embeddings of {queries.shape[-1]} and of {gallery.shape[-1]} numbers", "nearest",
                          "compare embeddings of one net")
    return _search(queries, gallery, count, distance, min(block, len(gallery)))


@functools.partial(jax.jit, static_argnums=(2, 3, 4))
def _search(queries: Array, gallery: Array, count: int, distance: DistanceName, block: int) -> tuple[Array, Array]:
    size, numbers = gallery.shape
    blocks = -(-size // block)
    padded = jnp.pad(gallery, ((0, blocks * block - size), (0, 0))).reshape(blocks, block, numbers)

    def step(best, number_and_rows):
        number, rows = number_and_rows
        index = number * block + jnp.arange(block, dtype=jnp.int32)
        apart = jnp.where((index < size)[None], distances.named(distance)(queries[:, None], rows[None]), jnp.inf)
        # The best so far stand first, so that of equal distances the lower index stays.
        pool = jnp.concatenate([best[0], apart], axis=1)
        indices = jnp.concatenate([best[1], jnp.broadcast_to(index[None], apart.shape)], axis=1)
        least, place = lax.top_k(-pool, count)
        return (-least, jnp.take_along_axis(indices, place, axis=1)), None

    start = (jnp.full((len(queries), count), jnp.inf), jnp.full((len(queries), count), size, jnp.int32))
    return lax.scan(step, start, (jnp.arange(blocks, dtype=jnp.int32), padded))[0]
