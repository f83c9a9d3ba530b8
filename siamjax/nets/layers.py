"""Layers that all backbones and heads share."""

from __future__ import annotations

import dataclasses
import functools
from typing import Annotated, Any, TypeAlias

import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from siamjax.fields import Channels, Kernel, Lowering, Share, Stride, Within
from siamjax.ops import conv, shifted
from siamjax.precision import PARITY, Precision
from siamjax.types import Array, Float

Part: TypeAlias = Annotated[Any, nn.Module]  # of a net, whose methods are those of its kind


@dataclasses.dataclass(frozen=True)
class Norm:
    """Settings of a BatchNorm; `momentum` is Flax's (the share of the old statistics that stays)."""

    epsilon: Annotated[float, Within(0, 1)] = 1e-5
    momentum: Share = 0.9


class ConvNorm(nn.Module):
    """Convolution, then BatchNorm if there is one: the unit that `weights.prepare` folds into one product.

    Plain parameters are `kernel` `[k, k, C/groups, O]`, `bias` `[O]` and those of `norm`. Prepared ones hold
    `bias` and, with the BatchNorm folded into both, either `kernel` or `transformed`, a tuple of one
    Winograd-transformed kernel a group (`ops.winograd`).

    Attributes:
      features: channels out.
      kernel_size, stride, padding, dilation, groups: of the convolution; padding is zeros on both sides.
      use_bias: whether the convolution has a bias of its own.
      norm: settings of the BatchNorm, None for none.
      kernel_init, bias_init: draw the parameters.
      precision: dtype and precision of the products; statistics stay float32.
      axis_name: mapped axis over which training statistics are averaged; None outside of one.
      lowering: form of the convolution, see `ops.conv`.
      prepared: parameters were folded and transformed by `weights.prepare`.
    """

    features: Channels
    kernel_size: Kernel
    stride: Stride = 1
    padding: Annotated[int, Within(0, 512)] = 0
    dilation: Stride = 1
    groups: Channels = 1
    use_bias: bool = True
    norm: Norm | None = Norm()
    kernel_init: nn.initializers.Initializer = nn.initializers.xavier_uniform()
    bias_init: nn.initializers.Initializer = nn.initializers.zeros
    precision: Precision = PARITY
    axis_name: str | None = None
    lowering: Lowering = "auto"
    prepared: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], *, train: bool = False) -> Float[Array, "B _ _ O"]:
        """Maps `[B, H, W, C]` to `[B, H', W', features]`."""
        dtype = self.precision.dtype
        x = x.astype(dtype)
        if self.prepared:
            return self._convolve(x) + _channels(self.get_variable("params", "bias").astype(dtype))
        shape = (self.kernel_size, self.kernel_size, x.shape[-1] // self.groups, self.features)
        y = self._convolve(x, self.param("kernel", self.kernel_init, shape))
        if self.use_bias:
            y = y + _channels(self.param("bias", self.bias_init, (self.features,)).astype(dtype))
        if self.norm is not None:
            y = nn.BatchNorm(use_running_average=not train, momentum=self.norm.momentum,
                             epsilon=self.norm.epsilon, axis_name=self.axis_name, dtype=jnp.float32,
                             name="norm")(y).astype(dtype)
        return y

    def folded(self) -> tuple[Float[Array, "k k _ O"], Float[Array, " O"]]:
        """Kernel `[k, k, C/groups, O]` and bias `[O]` of a prepared layer that is not transformed."""
        return self.get_variable("params", "kernel"), self.get_variable("params", "bias")

    def _convolve(self, x: Array, kernel: Array | None = None) -> Array:
        """With the given kernel, or else with the prepared one."""
        if kernel is None and self.has_variable("params", "transformed"):
            kernels = self.get_variable("params", "transformed")
            return conv.conv2d_transformed(x, kernels, padding=self.padding, dilation=self.dilation,
                                           precision=self.precision.lax)
        kernel = self.get_variable("params", "kernel") if kernel is None else kernel
        return conv.conv2d(x, kernel.astype(x.dtype), stride=self.stride, padding=self.padding,
                           dilation=self.dilation, groups=self.groups, lowering=self.lowering,
                           precision=self.precision.lax)


def _channels(bias: Array) -> Array:
    """`[O]` as `[1, 1, 1, O]`."""
    return bias.reshape(1, 1, 1, -1)


def _add_bias(y: Array, bias: Array) -> Array:
    return y + bias.astype(y.dtype)[None, None, None]


def max_pool(x: Float[Array, "B H W C"], size: int = 3, stride: int = 2, padding: int = 0) -> Float[Array, "B _ _ C"]:
    """Maximum over `size` x `size` windows: `[B, H, W, C]` to `[B, H', W', C]`.

    As the maximum of strided slices, which on a CPU is five times faster than `reduce_window`, its gradient
    too. Cells that tie share the gradient.
    """
    if padding:
        edge = (padding, padding, 0)
        x = lax.pad(x, jnp.array(-jnp.inf, x.dtype), [(0, 0, 0), edge, edge, (0, 0, 0)])
    for axis in (1, 2):
        x = functools.reduce(jnp.maximum, shifted.taps(x, axis, size, stride))
    return x
