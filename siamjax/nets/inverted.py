"""Inverted residuals, and backbones described by a list of them: FBNet-C and MobileNetV3-Small."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Annotated, Any, Literal

import jax
from flax import linen as nn

from siamjax.fields import Channels, Kernel, Length, Lowering, Stride, Within
from siamjax.nets.attention import ChannelAttention
from siamjax.nets.layers import ConvNorm, Norm
from siamjax.nets.trunk import normalised
from siamjax.ops import bands, conv
from siamjax.precision import PARITY, Precision
from siamjax.types import Array, Float, Real

Activation = Literal["relu", "relu6", "hard_swish"]
ACTIVATIONS = {"relu": jax.nn.relu, "relu6": jax.nn.relu6, "hard_swish": jax.nn.hard_swish}


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution and projection, added to the input where the shape stays.

    Attributes:
      features: channels out.
      inside: channels of the depthwise convolution; None for those that come in, without an expansion.
      conv: makes a `ConvNorm` with the norm, precision, axis, lowering and form of the backbone.
      kernel_size, stride, dilation, padding: of the depthwise convolution.
      squeeze: hidden channels of a channel attention on its result, 0 for none.
      activation: key of `ACTIVATIONS`, after the expansion and after the depthwise convolution.
    Source: MobileNetV2 (Sandler et al. 2018), section 3.3; MobileNetV3 (Howard et al. 2019), section 5.3.
    """

    features: int
    inside: int | None
    conv: Callable[..., ConvNorm]
    kernel_size: int = 3
    stride: int = 1
    dilation: int = 1
    padding: int = 1
    squeeze: int = 0
    activation: Activation = "relu6"

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], *, train: bool = False) -> Float[Array, "B _ _ O"]:
        """Maps `[B, H, W, C]` to `[B, H', W', features]`."""
        activate, inside = ACTIVATIONS[self.activation], self.inside or x.shape[-1]
        expand = None if self.inside is None else self.conv(inside, 1, name="expand")
        depthwise = self.conv(inside, self.kernel_size, stride=self.stride, dilation=self.dilation, groups=inside,
                              padding=self.padding, name="depthwise")
        project = self.conv(self.features, 1, name="project")
        if expand is not None and expand.prepared and not self.squeeze and bands.pays(x.shape, inside):
            geometry = conv.Geometry(self.stride, self.padding, self.dilation, inside, expand.precision.lax)
            dtype = expand.precision.dtype
            weights = tuple((kernel.astype(dtype), bias.astype(dtype)) for kernel, bias in (
                layer.folded() for layer in (expand, depthwise, project)))
            y = bands.inverted_residual(x.astype(dtype), weights, activate, geometry, lowering=expand.lowering)
            return x + y if self.stride == 1 and x.shape[-1] == self.features else y
        y = x if expand is None else activate(expand(x, train=train))
        y = depthwise(y, train=train)
        if not self.squeeze:
            y = activate(y)
        else:
            attend = ChannelAttention(self.conv, self.squeeze, "hard_sigmoid", name="squeeze")
            # Published MobileNetV3 nets activate first where there is no expansion, and last where there is one.
            y = attend(activate(y), train=train) if self.inside is None else activate(attend(y, train=train))
        y = project(y, train=train)
        return x + y if self.stride == 1 and x.shape[-1] == self.features else y


@dataclasses.dataclass(frozen=True)
class Block:
    """One inverted residual of a trunk.

    Attributes:
      features: channels out.
      kernel_size, stride: of its depthwise convolution, which is padded by half its kernel.
      expansion: channels inside over those that come in, brought to a multiple of 8; None for no expansion.
      squeeze: a channel attention with a quarter of the channels inside.
      activation: key of `ACTIVATIONS`.
    """

    features: Channels
    kernel_size: Kernel = 3
    stride: Stride = 1
    expansion: Annotated[float, Within(0.1, 64)] | None = 6
    squeeze: bool = False
    activation: Activation = "relu"


def _v3(kernel_size: int, expansion: float, features: int, stride: int = 1) -> Block:
    return Block(features, kernel_size, stride, expansion, squeeze=True, activation="hard_swish")


# FBNet-C (Wu et al. 2019), cut at stride 16, as FEAR-XS has it.
FBNET_C = (
    Block(16, expansion=None), Block(24, 3, 2), Block(24, expansion=None), Block(24, expansion=None),
    Block(32, 5, 2), Block(32, 5, expansion=3), Block(32, 5), Block(32, 3),
    Block(64, 5, 2), Block(64, 5, expansion=3), Block(64, 5), Block(64, 5),
    Block(112, 5), Block(112, 5), Block(112, 5), Block(112, 5, expansion=3))
# MobileNetV3-Small (Howard et al. 2019, table 2), whose last stage does not stride; as NanoTrackV3 has it. The first
# two versions leave out the last block.
MOBILENET_V3_SMALL = (
    Block(16, 3, 2, None, squeeze=True), Block(24, 3, 2, 4.5), Block(24, 3, 1, 3.67),
    _v3(5, 4, 40, 2), _v3(5, 6, 40), _v3(5, 6, 40), _v3(5, 3, 48), _v3(5, 3, 48), _v3(5, 6, 96))


class InvertedTrunk(nn.Module):
    """A 3x3 stem of stride 2 and inverted residuals; 127 or 128 px become 8 cells, 255 or 256 px 16, at stride 16.

    Attributes:
      blocks: the inverted residuals; `FBNET_C`, `MOBILENET_V3_SMALL`, or one's own.
      stem: channels of the stem.
      activation: of the stem, key of `ACTIVATIONS`.
      projection: channels of a 1x1 convolution at the end, without an activation; 0 for none.
      normalise: for parameters trained on ImageNet; the image is RGB then.
      norm: settings of every BatchNorm; None where it was folded into the published parameters.
      precision, axis_name, lowering, prepared: see `ConvNorm`.
    """

    blocks: Annotated[tuple[Block, ...], Length(1, 64)] = FBNET_C
    stem: Channels = 16
    activation: Activation = "relu"
    projection: Annotated[int, Within(0, 16384)] = 0
    normalise: bool = False
    norm: Norm | None = Norm()
    precision: Precision = PARITY
    axis_name: str | None = None
    lowering: Lowering = "auto"
    prepared: bool = False

    @nn.compact
    def __call__(self, image: Real[Array, "B H W _"], *, train: bool = False,
                 stages: tuple[int, ...] | None = None) -> Any:
        """Maps `image` `[B, H, W, 3]`, 0..255, to features `[B, H', W', C]`.

        With `stages`, to a tuple of those after these blocks, counted from 1 and rising, 0 being the stem; blocks
        after the last of them are not run.
        """
        conv = functools.partial(ConvNorm, use_bias=self.norm is None, norm=self.norm, precision=self.precision,
                                 axis_name=self.axis_name, lowering=self.lowering, prepared=self.prepared)
        x = normalised(image) if self.normalise else image
        x = ACTIVATIONS[self.activation](conv(self.stem, 3, stride=2, padding=1, name="stem")(x, train=train))
        features = [x]
        self.sow("intermediates", "stage0", x)
        for number, block in enumerate(self.blocks if stages is None else self.blocks[:stages[-1]]):
            inside = None if block.expansion is None else multiple_of_8(x.shape[-1] * block.expansion)
            squeeze = multiple_of_8((inside or x.shape[-1]) // 4) if block.squeeze else 0
            x = InvertedResidual(
                block.features, inside, conv, block.kernel_size, block.stride, padding=block.kernel_size // 2,
                squeeze=squeeze, activation=block.activation, name=f"block{number}")(x, train=train)
            self.sow("intermediates", f"stage{number + 1}", x)
            features.append(x)
        if stages is not None:
            return tuple(features[number] for number in stages)
        return conv(self.projection, 1, name="projection")(x, train=train) if self.projection else x


def multiple_of_8(channels: float) -> int:
    """The multiple of 8 nearest to a number of channels, but not below nine tenths of it (MobileNetV2's rule)."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8
