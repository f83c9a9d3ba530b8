"""Which files of a folder are the frames of a video."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from PIL import Image

from siamjax.data.frame_files import frame_files, mask_files
from siamjax.data.video import open_source
from siamjax.errors import SourceError

COLOUR = Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8))
GREY = Image.fromarray(np.eye(20, 30, dtype=np.uint8))
PALETTE = GREY.convert("P")
DEEP = Image.fromarray(np.eye(20, 30, dtype=np.uint16))


def shown(value):
    """Name of a parameter that is the same in every process: an image by its mode."""
    if isinstance(value, tuple):
        return "+".join(map(shown, value))
    return value.mode if isinstance(value, Image.Image) else str(value)


def fill(folder, pattern, image, count=4):
    for number in range(count):
        image.save(folder / pattern.format(number))


@pytest.mark.parametrize(("frames", "others", "image"), [
    ("{:05d}.jpg", "{:05d}.png", GREY), ("{:05d}.jpg", "{:05d}.png", COLOUR), ("{:05d}.jpg", "{:05d}.png", DEEP),
    ("{:05d}.png", "{:05d}.bmp", GREY), ("{:05d}.tif", "{:05d}.png", PALETTE), ("{}.JPEG", "{}.png", PALETTE),
    ("{:05d}.jpg", "{:05d}_mask.png", GREY), ("img_{}.png", "depth_{}.png", DEEP), ("{}.png", "{}_label.png", PALETTE),
    ("170.{}.jpg", "170.{}.png", GREY)], ids=shown)
@pytest.mark.parametrize("count", [1, 3, 4])
def test_of_frames_and_their_masks_in_one_folder_the_frames_are_taken_with_a_word(tmp_path, frames, others, image,
                                                                                  count):
    fill(tmp_path, frames, COLOUR)
    fill(tmp_path, others, image, count)
    with pytest.warns(RuntimeWarning, match=f"{count} files with the same numbers are left out"):
        found = frame_files(tmp_path)
    assert [path.name for path in found] == [frames.format(number) for number in range(4)]
    with pytest.warns(RuntimeWarning, match="left out"), open_source(tmp_path) as source:
        assert source.count == 4


@pytest.mark.parametrize(("one", "other"), [(("{}.png", COLOUR, 4), ("{}.bmp", COLOUR, 4)),
                                            (("{}.png", GREY, 4), ("{}.tif", GREY, 4)),
                                            (("{}.jpg", COLOUR, 3), ("{}.png", GREY, 4))], ids=shown)
def test_what_cannot_be_told_is_refused(tmp_path, one, other):
    fill(tmp_path, *one)
    fill(tmp_path, *other)
    with pytest.raises(SourceError, match=r"several pictures .*nothing tells"):
        frame_files(tmp_path)


def test_two_scenes_are_kept_with_a_word(tmp_path):
    for name in ("left_{}.png", "right_{}.png"):
        fill(tmp_path, name, COLOUR)
    with pytest.warns(RuntimeWarning, match=r"left_#.png and right_#.png"):
        assert len(frame_files(tmp_path)) == 8


@pytest.mark.parametrize("names", [["1.jpg", "2.jpg", "10.png"], ["cam1_1.jpg", "cam2_1.jpg", "cam1_2.jpg"],
                                   ["a.jpg", "b.png"], ["0.05.jpg", "0.5.jpg", "0.50x.jpg"], ["a_1.png", "b_2.png"]],
                         ids=str)
def test_names_that_meet_in_nothing_are_frames_without_a_word(tmp_path, names):
    for name in names:
        COLOUR.save(tmp_path / name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert {path.name for path in frame_files(tmp_path)} == set(names)


@pytest.mark.parametrize("pair", [("01.jpg", "1.jpg"), ("frame_002.png", "frame_2.png"), ("A1.png", "a1.png"),
                                  ("1.jpeg", "1.jpg")], ids=str)
def test_two_names_of_one_number_are_said_and_always_stand_in_one_order(tmp_path, pair):
    for name in reversed(pair):
        COLOUR.save(tmp_path / name)
    with pytest.warns(RuntimeWarning, match="are one number"):
        assert [path.name for path in frame_files(tmp_path)] == list(pair)


def test_masks_are_those_that_keep_numbers(tmp_path):
    fill(tmp_path, "{}.png", PALETTE)
    fill(tmp_path, "{}.jpg", COLOUR, 2)  # pictures of the masks on the frames
    fill(tmp_path, "{}.webp", COLOUR, 2)
    assert {path.suffix for path in mask_files(tmp_path).values()} == {".png"}
