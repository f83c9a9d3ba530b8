"""Pairs of objects that a net has not seen: drawn as in training, cut without chance, embedded."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence as Listing
from typing import NamedTuple

import jax
import numpy as np

from siamjax.data.augment import make_augment
from siamjax.data.config import AugmentConfig, DataConfig
from siamjax.data.pipeline import batches
from siamjax.data.sequences import Track
from siamjax.data.views import as_seen
from siamjax.weights.embedders import LoadedEmbedder

BATCH = 32


class Embedded(NamedTuple):
    """Pairs of held-out objects.

    Attributes:
      first, second: `[N, D]` embeddings of both sides.
      similar: `[N]` bool, whether both show the same object.
      identity: `[N, 2]` number of the object on each side.
    """

    first: np.ndarray
    second: np.ndarray
    similar: np.ndarray
    identity: np.ndarray


def embed_pairs(loaded: LoadedEmbedder, tracks: Listing[Track], data: DataConfig, augment: AugmentConfig, *,
                pairs: int, seed: int = 0) -> Embedded:
    """Draws pairs of `tracks` and embeds them.

    Args:
      loaded: the net.
      tracks: objects that it was not trained on.
      data: how pairs are drawn; half of them are of two objects whatever it says.
      augment: what is done to the crops; `AugmentConfig` with `still` jitters for pairs of two frames.
      pairs: their number, rounded up to a whole batch.
      seed: of the draw.
    Raises:
      DataError: no usable frame, or a single video.
    """
    config = loaded.embedder.config
    data = dataclasses.replace(data, negative=0.5, threads=0)
    cut = as_seen(make_augment(augment), config.first, config.second, tracks=tracks)

    @jax.jit
    def embedded(key, batch):
        pair = cut(key, batch)
        return (loaded.embedder.embed(loaded.params, pair.exemplar, "first"),
                loaded.embedder.embed(loaded.params, pair.search, "second"))

    rows = []
    stream = batches(tracks, data, seed=seed, batch_size=BATCH)
    for _, batch in zip(range(-(-pairs // BATCH)), stream):
        first, second = jax.device_get(embedded(jax.random.key(seed), batch))
        rows.append(Embedded(first, second, batch.similar, batch.identity))
    stream.close()
    return Embedded(*(np.concatenate(column) for column in zip(*rows)))
