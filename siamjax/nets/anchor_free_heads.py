"""Anchor-free heads: for each point of the search, whether it is on the target and how far the target's sides are.

The methods are those of `nets.rpn_heads`, with one point in place of the anchors of a cell: `kernels(z)` is what a
head keeps of the exemplar, and `__call__(kernels, x)` gives `cls` `[B, G, G, 2]`, logits (background, target), and
`loc` `[B, G, G, 4]`, logarithms of the distances to the left, upper, right and lower side, pixels of the search.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from siamjax.fields import Channels, Depth, Lowering
from siamjax.nets.layers import ConvNorm, Norm
from siamjax.nets.rpn_heads import COORDINATES
from siamjax.ops import xcorr
from siamjax.precision import PARITY, Precision
from siamjax.types import Array, Float


class Separable(nn.Module):
    """A depthwise convolution and a 1x1 one.

    Attributes:
      features: channels out.
      conv: makes a `ConvNorm` with the precision, axis, lowering and form of the head.
      kernel_size: of the depthwise convolution, which is padded by half of it.
      depthwise_bias: whether that has a bias.
      between: BatchNorm and ReLU6 between the two.
      norm: settings of every BatchNorm; None for none, and a bias of the 1x1 convolution.
    """

    features: int
    conv: Callable[..., ConvNorm]
    kernel_size: int = 3
    depthwise_bias: bool = False
    between: bool = False
    norm: Norm | None = Norm()

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], *, train: bool = False) -> Float[Array, "B H W O"]:
        """Maps `[B, H, W, C]` to `[B, H, W, features]`."""
        y = self.conv(x.shape[-1], self.kernel_size, padding=self.kernel_size // 2, groups=x.shape[-1],
                      use_bias=self.depthwise_bias, norm=self.norm if self.between else None,
                      name="depthwise")(x, train=train)
        y = jax.nn.relu6(y) if self.between else y
        return self.conv(self.features, 1, use_bias=self.norm is None, norm=self.norm,
                         name="pointwise")(y, train=train)


class PixelwiseBranch(nn.Module):
    """Search features beside their similarity to each exemplar pixel, read by separable convolutions.

    Attributes:
      features: channels out.
      hidden: channels of the convolutions.
      depth: convolutions of the tower.
      conv, norm: see `Separable`.
      correlate: `xcorr.pixelwise` with the precision and lowering of the head.
    """

    features: int
    hidden: int
    depth: int
    conv: Callable[..., ConvNorm]
    norm: Norm | None
    correlate: Callable[..., Array]

    @nn.compact
    def __call__(self, z: Float[Array, "#B h w C"], x: Float[Array, "B H W C"], *,
                 train: bool = False) -> Float[Array, "B H W O"]:
        """Maps `[B, H, W, features]` of exemplar features `[B, h, w, C]` and search features `[B, H, W, C]`."""
        def layer(x, features, name, depthwise_bias=True):
            return jax.nn.relu(Separable(features, self.conv, depthwise_bias=depthwise_bias, norm=self.norm,
                                         name=name)(x, train=train))

        x = layer(x, z.shape[-1], "encode", depthwise_bias=False)
        similarity = self.correlate(z.astype(x.dtype), x)
        self.sow("intermediates", "similarity", similarity)
        x = layer(jnp.concatenate([x, similarity], axis=-1), self.hidden, "fuse")
        for number in range(self.depth):
            x = layer(x, self.hidden, f"tower{number}")
        return Separable(self.features, self.conv, depthwise_bias=True, norm=None, name="out")(x, train=train)


class PixelwiseHead(nn.Module):
    """A pixel-wise branch for the class, one logit, and one for the distances.

    Attributes:
      hidden: channels of the convolutions.
      depth: convolutions of each tower.
      norm: settings of every BatchNorm; None where it was folded into the published parameters.
      precision, axis_name, lowering, prepared: see `ConvNorm`.
    Source: FEAR (Borsuk et al. 2022), section 3.2.
    """

    hidden: Channels = 256
    depth: Depth = 2
    norm: Norm | None = Norm()
    precision: Precision = PARITY
    axis_name: str | None = None
    lowering: Lowering = "auto"
    prepared: bool = False

    def kernels(self, z: Float[Array, "B h w C"], *, train: bool = False) -> Float[Array, "B h w C"]:
        """Exemplar features `[B, h, w, C]` as they are."""
        return z

    @nn.compact
    def __call__(self, kernels: Float[Array, "#B h w C"], x: Float[Array, "B H W C"], *,
                 train: bool = False) -> tuple[Float[Array, "B H W _"], Float[Array, "B H W _"]]:
        """Maps `cls` and `loc`; the logit of the background is 0."""
        conv = functools.partial(ConvNorm, precision=self.precision, axis_name=self.axis_name,
                                 lowering=self.lowering, prepared=self.prepared)
        correlate = functools.partial(xcorr.pixelwise, lowering=self.lowering, precision=self.precision.lax)
        logit, loc = (PixelwiseBranch(kinds, self.hidden, self.depth, conv, self.norm, correlate, name=name)(
            kernels, x, train=train).astype(jnp.float32) for name, kinds in (("cls", 1), ("loc", COORDINATES)))
        return jnp.concatenate([jnp.zeros_like(logit), logit], axis=-1), loc
