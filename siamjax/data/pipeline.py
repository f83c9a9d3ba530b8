"""Tracks in, batches of pairs of context patches out: the same batch for the same (seed, step), always."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Listing
from typing import Any, NamedTuple

import grain
import jax
import numpy as np
from absl import flags

from siamjax.data import paste
from siamjax.data.cache import ImageCache
from siamjax.data.config import DataConfig, wide
from siamjax.data.damage import Damage, Damaged, Tried, Unreadable
from siamjax.data.pairs import ATTEMPT, Pair, PairTable, Shot, make_table
from siamjax.data.patches import context_mask, context_patch, patch_scale
from siamjax.data.sequences import MaskedTrack, Track
from siamjax.data.synthetic import make_tracks
from siamjax.errors import ConfigError, SiamjaxError
from siamjax.types import PairBatch

__all__ = ["DataConfig", "batches", "make_sample"]

PASTE, SHARE = 1, 2  # streams of random numbers of a sample
ATTEMPTS = 100  # at a sample, each of which may meet a damaged image
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
    damaged: Damaged | None = None,
) -> Stream:
    """Endless batches of pairs, from step `start_step` on.

    Sample `index = step * batch_size + place` depends on (tracks, config, seed, index) and nothing else, so a
    run resumed at any step, or shared by any number of processes, sees the same pairs. With `damaged` it depends
    on which images are damaged as well: a pair that needs one of them is drawn again. It is the same for any number
    of threads and of workers. Close the iterator to end them.

    Args:
      tracks: of the training split.
      config: of the data.
      seed: 0 or more.
      batch_size: pairs in the global batch.
      start_step: number of the first batch.
      process_index, process_count: this process's share is one of `process_count` equal runs of the batch.
      damaged: is told which images cannot be read; None stops at the first.

    Returns:
      An iterator of `PairBatch` with numpy leaves and `batch_size / process_count` rows.

    Raises:
      ConfigError: a batch that does not divide over the processes, a negative seed or step.
      DataError: no usable frame; from the iterator: an image of another size than annotated.
      SourceError: from the iterator: an image that does not decode; with `damaged`, where no other is left.
    """
    if batch_size < 1 or batch_size % process_count:
        raise ConfigError(
            f"batch of {batch_size} does not divide over {process_count} processes",
            where="Experiment.batch_size",
            do=f"use a multiple of {process_count}",
        )
    if seed < 0 or start_step < 0:
        raise ConfigError(f"seed {seed} and step {start_step}", "batches", "use 0 or more for both")
    sampler = Sampler(tracks, config, seed, is_tolerant=damaged is not None)
    rows = batch_size // process_count
    local = _Local(sampler, batch_size, rows, process_index * rows)
    numbers = grain.MapDataset.range(start_step * rows, LAST_INDEX // batch_size * rows)
    # One element of the reading is a batch, so that each thread and each worker makes whole ones.
    ahead = max(2, config.threads) if config.threads else 0
    dataset = numbers.map(local).batch(rows, drop_remainder=True, batch_fn=_stack).to_iter_dataset(
        grain.ReadOptions(num_threads=config.threads, prefetch_buffer_size=ahead))
    if config.workers:
        _need_no_flags()
        dataset = dataset.mp_prefetch(grain.MultiprocessingOptions(config.workers, per_worker_buffer_size=2))
    return Stream(iter(dataset), sampler.table, damaged)


class Stream(Iterator[PairBatch]):
    """Batches as they come; to be closed, which ends threads and worker processes."""

    def __init__(self, batches: grain.DatasetIterator, table: PairTable, damaged: Damaged | None):
        self._batches, self._table, self._damaged = batches, table, damaged

    def __next__(self) -> PairBatch:
        batch, met = next(self._batches)
        for index, damages in met.items():
            assert self._damaged is not None  # without it the sampler stops at the first
            self._damaged.note(index, damages, self._table)
        return batch

    def close(self) -> None:
        self._batches.close()


def make_sample(tracks: Listing[Track], config: DataConfig, *, seed: int) -> Callable[[int], PairBatch]:
    """A function from a sample's index in the global stream to a `PairBatch` of one pair, without `B`."""
    sampler = Sampler(tracks, config, seed)
    return lambda index: sampler(index).pair


class Sample(NamedTuple):
    """A `PairBatch` of one pair, without `B`, and the damaged images that were met on the way to it."""

    pair: PairBatch
    met: tuple[Damage, ...]


class Sampler:
    """From a sample's index in the global stream to its pair. Goes to other processes, its cache empty."""

    def __init__(self, tracks: Listing[Track], config: DataConfig, seed: int, *, is_tolerant: bool = False):
        """With `is_tolerant` another pair is drawn where an image cannot be read."""
        self.table, self.seed = make_table(tracks, config), seed
        self._cache = ImageCache(config.cache_mb << 20, Tried() if is_tolerant else None)
        self._drawn = None
        if config.synthetic_share:
            # What is drawn moves by itself, and passes any filter.
            plain = dataclasses.replace(wide(config), paste=0.0, distractors=0.0)
            self._drawn = make_table(make_tracks(seed=seed), plain)

    def __call__(self, index: int) -> Sample:
        """The first attempt whose images can all be read.

        Raises:
          SourceError, DataError: there is none, or an image cannot be read and this is not tolerant.
        """
        share = self.table.config.synthetic_share
        if self._drawn is not None and _generator(self.seed, index, SHARE).random() < share:
            pair = _attempt(self._drawn, self._cache, self.seed, index, 0)
            return Sample(pair.replace(identity=~pair.identity), ())  # below 0: their numbers are those of other tracks
        met: list[Damage] = []
        error: SiamjaxError | None = None
        for attempt in range(ATTEMPTS):
            try:
                return Sample(_attempt(self.table, self._cache, self.seed, index, attempt), tuple(met))
            except Unreadable as broken:
                met.append(Damage(broken.error.where, broken.error.what))
                error = broken.error
        assert error is not None  # there was an attempt
        raise error


class _Local(NamedTuple):
    """From the number of a sample in this process's share of the stream to the sample."""

    sampler: Sampler
    batch_size: int
    rows: int  # of it in this process
    first: int  # of those

    def __call__(self, number: int) -> Sample:
        step, place = divmod(number, self.rows)
        return self.sampler(step * self.batch_size + self.first + place)


def _need_no_flags() -> None:
    """Lets grain start workers outside of programs with absl's flags, of which it reads one."""
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()


def _generator(seed: int, index: int, stream: int, attempt: int = 0) -> np.random.Generator:
    """Numbers of an attempt at a sample that are not those of its other streams; stream 0 draws its pair."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, index], np.uint64),
                                                counter=(attempt << ATTEMPT) + (stream << 64)))


def _attempt(table: PairTable, cache: ImageCache, seed: int, index: int, attempt: int) -> PairBatch:
    pair = table.draw(seed, index, attempt)
    exemplar, exemplar_box = _cut(table, cache, pair.exemplar, 1.0)
    random = _generator(seed, index, PASTE, attempt)
    pasted = None if pair.background is None else _paste(table, cache, pair, random)
    if pasted is not None:
        search, search_box, mask = pasted
    else:
        zoom = table.config.search_scale
        same = pair.search == pair.exemplar and zoom == 1
        search, search_box = (exemplar, exemplar_box) if same else _cut(table, cache, pair.search, zoom)
        mask = _cut_mask(table, cache, pair.search) if table.config.masks and pair.similar else None
        if pair.distractors:
            sprites, room = _distractors(table, cache, pair, random), _frame_box(table, pair.search, search_box)
            search, mask = paste.paste_distractors(search, search_box, sprites, random, room=room, mask=mask)
    known = mask is not None and bool(mask.any())
    if table.config.masks and mask is None:
        mask = np.zeros(search.shape[:2], np.uint8)
    return PairBatch(
        exemplar, search, exemplar_box, search_box, similar=np.bool_(pair.similar), index=np.int32(index),
        search_mask=mask, masked=np.bool_(known) if table.config.masks else None,
        identity=np.array([pair.exemplar.track, pair.search.track], np.int32)
    )


def _image(table: PairTable, cache: ImageCache, shot: Shot) -> np.ndarray:
    track = table.tracks[shot.track]
    return cache.get(track.key(shot.frame), lambda: track.read(shot.frame))


def _crop(config: DataConfig, zoom: float) -> dict[str, Any]:
    """How an exemplar crop lies in a patch `zoom` times as large, see `patch_scale`."""
    return {"exemplar_size": zoom * config.exemplar_size, "context": config.context, "squeezed": config.squeezed}


def _cut(table: PairTable, cache: ImageCache, shot: Shot, zoom: float) -> tuple[np.ndarray, np.ndarray]:
    config = table.config
    return context_patch(
        _image(table, cache, shot),
        table.tracks[shot.track].boxes[shot.frame],
        size=config.patch_size,
        **_crop(config, zoom),
    )


def _cut_mask(table: PairTable, cache: ImageCache, shot: Shot) -> np.ndarray | None:
    """The mask that belongs to the search patch of a shot, `[S, S]` uint8 0..255; None where it is not known."""
    config, track = table.config, table.tracks[shot.track]
    if not (isinstance(track, MaskedTrack) and track.masked[shot.frame]):
        return None
    return context_mask(
        _mask(cache, track, shot.frame),
        track.boxes[shot.frame],
        size=config.patch_size,
        **_crop(config, config.search_scale),
    )


def _mask(cache: ImageCache, track: MaskedTrack, frame: int) -> np.ndarray:
    """`[H, W]` bool of one of the frames that have a mask, a byte a pixel of the cache."""
    return cache.get((track.key(frame), track.name), lambda: track.mask(frame))


def _frame_box(table: PairTable, shot: Shot, box: np.ndarray) -> np.ndarray:
    """`[4]` `xywh` of a whole frame in the patch where its object has `box`, patch px."""
    track = table.tracks[shot.track]
    scale = box[2:] / track.boxes[shot.frame, 2:]
    return np.concatenate([box[:2] - track.boxes[shot.frame, :2] * scale, np.array(track.size[::-1]) * scale])


def _paste(
    table: PairTable, cache: ImageCache, pair: Pair, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None] | None:
    """The search patch of a pair with a background, box and (if asked for) mask in it; None without an object."""
    config = table.config
    target = _sprite(table, cache, pair.search, random, 1.0)
    if target is None or pair.background is None:
        return None
    width, height = table.tracks[pair.search.track].boxes[pair.search.frame, 2:].tolist()
    zoom = float(np.sqrt(patch_scale(width, height, **_crop(config, config.search_scale)).prod()))
    image = _image(table, cache, pair.background)
    patch = paste.empty_patch(image, random, size=config.patch_size, zoom=zoom)
    patch, box = paste.paste_target(patch, target, _distractors(table, cache, pair, random), random)
    return patch, box, paste.target_mask(target, config.patch_size) if config.masks else None


def _distractors(
    table: PairTable, cache: ImageCache, pair: Pair, random: np.random.Generator
) -> list[paste.Sprite]:
    sizes = [random.uniform(*paste.SIZES) for _ in pair.distractors]
    sprites = [_sprite(table, cache, shot, random, size) for shot, size in zip(pair.distractors, sizes)]
    return [sprite for sprite in sprites if sprite is not None]


def _sprite(
    table: PairTable, cache: ImageCache, shot: Shot, random: np.random.Generator, size: float
) -> paste.Sprite | None:
    config, track = table.config, table.tracks[shot.track]
    assert isinstance(track, MaskedTrack)  # the table draws no others for pasting
    cutout = paste.cut_out(_image(table, cache, shot), _mask(cache, track, shot.frame))
    if cutout is None:
        return None
    return paste.make_sprite(cutout, random, **_crop(config, size * config.search_scale))


def _stack(samples: Listing[Sample]) -> tuple[PairBatch, dict[int, tuple[Damage, ...]]]:
    """A batch, and what its samples met, by their indices."""
    batch = jax.tree.map(lambda *rows: np.stack(rows), *(sample.pair for sample in samples))
    return batch, {int(sample.pair.index): sample.met for sample in samples if sample.met}
