"""A mask for every cell of a region-proposal net, drawn round the box that the net proposes there.

SiamMask reads a mask from a correlation of deep features, which takes a hundred thousand objects to learn. With few
at hand it is better to learn from what is alike for any object: where the search looks like which part of the
exemplar, where the proposed box lies, and where colours change. The trunk has no padding, so the window of a cell
has the features that an exemplar in its place would have, at every level.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import struct

from siamjax.fields import Channels, Lowering, Within
from siamjax.nets.layers import ConvNorm, Part
from siamjax.nets.mask_heads import take_windows
from siamjax.nets.rpn_heads import CLASSES, COORDINATES
from siamjax.nets.siamrpn import by_anchor
from siamjax.ops import anchors
from siamjax.ops.anchors import AnchorConfig
from siamjax.precision import PARITY, Precision
from siamjax.types import Array, Float, Int, Real, Tree

EPSILON = 1e-6
MAX_STRETCH = 2.0  # logarithm, of a box to its anchor


class Lattice(NamedTuple):
    """Where the `side` x `side` cells of a level lie in a window: cell `i` at pixel `first + step * i`."""

    first: int
    step: int
    side: int


PIXELS, HALVES = Lattice(0, 1, 127), Lattice(0, 2, 64)
# Of the first, second and last stage of `nets.alexnet.V1`.
FINE, MIDDLE, DEEP = Lattice(7, 4, 29), Lattice(19, 8, 12), Lattice(43, 8, 6)


@struct.dataclass
class GuidedCues:
    """The features from which the mask of any cell is drawn.

    Attributes:
      exemplar: features of the exemplar at `MIDDLE` and `DEEP`, `[B, h, h, C]`.
      levels: the search at `PIXELS`, `FINE`, `MIDDLE` and `DEEP`, `[B, W, W, C]`.
      boxes: `[B, G, G, 4]` of each cell's likeliest proposal, `cxcywh`, pixels from the middle of its window.
    """

    exemplar: tuple[Array, ...]
    levels: tuple[Array, ...]
    boxes: Array


class GuidedMask(nn.Module):
    """A region-proposal net with masks: `nets.siamrpn.SiamRPN` on an AlexNet, and a `Segment`.

    It has the methods of `nets.siammask.SiamMask`, and `trackers.siammask` tracks with it.

    Attributes:
      backbone: `AlexNet(used_stages=(1, 2, 5))` of `V1`'s geometry.
      head: classes and boxes, as in `SiamRPN`.
      segment: draws the masks.
      anchors: of the head.
    """

    backbone: nn.Module
    head: Part
    segment: nn.Module
    anchors: AnchorConfig = AnchorConfig()

    def embed_exemplar(self, image: Real[Array, "B S S 3"], *, train: bool = False) -> dict[str, Tree]:
        """What is kept of exemplars `[B, 127, 127, 3]`, 0..255: a tree of `[B, h, w, C]`."""
        _, middle, deep = self.backbone(image, train=train)
        return {"head": self.head.kernels(deep, train=train), "mask": (middle, deep)}

    def detect(self, kernels: dict[str, Tree], image: Real[Array, "B S S 3"], *,
               train: bool = False) -> tuple[Float[Array, "B N 2"], Float[Array, "B N 4"], GuidedCues]:
        """Proposals for searches `[B, S, S, 3]`, 0..255, as `SiamRPN.detect`, and the cues for `mask_at`."""
        levels = self.backbone(image, train=train)
        cls, loc = self.head(kernels["head"], levels[-1], train=train)
        boxes = self.likeliest(cls, loc)
        cues = GuidedCues(kernels["mask"], (image, *levels), boxes)
        return by_anchor(cls, CLASSES), by_anchor(loc, COORDINATES), cues

    def mask_at(self, cues: GuidedCues, cell: Int[Array, "B 2"]) -> Float[Array, "B m m"]:
        """Masks of one cell each: of `cell` `[B, 2]` int32, (row, column), `[B, 127, 127]` logits, float32."""
        return self._masks(cues, cell[:, None], train=False)[:, 0]

    def __call__(self, exemplar: Real[Array, "B h h 3"], search: Real[Array, "B S S 3"], *,
                 train: bool = False) -> tuple[Float[Array, "B N 2"], Float[Array, "B N 4"], Float[Array, "B G G _"]]:
        """For training: `cls` and `loc` as `detect`, and the masks of all cells, `[B, G, G, 127 * 127]` logits."""
        cls, loc, cues = self.detect(self.embed_exemplar(exemplar, train=train), search, train=train)
        batch, grid = cues.boxes.shape[:2]
        cells = jnp.stack(jnp.meshgrid(jnp.arange(grid), jnp.arange(grid), indexing="ij"), -1).reshape(1, -1, 2)
        masks = self._masks(cues, jnp.tile(cells, (batch, 1, 1)), train=train)
        return cls, loc, masks.reshape(batch, grid, grid, -1)

    def likeliest(self, cls: Float[Array, "B G G _"], loc: Float[Array, "B G G _"]) -> Float[Array, "B G G 4"]:
        """`GuidedCues.boxes` of the head's maps `[B, G, G, 2 A]` and `[B, G, G, 4 A]`."""
        best = cls.reshape(*cls.shape[:3], CLASSES, -1)[..., 1, :].argmax(-1)
        loc = loc.reshape(*loc.shape[:3], COORDINATES, -1).swapaxes(-1, -2)
        loc = jnp.take_along_axis(loc, best[..., None, None], axis=-2)[..., 0, :]
        return anchors.decode(jnp.asarray(anchors.make_anchors(self.anchors, 1))[best],
                              jnp.clip(loc, -MAX_STRETCH, MAX_STRETCH))

    def windows(self, cues: GuidedCues, cells: Int[Array, "B K 2"]) -> tuple[
            tuple[Float[Array, "N _ _ _"], ...], tuple[Float[Array, "N _ _ _"], ...], Float[Array, "N 4"]]:
        """What `segment` is given for `cells` `[B, K, 2]`, (row, column): each a leaf of `B * K` rows."""
        batch, chosen, _ = cells.shape
        grid = cues.boxes.shape[1]

        def cut(x, side, stride):
            x = take_windows(x, cells, side=side, stride=stride, grid=grid)
            return x.reshape(batch * chosen, *x.shape[2:])

        levels = tuple(cut(level, place.side, self.anchors.stride // place.step)
                       for level, place in zip(cues.levels, (PIXELS, FINE, MIDDLE, DEEP), strict=True))
        exemplar = tuple(jnp.repeat(z, chosen, axis=0) for z in cues.exemplar)
        return exemplar, levels, cut(cues.boxes, 1, 1)[:, 0, 0]

    def _masks(self, cues: GuidedCues, cells: Array, *, train: bool) -> Array:
        """Logits `[B, K, 127, 127]` of `cells` `[B, K, 2]`."""
        masks = self.segment(*self.windows(cues, cells), train=train)
        return masks.reshape(*cells.shape[:2], PIXELS.side, PIXELS.side)


class Segment(nn.Module):
    """Masks of windows: similarities and box first, at an eighth of the resolution, then finer features.

    At a quarter, every cell also takes in what the cells that look like it were taken for (an attention whose keys
    are colours and textures of the window itself): what is learned there is no object's look.

    Attributes:
      hidden: channels at an eighth of the resolution.
      widths: channels at a quarter and at half of it.
      precision, axis_name, lowering, prepared: see `ConvNorm`.
    """

    hidden: Channels = 64
    widths: Annotated[tuple[int, int], Within(1, 4096)] = (32, 16)
    precision: Precision = PARITY
    axis_name: str | None = None
    lowering: Lowering = "auto"
    prepared: bool = False

    @nn.compact
    def __call__(self, exemplar: tuple[Float[Array, "K _ _ _"], ...], levels: tuple[Float[Array, "K _ _ _"], ...],
                 box: Float[Array, "K 4"], *, train: bool = False) -> Float[Array, "K m m"]:
        """Maps features of windows to logits `[K, 127, 127]`, float32.

        Args:
          exemplar: `[K, 12, 12, C]` and `[K, 6, 6, C]`.
          levels: of the window at `PIXELS`, `FINE`, `MIDDLE` and `DEEP`, `[K, side, side, C]`.
          box: `cxcywh`, pixels from the window's middle.
        """
        chex.assert_rank([*exemplar, *levels], 4)

        def layer(x, features, name, size=3, relu=True, **kind):
            kind = {"padding": size // 2, "use_bias": False, **kind}
            x = ConvNorm(features, size, precision=self.precision, axis_name=self.axis_name,
                         lowering=self.lowering, prepared=self.prepared, name=name, **kind)(x, train=train)
            return jax.nn.relu(x) if relu else x

        image, fine, middle, deep = levels
        quarter, half = self.widths
        y = jnp.concatenate([
            similarity(exemplar[0], middle), resample(similarity(exemplar[1], deep), DEEP, MIDDLE),
            layer(middle, self.hidden, "middle", 1), box_maps(box, MIDDLE)], -1)
        y = layer(y, self.hidden, "coarse0")
        y = layer(y, self.hidden, "coarse1", padding=2, dilation=2)
        y = layer(y, self.hidden, "coarse2")

        y = jnp.concatenate([resample(y, MIDDLE, FINE), layer(fine, quarter, "fine", 1), box_maps(box, FINE)], -1)
        y = layer(y, quarter, "quarter0")
        look = layer(fine, quarter, "look", 1, relu=False)
        y = jnp.concatenate([y, alike(look, resample(look, FINE, MIDDLE), resample(y, FINE, MIDDLE))], -1)
        y = layer(y, quarter, "quarter1")

        pixels = layer(image, half, "pixels", 5, stride=HALVES.step)
        y = jnp.concatenate([resample(y, FINE, HALVES), pixels, box_maps(box, HALVES)], -1)
        y = layer(y, half, "half0")
        y = layer(y, half, "half1")
        y = layer(y, 1, "out", relu=False, norm=None, use_bias=True)
        return resample(y, HALVES, PIXELS)[..., 0].astype(jnp.float32)


def similarity(z: Float[Array, "K h w C"], x: Float[Array, "K H W C"]) -> Float[Array, "K H W h*w"]:
    """Cosine of each pixel of `x` `[K, H, W, C]` with each pixel of `z` `[K, h, w, C]`: `[K, H, W, h * w]`.

    Both less the mean of `z`: features of one sign would all look alike.
    """
    mean = z.mean((1, 2), keepdims=True)
    z, x = unit(z - mean), unit(x - mean)
    return jnp.einsum("khwc,knc->khwn", x, z.reshape(len(z), -1, z.shape[-1]))


def alike(query: Float[Array, "K H W C"], key: Float[Array, "K h w C"],
          value: Float[Array, "K h w V"]) -> Float[Array, "K H W V"]:
    """Attention of `query` `[K, H, W, C]` to `key` `[K, h, w, C]`: the mean of `value` `[K, h, w, V]` by likeness."""
    key, value = (x.reshape(len(x), -1, x.shape[-1]) for x in (key, value))
    likeness = jnp.einsum("khwc,knc->khwn", query, key) * query.shape[-1] ** -0.5
    return jnp.einsum("khwn,knv->khwv", jax.nn.softmax(likeness), value)


def box_maps(box: Float[Array, "K 4"], place: Lattice) -> Float[Array, "K _ _ 3"]:
    """How far within boxes `[K, 4]` the cells of a lattice lie, `[K, side, side, 3]`.

    1 on the middle line, 0 on the rim and -1 from half a side beyond: across, down, and the lesser of both.
    """
    cells = jnp.asarray(place.first + place.step * np.arange(place.side) - PIXELS.side // 2, jnp.float32)
    across, down = (jnp.clip(1 - jnp.abs(cells[None] - box[:, None, axis]) / (box[:, None, 2 + axis] / 2 + EPSILON),
                             -1, 1) for axis in (0, 1))
    maps = jnp.broadcast_arrays(across[:, None], down[:, :, None])
    return jnp.stack([*maps, jnp.minimum(*maps)], -1)


def resample(x: Float[Array, "K H W C"], source: Lattice, target: Lattice) -> Float[Array, "K _ _ C"]:
    """Features `[K, H, W, C]` of one lattice at the places of another, bilinear; beyond the rim its nearest."""
    place = (target.first + target.step * np.arange(target.side) - source.first) / source.step
    place = np.clip(place, 0, source.side - 1)
    weights = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(source.side))).astype(np.float32)
    weights = jnp.asarray(weights, x.dtype)
    return jnp.einsum("xj,kyjc->kyxc", weights, jnp.einsum("yi,kijc->kyjc", weights, x))


def unit(x: Float[Array, "*N D"]) -> Float[Array, "*N D"]:
    """`x` with vectors of length 1 in its last axis."""
    return x / (jnp.linalg.norm(x.astype(jnp.float32), axis=-1, keepdims=True) + EPSILON).astype(x.dtype)
