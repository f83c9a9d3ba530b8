"""MobileNetV2, dilated to stride 8 as PySOT has it, or as for ImageNet."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated

import jax
from flax import linen as nn

from siamjax.fields import Length, Lowering, Within
from siamjax.nets.inverted import InvertedResidual
from siamjax.nets.layers import ConvNorm
from siamjax.nets.trunk import Layout, normalised
from siamjax.precision import PARITY, Precision
from siamjax.types import Array, Float, Real

STEM = 32
STAGES = ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1))  # (t, c, n)
DILATED = Layout(strides=(1, 2, 2, 1, 1, 1, 1), dilations=(1, 1, 1, 2, 2, 4, 4))
IMAGENET = Layout(strides=(1, 2, 2, 2, 1, 2, 1), dilations=(1,) * 7, padded=True)


class MobileNetV2(nn.Module):
    """A stem of stride 2 and up to seven stages of inverted residuals; 255 px become 31 cells in DILATED.

    Attributes:
      width: factor on every number of channels, which is then cut to an integer (1.4 in PySOT's trackers).
      used_layers: stages to return, 0 for the stem; later ones are not built.
      layout: `DILATED` or `IMAGENET`; both take the same parameters.
      normalise: for parameters trained on ImageNet; the image is RGB then.
      precision, axis_name, lowering, prepared: see `ConvNorm`.
    Source: MobileNetV2 (Sandler et al. 2018), table 2; PySOT, models/backbone/mobile_v2.py, which expands in
    the first block too. The paper's last convolution, to 1280 channels, is left out as it is there.
    """

    width: Annotated[float, Within(0.05, 16)] = 1.4
    used_layers: Annotated[tuple[int, ...], Length(1, 8), Within(0, 7)] = (3, 5, 7)
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
        x = jax.nn.relu6(conv(int(STEM * self.width), 3, stride=2, padding=self.layout.padding(2),
                              name="layer0")(x, train=train))
        self.sow("intermediates", "stage0", x)
        outputs = {0: x}
        last_dilation = 1
        for i, (expansion, features, blocks) in enumerate(STAGES[:max(self.used_layers)]):
            dilation = self.layout.dilations[i]
            first = dilation if dilation == last_dilation else max(dilation // 2, 1)
            x = Stage(int(features * self.width), expansion, self.layout.strides[i],
                      (first, *(dilation,) * (blocks - 1)), self.layout, conv, name=f"layer{i + 1}")(x, train=train)
            self.sow("intermediates", f"stage{i + 1}", x)
            outputs[i + 1] = x
            last_dilation = dilation
        used = tuple(outputs[layer] for layer in self.used_layers)
        return used[0] if len(used) == 1 else used


class Stage(nn.Module):
    """Inverted residuals of one width, of which the first strides.

    Attributes:
      features, conv: see `InvertedResidual`.
      expansion: channels inside each block over those that come in.
      stride: of the first block.
      dilations: of each block.
      layout: decides the padding.
    """

    features: int
    expansion: int
    stride: int
    dilations: tuple[int, ...]
    layout: Layout
    conv: Callable[..., ConvNorm]

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], *, train: bool = False) -> Float[Array, "B _ _ O"]:
        """Maps `[B, H, W, C]` to `[B, H', W', features]`."""
        for i, dilation in enumerate(self.dilations):
            stride = self.stride if i == 0 else 1
            x = InvertedResidual(self.features, x.shape[-1] * self.expansion, self.conv, stride=stride,
                                 dilation=dilation, padding=self.layout.padding(stride, dilation),
                                 name=f"block{i}")(x, train=train)
        return x
