"""Features of pairs on the disk: OUTPUT/features, a table of half-precision rows in files that are whole or not there.

Row `i` is a function of (experiment, data, i), so what a kill has left out is made again as it would have been.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import json
import shutil
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from siamjax import rngs, stopping
from siamjax.data.damage import Damaged
from siamjax.data.pipeline import batches
from siamjax.errors import ConfigError, OutputError, TrainingError
from siamjax.outputs import check_folder, whole_file, write_text
from siamjax.settings import completed, describe, differences
from siamjax.training.experiment import Experiment
from siamjax.training.fingerprint import data_digest
from siamjax.training.step import Augment
from siamjax.types import Array, PairBatch, Params, TrainPair

FOLDER, RECORD = "features", "features.json"
MAPPED = 4096  # bytes; a file without a row cannot be mapped
SHUFFLE = 3  # stream of random numbers; those of a sample are `data.pipeline`'s


class Rows:
    """The rows of all files as one list, read from the disk when they are asked for.

    Args:
      files: one structured array each.
      like: a batch of pairs as rows hold them, for its structure.
    """

    def __init__(self, files: Sequence[np.ndarray], like: TrainPair):
        self._files, self._structure = files, jax.tree.structure(like)
        self._ends = np.cumsum([len(file) for file in files])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def take(self, numbers: np.ndarray) -> TrainPair:
        """The rows of `numbers` `[B]`."""
        places = np.searchsorted(self._ends, numbers, side="right")
        table = np.empty(len(numbers), self._files[0].dtype)
        for row, (place, number) in enumerate(zip(places, numbers, strict=True)):
            table[row] = self._files[place][number - self._ends[place]]  # below 0: from the end of that file
        leaves = [np.ascontiguousarray(table[name]) for name in table.dtype.names or ()]
        return jax.tree.unflatten(self._structure, leaves)


def rows_of(experiment: Experiment, tracks: Sequence[Any], output: Path, variables: Params, augment: Augment,
            example: PairBatch, *, damaged: Damaged, say: Callable[[str], None]) -> Rows:
    """The rows of an experiment; those that are not in `output` yet are computed. See `feed.feature_feed`."""
    assert experiment.cached is not None
    cached = experiment.cached
    folder = check_folder(output / FOLDER)
    _check_record(folder, experiment, tracks, variables)
    embed, params = cached.features.embedder(experiment.net, variables, experiment.augment.search_size)
    key = augment_key(experiment)

    @jax.jit
    def run(params, batch):
        pair, kept = embed(params, augment(key, batch))
        return packed(pair), kept

    like = jax.eval_shape(run, params, example)[0]
    paths = [folder / f"{number:05d}.npy" for number in range(cached.pairs // cached.shard)]
    missing = [number for number, path in enumerate(paths) if _opened(path, like, say) is None]
    _check_space(folder, like, len(missing) * cached.shard)
    share = np.array_split(missing, jax.process_count())[jax.process_index()].tolist()
    start = functools.partial(batches, tracks, experiment.data, seed=experiment.seed, batch_size=cached.at_once,
                              damaged=damaged)
    since, steps = time.monotonic(), cached.shard // cached.at_once
    for done, (number, stream) in enumerate(_streams(share, start, steps), start=1):
        tables = []
        for batch in itertools.islice(stream, steps):
            stopping.check()
            tables.append(_table(*jax.device_get(run(params, batch)), where=str(paths[number])))
        with whole_file(paths[number], "wb") as file:
            np.save(file, np.concatenate(tables))
        rate = done * cached.shard / max(time.monotonic() - since, 1e-9)
        say(f"features of {(number + 1) * cached.shard} of {cached.pairs} pairs are written  {rate:.1f} pairs/s")
    files = [_awaited(path, like, say) for path in paths]
    rows = Rows(files, like)
    if not len(rows):
        raise TrainingError(f"of {cached.pairs} pairs none is worth keeping", str(folder),
                            "raise cached.pairs, or give other data")
    return rows


def drawn(rows: Rows, *, seed: int, batch_size: int, first_step: int, process_index: int,
          process_count: int) -> Generator[TrainPair, None, None]:
    """Endless batches of all rows in an order that is another each time over; a function of (rows, seed, step)."""
    @functools.lru_cache(2)
    def order(time_over: int) -> np.ndarray:
        key = np.array([seed, time_over], np.uint64)
        return np.random.Generator(np.random.Philox(key=key, counter=SHUFFLE << 64)).permutation(len(rows))

    size = batch_size // process_count
    for step in itertools.count(first_step):
        mine = range(step * batch_size + process_index * size, step * batch_size + (process_index + 1) * size)
        yield rows.take(np.array([order(index // len(rows))[index % len(rows)] for index in mine]))


def augment_key(experiment: Experiment) -> Array:
    """Of the augmentation of all rows; each pair's number is folded in."""
    return rngs.stream(jax.random.key(experiment.seed), "augment")


def packed(pair: TrainPair) -> TrainPair:
    """A pair as rows hold it: features in half precision, masks in bytes, no key."""
    def half(leaf):
        return leaf.astype(jnp.float16) if leaf.ndim > 2 and jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    mask = None if pair.mask is None else jnp.round(255 * pair.mask).astype(jnp.uint8)
    return pair.replace(key=None, mask=mask, exemplar=jax.tree.map(half, pair.exemplar),
                        search=jax.tree.map(half, pair.search))


def unpacked(pair: TrainPair) -> TrainPair:
    """What `packed` was given, without the key."""
    whole = functools.partial(jax.tree.map, lambda leaf: leaf.astype(jnp.float32))
    mask = None if pair.mask is None else pair.mask.astype(jnp.float32) / 255
    return pair.replace(mask=mask, exemplar=whole(pair.exemplar), search=whole(pair.search))


def _streams(numbers: Sequence[int], start: Callable, steps: int) -> Iterator[tuple[int, Iterator]]:
    """Each number with a stream of batches that stands at its first; runs of numbers share one."""
    for _, run in itertools.groupby(enumerate(numbers), lambda at: at[1] - at[0]):
        first, *rest = (number for _, number in run)
        with contextlib.closing(start(start_step=first * steps)) as stream:
            for number in (first, *rest):
                yield number, stream


def _dtype(like: TrainPair) -> np.dtype:
    """Of a row."""
    leaves = jax.tree_util.tree_leaves_with_path(like)
    return np.dtype([(jax.tree_util.keystr(path, simple=True, separator="."), leaf.dtype, leaf.shape[1:])
                     for path, leaf in leaves])


def _table(pair: TrainPair, kept: np.ndarray, *, where: str) -> np.ndarray:
    """Rows of the pairs worth keeping."""
    table = np.empty(int(kept.sum()), _dtype(pair))
    for name, leaf in zip(table.dtype.names or (), jax.tree.leaves(pair), strict=True):
        if not np.isfinite(leaf).all():
            raise TrainingError(f"features that half precision does not hold: {name}", where,
                                "start from other weights, or leave cached out of the experiment")
        table[name] = leaf[kept]
    return table


def _opened(path: Path, like: TrainPair, say: Callable[[str], None]) -> np.ndarray | None:
    """The rows of a file; None where it is missing, or not whole and to be made again."""
    try:
        rows = np.load(path, mmap_mode="r" if path.stat().st_size > MAPPED else None)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError):
        rows = None
    if rows is None or rows.dtype != _dtype(like) or rows.ndim != 1:
        say(f"warning: {path} is damaged and is made again")
        path.unlink(missing_ok=True)
        return None
    return rows


def _awaited(path: Path, like: TrainPair, say: Callable[[str], None]) -> np.ndarray:
    """The rows of a file that this process or another one writes."""
    while True:
        rows = _opened(path, like, say)
        if rows is not None:
            return rows
        stopping.check()
        time.sleep(0.5)


def _check_space(folder: Path, like: TrainPair, pairs: int) -> None:
    needed, free = pairs * _dtype(like).itemsize, shutil.disk_usage(folder).free
    if free < needed:
        raise OutputError(f"{free >> 20} MB free, the features need {needed >> 20} MB", str(folder),
                          "make space, or lower cached.pairs")


def _check_record(folder: Path, experiment: Experiment, tracks: Sequence[Any], variables: Params) -> None:
    """Writes what the features are of, or refuses a folder whose features are of something else.

    The number of pairs may grow: what is there stays.
    """
    assert experiment.cached is not None
    cached, path = experiment.cached, folder / RECORD
    frozen = cached.features.frozen
    digest = hashlib.sha256()
    for kind, parts in sorted(variables.items()):
        for name in frozen:
            for leaf in jax.tree.leaves(parts.get(name, {})):
                digest.update(f"{kind} {name} {leaf.shape}".encode() + np.ascontiguousarray(leaf).tobytes())
    settings = {"frozen": {name: getattr(experiment.net, name) for name in frozen}, "features": cached.features,
                "data": experiment.data, "augment": experiment.augment}
    now = {**describe(settings), "parameters": digest.hexdigest(), "shard": cached.shard, "at_once": cached.at_once,
           "channel_order": experiment.use.channel_order, "seed": experiment.seed, "tracks": data_digest(tracks)}
    while jax.process_index() > 0 and not path.exists():
        stopping.check()
        time.sleep(0.5)
    if not path.exists() and not any(folder.glob("*.npy")):
        write_text(path, json.dumps(now, indent=2) + "\n")
        return
    try:
        before = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        before = None
    changed = (differences(completed(before, settings)[0], now) if isinstance(before, dict) else
               [f"{RECORD} cannot be read"])
    if changed:
        raise ConfigError("the features are of another experiment; " + "; ".join(changed), str(folder),
                          "delete the folder, and they are made anew; or use another --output")
