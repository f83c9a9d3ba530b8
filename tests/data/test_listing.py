"""Which files of a folder are images, and in which order they stand."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from siamjax.data.listing import image_files, matching, natural_key, ordered, subfolders
from siamjax.data.photos import find_images
from siamjax.data.readers import open_objects, open_videos
from siamjax.data.video import open_source
from siamjax.errors import SourceError

PIXELS = Image.fromarray(np.full((60, 80, 3), 90, np.uint8))


def names(files):
    return [path.stem for path in files]


def shuffled(stems):
    files = [Path(f"{stem}.jpg") for stem in stems]
    random.Random(3).shuffle(files)
    return files


@pytest.mark.parametrize("stems", [
    ["1700000000.0", "1700000000.05", "1700000000.1", "1700000000.15", "1700000000.2"],
    ["0", "0.05", "0.1", "1", "10.5", "20"],
    ["frame_0.05s", "frame_0.1s", "frame_0.15s", "frame_2.0s"],
    ["frame0.05", "frame0.1", "frame0.15"],
    ["cam1_17.05", "cam1_17.1", "cam1_17.15"],
    ["0.05_left2", "0.1_left2", "0.15_left2"],
    ["10:00:09.95", "10:00:09.975", "10:00:10.05"],
    ["1e-05s", "1e-04s", "1e-03s"],
    ["t=9.95", "t=9.975", "t=10.05"],
    ["1e-05", "0.001", "0.1", "1.5e+03"],
    ["-2", "-1", "0", "1"],
    ["-0.5", "-0.25", "0.0", "0.25"],
    ["1305031102.175304", "1305031102.211214"],
], ids=str)
def test_names_that_are_times_stand_in_order_of_time(stems):
    assert names(ordered(shuffled(stems))) == stems


@pytest.mark.parametrize("stems", [
    ["img9", "img10", "img11"],
    ["v1.2.9", "v1.2.10", "v1.10.1"],
    ["v1.2.9", "v1.2.10", "v1.2.11"],
    ["2024.01.09", "2024.01.10", "2024.02.01"],
    ["take1.9", "take1.11"],
    ["a2b1", "a2b10", "a10b1"],
    ["1.1", "1.2", "1.9", "1.10", "1.11"],
    ["v1.2", "v1.11"],
    ["-1", "-2", "-10"],
    ["a-1", "a1", "a2"],
    ["1e9", "9e3", "12e4"],
    ["0.05", "0.1", "0.15", "x"],
    ["cover", "frame 0.5", "frame 0.25"],
    ["00000009", "00000010"],
], ids=str)
def test_names_that_count_stand_in_natural_order(stems):
    files = shuffled(stems)
    assert ordered(files) == sorted(files, key=natural_key)
    if stems[-1] not in ("x", "frame 0.25", "12e4", "a2"):
        assert names(ordered(files)) == stems


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=20, unique=True), st.integers(1, 6))
def test_times_of_any_precision_stand_in_order(ticks, places):
    """As Python writes floats, which is without zeros at the end, and with a fixed number of places."""
    times = sorted(tick / 10**places for tick in ticks)
    assert [float(path.stem) for path in ordered(shuffled(f"{time:.{places}f}" for time in times))] == times
    assert [float(path.stem) for path in ordered(shuffled(map(str, times)))] == times


@given(st.lists(st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=12), unique=True),
       st.randoms())
def test_the_order_is_that_of_the_names_alone(stems, draw):
    files = [Path(f"{stem}.png") for stem in stems]
    again = draw.sample(files, len(files))
    assert ordered(files) == ordered(again)
    assert sorted(ordered(files)) == sorted(files)


TOOLS = ["@eaDir", ".ipynb_checkpoints", "__MACOSX", ".AppleDouble", "lost+found", "$RECYCLE.BIN", "#recycle",
         "System Volume Information", ".thumbnails"]


def litter(folder):
    """What servers and desktops leave in a folder, with images in it."""
    for tool in TOOLS:
        (folder / tool).mkdir()
        PIXELS.save(folder / tool / "00000.png")
        (folder / tool / "groundtruth.txt").write_text("1,2,3\n")
    PIXELS.save(folder / "._00000.png")
    (folder / "Thumbs.db").write_bytes(b"db")


@pytest.fixture
def videos(tmp_path):
    (tmp_path / "walk/img").mkdir(parents=True)
    for number in range(2):
        PIXELS.save(tmp_path / f"walk/img/{number}.png")
    (tmp_path / "walk/groundtruth.txt").write_text("1,2,30,40\n" * 2)
    return tmp_path


def davis(root):
    for kind, name in (("JPEGImages", "0.jpg"), ("Annotations", "0.png")):
        (root / kind / "walk").mkdir(parents=True)
        (PIXELS if kind == "JPEGImages" else Image.fromarray(np.eye(60, 80, dtype=np.uint8))
         ).save(root / kind / "walk" / name)
    return root


def test_folders_of_tools_are_no_data_for_any_reader(tmp_path, videos):
    for folder in (videos, videos / "walk", videos / "walk/img"):
        litter(folder)
    assert [track.name for track in open_videos(videos)] == ["walk"]
    assert len(open_videos(videos)[0].frames) == 2
    assert [path.name for path in find_images(videos)] == ["0.png", "1.png"]
    assert {path.parent.name for path in find_images(f"{videos}/**/*.png")} == {"img"}
    with open_source(videos / "walk") as source:
        assert source.count == 2
    vos = davis(tmp_path / "vos")
    for folder in (vos, vos / "JPEGImages", vos / "Annotations", vos / "Annotations/walk", vos / "JPEGImages/walk"):
        litter(folder)
    assert [track.name for track in open_videos(vos)] == ["walk"]
    albums = tmp_path / "albums"
    (albums / "cup").mkdir(parents=True)
    PIXELS.save(albums / "cup/0.png")
    litter(albums)
    litter(albums / "cup")
    [cup] = open_objects(albums)[0]
    assert [path.name for path in cup.photos] == ["0.png"]


def test_several_objects_beside_what_tools_leave(videos):
    (videos / "walk/objects/1").mkdir(parents=True)
    (videos / "walk/groundtruth.txt").rename(videos / "walk/objects/1/groundtruth.txt")
    litter(videos / "walk/objects")
    assert [track.name for track in open_videos(videos)] == ["walk/1"]


def test_a_pattern_may_name_what_is_hidden_otherwise(tmp_path):
    litter(tmp_path)
    assert [path.parent.name for path in matching(f"{tmp_path}/@eaDir/*.png")] == ["@eaDir"]
    assert subfolders(tmp_path) == []
    assert image_files(tmp_path) == []


def test_a_link_that_leads_nowhere_is_an_image_that_cannot_be_read(videos):
    os.symlink(videos / "gone.png", videos / "walk/img/2.png")
    os.symlink(videos / "walk/img/3.png", videos / "walk/img/3.png")  # a circle
    os.symlink(videos / "walk/img", videos / "walk/img/folder.png")
    assert [path.name for path in image_files(videos / "walk/img")] == ["0.png", "1.png", "2.png", "3.png"]
    with open_source(videos / "walk") as source:
        assert len(list(source)) == 4
        assert source.unreadable == [2, 3]


def test_a_folder_that_cannot_be_listed_is_named(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "none", tmp_path / "file"):
        for listing in (image_files, subfolders):
            with pytest.raises(SourceError, match="cannot be listed") as caught:
                listing(path)
            assert caught.value.where == str(path)
