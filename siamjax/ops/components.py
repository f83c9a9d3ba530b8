"""Connected pieces of a binary image: no contour is traced, every round is a few operations on whole arrays.

Each pixel starts with a name of its own. In a round it takes the greatest name among its neighbours of the same
kind, tells it to the pixel whose name it had, and then takes the name that the pixel of its new name has by now,
twice. So names travel several times as far in every round: blobs are done in some 6 rounds, mazes in a few more,
and the rounds go on until nothing changes. The result is exact, whatever the shape.
Source: the hooking and shortcutting of Shiloach and Vishkin (1982), as FastSV (Zhang et al. 2020) has them.
"""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp
from jax import lax

from siamjax.types import Array, Bool, Float, Int


def label(inside: Bool[Array, "N h w"]) -> Int[Array, "N h+2 w+2"]:
    """Names every connected piece of binary images, and every piece of their backgrounds.

    Returns:
      `[N, h + 2, w + 2]` int32, the images in rims of background one pixel wide. Pixels of a piece share a number
      that no other piece of any image has: positive inside (8-connected), negative in the background
      (4-connected). It is one more than the index, in reading order through all images, of the piece's last pixel.
      The rims, and what of the backgrounds meets them, are one piece throughout.
    """
    chex.assert_rank(inside, 3)
    rimmed = jnp.pad(inside, ((0, 0), (1, 1), (1, 1)))
    width, count = rimmed.shape[2], rimmed.size
    # Flat, so that neighbours are plain slices. Where a row's end meets the next one's start, or an image's end the
    # next image, both are rim.
    kind = rimmed.reshape(-1)
    own = 1 + jnp.arange(count, dtype=jnp.int32)
    beside, corners = (-width, -1, 1, width), (-width - 1, -width + 1, width - 1, width + 1)

    def spread(carry):
        names, _ = carry
        padded = jnp.pad(names, width + 1)
        near, far = ([lax.slice(padded, (width + 1 + k,), (width + 1 + k + count,)) for k in offsets]
                     for offsets in (beside, corners))
        # Positive and negative names do not mix: a neighbour of the other kind loses against one's own name.
        most, least = names, names
        for other in near:
            most, least = jnp.maximum(most, other), jnp.minimum(least, other)
        for other in far:
            most = jnp.maximum(most, other)
        reached = jnp.abs(jnp.where(kind, most, least))
        told = reached.at[jnp.abs(names) - 1].max(reached)
        jumped = told[told[told - 1] - 1]
        signed = jnp.where(kind, jumped, -jumped)
        return signed, jnp.any(signed != names)

    start = jnp.where(kind, own, -own), jnp.array(True)
    return lax.while_loop(lambda carry: carry[1], spread, start)[0].reshape(rimmed.shape)


@jax.custom_batching.custom_vmap
def largest_outline(inside: Bool[Array, "h w"]) -> tuple[Bool[Array, "h w"], Float[Array, ""]]:
    """The piece with the largest outline, its holes (and what lies in them) filled.

    Args:
      inside: Pieces are 8-connected and holes 4-connected, as OpenCV's external contours have it.
    Returns:
      `[h, w]` bool, empty where the image is, and the area `[]` float32 within the polygon through the outermost
      pixel centres, OpenCV's `contourArea`. Ties go to the piece whose last pixel in reading order comes first.
    """
    pieces, areas = _largest_outlines(inside[None])
    return pieces[0], areas[0]


@largest_outline.def_vmap
def _many(count: int, batched: list[bool], inside: Array):
    """All images of a `vmap` in one: batched gathers would take five times as long on the CPU."""
    del count, batched  # the one argument is
    return _largest_outlines(inside), (True, True)


def _largest_outlines(inside: Array) -> tuple[Array, Array]:
    """`largest_outline` of images `[N, h, w]`."""
    names = label(inside)
    outside = names == names[:, :1, :1]
    own = names[:, 1:-1, 1:-1]
    # Along a row a piece is entered from the outside and left to the outside, whatever holes lie between.
    enters, leaves = inside & outside[:, 1:-1, :-2], inside & outside[:, 1:-1, 2:]
    column = jnp.arange(inside.shape[2], dtype=jnp.int32)[None, None]
    pixels = jnp.where(leaves, column + 1, 0) - jnp.where(enters, column, 0)
    # Between four pixels lies a cell, a quarter of it in each. The polygon has all, half or nothing of it, for four,
    # three or fewer pixels of the piece: so much less than the pixels' quarters, in quarters. Cells of two pieces
    # there are none.
    squares = _of_four(~outside, jnp.add)
    excess = jnp.where((squares == 1) | (squares == 3), 1, jnp.where(squares == 2, 2, 0))
    quarters = jnp.zeros(names.size + 1, jnp.int32)
    for piece, share in ((own, 4 * pixels), (_of_four(names, jnp.maximum), -excess)):
        quarters = quarters.at[jnp.maximum(piece, 0).reshape(-1)].add(share.reshape(-1))
    last_pixel = own == 1 + jnp.arange(names.size, dtype=jnp.int32).reshape(names.shape)[:, 1:-1, 1:-1]
    found = jnp.where(last_pixel, quarters[1:].reshape(names.shape)[:, 1:-1, 1:-1], -1)
    most = jnp.max(found, axis=(1, 2), keepdims=True)
    mine = inside & (own == jnp.min(jnp.where(found == most, own, names.size + 1), axis=(1, 2), keepdims=True))
    steps = jnp.pad((mine & enters).astype(jnp.int32), ((0, 0), (0, 0), (0, 1)))
    steps = steps.at[:, :, 1:].add(-(mine & leaves).astype(jnp.int32))
    return jnp.cumsum(steps, axis=2)[:, :, :-1] > 0, jnp.maximum(most[:, 0, 0], 0) / 4


def _of_four(image: Array, join) -> Array:
    """`join` of the four pixels round each corner that pixels share: `[N, H, W]` to `[N, H - 1, W - 1]`."""
    image = image.astype(jnp.int32)
    return join(join(image[:, :-1, :-1], image[:, :-1, 1:]), join(image[:, 1:, :-1], image[:, 1:, 1:]))
