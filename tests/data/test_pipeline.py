import contextlib
import dataclasses
import itertools
import multiprocessing
import threading
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from siamjax.data.cache import ImageCache
from siamjax.data.config import DataConfig
from siamjax.data.damage import Damaged
from siamjax.data.pipeline import batches
from siamjax.data.readers import open_data
from siamjax.errors import ConfigError, SourceError


class Fake:
    def __init__(self, group, count, broken=False):
        self.name = self.group = group
        self.category = ""
        self.size = (60, 80)
        self.boxes = np.tile(np.float32([20, 15, 24, 30]), (count, 1))
        self.broken = broken

    def key(self, number):
        return self.group, number

    def read(self, number):
        if self.broken:
            raise SourceError("damaged", "file", "replace it")
        seed = [ord(letter) for letter in self.group] + [number]
        return np.random.default_rng(seed).integers(0, 256, (60, 80, 3), dtype=np.uint8)


TRACKS = [Fake("a", 9), Fake("b", 5), Fake("c", 1)]
CONFIG = DataConfig(patch_size=63, exemplar_size=31, negative=0.3, max_fraction=0.6)


def first(count, config=CONFIG, batch_size=4, **kwargs):
    stream = batches(TRACKS, config, seed=3, batch_size=batch_size, **kwargs)
    return list(itertools.islice(stream, count))


def test_batch_has_the_promised_shapes():
    (batch,) = first(1)
    assert batch.exemplar.shape == batch.search.shape == (4, 63, 63, 3)
    assert batch.exemplar.dtype == np.uint8
    assert batch.exemplar_box.shape == batch.search_box.shape == (4, 4)
    assert batch.search_box.dtype == np.float32
    assert batch.similar.dtype == np.bool_
    np.testing.assert_array_equal(batch.index, np.arange(4, dtype=np.int32))


@pytest.mark.parametrize("threads", [0, 1])
@pytest.mark.parametrize("cache_mb", [0, 64])
def test_a_resumed_stream_gives_the_same_batches(threads, cache_mb):
    whole = first(6)
    config = DataConfig(
        patch_size=63, exemplar_size=31, negative=0.3, max_fraction=0.6, threads=threads, cache_mb=cache_mb
    )
    for step in (0, 4):
        jax.tree.map(np.testing.assert_array_equal, first(2, config, start_step=step), whole[step : step + 2])


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 4])
def test_worker_processes_give_the_same_batches_and_name_the_same_damage(tmp_path, workers):
    for video in ("a", "b"):
        (tmp_path / video / "img").mkdir(parents=True)
        for frame in range(5):
            Image.fromarray(Fake(video, 5).read(frame)).save(tmp_path / video / "img" / f"{frame}.png")
        (tmp_path / video / "groundtruth.txt").write_text("20,15,24,30\n" * 5)
    tracks = open_data(tmp_path)
    (tmp_path / "a" / "img" / "3.png").write_bytes(b"")

    def read(config):
        damaged = Damaged()
        with contextlib.closing(batches(tracks, config, seed=3, batch_size=4, start_step=2, damaged=damaged)) as stream:
            return list(itertools.islice(stream, 6)), [damaged.met(index) for index in range(8, 32)]

    (alone, met), (shared, met_there) = read(CONFIG), read(dataclasses.replace(CONFIG, workers=workers))
    jax.tree.map(np.testing.assert_array_equal, alone, shared)
    assert met == met_there
    assert any(met)
    assert not multiprocessing.active_children()


def test_processes_share_the_global_batch():
    shares = [first(3, process_index=index, process_count=2) for index in range(2)]
    joined = [jax.tree.map(lambda *rows: np.concatenate(rows), *step) for step in zip(*shares)]
    jax.tree.map(np.testing.assert_array_equal, joined, first(3))


def test_seeds_and_steps_differ():
    a, b = first(2)
    assert not np.array_equal(a.exemplar, b.exemplar)
    other = next(batches(TRACKS, CONFIG, seed=4, batch_size=4))
    assert not np.array_equal(a.exemplar, other.exemplar)


def test_bad_arguments_and_bad_images():
    with pytest.raises(ConfigError, match="batch of 5"):
        batches(TRACKS, CONFIG, seed=0, batch_size=5, process_count=2)
    with pytest.raises(ConfigError, match="seed -1"):
        batches(TRACKS, CONFIG, seed=-1, batch_size=4)
    with pytest.raises(SourceError, match="damaged"):
        next(batches([Fake("a", 3, broken=True)], DataConfig(max_fraction=0.6), seed=0, batch_size=2))


def test_cache_stays_within_its_budget_and_drops_the_oldest():
    cache = ImageCache(3 * 300)
    reads = []

    def get(key, side=10):
        def read():
            reads.append(key)
            return np.full((side, 10, 3), 9, np.uint8)

        return cache.get(key, read)

    for key in (1, 2, 3, 1, 4, 1, 2):
        assert (get(key) == 9).all()
        assert cache.size <= 900
    assert reads == [1, 2, 3, 4, 2]  # 4 pushed 2 out, which had not been used for longest
    get(5, side=1000)
    get(1)
    assert reads[-1] == 5  # too large to be kept, and nothing was dropped for it


@pytest.mark.slow
@pytest.mark.parametrize("cache_mb", [0, 8])
def test_memory_is_flat_and_nothing_is_left_behind(cache_mb):
    """10,000 batches: resident memory stays within 5 % of what it was after the first tenth."""
    config = dataclasses.replace(CONFIG, cache_mb=cache_mb)
    process, threads = Path("/proc/self"), threading.active_count()
    files = len(list((process / "fd").iterdir()))

    def resident() -> int:
        return int((process / "statm").read_text().split()[1])

    sizes = []
    with contextlib.closing(batches(TRACKS, config, seed=3, batch_size=2)) as stream:
        for number in range(10_000):
            next(stream)
            if number % 1000 == 999:
                sizes.append(resident())
    assert max(sizes) < 1.05 * sizes[0]
    time.sleep(1)
    assert threading.active_count() <= threads + 1  # JAX's own may have come
    assert len(list((process / "fd").iterdir())) <= files
