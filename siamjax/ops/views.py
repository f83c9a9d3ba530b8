"""Views: what one side of a net with two inputs takes: images, edge sketches of them, or words."""

from __future__ import annotations

import dataclasses
import re
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np

from siamjax import fields
from siamjax.errors import ConfigError, DataError
from siamjax.fields import Length, Pixels
from siamjax.types import Array, Float, Int, Real

GREY = (0.299, 0.587, 0.114)  # of ITU-R BT.601
MODALITIES = ("image", "sketch", "words")


@dataclasses.dataclass(frozen=True)
class View:
    """What one side takes.

    Attributes:
      modality: "image": `[B, size, size, 3]` float32, 0..255; "sketch": `[B, size, size, 1]` float32 of edges, 0..255;
        "words": `[B, size]` int32 tokens, 0 where there is no word.
      size: side of images and sketches, px; number of words.
      vocabulary: the words, of which token `n` is number `n - 1`; of the modality "words" alone.
    """

    modality: Literal["image", "sketch", "words"] = "image"
    size: Pixels = 127
    vocabulary: Annotated[tuple[str, ...], Length(0, 1_000_000)] = ()

    def __post_init__(self):
        fields.check(self)
        if (self.modality == "words") != bool(self.vocabulary) or len(set(self.vocabulary)) < len(self.vocabulary):
            raise ConfigError(f"{len(self.vocabulary)} words of vocabulary for the modality {self.modality!r}",
                              "View.vocabulary", "name each word once, of the modality 'words' alone")

    def inputs(self, count: int = 1) -> jax.ShapeDtypeStruct:
        """Shape and dtype of `count` inputs."""
        if self.modality == "words":
            return jax.ShapeDtypeStruct((count, self.size), jnp.int32)
        channels = 3 if self.modality == "image" else 1
        return jax.ShapeDtypeStruct((count, self.size, self.size, channels), jnp.float32)

    def tokens(self, text: str) -> Int[np.ndarray, " _"]:
        """`[size]` int32 tokens of a short text; case and punctuation do not count, filled up with 0.

        Raises:
          DataError: no word, more than `size`, or one that is not in the vocabulary.
        """
        words = re.findall(r"\w+", text.lower())
        unknown = [word for word in words if word not in self.vocabulary]
        if unknown:
            raise DataError(f"unknown word {unknown[0]!r}", f"text {text!r}",
                            f"use these: {', '.join(sorted(self.vocabulary))}")
        if not 0 < len(words) <= self.size:
            raise DataError(f"{len(words)} words", f"text {text!r}", f"use 1 to {self.size}")
        tokens = [1 + self.vocabulary.index(word) for word in words]
        return np.array(tokens + [0] * (self.size - len(tokens)), np.int32)


def edge_sketch(image: Real[Array, "*N H W 3"]) -> Float[Array, "*N H W 1"]:
    """Edges of RGB images `[..., H, W, 3]`, 0..255, as `[..., H, W, 1]` float32: 0 none, towards 255 strong.

    Strength is that of a smoothed Sobel gradient relative to the image's mean one, so light and contrast have little
    part in it and colour none; an image of one colour is all 0.
    """
    grey = (image.astype(jnp.float32) * _along_last(GREY, image.ndim)).sum(-1)
    smooth = _filtered(_filtered(grey, (0.25, 0.5, 0.25), -1), (0.25, 0.5, 0.25), -2)
    across = _filtered(_filtered(smooth, (-1.0, 0.0, 1.0), -1), (0.25, 0.5, 0.25), -2)
    down = _filtered(_filtered(smooth, (0.25, 0.5, 0.25), -1), (-1.0, 0.0, 1.0), -2)
    strength = jnp.abs(across) + jnp.abs(down)
    usual = strength.mean((-2, -1), keepdims=True) + 1.0  # a grey level, so that noise does not become lines
    return (255 * strength / (strength + 2 * usual))[..., None]


def _filtered(x: Array, weights: tuple[float, ...], axis: int) -> Array:
    """`x` correlated with three weights along one axis, the border repeated."""
    size = x.shape[axis]
    return sum(weight * jnp.take(x, np.clip(np.arange(size) + step, 0, size - 1), axis=axis)
               for step, weight in zip((-1, 0, 1), weights) if weight)  # type: ignore[return-value]


def _along_last(values: tuple[float, ...], ndim: int) -> Array:
    return jnp.array(values, jnp.float32).reshape((1,) * (ndim - 1) + (-1,))
