"""SiamMask: a region-proposal net that also has a mask for every cell (Wang et al. 2019)."""

from __future__ import annotations

import math

import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from siamjax.nets.layers import Part
from siamjax.nets.mask_heads import take_windows
from siamjax.nets.rpn_heads import CLASSES, COORDINATES, DepthwiseBranch
from siamjax.nets.siamrpn import by_anchor
from siamjax.types import Array, Float, Int, Real, Tree


@struct.dataclass
class Cues:
    """The features from which the mask of any cell is drawn.

    Attributes:
      correlation: `[B, G, G, hidden]` of the mask branch.
      levels: shallower search features, coarsest first; none where masks are not refined.
    """

    correlation: Array
    levels: tuple[Array, ...]


class SiamMask(nn.Module):
    """Siamese region-proposal net with a third branch, for masks: `SiamMask-base`, or `-sharp` with a refinement.

    Attributes:
      backbone: module for both images; the last of its levels is what is correlated, those before it, shallowest
        first, are what a refinement sees.
      neck: on the correlated level of both images, `nets.necks.Adjust`; None for none.
      head: classes and boxes, of `nets.rpn_heads`.
      mask: branch whose channels out are the pixels of a coarse square mask.
      refine: `nets.mask_heads.Refine`, which takes the place of the coarse mask. The coarse layers keep their
        parameters, as published ones have them, but nothing runs them and `weights.prepare` drops them.
    Source: SiamMask (Wang et al. 2019), section 3; SiamMask, models/siammask.py, models/siammask_sharp.py.
    """

    backbone: nn.Module
    neck: nn.Module | None
    head: Part
    mask: DepthwiseBranch
    refine: nn.Module | None = None

    def embed_exemplar(self, image: Real[Array, "B S S 3"], *, train: bool = False) -> dict[str, Tree]:
        """What head and mask branch keep of exemplars `[B, 127, 127, 3]`, 0..255: kernels, each `[B, h, w, C]`."""
        z, _ = self._features(image, train)
        return {"head": self.head.kernels(z, train=train), "mask": self.mask.kernel(z, train=train)}

    def detect(self, kernels: dict[str, Tree], image: Real[Array, "B S S 3"], *,
               train: bool = False) -> tuple[Float[Array, "B N 2"], Float[Array, "B N 4"], Cues]:
        """Proposals for searches `[B, S, S, 3]`, 0..255, and what their masks are made of.

        Returns:
          `cls` `[B, N, 2]` and `loc` `[B, N, 4]` as `SiamRPN.detect`, and the cues for `mask_at`.
        """
        x, levels = self._features(image, train)
        cls, loc = self.head(kernels["head"], x, train=train)
        cues = Cues(self.mask.correlate(kernels["mask"], x, train=train), levels)
        return by_anchor(cls, CLASSES), by_anchor(loc, COORDINATES), cues

    def mask_at(self, cues: Cues, cell: Int[Array, "B 2"]) -> Float[Array, "B m m"]:
        """Masks of one cell each: of `cell` `[B, 2]` int32, (row, column), `[B, m, m]` logits, float32."""
        cells = cell[:, None]
        if self.refine is not None:
            return self.refine(cues.correlation, cues.levels, cells)[:, 0]
        chosen = take_windows(cues.correlation, cells, side=1, grid=cues.correlation.shape[1])[:, 0]
        side = math.isqrt(self.mask.features)
        return self.mask.read_out(chosen).reshape(-1, side, side)

    def __call__(self, exemplar: Real[Array, "B h h 3"], search: Real[Array, "B S S 3"], *,
                 train: bool = False) -> tuple[Float[Array, "B N 2"], Float[Array, "B N 4"], Float[Array, "B G G _"]]:
        """For training: `cls` and `loc` as `detect`, and the masks of all cells, `[B, G, G, m * m]` logits.

        All are refined where there is a refinement: searches of 143 px, with their nine cells, are meant for that.
        """
        cls, loc, cues = self.detect(self.embed_exemplar(exemplar, train=train), search, train=train)
        if self.refine is None:
            return cls, loc, self.mask.read_out(cues.correlation, train=train)
        if self.is_initializing():
            self.mask.read_out(cues.correlation)  # makes the parameters that published files have
        batch, grid = cues.correlation.shape[:2]
        cells = jnp.stack(jnp.meshgrid(jnp.arange(grid), jnp.arange(grid), indexing="ij"), -1).reshape(1, -1, 2)
        masks = self.refine(cues.correlation, cues.levels, jnp.tile(cells, (batch, 1, 1)))
        return cls, loc, masks.reshape(batch, grid, grid, -1)

    def _features(self, image: Array, train: bool) -> tuple[Array, tuple[Array, ...]]:
        """What is correlated, and the levels below it, coarsest first."""
        levels = self.backbone(image, train=train)
        *shallow, deep = levels if isinstance(levels, (tuple, list)) else (levels,)
        adjusted = deep if self.neck is None else self.neck(deep, train=train)
        return adjusted, tuple(reversed(shallow))
