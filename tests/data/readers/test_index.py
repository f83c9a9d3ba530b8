"""Listings of large data sets are kept, and read again where something of them has changed."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

from siamjax.data.frame_list import FrameList, list_frames
from siamjax.data.readers import index, lasot, open_data
from siamjax.data.readers.catalogue import LAYOUTS

COUNT = 12


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(index, "SLOW", 0.0)
    for name in ("cat-2", "cat-3", "cat-5"):
        folder = tmp_path / "data/cat" / name
        (folder / "img").mkdir(parents=True)
        for number in range(1, COUNT + 1):
            Image.fromarray(np.zeros((60, 80, 3), np.uint8)).save(folder / f"img/{number:08d}.jpg")
        (folder / "groundtruth.txt").write_text("10,12,20,30\n" * COUNT)
        (folder / "full_occlusion.txt").write_text(",".join("0" * (COUNT - 1) + "1"))
        (folder / "out_of_view.txt").write_text(",".join("0" * COUNT))
    return tmp_path / "data"


@pytest.fixture
def reads(monkeypatch):
    """Names of the sequences that are read, and not taken from the index."""
    read = []
    monkeypatch.setattr(lasot, "_read", lambda folder, *rest, of=lasot._read: read.append(folder.name) or of(
        folder, *rest))
    return read


def same(one, other):
    return (one.name, one.split, one.size, list(one.frames)) == (
        other.name, other.split, other.size, list(other.frames)) and np.array_equal(
        one.boxes, other.boxes, equal_nan=True) and np.array_equal(one.listed, other.listed)


def test_a_second_listing_reads_nothing_and_gives_the_same(root, reads):
    first = open_data(root)
    assert sorted(reads) == ["cat-2", "cat-3", "cat-5"]
    reads.clear()
    second = open_data(root)
    assert not reads
    assert all(map(same, first, second))
    assert len(second) == 3


@pytest.mark.parametrize("change", ["boxes", "flags", "frames", "picture"])
def test_what_changed_is_read_again(root, reads, change):
    before = open_data(root)
    folder = root / "cat/cat-3"
    if change == "boxes":
        (folder / "groundtruth.txt").write_text("11,12,20,30\n" * COUNT)
    elif change == "flags":
        (folder / "out_of_view.txt").write_text(",".join("1" * COUNT))
    elif change == "frames":
        (folder / "img/00000013.jpg").write_bytes((folder / "img/00000012.jpg").read_bytes())
    else:
        for number in range(1, COUNT + 1):
            Image.fromarray(np.zeros((70, 90, 3), np.uint8)).save(folder / f"img/{number:08d}.jpg")
    os.utime(folder / "img", ns=(1, 1)) if change == "frames" else None
    reads.clear()
    with pytest.warns(RuntimeWarning, match="12 boxes for 13 images") if change == "frames" else _nothing():
        after = open_data(root)
    assert reads == ["cat-3"]
    changed = {one.name for one in before} - {one.name for one in after if any(same(one, old) for old in before)}
    assert changed == {"cat-3"}


class _nothing:
    def __enter__(self):
        return None

    def __exit__(self, *_):
        return None


def test_a_damaged_index_is_none(root, reads):
    open_data(root)
    [file] = index.folder().iterdir()
    content = file.read_bytes()
    for damaged in (b"", content[:200], b"x" * 1000, content[:-30]):
        file.write_bytes(damaged)
        reads.clear()
        assert len(open_data(root)) == 3
        assert len(reads) == 3


def test_a_cache_that_cannot_be_written_is_none(root, reads, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(open_data(root)) == len(open_data(root)) == 3
    assert len(reads) == 6


def test_every_layout_says_what_it_reads():
    assert all(layout.find(type(index.folder())("nowhere")) is None for layout in LAYOUTS.values())


@pytest.mark.parametrize("names", [
    [f"{number:08d}.jpg" for number in range(1, 15)], [f"{number}.jpg" for number in range(14)],
    [f"img{number:03d}.png" for number in range(7, 20)], ["a.jpg", "b9.jpg", "b10.jpg"], ["0001.jpg", "0003.jpg"],
    ["ü#[1].jpg", "ü#[2].jpg"], [f"{number}.jpg" for number in range(98, 103)], ["1.jpg"]])
def test_frames_are_listed_in_order_and_cut_as_lists_are(tmp_path, names):
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "groundtruth.txt").touch()
    frames = list_frames(tmp_path)
    assert [one.name for one in frames] == names
    assert [frames[number] for number in range(len(names))] == list(frames)
    assert frames[-1] == tmp_path / names[-1]
    assert list(frames[1:]) == list(frames)[1:]
    assert frames == FrameList(tmp_path, names)
    assert hash(frames) == hash(FrameList(tmp_path, names))
