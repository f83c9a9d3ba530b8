"""Region-proposal heads: exemplar features become kernels, search features class and box maps.

A head has two methods. `kernels(z)` is what it keeps of the exemplar, computed once; `__call__(kernels, x)`
gives `cls` `[B, G, G, 2 * A]` and `loc` `[B, G, G, 4 * A]`, in PySOT's order of channels: kind-major, so that
channel `kind * A + a` is of anchor `a`.
"""

from __future__ import annotations

from typing import Annotated

import jax
import jax.numpy as jnp
from flax import linen as nn

from siamjax.fields import Channels, Length, Lowering, Within
from siamjax.nets.layers import ConvNorm
from siamjax.ops import xcorr
from siamjax.precision import PARITY, Precision
from siamjax.types import Array, Float, Tree

CLASSES, COORDINATES = 2, 4


class DepthwiseBranch(nn.Module):
    """A 3x3 convolution on either side, correlation channel by channel, and two 1x1 convolutions.

    Attributes:
      hidden: channels that are correlated.
      features: channels out.
      precision, axis_name, lowering, prepared: see `ConvNorm`.
    Source: SiamRPN++ (Li et al. 2019), section 3.4; PySOT, head/rpn.py `DepthwiseXCorr`.
    """

    hidden: Channels
    features: Channels
    precision: Precision = PARITY
    axis_name: str | None = None
    lowering: Lowering = "auto"
    prepared: bool = False

    def setup(self):
        def layer(features, size, **kind):
            return ConvNorm(features, size, precision=self.precision, axis_name=self.axis_name,
                            lowering=self.lowering, prepared=self.prepared, **kind)

        self.exemplar = layer(self.hidden, 3, use_bias=False)
        self.search = layer(self.hidden, 3, use_bias=False)
        self.mix = layer(self.hidden, 1, use_bias=False)
        self.out = layer(self.features, 1, norm=None)

    def kernel(self, z: Float[Array, "B h w C"], *, train: bool = False) -> Float[Array, "B h-2 w-2 D"]:
        """Kernel `[B, h-2, w-2, hidden]` of exemplar features `[B, h, w, C]`."""
        return jax.nn.relu(self.exemplar(z, train=train))

    def correlate(self, kernel: Float[Array, "#B _ _ D"], x: Float[Array, "B H W C"], *,
                  train: bool = False) -> Float[Array, "B G G D"]:
        """Correlation `[B, G, G, hidden]` of a kernel with search features `[B, H, W, C]`."""
        x = jax.nn.relu(self.search(x, train=train))
        return xcorr.depthwise(kernel.astype(x.dtype), x, lowering=self.lowering, precision=self.precision.lax)

    def __call__(self, kernel: Float[Array, "#B _ _ D"], x: Float[Array, "B H W C"], *,
                 train: bool = False) -> Float[Array, "B G G O"]:
        """Maps `[B, G, G, features]`, float32."""
        return self.read_out(self.correlate(kernel, x, train=train), train=train)

    def read_out(self, correlation: Float[Array, "B G G D"], *, train: bool = False) -> Float[Array, "B G G O"]:
        """Maps `[B, G, G, features]`, float32, of a correlation `[B, G, G, hidden]`; each cell for itself."""
        return self.out(jax.nn.relu(self.mix(correlation, train=train))).astype(jnp.float32)


class DepthwiseRPN(nn.Module):
    """A depthwise branch for the classes and one for the boxes.

    Attributes:
      hidden: channels that are correlated.
      num_anchors: per cell.
      precision, axis_name, lowering, prepared: see `ConvNorm`.
    Source: SiamRPN++ (Li et al. 2019), section 3.4; PySOT, head/rpn.py `DepthwiseRPN`.
    """

    hidden: Channels = 256
    num_anchors: Annotated[int, Within(1, 4096)] = 5
    precision: Precision = PARITY
    axis_name: str | None = None
    lowering: Lowering = "auto"
    prepared: bool = False

    def setup(self):
        def branch(kinds):
            return DepthwiseBranch(self.hidden, kinds * self.num_anchors, self.precision, self.axis_name,
                                   self.lowering, self.prepared)

        self.cls, self.loc = branch(CLASSES), branch(COORDINATES)

    def kernels(self, z: Float[Array, "B h w C"], *, train: bool = False) -> dict[str, Float[Array, "B _ _ _"]]:
        return {"cls": self.cls.kernel(z, train=train), "loc": self.loc.kernel(z, train=train)}

    def __call__(self, kernels: dict[str, Float[Array, "B _ _ _"]], x: Float[Array, "B H W C"], *,
                 train: bool = False) -> tuple[Float[Array, "B G G _"], Float[Array, "B G G _"]]:
        return self.cls(kernels["cls"], x, train=train), self.loc(kernels["loc"], x, train=train)


class MultiRPN(nn.Module):
    """A `DepthwiseRPN` a level, their maps averaged.

    Attributes:
      hidden: correlated channels of each level.
      weighted: weighs the levels by the softmax of learned numbers; else their plain mean.
      num_anchors, precision, axis_name, lowering, prepared: as in `DepthwiseRPN`.
    Source: SiamRPN++ (Li et al. 2019), section 3.3; PySOT, head/rpn.py `MultiRPN`.
    """

    hidden: Annotated[tuple[int, ...], Length(1, 16), Within(1, 16384)] = (256, 256, 256)
    weighted: bool = True
    num_anchors: Annotated[int, Within(1, 4096)] = 5
    precision: Precision = PARITY
    axis_name: str | None = None
    lowering: Lowering = "auto"
    prepared: bool = False

    def setup(self):
        self.levels = [DepthwiseRPN(hidden, self.num_anchors, self.precision, self.axis_name, self.lowering,
                                    self.prepared) for hidden in self.hidden]
        if self.weighted:
            self.cls_weight, self.loc_weight = (
                self.param(name, nn.initializers.ones, (len(self.hidden),)) for name in ("cls_weight", "loc_weight"))

    def kernels(self, z: tuple[Float[Array, "B h w _"], ...], *,
                train: bool = False) -> tuple[dict[str, Float[Array, "B _ _ _"]], ...]:
        return tuple(level.kernels(features, train=train) for level, features in zip(self.levels, z, strict=True))

    def __call__(self, kernels: Tree, x: tuple[Float[Array, "B H W _"], ...], *,
                 train: bool = False) -> tuple[Float[Array, "B G G _"], Float[Array, "B G G _"]]:
        maps = [level(kernel, features, train=train)
                for level, kernel, features in zip(self.levels, kernels, x, strict=True)]
        if not self.weighted:
            return tuple(sum(kind) / len(maps) for kind in zip(*maps))  # type: ignore[return-value]
        return tuple(jnp.tensordot(jax.nn.softmax(weight), jnp.stack(kind), 1)  # type: ignore[return-value]
                     for weight, kind in zip((self.cls_weight, self.loc_weight), zip(*maps)))


class UpChannelRPN(nn.Module):
    """The head of the first SiamRPN: the exemplar gives a separate kernel for each output channel.

    Attributes:
      hidden: channels of the search features that are correlated.
      num_anchors, precision, axis_name, lowering, prepared: as in `DepthwiseRPN`.
    Source: SiamRPN (Li et al. 2018), section 3.2; PySOT, head/rpn.py `UPChannelRPN`.
    """

    hidden: Channels = 256
    num_anchors: Annotated[int, Within(1, 4096)] = 5
    precision: Precision = PARITY
    axis_name: str | None = None
    lowering: Lowering = "auto"
    prepared: bool = False

    def setup(self):
        def layer(features, size=3):
            return ConvNorm(features, size, norm=None, precision=self.precision, axis_name=self.axis_name,
                            lowering=self.lowering, prepared=self.prepared)

        self.exemplar_cls = layer(self.hidden * CLASSES * self.num_anchors)
        self.exemplar_loc = layer(self.hidden * COORDINATES * self.num_anchors)
        self.search_cls, self.search_loc = layer(self.hidden), layer(self.hidden)
        self.adjust_loc = layer(COORDINATES * self.num_anchors, 1)

    def kernels(self, z: Float[Array, "B h w C"], *, train: bool = False) -> dict[str, Float[Array, "B _ _ _"]]:
        return {"cls": self.exemplar_cls(z, train=train), "loc": self.exemplar_loc(z, train=train)}

    def __call__(self, kernels: dict[str, Float[Array, "B _ _ _"]], x: Float[Array, "B H W C"], *,
                 train: bool = False) -> tuple[Float[Array, "B G G _"], Float[Array, "B G G _"]]:
        def correlate(kernel, x):
            return xcorr.upchannel(kernel.astype(x.dtype), x, lowering=self.lowering, precision=self.precision.lax)

        cls = correlate(kernels["cls"], self.search_cls(x, train=train))
        loc = self.adjust_loc(correlate(kernels["loc"], self.search_loc(x, train=train)), train=train)
        return cls.astype(jnp.float32), loc.astype(jnp.float32)
