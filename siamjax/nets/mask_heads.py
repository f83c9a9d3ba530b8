"""The refinement of SiamMask: one cell's mask, sharpened by the shallow features of the search.

The coarse mask of a cell needs no module of its own: it is a `rpn_heads.DepthwiseBranch` with `63 * 63` channels
out, read as the rows of a square.
"""

from __future__ import annotations

import math
from typing import Annotated

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import lax

from siamjax.fields import Channels, Length, Lowering, Within
from siamjax.nets.layers import ConvNorm
from siamjax.precision import PARITY, Precision
from siamjax.types import Array, Float, Int

GROWTH = 4  # channels between the two convolutions on a window, over those after them


class Refine(nn.Module):
    """Masks of chosen cells, each from the cell's correlation and its windows of the search features.

    The correlation of a cell is spread to a small square, which then grows level by level: each level of the
    search features gives the window in which the exemplar would lie at that cell. The defaults are for exemplars
    of 127 px on a ResNet-50, whose features are 15, 31 and 61 cells wide then.

    Attributes:
      widths: channels of the mask at each level, coarsest first.
      windows: (side, stride) at each level: cells of the window, and cells it moves by from one cell of the
        correlation to the next. The first stride is one.
      side: of the mask, pixels.
      precision, lowering, prepared: see `ConvNorm`; there is no BatchNorm in it.
    Source: SiamMask (Wang et al. 2019), section 3.3, after SharpMask (Pinheiro et al. 2016); SiamMask,
    experiments/siammask_sharp/custom.py `Refine`.
    """

    widths: Annotated[tuple[int, ...], Length(1, 16), Within(1, 4096)] = (32, 16, 4)
    windows: Annotated[tuple[tuple[int, int], ...], Length(1, 16), Within(1, 1024)] = ((15, 1), (31, 2), (61, 4))
    side: Annotated[int, Within(1, 512)] = 127
    precision: Precision = PARITY
    lowering: Lowering = "auto"
    prepared: bool = False

    @nn.compact
    def __call__(self, correlation: Float[Array, "B G G C"], levels: tuple[Float[Array, "B _ _ _"], ...],
                 cells: Int[Array, "B K 2"]) -> Float[Array, "B K m m"]:
        """Masks of some cells.

        Args:
          correlation: of the mask branch.
          levels: search features `[B, H, W, C']` of each window, coarsest first.
          cells: (row, column); one beyond the border is taken for the nearest on it.
        Returns:
          `[B, K, side, side]` logits, float32.
        """
        chex.assert_rank([correlation, cells], [4, 3])
        batch, chosen, _ = cells.shape
        grid = correlation.shape[1]
        # What the search features have kept of the border that exemplars lose (0 if the neck cut it, as it does in
        # training): so far the window of the first cell begins outside of them.
        border = (self.windows[0][0] + grid - 1 - levels[0].shape[1]) // 2
        x = take_windows(correlation, cells, side=1, grid=grid).reshape(batch * chosen, -1)
        x = Spread(self.widths[0], self.windows[0][0], self.precision, name="spread")(x)
        ends = (*(side for side, _ in self.windows[1:]), self.side)
        for i, (level, (side, stride), end) in enumerate(zip(levels, self.windows, ends, strict=True)):
            window = take_windows(level, cells, side=side, stride=stride, before=border * stride, grid=grid)
            out = self.widths[i + 1] if i + 1 < len(self.widths) else 1
            x = Merge(self.widths[i], out, end, self.precision, self.lowering, self.prepared, name=f"merge{i}")(
                x, window.reshape(-1, *window.shape[2:]))
        return x.reshape(batch, chosen, self.side, self.side).astype(jnp.float32)


class Spread(nn.Module):
    """A cell as a square: a transposed convolution whose kernel is all of it, and so a matrix product.

    Attributes:
      features: channels out.
      side: of the square.
      precision: see `ConvNorm`.
    """

    features: Channels
    side: Annotated[int, Within(1, 512)]
    precision: Precision = PARITY

    @nn.compact
    def __call__(self, x: Float[Array, "B C"]) -> Float[Array, "B S S O"]:
        """Maps `[B, C]` to `[B, side, side, features]`."""
        shape = (self.side, self.side, self.features, x.shape[-1])  # as linen's ConvTranspose(transpose_kernel=True)
        bound = math.prod(shape[:3]) ** -0.5  # torch counts what goes out of a transposed kernel
        kernel = self.param("kernel", uniform(bound), shape).astype(self.precision.dtype)
        bias = self.param("bias", uniform(bound), (self.features,)).astype(self.precision.dtype)
        y = jnp.einsum("bc,ijoc->bijo", x.astype(self.precision.dtype), kernel, precision=self.precision.lax)
        return y + bias.reshape(1, 1, 1, -1)


class Merge(nn.Module):
    """One level of the refinement: the mask so far and a window of features, each through two convolutions, summed.

    Attributes:
      width: channels of the sum; the mask comes in with as many.
      features: channels out.
      side: of the mask that goes out.
      precision, lowering, prepared: see `ConvNorm`.
    """

    width: Channels
    features: Channels
    side: Annotated[int, Within(1, 512)]
    precision: Precision = PARITY
    lowering: Lowering = "auto"
    prepared: bool = False

    @nn.compact
    def __call__(self, mask: Float[Array, "B h h _"], window: Float[Array, "B h h C"]) -> Float[Array, "B S S O"]:
        """Maps `[B, h, h, width]` and `[B, h, h, C]` to `[B, side, side, features]`."""
        def layer(x, features, name):
            bound = (9 * x.shape[-1]) ** -0.5  # torch's; kernels are drawn as for a ReLU of slope 1 (Kaiming)
            return ConvNorm(features, 3, padding=1, norm=None, kernel_init=uniform(math.sqrt(3) * bound),
                            bias_init=uniform(bound), precision=self.precision, lowering=self.lowering,
                            prepared=self.prepared, name=name)(x)

        window = jax.nn.relu(layer(window, GROWTH * self.width, "window1"))
        window = jax.nn.relu(layer(window, self.width, "window2"))
        mask = jax.nn.relu(layer(mask, self.width, "mask1"))
        mask = jax.nn.relu(layer(mask, self.width, "mask2"))
        return layer(nearest(mask + window, self.side), self.features, "post")


def take_windows(x: Float[Array, "B W W C"], cells: Int[Array, "B K 2"], *, side: int, grid: int, stride: int = 1,
                 before: int = 0) -> Float[Array, "B K {side} {side} C"]:
    """The square of features that belongs to each of some cells.

    Args:
      cells: (row, column).
      side: of the squares.
      grid: cells in a row of the map that `cells` are of; all their squares are covered, with zeros outside of `x`.
      stride: cells of `x` from one square to the next.
      before: zeros above `x` and left of it.
    Returns:
      `[B, K, side, side, C]`; the first begins `before` cells outside of `x`.
    """
    after = max(side + stride * (grid - 1) - before - x.shape[1], 0)
    x = jnp.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))

    def one(x, cell):
        return lax.dynamic_slice(x, (cell[0] * stride, cell[1] * stride, 0), (side, side, x.shape[-1]))

    return jax.vmap(jax.vmap(one, in_axes=(None, 0)))(x, cells)


def nearest(x: Float[Array, "B h h C"], side: int) -> Float[Array, "B {side} {side} C"]:
    """`[B, h, h, C]` as `[B, side, side, C]`: pixel `i` is `floor(i * h / side)`, as torch's `nearest`."""
    source = np.arange(side) * x.shape[1] // side
    return x[:, source][:, :, source]


def uniform(bound: float) -> nn.initializers.Initializer:
    """Draws evenly from `-bound` to `bound`."""
    return lambda key, shape, dtype=jnp.float32: jax.random.uniform(key, shape, dtype, -bound, bound)
