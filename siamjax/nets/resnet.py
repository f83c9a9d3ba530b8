"""ResNet-18, 34 and 50, dilated to stride 8 as PySOT has them, or as for ImageNet."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated

import jax
from flax import linen as nn

from siamjax.fields import Length, Lowering, Within
from siamjax.nets.layers import ConvNorm, max_pool
from siamjax.nets.trunk import Layout, normalised
from siamjax.precision import PARITY, Precision
from siamjax.types import Array, Float, Real

DILATED = Layout(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4))
IMAGENET = Layout(strides=(1, 2, 2, 2), dilations=(1, 1, 1, 1), padded=True)  # stride in the 3x3
EXPANSION = 4  # channels out of a bottleneck over those inside


class ResNet(nn.Module):
    """A stem of stride 4 and up to four stages of residual blocks; 255 px become 31 cells in DILATED.

    Attributes:
      blocks: blocks in each stage.
      bottleneck: blocks of three convolutions (ResNet-50), not of two (18 and 34).
      width: channels of the stem and inside the first stage; each next stage doubles it.
      used_layers: stages to return, 0 for the stem before its pooling; later ones are not built.
      layout: `DILATED` or `IMAGENET`; both take the same parameters.
      normalise: for parameters trained on ImageNet; the image is RGB then.
      precision, axis_name, lowering, prepared: see `ConvNorm`.
    Source: PySOT, models/backbone/resnet_atrous.py.
    """

    blocks: Annotated[tuple[int, ...], Length(1, 4), Within(1, 64)] = (3, 4, 6, 3)
    bottleneck: bool = True
    width: Annotated[int, Within(1, 1024)] = 64
    used_layers: Annotated[tuple[int, ...], Length(1, 5), Within(0, 4)] = (2, 3, 4)
    layout: Layout = DILATED
    normalise: bool = False
    precision: Precision = PARITY
    axis_name: str | None = None
    lowering: Lowering = "auto"
    prepared: bool = False

    @nn.compact
    def __call__(self, image: Real[Array, "B H W _"], *,
                 train: bool = False) -> Float[Array, "B _ _ C"] | tuple[Float[Array, "B _ _ _"], ...]:
        """Maps `image` `[B, H, W, 3]`, 0..255, to features `[B, H', W', C]` of each used layer, or of the one."""
        conv = functools.partial(ConvNorm, use_bias=False, precision=self.precision, axis_name=self.axis_name,
                                 lowering=self.lowering, prepared=self.prepared)
        x = normalised(image) if self.normalise else image
        stem_padding = 3 if self.layout.padded else 0
        x = jax.nn.relu(conv(self.width, 7, stride=2, padding=stem_padding, name="conv1")(x, train=train))
        self.sow("intermediates", "stage0", x)
        outputs = {0: x}
        if max(self.used_layers) > 0:
            x = max_pool(x, 3, 2, padding=1)
        for i in range(max(self.used_layers)):
            x = Stage(self.blocks[i], self.bottleneck, self.width << i, self.layout.strides[i],
                      self.layout.dilations[i], self.layout, conv, name=f"layer{i + 1}")(x, train=train)
            self.sow("intermediates", f"stage{i + 1}", x)
            outputs[i + 1] = x
        used = tuple(outputs[layer] for layer in self.used_layers)
        return used[0] if len(used) == 1 else used


ResNet18 = functools.partial(ResNet, blocks=(2, 2, 2, 2), bottleneck=False)
ResNet34 = functools.partial(ResNet, blocks=(3, 4, 6, 3), bottleneck=False)
ResNet50 = functools.partial(ResNet, blocks=(3, 4, 6, 3), bottleneck=True)


class Stage(nn.Module):
    """Blocks of one size, of which the first strides and has half the dilation.

    Attributes:
      blocks, bottleneck, layout: see `ResNet`.
      width: channels inside the blocks.
      stride, dilation: of this stage.
      conv: makes a `ConvNorm` with the precision, axis, lowering and form of the backbone.
    """

    blocks: int
    bottleneck: bool
    width: int
    stride: int
    dilation: int
    layout: Layout
    conv: Callable[..., ConvNorm]

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], *, train: bool = False) -> Float[Array, "B _ _ O"]:
        """Maps `[B, H, W, C]` to `[B, H', W', C']`."""
        half = max(self.dilation // 2, 1)
        # The downsampling is a 3x3 wherever the stage strides or dilates; torchvision's 1x1 is its centre tap.
        shortcut_size = 3 if self.stride > 1 or self.dilation > 1 else 1
        for i in range(self.blocks):
            first = i == 0
            x = Block(self.bottleneck, self.width, self.stride if first else 1, half if first else self.dilation,
                      self.dilation, shortcut_size, self.layout, self.conv, name=f"block{i}")(x, train=train)
        return x


class Block(nn.Module):
    """Residual block; its shortcut has a convolution where the shape changes.

    Attributes:
      stride, dilation: of its first 3x3 convolution and of its shortcut.
      last_dilation: of the second 3x3 convolution, where there are two.
      shortcut_size: kernel of the shortcut's convolution.
      bottleneck, width, layout, conv: see `Stage`.
    """

    bottleneck: bool
    width: int
    stride: int
    dilation: int
    last_dilation: int
    shortcut_size: int
    layout: Layout
    conv: Callable[..., ConvNorm]

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], *, train: bool = False) -> Float[Array, "B _ _ O"]:
        """Maps `[B, H, W, C]` to `[B, H', W', C']`."""
        strided = {"stride": self.stride, "dilation": self.dilation,
                   "padding": self.layout.padding(self.stride, self.dilation)}
        features = self.width * (EXPANSION if self.bottleneck else 1)
        if self.bottleneck:
            y = jax.nn.relu(self.conv(self.width, 1, name="conv1")(x, train=train))
            y = jax.nn.relu(self.conv(self.width, 3, **strided, name="conv2")(y, train=train))
            y = self.conv(features, 1, name="conv3")(y, train=train)
        else:
            y = jax.nn.relu(self.conv(self.width, 3, **strided, name="conv1")(x, train=train))
            y = self.conv(features, 3, dilation=self.last_dilation, padding=self.last_dilation,
                          name="conv2")(y, train=train)
        if self.stride > 1 or x.shape[-1] != features:
            shape = strided if self.shortcut_size > 1 else {}
            x = self.conv(features, self.shortcut_size, **shape, name="downsample")(x, train=train)
        return jax.nn.relu(x + y)
