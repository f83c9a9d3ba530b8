"""AlexNet as SiamFC uses it, in three widths, and as PySOT does."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import jax
from flax import linen as nn

from siamjax.fields import Channels, Kernel, Length, Lowering, Stride, Within
from siamjax.nets.layers import ConvNorm, Norm, max_pool
from siamjax.precision import PARITY, Precision
from siamjax.types import Array, Float, Real


@dataclasses.dataclass(frozen=True)
class Stage:
    """One convolution of an AlexNet and what follows it."""

    features: Channels
    kernel_size: Kernel
    stride: Stride = 1
    groups: Annotated[int, Within(1, 64)] = 1
    norm: bool = True
    relu: bool = True
    pool_stride: Annotated[int, Within(0, 64)] = 0  # 0: no pooling


# siamfc-pytorch, siamfc/backbones.py; conv5 of V1 and V2 has neither BatchNorm nor ReLU.
V1 = (Stage(96, 11, 2, pool_stride=2), Stage(256, 5, groups=2, pool_stride=2), Stage(384, 3),
      Stage(384, 3, groups=2), Stage(256, 3, groups=2, norm=False, relu=False))
V2 = (*V1[:1], Stage(256, 5, groups=2, pool_stride=1), *V1[2:4],
      Stage(32, 3, groups=2, norm=False, relu=False))
V3 = (Stage(192, 11, 2, pool_stride=2), Stage(512, 5, pool_stride=2), Stage(768, 3), Stage(768, 3),
      Stage(512, 3, relu=False))
PYSOT = (Stage(96, 11, 2, pool_stride=2), Stage(256, 5, pool_stride=2), Stage(384, 3), Stage(384, 3),
         Stage(256, 3, relu=False))
SIAMFC_NORM = Norm(epsilon=1e-6, momentum=0.95)  # torch momentum .05


class AlexNet(nn.Module):
    """Five convolutions without padding; 127 px become 6 cells, 255 px 22 (V1, stride 8).

    Attributes:
      stages: `V1`, `V2`, `V3` or `PYSOT`, or stages of one's own (tests use four channels).
      norm: settings of every BatchNorm; siamfc-pytorch's by default, `Norm()` for PySOT.
      used_stages: numbers of the stages whose features are given, from 1 and rising; None for the last alone.
      precision, axis_name, lowering, prepared: see `ConvNorm`.
    Source: SiamFC, siamfc/backbones.py; PySOT, backbone/alexnet.py, whose pooling before ReLU gives the
    same numbers as the ReLU before pooling here.
    """

    stages: Annotated[tuple[Stage, ...], Length(1, 64)] = V1
    norm: Norm = SIAMFC_NORM
    used_stages: Annotated[tuple[int, ...], Length(1, 64), Within(1, 64)] | None = None
    precision: Precision = PARITY
    axis_name: str | None = None
    lowering: Lowering = "auto"
    prepared: bool = False

    @nn.compact
    def __call__(self, image: Real[Array, "B H W _"], *,
                 train: bool = False) -> Float[Array, "B _ _ C"] | tuple[Float[Array, "B _ _ _"], ...]:
        """Maps `image` `[B, H, W, 3]`, 0..255, to features `[B, H', W', C]`, or to those of each used stage."""
        x, features = image, []
        for number, stage in enumerate(self.stages, start=1):
            x = ConvNorm(
                stage.features, stage.kernel_size, stage.stride, groups=stage.groups,
                norm=self.norm if stage.norm else None, precision=self.precision, axis_name=self.axis_name,
                lowering=self.lowering, prepared=self.prepared, name=f"conv{number}")(x, train=train)
            if stage.relu:
                x = jax.nn.relu(x)
            if stage.pool_stride:
                x = max_pool(x, 3, stage.pool_stride)
            self.sow("intermediates", f"stage{number}", x)
            features.append(x)
        return x if self.used_stages is None else tuple(features[number - 1] for number in self.used_stages)
