"""Bad inputs of all kinds in published layouts: the faulty sequence is named and left out, and the rest goes on."""

from __future__ import annotations

import json
import shutil
import warnings

import numpy as np
import pytest
from PIL import Image

from siamjax.cli.main import run
from siamjax.data.readers import Choice, open_data, open_videos
from siamjax.errors import DataError

COUNT = 4
ROWS = ["10,12,20,30", "11,12,20,30", "12,12,20,30", "13,12,20,30"]


def draw(path, size=(60, 80)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), 90, np.uint8)).save(path)


@pytest.fixture
def root(tmp_path):
    """Three sequences of GOT-10k's validation, of which the second will be the bad one."""
    for number in (1, 2, 3):
        folder = tmp_path / f"got/val/GOT-10k_Val_{number:06d}"
        for frame in range(1, COUNT + 1):
            draw(folder / f"{frame:08d}.jpg")
        (folder / "groundtruth.txt").write_text("\n".join(ROWS) + "\n")
        (folder / "absence.label").write_text("0\n" * COUNT)
        (folder / "cover.label").write_text("8\n" * COUNT)
        (folder / "meta_info.ini").write_text("[METAINFO]\nobject_class: bear\n")
    (tmp_path / "got/val/list.txt").write_text("".join(f"GOT-10k_Val_{number:06d}\n" for number in (1, 2, 3)))
    return tmp_path / "got"


def truth(text):
    def damage(folder):
        (folder / "groundtruth.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    return damage


def row(line, text):
    return truth("\n".join([*ROWS[:line - 1], text, *ROWS[line:]]) + "\n")


def label(name, text):
    def damage(folder):
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return damage


def no_images(folder):
    for image in folder.glob("*.jpg"):
        image.unlink()


# What is done to the second sequence, and what is said: of file and line where there are such.
FAULTS = {
    "a word": (row(2, "11,12,x,30"), r"'11,12,x,30' is not numbers.*line 2"),
    "three numbers": (row(3, "11,12,20"), r"3 numbers instead of 4.*line 3"),
    "five numbers": (row(1, "11,12,20,30,1"), r"5 numbers instead of 4.*line 1"),
    "an empty line": (row(2, ""), r"0 numbers.*line 2"),
    "partly NaN": (row(4, "nan,12,20,30"), r"partly NaN.*line 4"),
    "a negative width": (row(2, "11,12,-20,30"), r"-20 by 30 px.*line 2"),
    "infinity": (row(2, "inf,12,20,30"), r"beyond.*line 2"),
    "a huge number": (row(2, "1e12,12,20,30"), r"beyond.*line 2"),
    "an underscore": (row(2, "1_0,12,20,30"), r"not numbers.*line 2"),
    "a terminal's code": (row(2, "\x1b[31m,12,20,30"), r"not numbers.*line 2"),
    "hexadecimal": (row(2, "0x10,12,20,30"), r"not numbers.*line 2"),
    "a row too few": (truth("\n".join(ROWS[:3])), r"3 boxes for 4 images"),
    "a row too many": (truth("\n".join([*ROWS, ROWS[0]])), r"5 boxes for 4 images"),
    "one row, of a split that hides none": (truth(ROWS[0]), r"1 boxes for 4 images"),
    "an empty file": (truth(""), r"0 boxes for 4 images"),
    "bytes of an image": (truth(b"\xff\xd8\xff\xe0" + bytes(range(256))), r"is not numbers.*line 1"),
    "a damaged UTF-16 file": (truth(b"\xff\xfe1"), r"is not text"),
    "no file of boxes": (lambda folder: (folder / "groundtruth.txt").unlink(), r"cannot be read.*groundtruth"),
    "a folder for a file": (lambda folder: ((folder / "groundtruth.txt").unlink(),
                                            (folder / "groundtruth.txt").mkdir()), r"cannot be read"),
    "normalised": (truth("0.1,0.2,0.3,0.4\n" * COUNT), r"normalised"),
    "sizes in a unit frame": (truth("0.9,0.9,0.3,0.4\n" * COUNT), r"normalised"),
    "corners": (truth("60,45,75,58\n" * COUNT), r"x1,y1,x2,y2"),
    "far outside": (truth("900,700,20,30\n" * COUNT), r"middle outside of the frame"),
    "smaller than a pixel": (truth("10,12,.2,.3\n" * COUNT), r"smaller than a pixel"),
    "a list too short": (label("absence.label", "0\n0\n"), r"2 numbers for 4 images.*absence"),
    "a list of words": (label("absence.label", "0\n0\nyes\n0\n"), r"'yes'.*absence"),
    "a cover below 0": (label("cover.label", "8\n8\n-1\n8\n"), r"'-1'.*cover"),
    "an empty list": (label("cover.label", ""), r"0 numbers for 4 images"),
    "no images": (no_images, r"has no images"),
    "no folder": (shutil.rmtree, r"no folder of images"),
    "an image too few": (lambda folder: (folder / "00000002.jpg").unlink(), r"4 boxes for 3 images"),
    "an image too many": (lambda folder: draw(folder / "00000005.jpg"), r"4 boxes for 5 images"),
    "a last frame of another size": (lambda folder: draw(folder / "00000004.jpg", (30, 40)), r"40x30 px.*80x60"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_bad_sequence_is_named_and_the_rest_goes_on(root, fault):
    damage, says = FAULTS[fault]
    damage(root / "val/GOT-10k_Val_000002")
    with pytest.warns(RuntimeWarning, match=r"left out 1 of 3 sequences") as said:
        tracks = open_data(root)
    assert [one.name for one in tracks] == ["GOT-10k_Val_000001", "GOT-10k_Val_000003"]
    [found] = tracks.faults
    assert found.name == "GOT-10k_Val_000002"
    assert len([one for one in said if "left out" in str(one.message)]) == 1
    with pytest.raises(DataError, match=says):
        open_data(root, Choice(strict=True))


@pytest.mark.parametrize(("content", "says"), [(b"", "cannot be read"), (b"no picture at all", "cannot be read")])
def test_a_first_frame_that_is_no_image_matters_to_who_reads_it(root, content, says):
    (root / "val/GOT-10k_Val_000002/00000001.jpg").write_bytes(content)
    assert len(open_data(root)) == 3
    with pytest.warns(RuntimeWarning, match=says):
        assert len(open_videos(root)) == 2


def test_a_target_absent_from_the_start_cannot_be_followed(root):
    row(1, "0,0,0,0")(root / "val/GOT-10k_Val_000002")
    assert len(open_data(root)) == 3
    with pytest.warns(RuntimeWarning, match="absent from frame 1"):
        assert len(open_videos(root)) == 2


def test_a_name_twice_is_one_and_one_that_is_not_there_is_named(root):
    names = [f"GOT-10k_Val_{number:06d}" for number in (1, 2, 2, 3, 9)]
    (root / "val/list.txt").write_bytes(("\ufeff" + "\r\n".join(names)).encode())
    with pytest.warns(RuntimeWarning, match=r"left out 1 of 4.*GOT-10k_Val_000009"):
        assert len(open_data(root)) == 3


def test_more_than_half_are_too_many(root):
    for number in (1, 2):
        row(2, "x")(root / f"val/GOT-10k_Val_{number:06d}")
    with pytest.raises(DataError, match=r"2 of 3 sequences are in error, the first: .*not numbers.*000001.*line 2"):
        open_data(root)


def test_names_with_signs_of_patterns_and_other_encodings_are_names(tmp_path):
    """`[`, `#` and accents in the names of a list, and boxes with a mark and in UTF-16."""
    names = ["a[1]#b", "c *d", "été"]
    for name in names:
        for frame in range(1, 3):
            draw(tmp_path / name / f"{frame:08d}.jpg")
        (tmp_path / name / "groundtruth.txt").write_bytes("10,12,20,30\r\n11,12,20,30\r\n".encode("utf-16"))
        (tmp_path / name / "absence.label").write_bytes(b"\xef\xbb\xbf0\r\n0\r\n")
    (tmp_path / "list.txt").write_text("\n".join(names), encoding="utf-8")
    (tmp_path / "mine.txt").write_text("a[1]#b\n", encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [one.name for one in open_data(tmp_path)] == names
        assert [one.name for one in open_data(tmp_path, Choice(split=str(tmp_path / "mine.txt")))] == ["a[1]#b"]


@pytest.mark.parametrize(("options", "says"), [
    (["--strict"], "is not numbers"), (["--layout", "nix"], "no layout"), (["--split", "nix"], "choose one of"),
    (["--layout", "lasot"], "not laid out as LaSOT"), (["--origin", "two"], "no origin"),
    (["--reader", "x.py", "--split", "val"], "leave --layout")])
def test_the_command_line_says_it_in_one_line_and_leaves_nothing(root, tmp_path, capsys, options, says):
    row(2, "x")(root / "val/GOT-10k_Val_000002")
    assert run(["evaluate", "--data", str(root), "--output", str(tmp_path / "out"), *options]) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ")
    assert says in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("segmentation", "left"), [
    ({"size": [60, 80], "counts": [1, 2]}, 1), ({"size": [60, 80], "counts": "\x00"}, 1),
    ({"size": [80, 60], "counts": [4800]}, 1), ({"size": "x", "counts": [4800]}, 1), ([[1, 2, 3]], 1), ("x", 0)])
def test_a_bad_outline_is_left_out_and_its_box_is_not(tmp_path, segmentation, left):
    draw(tmp_path / "train2017/a.jpg")
    good = {"id": 1, "image_id": 1, "bbox": [10, 12, 20, 30], "category_id": 1}
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/instances_train2017.json").write_text(json.dumps({
        "images": [{"id": 1, "file_name": "a.jpg", "width": 80, "height": 60}],
        "annotations": [good, good | {"id": 2, "segmentation": segmentation}]}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tracks = open_data(tmp_path)
    assert [one.masked.any() for one in tracks] == [False, False]
    assert len(tracks.faults) == left
