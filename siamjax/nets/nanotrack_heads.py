"""The anchor-free heads of NanoTrack, versions 1 to 3; their methods are those of `nets.anchor_free_heads`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from siamjax.fields import Channels, Depth, Length, Lowering, Within
from siamjax.nets.anchor_free_heads import Separable
from siamjax.nets.attention import ChannelAttention
from siamjax.nets.layers import ConvNorm
from siamjax.nets.rpn_heads import CLASSES, COORDINATES
from siamjax.ops import xcorr
from siamjax.precision import PARITY, Precision
from siamjax.types import Array, Float, Tree

Sizes = Annotated[tuple[int, ...], Length(1, 64), Within(1, 127)]  # of kernels
CENTRE = 4  # cells a side of the exemplar's features that are correlated channel by channel


class PixelwiseAttention(nn.Module):
    """The similarity of each exemplar pixel with each search pixel, these maps weighed by channel attention.

    Attributes:
      conv: makes a `ConvNorm` with the precision, axis, lowering and form of the head.
      correlate: `xcorr.pixelwise` with the precision and lowering of the head.
      hidden: channels of the 1x1 convolution that either side goes through before; 0 for none.
    """

    conv: Callable[..., ConvNorm]
    correlate: Callable[..., Array]
    hidden: int = 0

    def setup(self):
        if self.hidden:
            self.exemplar, self.search = self.conv(self.hidden, 1), self.conv(self.hidden, 1)
        self.attention = ChannelAttention(self.conv)

    def kernel(self, z: Float[Array, "B h w C"], *, train: bool = False) -> Float[Array, "B h w D"]:
        """Kernel `[B, h, w, hidden]` of exemplar features `[B, h, w, C]`."""
        return self.exemplar(z, train=train) if self.hidden else z

    def __call__(self, kernel: Float[Array, "#B h w D"], x: Float[Array, "B H W C"], *,
                 train: bool = False) -> Float[Array, "B H W h*w"]:
        """Maps `[B, H, W, h * w]` of search features `[B, H, W, C]`."""
        x = self.search(x, train=train) if self.hidden else x
        return self.attention(self.correlate(kernel.astype(x.dtype), x), train=train)


class DepthwiseCorrelation(nn.Module):
    """Both features through a 1x1 convolution, the exemplar's middle correlated channel by channel.

    Attributes:
      conv: as of `PixelwiseAttention`.
      correlate: `xcorr.depthwise` with the precision and lowering of the head.
      hidden: channels that are correlated.
    """

    conv: Callable[..., ConvNorm]
    correlate: Callable[..., Array]
    hidden: int

    def setup(self):
        self.exemplar, self.search = self.conv(self.hidden, 1), self.conv(self.hidden, 1)

    def kernel(self, z: Float[Array, "B h w C"], *, train: bool = False) -> Float[Array, "B _ _ D"]:
        """Kernel `[B, CENTRE, CENTRE, hidden]` of exemplar features `[B, h, w, C]`."""
        first = (z.shape[1] - CENTRE) // 2
        return self.exemplar(z[:, first:first + CENTRE, first:first + CENTRE], train=train)

    def __call__(self, kernel: Float[Array, "#B _ _ D"], x: Float[Array, "B H W C"], *,
                 train: bool = False) -> Float[Array, "B H-1 W-1 D"]:
        """Maps `[B, H-1, W-1, hidden]` of search features `[B, H, W, C]`, which are padded by one cell."""
        x = jnp.pad(self.search(x, train=train), ((0, 0), (1, 1), (1, 1), (0, 0)))
        return self.correlate(kernel.astype(x.dtype), x)


class Tower(nn.Module):
    """Separable convolutions of one width and the 1x1 convolution that reads them out.

    Attributes:
      features: channels out.
      hidden: channels of the separable convolutions.
      kernel_sizes: of each.
      conv: as of `PixelwiseAttention`.
      linear: BatchNorm and ReLU6 stand between the two parts of each, not after the second.
    """

    features: int
    hidden: int
    kernel_sizes: tuple[int, ...]
    conv: Callable[..., ConvNorm]
    linear: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], *, train: bool = False) -> Float[Array, "B H W O"]:
        """Maps `[B, H, W, C]` to `[B, H, W, features]`, float32."""
        for number, size in enumerate(self.kernel_sizes):
            x = Separable(self.hidden, self.conv, size, between=self.linear, name=f"layer{number}")(x, train=train)
            x = x if self.linear else jax.nn.relu6(x)
        return self.conv(self.features, 1, norm=None, name="out")(x, train=train).astype(jnp.float32)


class NanoTrackHead(nn.Module):
    """Pixel-wise correlation with channel attention, and a tower for the class and one for the distances.

    Attributes:
      hidden: channels of the 1x1 convolutions before each tower's own correlation; 0 for one correlation of the
        features as they come, which both towers share.
      cls_sizes, loc_sizes: kernel sizes of the towers.
      cls_width, loc_width: channels of the towers.
      precision, axis_name, lowering, prepared: see `ConvNorm`.
    Source: NanoTrackV1 (the defaults) and V2, HonglinChu/SiamTrackers, models/head/ban_v1.py and ban_v2.py.
    """

    hidden: Annotated[int, Within(0, 16384)] = 0
    cls_sizes: Sizes = (5, 5, 3)
    loc_sizes: Sizes = (3, 3, 5, 5)
    cls_width: Channels = 128
    loc_width: Channels = 96
    precision: Precision = PARITY
    axis_name: str | None = None
    lowering: Lowering = "auto"
    prepared: bool = False

    def setup(self):
        conv, pixelwise, _ = _parts(self)
        correlations = [PixelwiseAttention(conv, pixelwise, self.hidden) for _ in range(2 if self.hidden else 1)]
        self.correlations = correlations
        self.cls = Tower(CLASSES, self.cls_width, self.cls_sizes, conv)
        self.loc = Tower(COORDINATES, self.loc_width, self.loc_sizes, conv)

    def kernels(self, z: Float[Array, "B h w C"], *, train: bool = False) -> tuple[Float[Array, "B _ _ _"], ...]:
        return tuple(correlation.kernel(z, train=train) for correlation in self.correlations)

    def __call__(self, kernels: tuple[Float[Array, "B _ _ _"], ...], x: Float[Array, "B H W C"], *,
                 train: bool = False) -> tuple[Float[Array, "B G G _"], Float[Array, "B G G _"]]:
        maps = [correlation(kernel, x, train=train)
                for correlation, kernel in zip(self.correlations, kernels, strict=True)]
        return self.cls(maps[0], train=train), self.loc(maps[-1], train=train)


class NanoTrackBranch(nn.Module):
    """Pixel-wise and depthwise correlation side by side, and the tower that reads them.

    Attributes:
      features: channels out.
      hidden: channels of all its convolutions.
      depth: separable convolutions of the tower.
      precision, axis_name, lowering, prepared: see `ConvNorm`.
    """

    features: int
    hidden: int
    depth: int
    precision: Precision = PARITY
    axis_name: str | None = None
    lowering: Lowering = "auto"
    prepared: bool = False

    def setup(self):
        conv, pixelwise, depthwise = _parts(self)
        self.pixelwise = PixelwiseAttention(conv, pixelwise, self.hidden)
        self.narrow = Narrow(conv)
        self.depthwise = DepthwiseCorrelation(conv, depthwise, self.hidden)
        self.mix = conv(self.hidden, 1, norm=None)
        self.tower = Tower(self.features, self.hidden, (3,) * self.depth, conv, linear=True)

    def kernel(self, z: Float[Array, "B h w C"], *, train: bool = False) -> dict[str, Float[Array, "B _ _ _"]]:
        return {"pixelwise": self.pixelwise.kernel(z, train=train), "depthwise": self.depthwise.kernel(z, train=train)}

    def __call__(self, kernel: dict[str, Float[Array, "B _ _ _"]], x: Float[Array, "B H W C"], *,
                 train: bool = False) -> Float[Array, "B H-1 W-1 O"]:
        """Maps `[B, H-1, W-1, features]` of search features `[B, H, W, C]`."""
        similarity = self.narrow(self.pixelwise(kernel["pixelwise"], x, train=train), train=train)
        correlation = self.depthwise(kernel["depthwise"], x, train=train)
        y = self.mix(jnp.concatenate([similarity, correlation], axis=-1), train=train)
        return self.tower(y, train=train)


class Narrow(nn.Module):
    """A 2x2 depthwise convolution without padding, and a 1x1 one: maps of as many cells as a `DepthwiseCorrelation`.

    Attributes:
      conv: as of `PixelwiseAttention`.
    """

    conv: Callable[..., ConvNorm]

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], *, train: bool = False) -> Float[Array, "B H-1 W-1 C"]:
        """Maps `[B, H, W, C]` to `[B, H-1, W-1, C]`."""
        channels = x.shape[-1]
        y = self.conv(channels, 2, groups=channels, use_bias=False, name="depthwise")(x, train=train)
        return self.conv(channels, 1, name="pointwise")(jax.nn.relu6(y), train=train)


class NanoTrackV3Head(nn.Module):
    """A branch of both correlations for the class and one for the distances.

    Attributes:
      hidden: channels of all convolutions.
      depth: separable convolutions of each tower.
      precision, axis_name, lowering, prepared: see `ConvNorm`.
    Source: NanoTrackV3, HonglinChu/SiamTrackers, models/head/ban_v3.py.
    """

    hidden: Channels = 96
    depth: Depth = 6
    precision: Precision = PARITY
    axis_name: str | None = None
    lowering: Lowering = "auto"
    prepared: bool = False

    def setup(self):
        def branch(kinds):
            return NanoTrackBranch(kinds, self.hidden, self.depth, self.precision, self.axis_name, self.lowering,
                                   self.prepared)

        self.cls, self.loc = branch(CLASSES), branch(COORDINATES)

    def kernels(self, z: Float[Array, "B h w C"], *, train: bool = False) -> dict[str, Tree]:
        return {"cls": self.cls.kernel(z, train=train), "loc": self.loc.kernel(z, train=train)}

    def __call__(self, kernels: dict[str, Tree], x: Float[Array, "B H W C"], *,
                 train: bool = False) -> tuple[Float[Array, "B G G _"], Float[Array, "B G G _"]]:
        return self.cls(kernels["cls"], x, train=train), self.loc(kernels["loc"], x, train=train)


def _parts(head: Any) -> tuple[Callable[..., ConvNorm], Callable[..., Array], Callable[..., Array]]:
    """What makes a head's `ConvNorm`s, and its two correlations."""
    conv = functools.partial(ConvNorm, precision=head.precision, axis_name=head.axis_name, lowering=head.lowering,
                             prepared=head.prepared)
    pixelwise, depthwise = (functools.partial(kind, lowering=head.lowering, precision=head.precision.lax)
                            for kind in (xcorr.pixelwise, xcorr.depthwise))
    return conv, pixelwise, depthwise
