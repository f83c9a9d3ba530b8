"""A mask of what one crop shows, on a tracker's own trunk: the crop is cut round a box that is already known.

A tracker's search crop is coarse, five widths of the target in 256 px. So the mask has a small pass through the trunk
of its own, on a crop that the target fills. Where the target is in it is then known to a fraction of its size, and
what remains is where it ends: for that there are the pretrained features of all levels, colours, and what was target
and what was not in the crop that the target was given by.
"""

from __future__ import annotations

from typing import Annotated

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import struct

from siamjax.fields import Length, Lowering, Margin, Within
from siamjax.nets.guided_mask import alike, unit
from siamjax.nets.layers import ConvNorm, Part
from siamjax.nets.siamrpn import SiamRPN
from siamjax.precision import PARITY, Precision
from siamjax.types import Array, Float, Leaf, Real

SHARPNESS = 10.0  # factor of a cosine: how much the likest parts count before the others


@struct.dataclass
class Memory:
    """What is kept of the given target.

    Attributes:
      features: of its crop at the two coarsest levels, `[B, h, w, C]`.
      likely: how likely its pixels were the target's, `[B, m, m, 1]`, 0..1.
    """

    features: tuple[Leaf, ...]
    likely: Leaf


class MaskedRPN(SiamRPN):
    """A tracker's net with masks of crops: `nets.siamrpn.SiamRPN` on an inverted trunk, and a `CropSegment`.

    Attributes:
      backbone, head, neck: as in `SiamRPN`, which tracks with them.
      segment: draws the masks.
      used_stages: of the trunk, whose features `segment` gets: at strides 4, 8 and 16.
    """

    segment: Part = None
    used_stages: Annotated[tuple[int, ...], Length(3, 3), Within(0, 64)] = (4, 8, 16)

    def remember(self, crop: Real[Array, "B S S 3"]) -> Memory:
        """What is kept of crops of the given target `[B, S, S, 3]`, 0..255."""
        return remembered(self.segment, crop, self.levels(crop))

    def mask(self, memory: Memory, crop: Real[Array, "B S S 3"], *, train: bool = False) -> Float[Array, "B _ _"]:
        """Masks `[B, S/2, S/2]` of crops `[B, S, S, 3]`, 0..255: logits, float32."""
        return self.segment(crop, self.levels(crop), memory, train=train)

    def __call__(self, exemplar: Real[Array, "B h h 3"], search: Real[Array, "B S S 3"], *,
                 train: bool = False) -> Float[Array, "B _ _"]:
        """For training: masks of `search`, for the targets that `exemplar` shows, see `mask`."""
        self.detect(self.embed_exemplar(exemplar), search)  # for its parameters; `jit` leaves out what nobody uses
        return self.mask(jax.lax.stop_gradient(self.remember(exemplar)), search, train=train)

    def levels(self, image: Real[Array, "B S S 3"]) -> tuple[Float[Array, "B _ _ _"], ...]:
        """Features of images at `used_stages`."""
        return self.backbone(image, stages=self.used_stages)


class CropSegment(nn.Module):
    """Masks of crops, from coarse to fine.

    At a quarter of the resolution every cell also hears what the cells that look like it were taken for (an attention
    whose keys are colours and textures of the crop itself): what is learned there is no object's look.

    Attributes:
      widths: channels at a sixteenth, an eighth, a quarter and half of the resolution.
      margin: how much a crop shows on each side of the box, as a share of the box's side.
      blank: in training, of so many crops one is drawn without its memory; 0 for none.
      precision, axis_name, lowering, prepared: see `ConvNorm`.
    """

    widths: Annotated[tuple[int, ...], Length(4, 4), Within(1, 4096)] = (64, 48, 24, 12)
    margin: Margin = 0.3
    blank: Annotated[int, Within(0, 1024)] = 4
    precision: Precision = PARITY
    axis_name: str | None = None
    lowering: Lowering = "auto"
    prepared: bool = False

    @nn.compact
    def __call__(self, crop: Real[Array, "B S S 3"], levels: tuple[Float[Array, "B _ _ _"], ...], memory: Memory | None,
                 *, train: bool = False) -> Float[Array, "B _ _"]:
        """Maps crops `[B, S, S, 3]`, 0..255, and their features at strides 4, 8 and 16 to logits `[B, S/2, S/2]`.

        Args:
          memory: of the given target; None where it is still to be found out.
        """
        chex.assert_rank([crop, *levels], 4)

        def layer(x, features, name, size=3, relu=True, **kind):
            kind = {"padding": size // 2 * kind.get("dilation", 1), "use_bias": False, **kind}
            x = ConvNorm(features, size, precision=self.precision, axis_name=self.axis_name,
                         lowering=self.lowering, prepared=self.prepared, name=name, **kind)(x, train=train)
            return jax.nn.relu(x) if relu else x

        quarter, eighth, deep = levels
        widths = self.widths
        pixels = (crop - 127.5) / 64

        def known(level, stored):
            """Likeness of a level to what is remembered of it."""
            if memory is None:
                return jnp.zeros((*level.shape[:3], 3))
            maps = likeness(level, memory.features[stored], shrunk(memory.likely, memory.features[stored].shape[1]))
            if train and self.blank:
                maps = jnp.where((jnp.arange(len(maps)) % self.blank == 0)[:, None, None, None], 0, maps)
            return maps

        def place(x):
            return box_maps(x.shape[1], self.margin, len(x))

        y = jnp.concatenate([deep, known(deep, 1), place(deep)], -1)
        y = layer(y, widths[0], "deep0")
        y = layer(y, widths[0], "deep1")
        y = layer(y, widths[1], "deep2", 1)

        y = jnp.concatenate([doubled(y), eighth, known(eighth, 0), place(eighth)], -1)
        y = layer(y, widths[1], "eighth0")
        y = layer(y, widths[1], "eighth1")
        y = layer(y, widths[2], "eighth2", 1)

        y = jnp.concatenate([doubled(y), quarter, place(quarter)], -1)
        y = layer(y, widths[2], "quarter0")
        look = layer(jnp.concatenate([quarter, pixels[:, ::4, ::4]], -1), widths[2], "look", 1, relu=False)
        y = jnp.concatenate([y, alike(look, look[:, ::2, ::2], y[:, ::2, ::2])], -1)
        y = layer(y, widths[2], "quarter1")
        y = layer(y, widths[3], "quarter2", 1)

        y = jnp.concatenate([doubled(y), layer(pixels, widths[3], "pixels", 5, stride=2)], -1)
        y = layer(y, widths[3], "half0")
        y = layer(y, widths[3], "half1")
        y = layer(y, 1, "out", relu=False, norm=None, use_bias=True)
        return y[..., 0].astype(jnp.float32)


def remembered(segment: Part, crop: Real[Array, "B S S 3"], levels: tuple[Float[Array, "B _ _ _"], ...]) -> Memory:
    """What is kept of a target that `segment` draws in its own crop, without a memory."""
    return Memory(levels[-2:], jax.nn.sigmoid(segment(crop, levels, None))[..., None])


def likeness(x: Float[Array, "B H W C"], z: Float[Array, "B h w C"],
             likely: Float[Array, "B h w 1"]) -> Float[Array, "B H W 3"]:
    """How like every cell of `x` `[B, H, W, C]` is to what was the target in `z` `[B, h, w, C]`: `[B, H, W, 3]`.

    Args:
      likely: `[B, h, w, 1]` that a cell of `z` is the target's, 0..1.
    Returns:
      The mean of `likely` by likeness, and the likeness, about -1..1, to the likest parts of the target and of the
      rest. Features are less the mean of `z`: those of one sign would all look alike.
    """
    mean = z.mean((1, 2), keepdims=True)
    z, x = unit(z - mean), unit(x - mean)
    cosine = SHARPNESS * jnp.einsum("bhwc,bnc->bhwn", x, z.reshape(len(z), -1, z.shape[-1]))
    likely = likely.reshape(len(z), 1, 1, -1)
    weights = jnp.stack([likely, 1 - likely])
    target, rest = jax.nn.logsumexp(cosine[None], -1, b=weights + 1e-4)
    return jnp.stack([jax.nn.sigmoid(target - rest), (target - 3) / SHARPNESS, (rest - 3) / SHARPNESS], -1)


def shrunk(x: Float[Array, "B H H C"], side: int) -> Float[Array, "B {side} {side} C"]:
    """Maps `[B, H, H, C]` on the coarser grid of `side` cells, each the mean of those round its place."""
    step = x.shape[1] // side
    if step == 1:
        return x
    before, after = step // 2, (step - 1) // 2  # of the cells round a place; one more before it where they are even
    x = jnp.pad(x, ((0, 0), (before, after), (before, after), (0, 0)), mode="edge")
    taps = [x[:, i:i + side * step:step, j:j + side * step:step] for i in range(step) for j in range(step)]
    return jnp.stack(taps).mean(0)


def doubled(x: Float[Array, "B H W C"]) -> Float[Array, "B _ _ C"]:
    """Features `[B, H, W, C]` at twice the resolution, bilinear: cell `i` lies at `2 i`."""
    for axis in (1, 2):
        after = jnp.concatenate([jax.lax.slice_in_dim(x, 1, None, axis=axis),
                                 jax.lax.slice_in_dim(x, x.shape[axis] - 1, None, axis=axis)], axis)
        x = jnp.stack([x, (x + after) / 2], axis + 1)
        x = x.reshape(*x.shape[:axis], -1, *x.shape[axis + 2:])
    return x


def box_maps(side: int, margin: float, batch: int) -> Float[Array, "{batch} {side} {side} 3"]:
    """How far within the box the cells of a crop lie, `[batch, side, side, 3]`, see `guided_mask.box_maps`."""
    half = 0.5 / (1 + 2 * margin)
    line = np.clip(1 - np.abs(np.arange(side) / side - 0.5) / half, -1, 1).astype(np.float32)
    maps = np.broadcast_arrays(line[None], line[:, None])
    maps = np.stack([*maps, np.minimum(*maps)], -1)
    return jnp.broadcast_to(jnp.asarray(maps)[None], (batch, side, side, 3))
