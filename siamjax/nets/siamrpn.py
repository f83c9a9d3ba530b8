"""SiamRPN and SiamRPN++: one backbone for both images, boxes proposed by a head (Li et al. 2018, 2019)."""

from __future__ import annotations

from flax import linen as nn

from siamjax.nets.layers import Part
from siamjax.nets.rpn_heads import CLASSES, COORDINATES
from siamjax.types import Array, Float, Real, Tree


class SiamRPN(nn.Module):
    """Siamese region-proposal net: SiamRPN with one level of features, SiamRPN++ with several.

    Any backbone that maps images `[B, H, W, 3]` to features `[B, H', W', C]`, or to a tuple of levels of one
    size, will do.

    Attributes:
      backbone: module for both images.
      head: of `nets.rpn_heads`, or one with the same two methods.
      neck: module on the features of both images, `nets.necks.Adjust`; None for none.
    """

    backbone: nn.Module
    head: Part
    neck: nn.Module | None = None

    def embed_exemplar(self, image: Real[Array, "B S S 3"], *, train: bool = False) -> Tree:
        """What the head keeps of exemplars `[B, 127, 127, 3]`, 0..255: a tree of kernels, each `[B, h, w, C]`."""
        return self.head.kernels(self.features(image, train=train), train=train)

    def detect(self, kernels: Tree, image: Real[Array, "B S S 3"], *,
               train: bool = False) -> tuple[Float[Array, "B N 2"], Float[Array, "B N 4"]]:
        """Proposals for searches `[B, S, S, 3]`, 0..255.

        Returns:
          `cls` `[B, N, 2]` logits (background, target) and `loc` `[B, N, 4]` deltas (x, y, width, height) of
          `N = A * G * G` anchors, float32; anchor `a` of cell `(y, x)` has index `(a * G + y) * G + x`.
        """
        cls, loc = self.head(kernels, self.features(image, train=train), train=train)
        return by_anchor(cls, CLASSES), by_anchor(loc, COORDINATES)

    def __call__(self, exemplar: Real[Array, "B h h 3"], search: Real[Array, "B S S 3"], *,
                 train: bool = False) -> tuple[Float[Array, "B N 2"], Float[Array, "B N 4"]]:
        """`detect` of searches `[B, S, S, 3]` for exemplars `[B, 127, 127, 3]`."""
        return self.detect(self.embed_exemplar(exemplar, train=train), search, train=train)

    def features(self, image: Real[Array, "B H W 3"], *, train: bool = False) -> Tree:
        """Features of images `[B, H, W, 3]` as the head gets them."""
        features = self.backbone(image, train=train)
        return features if self.neck is None else self.neck(features, train=train)


def by_anchor(maps: Float[Array, "B G G _"], kinds: int) -> Float[Array, "B N {kinds}"]:
    """`[B, G, G, kinds * A]`, channel `kind * A + a`, as `[B, A * G * G, kinds]`."""
    batch, height, width, channels = maps.shape
    maps = maps.reshape(batch, height, width, kinds, channels // kinds)
    return maps.transpose(0, 4, 1, 2, 3).reshape(batch, -1, kinds)
