"""What backbones trained on ImageNet share: the layout of their strides, and the form of their input."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import jax.numpy as jnp

from siamjax.fields import Length, Within
from siamjax.types import Array, Float, Real

MEAN = (0.485, 0.456, 0.406)  # of ImageNet, RGB in 0..1, as torchvision's models take them
DEVIATION = (0.229, 0.224, 0.225)


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where the stages of a backbone stride, dilate and pad; the parameters are the same in each layout.

    Attributes:
      strides: of the first block of each stage.
      dilations: of the 3x3 convolutions of each stage.
      padded: strided convolutions are padded too, as for ImageNet; trackers do not pad them (SiamRPN++,
        Li et al. 2019, section 3.2).
    """

    strides: Annotated[tuple[int, ...], Length(1, 16), Within(1, 64)]
    dilations: Annotated[tuple[int, ...], Length(1, 16), Within(1, 64)]
    padded: bool = False

    def padding(self, stride: int, dilation: int = 1) -> int:
        """Zeros on each side of the input of a 3x3 convolution."""
        return dilation if stride == 1 or self.padded else 0


def normalised(image: Real[Array, "B H W 3"]) -> Float[Array, "B H W 3"]:
    """RGB `[B, H, W, 3]`, 0..255, with the mean and deviation of ImageNet taken off, float32."""
    mean, deviation = (255 * jnp.array(values, jnp.float32).reshape(1, 1, 1, 3) for values in (MEAN, DEVIATION))
    return (image.astype(jnp.float32) - mean) / deviation
