"""Pairs of objects that a net has not seen: drawn as in training, cut without chance, embedded."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence as Listing
from typing import NamedTuple

import jax
import numpy as np

from siamjax import stopping
from siamjax.data.augment import make_augment
from siamjax.data.config import AugmentConfig, DataConfig, Jitter, wide
from siamjax.data.pipeline import batches
from siamjax.data.sequences import Track
from siamjax.data.views import as_seen
from siamjax.errors import DataError
from siamjax.nets.embedder import EmbedderConfig
from siamjax.weights.embedders import LoadedEmbedder

BATCH = 32
STILL = Jitter(shift=0.0, stretch=0.0)
MOVED = Jitter(shift=6.0, stretch=0.1, contrast=0.2, brightness=20.0)


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


def settings_for(config: EmbedderConfig, *, moved: bool) -> tuple[DataConfig, AugmentConfig]:
    """How pairs for an embedding net are drawn and cut, whatever it was trained with.

    Args:
      config: of the net.
      moved: both crops are moved, mirrored and recoloured by chance, for two of one image; else cut as they are.
    """
    first, second = (view.size if view.modality != "words" else None for view in (config.first, config.second))
    jitter, side = MOVED if moved else STILL, first or second or config.exemplar_size
    augment = AugmentConfig(exemplar_size=first or side, search_size=second or side, exemplar=jitter, search=jitter,
                            flip=0.5 if moved else 0.0)
    data = DataConfig(patch_size=max(augment.reach, config.exemplar_size), exemplar_size=config.exemplar_size,
                      context=config.context)
    return wide(data), augment


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
      DataError: no usable frame, or a single object.
    """
    config = loaded.embedder.config
    data = checked_draw(tracks, data)
    cut = as_seen(make_augment(augment), config.first, config.second, tracks=tracks)

    @jax.jit
    def embedded(key, batch):
        pair = cut(key, batch)
        return (loaded.embedder.embed(loaded.params, pair.exemplar, "first"),
                loaded.embedder.embed(loaded.params, pair.search, "second"))

    rows = []
    stream = batches(tracks, data, seed=seed, batch_size=BATCH)
    for _, batch in zip(range(-(-pairs // BATCH)), stream):
        stopping.check()
        first, second = jax.device_get(embedded(jax.random.key(seed), batch))
        rows.append(Embedded(first, second, batch.similar, batch.identity))
    stream.close()
    return Embedded(*(np.concatenate(column) for column in zip(*rows)))


def checked_draw(tracks: Listing[Track], data: DataConfig) -> DataConfig:
    """`data` with half of the pairs of two objects, drawn while the caller waits.

    Raises:
      DataError: there are no two videos, images or folders.
    """
    if len({track.group for track in tracks}) < 2:
        raise DataError("one object only: there is nothing to tell it from", "data", "give data of several objects")
    return dataclasses.replace(data, negative=0.5, threads=0)
