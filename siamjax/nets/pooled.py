"""An embedding without training: pooled features of a backbone that already tells objects apart."""

from __future__ import annotations

from typing import Annotated

import jax.numpy as jnp
from flax import linen as nn

from siamjax.fields import Within
from siamjax.ops.distances import normalised
from siamjax.types import Array, Float


def pool(features: Float[Array, "B H W C"] | tuple[Float[Array, "B _ _ _"], ...],
         margin: int = 0) -> Float[Array, "B D"]:
    """Means `[B, C]` float32 of features `[B, H, W, C]`, those of a backbone's levels side by side.

    Args:
      features: of one level or of several.
      margin: cells at the rims that are left out, of maps that are wide enough.
    """
    levels = features if isinstance(features, tuple) else (features,)

    def inner(level: Array) -> Array:
        if margin and min(level.shape[1:3]) > 2 * margin:
            return level[:, margin:-margin, margin:-margin]
        return level

    return jnp.concatenate([inner(level).astype(jnp.float32).mean((1, 2)) for level in levels], axis=-1)


class PooledHead(nn.Module):
    """Average pool, a mean taken off, brought to length 1.

    Features behind a ReLU are none below 0, so that all their directions are alike; the mean of many objects taken
    off, they are not.

    Attributes:
      margin: cells at the rims that are left out, which see more of an object's surroundings.
      centred: the mean is a parameter `[C]`, that of many objects; False takes off that of an embedding's own numbers.
    """

    margin: Annotated[int, Within(0, 64)] = 1
    centred: bool = True

    @nn.compact
    def __call__(self, features: Float[Array, "B H W C"] | tuple[Float[Array, "B _ _ _"], ...], *,
                 train: bool = False) -> Float[Array, "B D"]:
        """Embeddings `[B, C]` of features `[B, H, W, C]`."""
        pooled = pool(features, self.margin)
        if not self.centred:
            return normalised(pooled - pooled.mean(-1, keepdims=True))
        return normalised(pooled - self.param("mean", nn.initializers.zeros, pooled.shape[-1:])[None])
