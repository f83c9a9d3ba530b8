"""Tracks in, batches of pairs of context patches out: the same batch for the same (seed, step), always."""

from __future__ import annotations

import functools
from collections.abc import Callable
from collections.abc import Sequence as Listing

import grain
import numpy as np

from siamjax.data.cache import ImageCache
from siamjax.data.config import DataConfig
from siamjax.data.pairs import PairTable, Shot, make_table
from siamjax.data.patches import context_patch
from siamjax.data.sequences import Track
from siamjax.errors import ConfigError
from siamjax.types import PairBatch

__all__ = ["DataConfig", "batches", "make_sample"]

LAST_INDEX = 2**31 - 1  # `PairBatch.index` is int32


def batches(
    tracks: Listing[Track],
    config: DataConfig,
    *,
    seed: int,
    batch_size: int,
    start_step: int = 0,
    process_index: int = 0,
    process_count: int = 1,
) -> grain.DatasetIterator[PairBatch]:
    """Endless batches of pairs, from step `start_step` on.

    Sample `index = step * batch_size + place` depends on (tracks, config, seed, index) and nothing else, so a
    run resumed at any step, or shared by any number of processes, sees the same pairs. Close the iterator to
    stop its threads before its end.

    Args:
      tracks: of the training split.
      config: of the data.
      seed: 0 or more.
      batch_size: pairs in the global batch.
      start_step: number of the first batch.
      process_index, process_count: this process's share is one of `process_count` equal runs of the batch.

    Returns:
      An iterator of `PairBatch` with numpy leaves and `batch_size / process_count` rows.

    Raises:
      ConfigError: a batch that does not divide over the processes, a negative seed or step.
      DataError: no usable frame; from the iterator: an image of another size than annotated.
      SourceError: from the iterator: an image that does not decode.
    """
    if batch_size < 1 or batch_size % process_count:
        raise ConfigError(
            f"batch of {batch_size} does not divide over {process_count} processes",
            where="Experiment.batch_size",
            do=f"use a multiple of {process_count}",
        )
    if seed < 0 or start_step < 0:
        raise ConfigError(f"seed {seed} and step {start_step}", "batches", "use 0 or more for both")
    sample = make_sample(tracks, config, seed=seed)
    rows = batch_size // process_count

    def local(number: int) -> PairBatch:
        step, place = divmod(number, rows)
        return sample(step * batch_size + process_index * rows + place)

    numbers = grain.MapDataset.range(start_step * rows, LAST_INDEX // batch_size * rows)
    dataset = numbers.map(local).batch(rows, drop_remainder=True, batch_fn=_stack)
    options = grain.ReadOptions(num_threads=config.threads, prefetch_buffer_size=2 if config.threads else 0)
    return iter(dataset.to_iter_dataset(options))


def make_sample(tracks: Listing[Track], config: DataConfig, *, seed: int) -> Callable[[int], PairBatch]:
    """A function from a sample's index in the global stream to a `PairBatch` of one pair, without `B`."""
    cache = ImageCache(config.cache_mb << 20)
    return functools.partial(_sample, make_table(tracks, config), cache, seed)


def _sample(table: PairTable, cache: ImageCache, seed: int, index: int) -> PairBatch:
    config = table.config
    pair = table.draw(seed, index)

    def cut(shot: Shot) -> tuple[np.ndarray, np.ndarray]:
        track = table.tracks[shot.track]
        image = cache.get(track.key(shot.frame), lambda: track.read(shot.frame))
        return context_patch(
            image.pixels,
            track.boxes[shot.frame],
            image.mean,
            size=config.patch_size,
            exemplar_size=config.exemplar_size,
            context=config.context,
        )

    exemplar, exemplar_box = cut(pair.exemplar)
    search, search_box = cut(pair.search) if pair.search != pair.exemplar else (exemplar, exemplar_box)
    return PairBatch(
        exemplar, search, exemplar_box, search_box, similar=np.bool_(pair.similar), index=np.int32(index)
    )


def _stack(samples: Listing[PairBatch]) -> PairBatch:
    fields = ("exemplar", "search", "exemplar_box", "search_box", "similar", "index")
    return PairBatch(**{name: np.stack([getattr(sample, name) for sample in samples]) for name in fields})
