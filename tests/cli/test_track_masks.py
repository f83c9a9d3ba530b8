"""`siamjax track` with masks: given ones, those that it writes, and every mask that cannot be followed."""

from __future__ import annotations

import csv

import av
import numpy as np
import pytest
from PIL import Image

from siamjax.cli.main import run
from siamjax.data.labels import read_labels

SIZE, FRAMES = (96, 128), 4


@pytest.fixture
def clip(tmp_path):
    """A square that moves to the right over noise."""
    root = tmp_path / "clip"
    root.mkdir()
    rng = np.random.default_rng(5)
    texture = rng.integers(0, 256, (4, 4, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    ground = rng.integers(60, 120, (*SIZE, 3), np.uint8)
    for number in range(FRAMES):
        image = ground.copy()
        image[30:62, 40 + number:72 + number] = texture
        Image.fromarray(image).save(root / f"{number:03d}.png")
    return root


def save(path, labels, mode="L"):
    image = Image.fromarray(np.uint8(labels))
    if mode == "P":
        image.putpalette(list(range(256)) * 3)
    image.save(path)
    return path


def square(*places, size=SIZE):
    """Labels of `(number, x, y, w, h)` each."""
    labels = np.zeros(size, np.uint8)
    for number, x, y, w, h in places:
        labels[y:y + h, x:x + w] = number
    return labels


def track(clip, mask, model, output, *more):
    return run(["track", str(clip), "--init-mask", str(mask), "--model", model, "--output", str(output), *more])


def table(output):
    with open(output / "tracks.csv") as file:
        return list(csv.DictReader(file))


def test_a_mask_is_followed_and_masks_and_corners_come_out(clip, mask_model, tmp_path):
    given = square((1, 40, 30, 32, 32))
    given[30:40, 40:50] = 0  # not its box's shape
    output = tmp_path / "out"
    assert track(clip, save(tmp_path / "given.png", given), mask_model, output) == 0
    assert sorted(path.name for path in output.iterdir()) == ["masks", "source.txt", "tracks.csv", "video.mp4"]
    files = sorted((output / "masks").iterdir())
    assert [file.name for file in files] == [f"{number:05d}.png" for number in range(FRAMES)]
    assert all(Image.open(file).mode == "P" for file in files)
    labels = [read_labels(file) for file in files]
    np.testing.assert_array_equal(labels[0], given)
    assert all(image.shape == SIZE and set(np.unique(image)) <= {0, 1} for image in labels)
    assert any(image.any() for image in labels[1:])
    rows = table(output)
    assert [float(rows[0][k]) for k in "xywh"] == [40, 30, 32, 32]
    corners = np.array([[float(row[f"{k}{n}"]) for n in (1, 2, 3, 4) for k in "xy"] for row in rows])
    np.testing.assert_allclose(corners[0], [40, 30, 72, 30, 72, 62, 40, 62])
    assert np.isfinite(corners).all()
    with av.open(str(output / "video.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == FRAMES


@pytest.mark.parametrize("mode", ["L", "P"])
def test_several_objects_are_numbered_in_the_order_of_their_numbers(clip, mask_model, tmp_path, capsys, mode):
    given = square((7, 10, 10, 20, 30), (3, 60, 50, 24, 16), (255, 0, 90, 128, 6))
    output = tmp_path / "out"
    assert track(clip, save(tmp_path / "given.png", given, mode), mask_model, output) == 0
    count = 2  # 255 beside numbers of objects is void
    assert "targets 0 to 1 are the numbers 3, 7 of" in capsys.readouterr().out
    first = read_labels(output / "masks/00000.png")
    assert (first[given == 3] == 1).all()
    assert (first[given == 7] == 2).all()
    assert not first[given == 255].any()
    rows = table(output)
    assert [row["target"] for row in rows] == [str(n) for _ in range(FRAMES) for n in range(count)]
    assert [float(rows[0][k]) for k in "xywh"] == [60, 50, 24, 16]
    assert [float(rows[1][k]) for k in "xywh"] == [10, 10, 20, 30]
    assert read_labels(output / "masks/00003.png").max() <= count


@pytest.mark.parametrize("place", [(0, 0, 128, 96), (60, 40, 3, 3), (127, 95, 1, 1)], ids=str)
def test_a_mask_of_the_whole_frame_and_of_a_few_pixels(clip, mask_model, tmp_path, place, capsys):
    given = square((1, *place))
    output = tmp_path / "out"
    assert track(clip, save(tmp_path / "given.png", given), mask_model, output, "--no-video") == 0
    said = "given.png are 1: the target is the whole frame; write 0 where it is not" in capsys.readouterr().err
    assert said == (place[2] == SIZE[1])
    rows = table(output)
    assert [float(rows[0][k]) for k in "xywh"] == list(place)
    assert all(np.isfinite([float(value) for value in row.values()]).all() for row in rows)
    np.testing.assert_array_equal(read_labels(output / "masks/00000.png"), given)
    assert len(list((output / "masks").iterdir())) == FRAMES


def test_a_box_starts_a_tracker_of_masks_too_and_masks_may_be_left_out(clip, mask_model, tmp_path):
    arguments = ["track", str(clip), "--box", "40,30,32,32", "--model", mask_model, "--output"]
    assert run([*arguments, str(tmp_path / "out")]) == 0
    np.testing.assert_array_equal(read_labels(tmp_path / "out/masks/00000.png"), square((1, 40, 30, 32, 32)))
    assert run([*arguments, str(tmp_path / "bare"), "--no-masks", "--no-video"]) == 0
    assert sorted(path.name for path in (tmp_path / "bare").iterdir()) == ["source.txt", "tracks.csv"]
    assert "x4" in table(tmp_path / "bare")[0]


def test_a_model_without_masks_follows_the_boxes_and_says_so(clip, tmp_path, model, capsys):
    output = tmp_path / "out"
    assert track(clip, save(tmp_path / "given.png", square((1, 40, 30, 32, 32))), model, output) == 0
    assert "tiny has no masks: it follows the boxes" in capsys.readouterr().err
    assert sorted(path.name for path in output.iterdir()) == ["source.txt", "tracks.csv", "video.mp4"]
    assert list(table(output)[0]) == ["frame", "target", "x", "y", "w", "h", "score", "lost", "valid"]


def test_an_empty_mask_leaves_the_tracked_box(clip, mask_model, tmp_path):
    output = tmp_path / "out"
    given = save(tmp_path / "given.png", square((1, 40, 30, 32, 32)))
    assert track(clip, given, mask_model, output, "--set", "tracker.mask_threshold=1") == 0
    assert read_labels(output / "masks/00000.png").any()
    assert not any(read_labels(output / f"masks/{number:05d}.png").any() for number in range(1, FRAMES))
    for row in table(output)[1:]:
        corners = np.array([[float(row[f"x{n}"]), float(row[f"y{n}"])] for n in (1, 2, 3, 4)])
        x, y = np.ptp(corners, axis=0)
        np.testing.assert_allclose(corners - corners[0], [[0, 0], [x, 0], [x, y], [0, y]], atol=1e-3)  # upright


def test_a_frame_that_does_not_decode_holds_its_mask(clip, mask_model, tmp_path):
    (clip / "002.png").write_bytes(b"\x89PNG broken")
    output = tmp_path / "out"
    assert track(clip, save(tmp_path / "given.png", square((1, 40, 30, 32, 32))), mask_model, output) == 0
    np.testing.assert_array_equal(*(read_labels(output / f"masks/{n:05d}.png") for n in (1, 2)))


def test_masks_of_an_earlier_run_are_replaced_and_those_of_others_left_alone(clip, mask_model, tmp_path, capsys):
    given, output = save(tmp_path / "given.png", square((1, 40, 30, 32, 32))), tmp_path / "out"
    assert track(clip, given, mask_model, output) == 0
    (clip / "003.png").unlink()
    assert track(clip, given, mask_model, output) == 0
    assert len(list((output / "masks").iterdir())) == FRAMES - 1
    others = tmp_path / "data"
    (others / "masks").mkdir(parents=True)
    save(others / "masks/00000.png", square((1, 0, 0, 5, 5)))
    capsys.readouterr()
    assert track(clip, given, mask_model, others) == 2
    assert "another origin" in capsys.readouterr().err
    assert [path.name for path in others.rglob("*.*")] == ["00000.png"]


def wrong(tmp_path):
    save(tmp_path / "given.png", square((1, 40, 30, 32, 32)))
    save(tmp_path / "empty.png", square())
    save(tmp_path / "larger.png", square((1, 5, 5, 9, 9), size=(100, 128)))
    save(tmp_path / "smooth.png", np.tile(np.arange(128), (96, 1)))
    (tmp_path / "text.png").write_text("no image")
    Image.fromarray(square((9, 4, 4, 9, 9))).save(tmp_path / "lossy.jpg")
    Image.fromarray(np.uint16(square((1, 4, 4, 9, 9))) * 300).save(tmp_path / "deep.png")
    (tmp_path / "folder").mkdir()
    colours = np.zeros((*SIZE, 3), np.uint8)
    colours[:20, :20] = 255, 0, 0
    Image.fromarray(colours).save(tmp_path / "colours.png")


@pytest.mark.parametrize(("name", "more", "said"), [
    ("nowhere.png", (), "no such file"), ("folder", (), "is a folder"), ("text.png", (), "cannot be read"),
    ("lossy.jpg", (), "JPEG"),
    ("larger.png", (), "128x100 px and the first frame 128x96"), ("empty.png", (), "all of its pixels are 0"),
    ("smooth.png", (), "127 different numbers"), ("colours.png", (), "colour picture"), ("deep.png", (), "up to 300"),
    ("given.png", ("--box", "1,2,30,40"), "give one of them")])
def test_masks_that_cannot_be_followed_are_one_line_exit_2_and_nothing_written(clip, mask_model, tmp_path, capsys,
                                                                             name, more, said):
    wrong(tmp_path)
    output = tmp_path / "out"
    assert track(clip, tmp_path / name, mask_model, output, *more) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1
    assert said in printed
    assert not output.exists()
