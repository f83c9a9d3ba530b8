"""Damaged images: skipped, named, and the same draw for the same (seed, index) whatever was read before."""

import itertools

import jax
import numpy as np
import pytest
from PIL import Image

from siamjax.data import damage as module
from siamjax.data.config import DataConfig
from siamjax.data.damage import Damaged, check_images, named
from siamjax.data.pairs import make_table
from siamjax.data.pipeline import batches
from siamjax.data.readers import open_data
from siamjax.errors import DataError, SourceError

CONFIG = DataConfig(patch_size=63, exemplar_size=31, negative=0.3, max_fraction=0.9)


@pytest.fixture
def videos(tmp_path):
    """A folder of three videos of six frames."""
    random = np.random.default_rng(0)
    for video in ("a", "b", "c"):
        (tmp_path / video / "img").mkdir(parents=True)
        for frame in range(6):
            pixels = random.integers(0, 255, (60, 80, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / video / "img" / f"{frame:04}.png")
        (tmp_path / video / "groundtruth.txt").write_text("20,15,24,30\n" * 6)
    return tmp_path


def overwrite(path):
    content = bytearray(path.read_bytes())
    content[37:600] = bytes(563)  # the head of the pixels among it
    path.write_bytes(content)


def resize(path):
    Image.open(path).resize((30, 20)).save(path)


DAMAGES = {"overwritten": overwrite, "cut": lambda path: path.write_bytes(path.read_bytes()[:900]),
           "empty": lambda path: path.write_bytes(b""), "text": lambda path: path.write_text("<html>"),
           "another size": resize}


def stream(videos, count, damaged, start=0, **settings):
    config = DataConfig(**{**vars(CONFIG), **settings})
    return list(itertools.islice(
        batches(open_data(videos), config, seed=3, batch_size=4, start_step=start, damaged=damaged), count))


def same(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.mark.parametrize("frame", [0, 3])
@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_image_is_skipped_named_and_nothing_else_changes(videos, kind, frame):
    sound = stream(videos, 12, Damaged())
    file = videos / "b" / "img" / f"{frame:04}.png"
    if kind == "another size":  # listing looks at every frame of so short a video
        tracks = open_data(videos)
        DAMAGES[kind](file)
    else:
        DAMAGES[kind](file)
        tracks = open_data(videos)
    damaged = Damaged()
    got = list(itertools.islice(batches(tracks, CONFIG, seed=3, batch_size=4, damaged=damaged), 12))
    met = {index: damaged.met(index) for index in range(48)}
    hit = {index for index, found in met.items() if found}
    assert hit
    assert {one.where for found in met.values() for one in found} == {str(file)}
    for step, (old, new) in enumerate(zip(sound, got, strict=True)):
        for place in range(4):
            row = [jax.tree.map(lambda leaf, at=place: leaf[at], batch) for batch in (old, new)]
            if step * 4 + place in hit:
                assert not np.array_equal(row[0].exemplar, row[1].exemplar) or not np.array_equal(
                    row[0].search, row[1].search)
            else:
                same(*row)


@pytest.mark.parametrize("settings", [{}, {"threads": 0}, {"cache_mb": 0}])
def test_the_draw_is_the_same_resumed_shared_and_whatever_was_met_before(videos, settings):
    for name in ("a/img/0002.png", "c/img/0005.png"):
        overwrite(videos / name)
    whole = stream(videos, 10, Damaged())
    known = Damaged()
    stream(videos, 10, known)
    for start, damaged in ((0, Damaged()), (4, Damaged()), (4, known)):
        same(stream(videos, 6, damaged, start=start, **settings), whole[start : start + 6])
    tracks = open_data(videos)
    shares = [next(batches(tracks, CONFIG, seed=3, batch_size=4, process_index=one, process_count=2,
                           damaged=Damaged())) for one in range(2)]
    same(jax.tree.map(lambda *rows: np.concatenate(rows), *shares), whole[0])


def test_attempts_differ_and_none_repeats_another_sample(videos):
    table = make_table(open_data(videos), CONFIG)
    pairs = [table.draw(3, index, attempt) for index in range(40) for attempt in range(3)]
    assert pairs[::3] == [table.draw(3, index) for index in range(40)]
    assert len(set(pairs[:3])) > 1
    numbers = {np.random.Philox(key=np.array([3, 1], np.uint64), counter=(attempt << 128) + (one << 64)).random_raw()
               for attempt in range(3) for one in range(3)}
    assert len(numbers) == 9


def test_without_a_list_of_the_damaged_the_first_one_stops(videos):
    overwrite(videos / "a" / "img" / "0002.png")
    with pytest.raises(SourceError, match=r"0002\.png"):
        stream(videos, 30, None)


def test_nothing_that_can_be_read_is_the_error_of_an_image(videos):
    tracks = open_data(videos)
    for file in videos.rglob("*.png"):
        file.write_bytes(b"")
    with pytest.raises((SourceError, DataError), match=r"cannot be read.*\.png"):
        next(batches(tracks, CONFIG, seed=3, batch_size=4, damaged=Damaged()))


def test_too_many_stop_with_how_many(videos, monkeypatch):
    monkeypatch.setattr(module, "FEW", 2)
    for name in ("a/img/0002.png", "b/img/0003.png", "c/img/0005.png"):
        overwrite(videos / name)
    with pytest.raises(DataError, match=r"3 of 18 images cannot be read so far.*--check-images"):
        stream(videos, 100, Damaged())


def test_a_damaged_mask_is_skipped_as_an_image_is(videos):
    for video in ("a", "b"):
        (videos / video / "masks").mkdir()
        for frame in range(6):
            Image.fromarray(np.uint8(np.eye(60, 80) * 255)).save(videos / video / "masks" / f"{frame:04}.png")
    tracks = open_data(videos)
    file = videos / "b" / "masks" / "0004.png"
    file.write_bytes(file.read_bytes()[:60])
    damaged = Damaged()
    config = DataConfig(**{**vars(CONFIG), "masks": True})
    list(itertools.islice(batches(tracks, config, seed=3, batch_size=4, damaged=damaged), 20))
    assert {one.where for index in range(80) for one in damaged.met(index)} == {str(file)}
    assert [one.where for one in check_images(tracks, config) if one] == [str(file)]


def test_check_reads_every_image_once(videos):
    tracks = open_data(videos)
    assert list(check_images(tracks, CONFIG)) == [None] * 18
    for name in ("a/img/0000.png", "c/img/0005.png"):
        overwrite(videos / name)
    assert [one.where for one in check_images(tracks, CONFIG) if one] == [
        str(videos / "a" / "img" / "0000.png"), str(videos / "c" / "img" / "0005.png")]


def test_names_are_a_few():
    assert named(["a", "b"]) == "a, b"
    assert named(list("abcdefgh")) == "a, b, c, d, e and 3 more"
