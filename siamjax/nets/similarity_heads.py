"""Region-proposal heads for a trunk that is a similarity net already, as a trained SiamFC is.

Such a trunk tells targets apart better than a head trained on few videos can learn to. These heads therefore see
similarities in the first place, not features: what they learn is how similarities lie round a target, which is
the same for any kind of target.
"""

from __future__ import annotations

from typing import Annotated

import jax
import jax.numpy as jnp
from flax import linen as nn

from siamjax.fields import Channels, Depth, Factor, Lowering, Within
from siamjax.nets.layers import ConvNorm, Part
from siamjax.nets.rpn_heads import CLASSES, COORDINATES
from siamjax.ops import xcorr
from siamjax.precision import PARITY, Precision
from siamjax.types import Array, Float, Tree

EPSILON = 1e-6


class PixelwiseRPN(nn.Module):
    """Boxes and classes read from the cosine of every exemplar pixel with every search pixel.

    Each of the `h * w` exemplar pixels is a 1x1 kernel of its own: a map says where the search looks like that
    part of the target, and the maps together how large and of what shape it is now. Convolutions without padding
    lead from them, and from a few channels of the search features, to one cell a position of the exemplar; two
    towers of `depth` more, padded, to the classes and to the boxes.

    Attributes:
      hidden: channels of the convolutions.
      context: channels of the search features that are seen beside the similarities.
      depth: convolutions of each tower.
      num_anchors: per cell.
      precision, axis_name, lowering, prepared: see `ConvNorm`.
    Source: the correlation is RANet's (Wang et al. 2019), used for boxes by Alpha-Refine (Yan et al. 2021).
    """

    hidden: Channels = 128
    context: Channels = 64
    depth: Depth = 2
    num_anchors: Annotated[int, Within(1, 4096)] = 5
    precision: Precision = PARITY
    axis_name: str | None = None
    lowering: Lowering = "auto"
    prepared: bool = False

    def kernels(self, z: Float[Array, "B h h C"], *, train: bool = False) -> Float[Array, "B h h C"]:
        """Exemplar features `[B, h, w, C]`, each pixel of length 1."""
        return z / (jnp.linalg.norm(z.astype(jnp.float32), axis=-1, keepdims=True) + EPSILON).astype(z.dtype)

    @nn.compact
    def __call__(self, kernels: Float[Array, "#B h h C"], x: Float[Array, "B H W C"], *,
                 train: bool = False) -> tuple[Float[Array, "B G G _"], Float[Array, "B G G _"]]:
        """Class and box maps `[B, H-h+1, W-h+1, ...]` for square kernels `[B, h, h, C]`."""
        def layer(x, features, size, name, padding=0):
            x = ConvNorm(features, size, padding=padding, use_bias=False, precision=self.precision,
                         axis_name=self.axis_name, lowering=self.lowering, prepared=self.prepared,
                         name=name)(x, train=train)
            return jax.nn.relu(x)

        def tower(x, kinds, name):
            for number in range(self.depth):
                x = layer(x, self.hidden, 3, f"{name}{number}", padding=1)
            return ConvNorm(kinds * self.num_anchors, 1, norm=None, precision=self.precision,
                            axis_name=self.axis_name, lowering=self.lowering, prepared=self.prepared,
                            name=f"{name}_out")(x, train=train).astype(jnp.float32)

        similarity = xcorr.pixelwise(kernels.astype(x.dtype), self.kernels(x), lowering=self.lowering,
                                     precision=self.precision.lax)
        y = jnp.concatenate([similarity, layer(x, self.context, 1, "context")], axis=-1)
        # A cell stands for h x h pixels: 3x3 convolutions without padding take two each, a 2x2 one the odd one.
        threes, odd = divmod(kernels.shape[1] - 1, 2)
        for number, size in enumerate([3] * threes + [2] * odd):
            y = layer(y, self.hidden, size, f"shared{number}")
        return tower(y, CLASSES, "cls"), tower(y, COORDINATES, "loc")


class SimilarityRPN(nn.Module):
    """A head whose foreground logits also take in the similarity of the features themselves, the response of SiamFC.

    The response of the (unchanged) features is added to the foreground logit of all anchors of a cell, twice:
    as it is, which says whether the target is there at all, and standardised over the map, which says where.
    Both gains are learned.

    Attributes:
      rpn: the head that gives boxes, and its part of the class; a `DepthwiseRPN` or a `PixelwiseRPN`.
      response_scale: factor on the raw response, that of the SiamFC which the trunk is from.
    """

    rpn: Part
    response_scale: Factor = 1e-3

    def setup(self):
        self.gain = self.param("gain", lambda key: jnp.array([0.1, 1.0], jnp.float32))

    def kernels(self, z: Float[Array, "B h h C"], *, train: bool = False) -> dict[str, Tree]:
        return {"rpn": self.rpn.kernels(z, train=train), "z": z}

    def __call__(self, kernels: dict[str, Tree], x: Float[Array, "B H W C"], *,
                 train: bool = False) -> tuple[Float[Array, "B G G _"], Float[Array, "B G G _"]]:
        cls, loc = self.rpn(kernels["rpn"], x, train=train)
        response = xcorr.dense(kernels["z"].astype(x.dtype), x, lowering=self.rpn.lowering,
                               precision=self.rpn.precision.lax).astype(jnp.float32) * self.response_scale
        mean, deviation = (moment(response, axis=(1, 2), keepdims=True) for moment in (jnp.mean, jnp.std))
        similarity = self.gain[0] * response + self.gain[1] * (response - mean) / (deviation + EPSILON)
        foreground = jnp.arange(cls.shape[-1]) >= self.rpn.num_anchors
        return cls + similarity[..., None] * foreground[None, None, None], loc
