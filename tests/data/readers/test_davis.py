"""Folders as DAVIS and YouTube-VOS lay them out."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from siamjax.data.config import DataConfig
from siamjax.data.labels import write_labels
from siamjax.data.pipeline import make_sample
from siamjax.data.pools import usable_frames
from siamjax.data.readers import open_data, open_split, open_videos, read_davis
from siamjax.errors import DataError, SourceError

SIZE = 60, 80


def labels(*places):
    """Of `(number, x, y, w, h)` each."""
    image = np.zeros(SIZE, np.uint8)
    for number, x, y, w, h in places:
        image[y:y + h, x:x + w] = number
    return image


def video(root, name, masks, *, frames=None, level=""):
    """Masks by frame number, and frames `frames` (those with masks)."""
    for kind in ("JPEGImages", "Annotations"):
        (root / kind / level / name).mkdir(parents=True)
    for number in frames or masks:
        pixels = np.full((*SIZE, 3), 40 + number, np.uint8)
        Image.fromarray(pixels).save(root / "JPEGImages" / level / name / f"{number:05d}.jpg")
    for number, mask in masks.items():
        write_labels(root / "Annotations" / level / name / f"{number:05d}.png", mask)


@pytest.fixture
def youtube(tmp_path):
    """Every fifth frame is annotated; object 2 comes late and 1 leaves; another video has one object."""
    video(tmp_path, "aa10", {0: labels((1, 10, 20, 20, 10)), 5: labels((1, 14, 20, 20, 10), (2, 50, 5, 12, 30)),
                             10: labels((2, 52, 5, 12, 30), (255, 0, 50, 80, 5))}, frames=range(12))
    video(tmp_path, "aa9", {0: labels((3, 10, 20, 20, 10)), 5: labels((3, 12, 21, 20, 10)),
                            10: labels((255, 0, 50, 80, 5))})
    meta = {"videos": {"aa10": {"objects": {"1": {"category": "cat", "frames": ["00000"]},
                                            "2": {"category": "dog"}}}}}
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    return tmp_path


def test_a_track_an_object_from_the_first_annotated_frame_on(youtube):
    nine, cat, dog = read_davis(youtube)
    assert [track.name for track in (nine, cat, dog)] == ["aa9", "aa10/1", "aa10/2"]
    assert {track.group for track in (cat, dog)} == {"aa10"}
    assert [track.category for track in (nine, cat, dog)] == ["", "cat", "dog"]
    assert [frame.name for frame in cat.frames] == [f"{number:05d}.jpg" for number in range(12)]
    assert cat.key(1) == dog.key(1)
    absent = [np.nan] * 4
    np.testing.assert_array_equal(np.flatnonzero(cat.known), [0, 5, 10])
    np.testing.assert_array_equal(cat.boxes[cat.known], [[10, 20, 20, 10], [14, 20, 20, 10], absent])
    np.testing.assert_array_equal(dog.boxes[dog.known], [absent, [50, 5, 12, 30], [52, 5, 12, 30]])
    assert np.isnan(cat.boxes[~cat.known]).all()
    assert cat.boxes.dtype == np.float32
    np.testing.assert_array_equal(dog.masked, dog.known)
    np.testing.assert_array_equal(dog.mask(5), labels((1, 50, 5, 12, 30)) == 1)
    assert not dog.mask(0).any()
    assert nine.known.tolist() == [True, True, True]  # its frames are the annotated ones
    assert nine.annotated is None
    assert nine.mask(1).sum() == 200
    assert not nine.mask(2).any()  # void alone


@pytest.mark.parametrize(("annotated", "frames", "known"), [
    ([0], range(16), [0]), ([0, 5, 10], range(11), [0, 5, 10]), ([3, 4], range(8), [0, 1]), ([7], range(8), [0]),
    ([0, 1, 2], range(3), [0, 1, 2]), ([2, 6], [0, 2, 4, 6, 8], [0, 2])])
def test_frames_after_an_annotation_are_tracked_whether_annotated_or_not(tmp_path, annotated, frames, known):
    video(tmp_path, "aa", {number: labels((1, 10, 20, 20, 10)) for number in annotated}, frames=frames)
    [track] = read_davis(tmp_path)
    assert [int(frame.stem) for frame in track.frames] == [number for number in frames if number >= annotated[0]]
    assert np.flatnonzero(track.known).tolist() == known == np.flatnonzero(track.masked).tolist()
    assert np.isfinite(track.boxes).all(axis=1).tolist() == track.known.tolist()
    assert usable_frames(track, DataConfig(min_side=5)).tolist() == known  # training sees these alone


def test_training_and_evaluation_find_the_layout(youtube):
    (youtube / "validation.txt").write_text("aa9\n")
    train, held_out = open_split(youtube)
    assert [track.name for track in train] == ["aa10/1", "aa10/2"]
    assert [track.name for track in held_out] == ["aa9"] == [track.name for track in open_videos(youtube)[:1]]
    config = DataConfig(patch_size=127, masks=True, min_side=5)
    pair = make_sample(train, config, seed=0)(3)
    assert pair.masked
    assert pair.search_mask.max() == 255


def test_davis_has_a_folder_for_each_resolution_and_may_stand_beside_images(tmp_path):
    video(tmp_path, "bear", {0: labels((1, 10, 20, 20, 10))}, level="480p")
    (tmp_path / "JPEGImages/Full-Resolution/bear").mkdir(parents=True)
    (tmp_path / "images").mkdir()
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(tmp_path / "images/a.png")
    image = {"id": 1, "file_name": "a.png", "width": 80, "height": 60}
    (tmp_path / "annotations.json").write_text(json.dumps(
        {"images": [image], "annotations": [{"id": 4, "image_id": 1, "bbox": [1, 2, 30, 40]}]}))
    bear, other = open_data(tmp_path)
    assert (bear.name, bear.frames[0].parent.parent.name) == ("bear", "480p")
    assert other.name == "images/a/4"


def test_black_and_white_masks_are_those_of_one_object(tmp_path):
    video(tmp_path, "bear", {0: labels((1, 10, 20, 20, 10)), 1: labels()})
    for file in (tmp_path / "Annotations/bear").iterdir():  # DAVIS 2016
        Image.fromarray(np.asarray(Image.open(file)) * np.uint8(255)).save(file)
    [bear] = read_davis(tmp_path)
    assert bear.name == "bear"
    np.testing.assert_array_equal(bear.boxes, [[10, 20, 20, 10], [np.nan] * 4])
    assert bear.mask(0).sum() == 200


def fault(root, kind):
    masks, frames = root / "Annotations/aa9", root / "JPEGImages/aa9"
    if kind == "no video":
        for one in (root / "Annotations").iterdir():
            one.rename(root / one.name)
    elif kind == "no frames":
        frames.rename(root / "aa9")
    elif kind == "no frame":
        (frames / "00005.jpg").unlink()
    elif kind == "size":
        write_labels(masks / "00005.png", np.ones((30, 40), np.uint8))
    elif kind == "empty":
        for file in masks.iterdir():
            write_labels(file, labels())
    elif kind == "damaged":
        (masks / "00005.png").write_bytes(b"\x89PNG broken")
    elif kind == "meta":
        (root / "meta.json").write_text('{"videos": [1]}')


@pytest.mark.parametrize(("kind", "where", "says"), [
    ("no video", "Annotations", "no video"), ("no frames", "JPEGImages/aa9", "no frames"),
    ("no frame", "aa9/00005.png", "no frame"), ("size", "aa9/00005.png", "40x30 px and its frame 80x60"),
    ("empty", "aa9", "no object"), ("damaged", "aa9/00005.png", "cannot be read"), ("meta", "meta.json", "expected")])
def test_faults_are_named(youtube, kind, where, says):
    fault(youtube, kind)
    with pytest.raises((DataError, SourceError), match=says) as caught:
        read_davis(youtube)
    assert caught.value.where.endswith(where)


def grey(root, name, number, pixels):
    Image.fromarray(pixels).save(root / "Annotations" / name / f"{number:05d}.png")


@pytest.mark.parametrize("frames_with_void", [(0, 1, 2), (0,), (1,)])
def test_void_of_grey_files_is_decided_for_the_video_and_the_set(tmp_path, frames_with_void):
    one, two, void = (1, 10, 20, 20, 10), (2, 50, 5, 12, 30), (255, 0, 50, 80, 5)
    masks = {number: labels(one, two) for number in range(3)}
    video(tmp_path, "walk", {**masks, 3: labels()})
    for number in range(3):
        grey(tmp_path, "walk", number, labels(one, two, *([void] if number in frames_with_void else [])))
    grey(tmp_path, "walk", 3, labels(void))  # the objects have left, void has not
    tracks = read_davis(tmp_path)
    assert [track.name for track in tracks] == ["walk/1", "walk/2"]
    for track, place in zip(tracks, (one, two)):
        np.testing.assert_array_equal(track.boxes, [list(place[1:])] * 3 + [[np.nan] * 4])
        np.testing.assert_array_equal(track.mask(0), labels(place) > 0)
        assert not track.mask(3).any()
    video(tmp_path, "void", {0: labels()})
    grey(tmp_path, "void", 0, labels(void))
    with pytest.raises(DataError, match=r"no object but void \(255\) \(void\)"):
        read_davis(tmp_path)


def test_black_and_white_videos_stand_beside_numbered_ones(tmp_path):
    for name, number in (("bear", 255), ("cat", 1), ("dog", 2)):
        video(tmp_path, name, {0: labels()})
        grey(tmp_path, name, 0, labels((number, 10, 20, 20, 10)))
    video(tmp_path, "soft", {0: labels(), 1: labels()})
    soft = Image.fromarray(labels((255, 10, 20, 20, 10))).resize((200, 150), Image.Resampling.BILINEAR)
    soft.resize(SIZE[::-1], Image.Resampling.BILINEAR).save(tmp_path / "Annotations/soft/00000.png")
    grey(tmp_path, "soft", 1, labels((255, 12, 20, 20, 10)))
    tracks = read_davis(tmp_path)
    assert [(track.name, track.label) for track in tracks] == [("bear", 255), ("cat", 1), ("dog", 2), ("soft", 255)]
    assert all(abs(track.mask(0).sum() - 200) < 30 for track in tracks)


def test_a_folder_of_grey_masks_is_decided_as_a_whole(tmp_path):
    """Of one object all numbers are it, but not void, though a frame shows nothing else."""
    (tmp_path / "walk/img").mkdir(parents=True)
    (tmp_path / "walk/masks").mkdir()
    for number in range(3):
        Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(tmp_path / f"walk/img/{number}.png")
        mask = labels((7, 10, 20, 20, 10), (255, 0, 50, 80, 5)) if number < 2 else labels((255, 0, 50, 80, 5))
        Image.fromarray(mask).save(tmp_path / f"walk/masks/{number}.png")
    (tmp_path / "walk/groundtruth.txt").write_text("10,20,20,10\n" * 3)
    [walk] = open_videos(tmp_path)
    assert [int(walk.mask(number).sum()) for number in range(3)] == [200, 200, 0]
