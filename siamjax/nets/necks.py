"""Necks, between backbone and head: they bring the features of each level to the width of its head."""

from __future__ import annotations

from typing import Annotated

from flax import linen as nn

from siamjax.fields import Length, Lowering, Within
from siamjax.nets.layers import ConvNorm
from siamjax.precision import PARITY, Precision
from siamjax.types import Array, Float

SMALL = 20  # cells; exemplar features are narrower, those of any search wider


class Adjust(nn.Module):
    """A 1x1 convolution with BatchNorm a level; exemplar features are cut to their middle.

    The border of a padded backbone's exemplar features has seen padding, and a smaller kernel is quicker to
    correlate with; so features narrower than `SMALL` cells are cut to `centre` x `centre`.

    Attributes:
      widths: channels out of each level; one level may come as a bare array and then leaves as one.
      centre: cells that are left of exemplar features.
      margin: cells that are cut off each side instead, as SiamMask does; the same for exemplars of 127 px, but its
        refinement trains on searches of 143 px, whose 17 cells are cut to 9.
      precision, axis_name, lowering, prepared: see `ConvNorm`.
    Source: SiamRPN++ (Li et al. 2019), section 3.4; PySOT, neck/neck.py.
    """

    widths: Annotated[tuple[int, ...], Length(1, 16), Within(1, 16384)] = (256, 256, 256)
    centre: Annotated[int, Within(1, 64)] = 7
    margin: Annotated[int, Within(0, 64)] | None = None
    precision: Precision = PARITY
    axis_name: str | None = None
    lowering: Lowering = "auto"
    prepared: bool = False

    def setup(self):
        self.levels = [
            ConvNorm(width, 1, use_bias=False, precision=self.precision, axis_name=self.axis_name,
                     lowering=self.lowering, prepared=self.prepared) for width in self.widths]

    def __call__(self, features: Float[Array, "B H W C"] | tuple[Float[Array, "B _ _ _"], ...], *, train: bool = False):
        """Maps levels `[B, H, W, C]` to `[B, H, W, width]`, or to `[B, centre, centre, width]`."""
        levels = features if isinstance(features, (tuple, list)) else (features,)
        adjusted = tuple(self._cut(level(x, train=train)) for level, x in zip(self.levels, levels, strict=True))
        return adjusted if isinstance(features, (tuple, list)) else adjusted[0]

    def _cut(self, x: Array) -> Array:
        side = x.shape[1]
        if side >= SMALL:
            return x
        first = (side - self.centre) // 2 if self.margin is None else self.margin
        last = first + self.centre if self.margin is None else side - first
        return x[:, first:last, first:last]
