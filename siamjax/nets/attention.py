"""Channel attention: each channel is multiplied by a weight that depends on the means of all channels."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from siamjax.nets.layers import ConvNorm
from siamjax.types import Array, Float

GATES = {"sigmoid": jax.nn.sigmoid, "hard_sigmoid": jax.nn.hard_sigmoid}


class ChannelAttention(nn.Module):
    """Weighs channels: their means go through two 1x1 convolutions and a gate, whose outputs multiply the channels.

    Attributes:
      hidden: channels between the two; None for as many as come in.
      gate: `sigmoid`, or `hard_sigmoid` as in MobileNetV3.
      conv: makes a `ConvNorm` with the precision, axis, lowering and form of the net.
    Source: squeeze-and-excitation (Hu et al. 2018); NanoTrack's `CAModule` is the same with `hidden` None.
    """

    conv: Callable[..., ConvNorm]
    hidden: int | None = None
    gate: str = "sigmoid"

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], *, train: bool = False) -> Float[Array, "B H W C"]:
        """Maps `[B, H, W, C]` to the same shape."""
        channels = x.shape[-1]
        y = x.mean((1, 2), keepdims=True, dtype=jnp.float32)
        y = jax.nn.relu(self.conv(self.hidden or channels, 1, use_bias=True, norm=None, name="reduce")(y, train=train))
        y = self.conv(channels, 1, use_bias=True, norm=None, name="restore")(y, train=train)
        return x * GATES[self.gate](y)
