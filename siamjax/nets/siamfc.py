"""SiamFC: one backbone for both images, whose features are correlated (Bertinetto et al. 2016)."""

from __future__ import annotations

import jax.numpy as jnp
from flax import linen as nn

from siamjax.fields import Factor
from siamjax.ops import xcorr
from siamjax.types import Array, Float, Real


class SiamFC(nn.Module):
    """Fully-convolutional Siamese net (Bertinetto et al. 2016, section 2.1).

    Attributes:
      backbone: module mapping images `[B, H, W, 3]` to features `[B, H', W', C]`.
      response_scale: factor on the correlation (`out_scale` in siamfc-pytorch, siamfc/heads.py).
      logit_bias: adds a trained scalar in `__call__`. It makes a logit of the similarity and has no part
        in tracking, where the scale penalty multiplies the raw response.
    """

    backbone: nn.Module
    response_scale: Factor = 1e-3
    logit_bias: bool = False

    def setup(self):
        if self.logit_bias:
            self.bias = self.param("bias", nn.initializers.zeros, ())

    def embed(self, image: Real[Array, "B H W 3"], *, train: bool = False) -> Float[Array, "B _ _ C"]:
        """Features `[B, h, w, C]` of images `[B, H, W, 3]`, 0..255."""
        return self.backbone(image, train=train)

    def correlate(self, z: Float[Array, "#B h w C"], x: Float[Array, "B H W C"]) -> Float[Array, "B H-h+1 W-w+1"]:
        """Float32 response `[B, H-h+1, W-w+1]`; `z` of batch 1 is compared with every `x`."""
        return self.response_scale * xcorr.dense(z, x).astype(jnp.float32)

    def __call__(self, exemplar: Real[Array, "B h w 3"], search: Real[Array, "B H W 3"], *,
                 train: bool = False) -> Float[Array, "B R R"]:
        """Logits `[B, R, R]` of exemplars `[B, 127, 127, 3]` in searches `[B, S, S, 3]`."""
        response = self.correlate(self.embed(exemplar, train=train), self.embed(search, train=train))
        return response + self.bias if self.logit_bias else response
