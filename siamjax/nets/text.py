"""A small backbone for short texts: words with their neighbours, averaged."""

from __future__ import annotations

from typing import Annotated

import jax
import jax.numpy as jnp
from flax import linen as nn

from siamjax.fields import Channels, Kernel, Within
from siamjax.precision import PARITY, Precision
from siamjax.types import Array, Float, Int


class TextBackbone(nn.Module):
    """A vector a word, one convolution over neighbours, and the mean over the words there are.

    The convolution tells "red star, green spots" from "green star, red spots", which a bag of words cannot.

    Attributes:
      words: in the vocabulary; tokens are 1 to `words`, 0 is none.
      features: channels.
      kernel_size: words that the convolution sees, odd; 1 makes a bag of words.
      precision: dtype and precision of the products.
    """

    words: Annotated[int, Within(1, 1_000_000)]
    features: Channels = 64
    kernel_size: Kernel = 3
    precision: Precision = PARITY

    @nn.compact
    def __call__(self, tokens: Int[Array, "B L"], *, train: bool = False) -> Float[Array, "B O"]:
        """Maps tokens `[B, L]` int32 to features `[B, features]`; padding behind the words does not matter."""
        there = (tokens > 0)[..., None]
        vectors = nn.Embed(self.words + 1, self.features, name="word")(tokens) * there
        x = nn.Conv(self.features, (self.kernel_size,), dtype=self.precision.dtype, precision=self.precision.lax,
                    name="conv")(vectors)
        return jnp.where(there, jax.nn.relu(x), 0).sum(1) / jnp.maximum(there.sum(1), 1)
