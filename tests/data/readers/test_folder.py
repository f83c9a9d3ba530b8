import json

import numpy as np
import pytest
from PIL import Image

from siamjax.data.labels import write_labels
from siamjax.data.readers import open_data, open_split, read_folder
from siamjax.errors import DataError
from siamjax.evaluation.protocols.base import read_frames

ROWS = ("1,2,30,40", "2\t3\t30\t40", "nan,nan,nan,nan")


def make_sequence(folder, rows=ROWS, names=("1.png", "2.png", "10.png")):
    (folder / "img").mkdir(parents=True)
    for name in names:
        Image.fromarray(np.full((60, 80, 3), len(name), np.uint8)).save(folder / "img" / name)
    (folder / "groundtruth.txt").write_text("\n".join(rows) + "\n")
    return folder


def test_sequence_is_read_with_all_it_has(tmp_path):
    folder = make_sequence(tmp_path / "dog")
    (folder / "masks").mkdir()
    Image.fromarray(np.zeros((60, 80), bool)).save(folder / "masks" / "2.png")
    (folder / "polygon.txt").write_text("1,2,3,4,5,6,7,8\n1,2,3,4,5,6\nnan,nan,nan,nan,nan,nan\n")
    (folder / "meta.json").write_text(json.dumps({"attributes": ["occlusion"]}))
    (sequence,) = read_folder(tmp_path)
    assert (sequence.name, sequence.group, sequence.size) == ("dog", "dog", (60, 80))
    assert [frame.name for frame in sequence.frames] == ["1.png", "2.png", "10.png"]
    np.testing.assert_array_equal(sequence.boxes[:2], [[1, 2, 30, 40], [2, 3, 30, 40]])
    assert sequence.boxes.dtype == np.float32
    assert np.isnan(sequence.boxes[2]).all()
    assert [mask and mask.name for mask in sequence.masks] == [None, "2.png", None]
    assert [[p.shape for p in outlines] for outlines in sequence.polygons] == [[(4, 2)], [(3, 2)], []]
    assert sequence.attributes == ("occlusion",)
    assert sequence.read(0).shape == (60, 80, 3)


def test_one_sequence_and_frames_beside_the_boxes(tmp_path):
    folder = make_sequence(tmp_path / "dog")
    assert [sequence.name for sequence in read_folder(folder)] == ["dog"]
    for image in (folder / "img").iterdir():
        image.rename(folder / image.name)
    (folder / "img").rmdir()
    assert len(read_folder(tmp_path)[0].frames) == 3


def test_several_objects_share_a_group_and_their_frames(tmp_path):
    folder = make_sequence(tmp_path / "walk")
    for one in ("1", "2", "10"):
        (folder / "objects" / one).mkdir(parents=True)
        (folder / "objects" / one / "groundtruth.txt").write_text((folder / "groundtruth.txt").read_text())
    (folder / "groundtruth.txt").unlink()
    tracks = read_folder(tmp_path)
    assert [track.name for track in tracks] == ["walk/1", "walk/2", "walk/10"]
    assert {track.group for track in tracks} == {"walk"}
    assert tracks[0].key(1) == tracks[2].key(1)


def test_several_objects_share_masks_that_number_them_or_have_their_own(tmp_path):
    folder = make_sequence(tmp_path / "walk")
    labels = np.zeros((60, 80), np.uint8)
    labels[5:9, 5:9], labels[20:40, 30:60] = 1, 2
    (folder / "masks").mkdir()
    write_labels(folder / "masks" / "2.png", labels)
    for one in ("1", "2", "left"):
        (folder / "objects" / one).mkdir(parents=True)
        (folder / "objects" / one / "groundtruth.txt").write_text((folder / "groundtruth.txt").read_text())
    (folder / "objects/left/masks").mkdir()
    write_labels(folder / "objects/left/masks/1.png", labels)
    (folder / "groundtruth.txt").unlink()
    first, second, left = read_folder(tmp_path)
    for track, number in ((first, 1), (second, 2)):
        assert track.masked.tolist() == [False, True, False]
        np.testing.assert_array_equal(track.mask(1), labels == number)
    np.testing.assert_array_equal(left.mask(0), labels > 0)
    (folder / "objects/left/masks/1.png").unlink()
    (folder / "objects/left/masks").rmdir()
    for name in ("left", "300"):
        (folder / "objects/left").rename(folder / "objects" / name)
        with pytest.raises(DataError, match=f"'{name}' is no number"):
            read_folder(tmp_path)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (("1,2,3", "1,2,3,4", "1,2,3,4"), "3 numbers.*line 1"),
        (("1,2,3,4", "1,2,x,4", "1,2,3,4"), "'1,2,x,4'.*line 2"),
        (("1,2,3,4", "1,2,nan,4", "1,2,3,4"), "partly NaN.*line 2"),
        (("1,2,3,4", "1,2,3,-4", "1,2,3,4"), "line 2"),
        (("1,2,3,4", "inf,2,3,4", "1,2,3,4"), "beyond.*line 2"),
        (("1,2,3,4", "1e9,2,3,4", "1,2,3,4"), "beyond.*line 2"),
        (("1,2,3,4", "1,2,3,4"), "2 boxes for 3 images"),
    ],
)
def test_bad_boxes_are_named_by_file_and_line(tmp_path, rows, says):
    make_sequence(tmp_path / "dog", rows)
    with pytest.raises(DataError, match=says) as caught:
        read_folder(tmp_path)
    assert "groundtruth.txt" in caught.value.where


@pytest.mark.parametrize("row", ["0,0,0,0", "-1,-1,-1,-1", "NaN,NaN,NaN,NaN", "12,30,0,0", "1,2,0,4", "1;2;3;0"])
def test_a_box_of_nothing_is_an_absent_target(tmp_path, row):
    make_sequence(tmp_path / "dog", ("1,2,3,4", row, "1,2,3,4"))
    [sequence] = read_folder(tmp_path)
    assert np.isnan(sequence.boxes).all(axis=1).tolist() == [False, True, False]


def test_other_faults_of_a_folder(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        read_folder(tmp_path / "missing")
    with pytest.raises(DataError, match="no sequence"):
        read_folder(tmp_path)
    folder = make_sequence(tmp_path / "dog")
    (folder / "meta.json").write_text("[1]")
    with pytest.raises(DataError, match=r"meta\.json"):
        read_folder(tmp_path)
    (folder / "meta.json").unlink()
    (folder / "masks").mkdir()
    Image.fromarray(np.zeros((60, 80), bool)).save(folder / "masks" / "7.png")
    with pytest.raises(DataError, match="mask '7'"):
        read_folder(tmp_path)


def test_a_frame_of_another_size_is_an_error(tmp_path):
    names = [f"{number}.png" for number in range(40)]
    folder = make_sequence(tmp_path / "dog", ["1,2,30,40"] * 40, names)
    (sequence,) = read_folder(tmp_path)
    small = Image.fromarray(np.zeros((30, 40, 3), np.uint8))
    small.save(folder / "img" / "1.png")  # which no look at some of them finds
    (sequence,) = read_folder(tmp_path)
    with pytest.raises(DataError, match=r"40x30 px.*80x60"):
        sequence.read(1)
    with pytest.raises(DataError, match=r"40x30 px.*80x60.*1.png"):
        list(read_frames(sequence))
    small.save(folder / "img" / "39.png")
    with pytest.raises(DataError, match=r"40x30 px and the first of its video 80x60.*39.png"):
        read_folder(tmp_path)


def test_split_keeps_a_group_together_and_refuses_unknown_names(tmp_path):
    for name in ("a_1", "a_2", "b"):
        make_sequence(tmp_path / "videos" / name)
    listing = tmp_path / "validation.txt"
    listing.write_text("# held out\nvideos/a_*   # both\n\n")
    train, validation = open_split(tmp_path)
    assert [t.name for t in train] == ["videos/b"]
    assert [t.name for t in validation] == ["videos/a_1", "videos/a_2"]
    listing.write_text("videos/c\n")
    with pytest.raises(DataError, match=r"videos/c.*validation.txt"):
        open_split(tmp_path)
    listing.write_text("*\n")
    with pytest.raises(DataError, match="all of the data"):
        open_split(tmp_path)
    listing.unlink()
    assert len(open_split(tmp_path)[0]) == len(open_data(tmp_path)) == 3
