"""Augmentation on the device: one bilinear sampling an image, from context patches to the crops of a net."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from siamjax import rngs
from siamjax.data.config import AugmentConfig, Jitter
from siamjax.types import Array, PairBatch, TrainPair

__all__ = ["AugmentConfig", "make_augment", "sample_window", "window_box"]

# The RGB rows of PySOT's colour matrix: an image gets minus this times three normal numbers.
COLOUR = (
    (-0.55919361, 0.98062831, -0.41940627),
    (1.72091413, 0.19879334, -1.82968581),
    (4.64467907, 4.73710203, 4.88324118),
)
GREY = (0.299, 0.587, 0.114)
MAX_BLUR = 45  # px; PySOT draws odd sizes from 5 to this


def make_augment(config: AugmentConfig) -> Callable[[Array, PairBatch], TrainPair]:
    """The function `(key, PairBatch) -> TrainPair` of a recipe; pure, to be traced into the step.

    Each sample's key is `key` with its `index` folded in, so what happens to a sample does not depend on the
    batch or device it is in. Boxes and masks move with the pixels; boxes are not clipped to the crop. What a
    crop wants beyond its patch has the patch's mean colour, and is no part of the object. Colours may leave
    0..255, as PySOT's do.
    """

    def one(key: Array, sample: PairBatch) -> TrainPair:
        key = jax.random.fold_in(key, sample.index)
        # What is off draws no numbers: each draw costs compile time, and named streams do not shift others.
        flipped = config.flip and jax.random.bernoulli(rngs.stream(key, "flip"), float(config.flip))
        grey = config.grey and jax.random.bernoulli(rngs.stream(key, "grey"), float(config.grey))

        def turned(crop):
            return jnp.where(flipped, crop[:, ::-1], crop) if config.flip else crop

        def image(name, patch, box, mask, size, jitter):
            shift, scale = _draw_window(rngs.stream(key, name), jitter)
            crop = turned(sample_window(patch, shift, scale, size))
            box = window_box(box, patch.shape[0], shift, scale, size)
            if config.flip:
                box = jnp.where(flipped, box.at[0].set(size - box[0] - box[2]), box)
            if mask is not None:
                mask = turned(sample_window(mask[..., None], shift, scale, size, border=jnp.zeros(1)))[..., 0] / 255
            if config.grey:
                crop = jnp.where(grey, _grey(crop), crop)
            return _recolour(rngs.stream(key, name, 1), crop, jitter), box, mask

        exemplar, exemplar_box, _ = image(
            "exemplar", sample.exemplar, sample.exemplar_box, None, config.exemplar_size, config.exemplar
        )
        search, search_box, mask = image(
            "search", sample.search, sample.search_box, sample.search_mask, config.search_size, config.search
        )
        return TrainPair(exemplar, search, exemplar_box, search_box, sample.similar, sample.index,
                         rngs.stream(key, "objective"), mask, sample.masked, sample.identity)

    return jax.vmap(one, in_axes=(None, 0))


def sample_window(
    patch: Array, shift: Array, scale: Array, size: int, *, border: Array | None = None
) -> Array:
    """Samples a window of a patch bilinearly, in float32.

    Args:
      patch: `[S, S, C]`, any dtype, 0..255.
      shift: `[2]` (x, y) of the window's centre from the patch's, crop px.
      scale: `[2]` (x, y) patch px per crop px.
      size: side of the crop, px.
      border: `[C]` colour outside the patch, None for its mean.

    Returns:
      `[size, size, C]` float32.
    """
    pixels = patch.astype(jnp.float32)
    border = pixels.mean(axis=(0, 1)) if border is None else border
    side = patch.shape[0]
    crop_px = jnp.arange(size) + 0.5 - size / 2
    position = side / 2 + (crop_px[None] + shift[:, None]) * scale[:, None] - 0.5  # [2, size], x then y
    rows = _sample_rows(pixels, position[1], border)
    return _sample_rows(rows.swapaxes(0, 1), position[0], border).swapaxes(0, 1)


def window_box(box: Array, side: int, shift: Array, scale: Array, size: int) -> Array:
    """The box `[4]` `xywh`, patch px, in px of the crop that `sample_window` cuts."""
    corner = (box[:2] - side / 2) / scale - shift + size / 2
    return jnp.concatenate([corner, box[2:] / scale])


def _sample_rows(pixels: Array, position: Array, border: Array) -> Array:
    """Linear samples `[n, W, C]` of the rows of `[H, W, C]` at `position` `[n]`, `border` `[C]` beyond them."""
    height = pixels.shape[0]
    floor = jnp.floor(position)
    fraction = position - floor
    first = floor.astype(jnp.int32)
    result, inside = 0.0, 0.0
    for index, weight in ((first, 1 - fraction), (first + 1, fraction)):
        weight = jnp.where((index >= 0) & (index < height), weight, 0.0)
        result += pixels[jnp.clip(index, 0, height - 1)] * weight[:, None, None]
        inside += weight
    return result + (1 - inside)[:, None, None] * border[None, None]


def _draw_window(key: Array, jitter: Jitter) -> tuple[Array, Array]:
    """Shift `[2]` in crop px and scale `[2]` in patch px per crop px."""
    draw = jax.random.uniform(key, (4,), minval=-1.0)
    stretch = 1 + jitter.stretch * (draw[2:] if jitter.per_axis else jnp.broadcast_to(draw[2], (2,)))
    return jitter.shift * draw[:2], 1 / stretch


def _grey(crop: Array) -> Array:
    level = jnp.sum(crop * jnp.array(GREY)[None, None], axis=-1, keepdims=True)
    return jnp.broadcast_to(level, crop.shape)


def _recolour(key: Array, crop: Array, jitter: Jitter) -> Array:
    def chance(name, probability):
        return jax.random.bernoulli(rngs.stream(key, name), float(probability))

    if jitter.colour:
        noise = jnp.array(COLOUR) @ jax.random.normal(rngs.stream(key, "colour", 1), (3,))
        crop = crop - jnp.where(chance("colour", jitter.colour), noise, 0.0)[None, None]
    if jitter.contrast or jitter.brightness:
        light, contrast = jax.random.uniform(rngs.stream(key, "light"), (2,), minval=-1.0)
        mean = crop.mean(axis=(0, 1))[None, None]
        crop = (crop - mean) * (1 + contrast * jitter.contrast) + mean + light * jitter.brightness
    if jitter.blur:
        crop = jnp.where(chance("blur", jitter.blur), _motion_blur(rngs.stream(key, "blur", 1), crop), crop)
    return crop


def _motion_blur(key: Array, crop: Array) -> Array:
    """PySOT's blur: a box filter along y and one along x, mixed by a random weight, borders mirrored."""
    size_key, weight_key = jax.random.split(key)
    radius = jax.random.randint(size_key, (), 2, MAX_BLUR // 2 + 1)
    weight = jax.random.uniform(weight_key)
    across = _box_filter(crop.swapaxes(0, 1), radius).swapaxes(0, 1)
    return weight * _box_filter(crop, radius) + (1 - weight) * across


def _box_filter(crop: Array, radius: Array) -> Array:
    """Mean of the `2 radius + 1` rows around each; a difference of running sums, as the radius is traced."""
    margin = MAX_BLUR // 2
    rows = jnp.pad(crop, ((margin, margin), (0, 0), (0, 0)), mode="reflect")
    # Sums of the deviations stay small, so float32 keeps the differences exact enough.
    mean = rows.mean()
    sums = jnp.pad(jnp.cumsum(rows - mean, axis=0), ((1, 0), (0, 0), (0, 0)))
    middle = jnp.arange(crop.shape[0]) + margin
    return (sums[middle + radius + 1] - sums[middle - radius]) / (2 * radius + 1) + mean
