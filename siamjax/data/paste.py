"""Copy-paste: masked objects cut out and put onto other frames, as targets that move and as distractors.

As in copy-paste for detection (Dwibedi et al., "Cut, Paste and Learn", ICCV 2017), with soft edges; here the
object turns, stretches and is mirrored a little, which makes the motion between the two frames of a pair.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as Listing
from typing import NamedTuple, TypeAlias

import numpy as np
from PIL import Image, ImageFilter

from siamjax.data.patches import context_patch, patch_scale

MARGIN = 3  # px around a cutout, for its soft edge
TURN = 0.25  # largest rotation, radians
STRETCH = 0.12  # largest change of width or height against the other, as a part
FLIP = 0.5  # probability of mirroring left to right
LIGHT = 0.3  # part by which an object's mean colour moves to that of its surroundings
SIZES = 0.6, 1.4  # of a distractor's exemplar square, against the target's
DRAWS = 8  # of a place for a distractor, until one lies in the frame
OVERLAP = 0.25  # part of the sides' sum by which a distractor may reach behind a pasted target

Window: TypeAlias = tuple[slice, slice]  # rows, columns


class Cutout(NamedTuple):
    """An object's pixels `[h, w, 3]` uint8 and mask `[h, w]` bool, with a little of what is around it."""

    pixels: np.ndarray
    mask: np.ndarray


class Sprite(NamedTuple):
    """A cutout as it is to be pasted, at the scale of the patch.

    Attributes:
      pixels: `[h, w, 3]` float32 RGB.
      alpha: `[h, w]` float32 0..1.
      box: `[4]` float32 `xywh` of what is mostly opaque (alpha 0.5 or more), px from the sprite's corner.
    """

    pixels: np.ndarray
    alpha: np.ndarray
    box: np.ndarray


def cut_out(pixels: np.ndarray, mask: np.ndarray) -> Cutout | None:
    """Cuts an object out of its frame, `[H, W, 3]` and `[H, W]`; None where the mask is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    window = tuple(
        slice(max(0, int(edge[0]) - MARGIN), min(side, int(edge[-1]) + 1 + MARGIN))
        for edge, side in ((rows, mask.shape[0]), (columns, mask.shape[1]))
    )
    return Cutout(pixels[window], mask[window])


def empty_patch(image: np.ndarray, random: np.random.Generator, *, size: int, zoom: float) -> np.ndarray:
    """A random square of a frame as a patch to paste onto, `[size, size, 3]` uint8.

    Args:
      image: `[H, W, 3]` uint8 RGB.
      random: source of the place.
      size: side of the patch, px.
      zoom: wanted patch px per image px; kept where the square then is half to 1.2 times as large as the
        frame's shorter side, so that the frame is neither blown up nor lost in its surroundings.
    """
    height, width = image.shape[:2]
    shorter = min(height, width)
    side = np.clip(size / zoom * random.uniform(0.8, 1.25), 0.5 * shorter, 1.2 * shorter)
    x, y = (
        random.uniform(side / 2, length - side / 2) if length > side else length / 2 for length in (width, height)
    )
    # A square box's exemplar square is twice as large at any context of one half.
    box = np.array([x - side / 4, y - side / 4, side / 2, side / 2])
    return context_patch(image, box, size=size, exemplar_size=size, context=0.5)[0]


def make_sprite(
    cutout: Cutout, random: np.random.Generator, *, exemplar_size: float, context: float, squeezed: bool = False
) -> Sprite | None:
    """Turns, stretches and perhaps mirrors a cutout, at the scale where its exemplar crop is as given.

    Args:
      cutout: the object.
      random: source of the change.
      exemplar_size, context, squeezed: of the new box, see `patch_scale`.

    Returns:
      The sprite; None where the object is so thin that nothing opaque is left.
    """
    pixels, mask = cutout
    angle, stretch = random.uniform(-TURN, TURN), np.exp(random.uniform(-STRETCH, STRETCH) / 2)
    mirror = -1.0 if random.random() < FLIP else 1.0
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]]) @ np.diag([mirror * stretch, 1 / stretch])
    extent = np.ptp(_rim(mask) @ turn.T, axis=0)
    scale = patch_scale(float(extent[0]), float(extent[1]), exemplar_size=exemplar_size, context=context,
                        squeezed=squeezed)

    # Blocks of whole pixels are averaged first where it shrinks by 2 or more, as `context_patch` does.
    step = max(1, int(1 / scale.max()))
    colour, cover = Image.fromarray(pixels), Image.fromarray(mask.astype(np.uint8) * 255)
    if step > 1:
        colour, cover = colour.reduce(step), cover.reduce(step)
    forward = (scale * step)[:, None] * turn
    corners = _rim(mask) / step @ forward.T
    low = np.floor(corners.min(axis=0)) - MARGIN
    width, height = (np.ceil(corners.max(axis=0)) + MARGIN - low).astype(int).tolist()
    back = np.linalg.inv(forward)
    offset = back @ low
    affine = (*back[0], offset[0], *back[1], offset[1])
    colour, cover = (
        image.transform((width, height), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR)
        for image in (colour, cover)
    )
    cover = cover.filter(ImageFilter.GaussianBlur(1.0))
    # The edge lies a little inside the mask's, so that none of the old background comes along.
    alpha = np.clip((np.asarray(cover, np.float32) / 255 - 0.4) / 0.5, 0, 1)
    box = _extent(alpha >= 0.5)
    return None if box is None else Sprite(np.asarray(colour, np.float32), alpha, box)


def paste_target(
    patch: np.ndarray, target: Sprite, others: Listing[Sprite], random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Pastes distractors and, over them, the target in the middle of a patch `[S, S, 3]` uint8.

    Returns:
      A new patch, and `[4]` float32 `xywh` of the target in it, patch px.
    """
    canvas = patch.copy()
    corner = _middle(target, len(patch))
    box = np.concatenate([corner + target.box[:2], target.box[2:]]).astype(np.float32)
    room = np.array([0, 0, len(patch), len(patch)])
    for sprite, place in _places(box, others, random, reach=1 - OVERLAP, room=room):
        _blend(canvas, sprite, place)
    _blend(canvas, target, corner)
    return canvas, box


def target_mask(target: Sprite, size: int) -> np.ndarray:
    """Mask of a target in the patch of `size` px that `paste_target` gives, where nothing lies over it.

    Returns:
      `[size, size]` uint8, how much of each pixel is the target's, 0..255.
    """
    mask = np.zeros((size, size), np.uint8)
    window, part = _meeting(mask, target, _middle(target, size))
    mask[window] = np.rint(255 * target.alpha[part])
    return mask


def paste_distractors(
    patch: np.ndarray,
    box: np.ndarray,
    others: Listing[Sprite],
    random: np.random.Generator,
    *,
    room: np.ndarray,
    mask: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Pastes objects beside the one that a patch shows; none touches its box.

    Args:
      patch: `[S, S, 3]` uint8; stays as it is.
      box: `[4]` `xywh` of the object, patch px.
      others: what to paste.
      random: source of the places.
      room: `[4]` `xywh` of the frame in the patch; centres lie inside it, if a few draws find such a place.
      mask: `[S, S]` uint8 of the object, 0..255, if it is known; stays as it is.

    Returns:
      A new patch, and a new mask without what is covered now (a mask may reach beyond a box).
    """
    canvas, left = patch.copy(), None if mask is None else mask.copy()
    for sprite, place in _places(box, others, random, reach=1.0, room=room):
        _blend(canvas, sprite, place)
        if left is not None:
            window, part = _meeting(left, sprite, place)
            left[window] = np.rint(left[window] * (1 - sprite.alpha[part]))
    return canvas, left


def _middle(target: Sprite, size: int) -> np.ndarray:
    """Corner `(x, y)`, whole px, at which a sprite's box lies in the middle of a patch of `size` px."""
    return np.rint(size / 2 - target.box[:2] - target.box[2:] / 2)


def _places(
    box: np.ndarray, others: Listing[Sprite], random: np.random.Generator, *, reach: float, room: np.ndarray
) -> Iterator[tuple[Sprite, np.ndarray]]:
    """Sprites and their corners around a box, in any direction, from next to it (`reach` 1) to half a side farther."""
    middle, low, high = box[:2] + box[2:] / 2, room[:2], room[:2] + room[2:]
    for sprite in others:
        centre = middle
        for _ in range(DRAWS):
            direction = random.uniform(0, 2 * np.pi)
            way = np.array([np.cos(direction), np.sin(direction)])
            # The boxes are apart as soon as they are along one axis; whole pixels and soft edges take 2 px more.
            near = np.min(((box[2:] + sprite.box[2:]) / 2 * reach + 2) / np.maximum(np.abs(way), 1e-6))
            centre = middle + way * (near + random.uniform(0, 0.5) * np.sqrt(box[2] * box[3]))
            if (centre >= low).all() and (centre <= high).all():
                break
        yield sprite, np.rint(centre - sprite.box[:2] - sprite.box[2:] / 2)


def _meeting(canvas: np.ndarray, sprite: Sprite, corner: np.ndarray) -> tuple[Window, Window]:
    """Where a sprite with its corner at `(x, y)` meets a canvas `[S, S, ...]`: there, and in the sprite."""
    height, width = sprite.alpha.shape
    left, top = (int(value) for value in corner)
    window = slice(max(0, top), max(0, top + height)), slice(max(0, left), max(0, left + width))
    rows, columns = window[0].start - top, window[1].start - left
    under = canvas[window].shape
    return window, (slice(rows, rows + under[0]), slice(columns, columns + under[1]))


def _blend(canvas: np.ndarray, sprite: Sprite, corner: np.ndarray) -> None:
    """Puts a sprite onto a canvas `[S, S, 3]` uint8, its corner at `(x, y)` whole px, in place."""
    window, part = _meeting(canvas, sprite, corner)
    under = canvas[window].astype(np.float32)
    alpha, pixels = sprite.alpha[part][..., None], sprite.pixels[part]
    weight = alpha.sum()
    if weight > 0:
        light = LIGHT * (under.mean(axis=(0, 1)) - (alpha * pixels).sum(axis=(0, 1)) / weight)
        under += alpha * (np.clip(pixels + light, 0, 255) - under)
        canvas[window] = np.rint(under)


def _rim(mask: np.ndarray) -> np.ndarray:
    """`[n, 2]` corners (x, y), px, of the first and last pixel of a mask in each of its rows."""
    rows = np.flatnonzero(mask.any(axis=1))
    left, right = mask[rows].argmax(axis=1), mask.shape[1] - mask[rows, ::-1].argmax(axis=1)
    return np.stack(
        [np.concatenate([left, left, right, right]), np.concatenate([rows, rows + 1, rows, rows + 1])], axis=1
    ).astype(np.float64)


def _extent(mask: np.ndarray) -> np.ndarray | None:
    """`[4]` float32 `xywh` around a mask's pixels; None where it has none."""
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(ys):
        return None
    return np.array([xs[0], ys[0], xs[-1] - xs[0] + 1, ys[-1] - ys[0] + 1], np.float32)
