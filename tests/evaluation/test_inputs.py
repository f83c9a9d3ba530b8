"""Results belong to the pictures they were made of: what counts as a change, and what does not."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from siamjax.data.readers import read_folder
from siamjax.errors import OutputError
from siamjax.evaluation import PROTOCOLS, runner
from siamjax.evaluation.files.inputs import NOTES, Inputs
from siamjax.trackers.base import Result


def answer(frames, boxes):
    count = len(list(frames))
    flags = np.zeros(count, bool)
    return [Result(np.repeat(box[None], count, axis=0), np.ones(count), flags, ~flags, np.full(count, 0.01))
            for box in boxes]


class Run:
    """An evaluation of two videos with masks, and how many of them it tracked."""

    def __init__(self, root):
        self.root, self.tracked = root, []
        for name in ("one", "two"):
            for part in ("img", "masks"):
                (root / "data" / name / part).mkdir(parents=True)
            for number in range(4):
                pixels = np.full((40, 60, 3), 50 + number, np.uint8)
                Image.fromarray(pixels).save(root / f"data/{name}/img/{number}.bmp")  # bytes tell nothing of the pixels
                mask = np.zeros((40, 60), np.uint8)
                mask[10:30, 10 + number:30 + number] = 255
                Image.fromarray(mask).save(root / f"data/{name}/masks/{number}.png")
            (root / "data" / name / "groundtruth.txt").write_text("".join(f"{10 + n},10,20,20\n" for n in range(4)))

    def __call__(self, protocol="ope"):
        def track(frames, boxes):
            self.tracked.append(len(boxes))
            return answer(frames, boxes)

        entry = runner.Contender("still", track, {"model": "still"})
        rules = PROTOCOLS[protocol]
        units = rules.prepare(read_folder(self.root / "data"))
        runner.run(entry, rules, units, self.root / "out", data_folder=self.root / "data", progress=lambda line: None)
        return len(self.tracked)


@pytest.fixture
def evaluation(tmp_path):
    return Run(tmp_path)


def repaint(root):
    """Another picture of the same size in bytes, with the times of the first."""
    file = root / "data/two/img/2.bmp"
    times = file.stat()
    Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(file)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns + 1000))


def add_frame(root):
    shutil.copy(root / "data/two/img/3.bmp", root / "data/two/img/4.bmp")
    with open(root / "data/two/groundtruth.txt", "a") as file:
        file.write("14,10,20,20\n")


def rename(root):
    (root / "data/two/img/1.bmp").rename(root / "data/two/img/1.5.bmp")
    shutil.rmtree(root / "data/two/masks")


def damage(root):
    (root / "data/two/img/2.bmp").write_bytes(b"BM")


def first_box(root):
    file = root / "data/two/groundtruth.txt"
    file.write_text(file.read_text().replace("10,10,20,20", "11,10,20,20", 1))


def swap(root):
    one, two = root / "data/two/img/1.bmp", root / "data/two/img/2.bmp"
    one.rename(root / "x")
    two.rename(one)
    (root / "x").rename(two)


@pytest.mark.parametrize("change", [repaint, add_frame, rename, damage, first_box, swap])
def test_results_of_what_changed_are_refused_and_named(evaluation, tmp_path, change):
    assert evaluation() == 2
    change(tmp_path)
    with pytest.raises(OutputError, match="since then the pictures or the first box of two changed"):
        evaluation()
    assert len(evaluation.tracked) == 2
    for file in (tmp_path / "out/still/raw").glob("two*"):  # as the docs say
        file.unlink()
    assert evaluation() == 3


def touch(root):
    for file in (root / "data").rglob("*.*"):
        os.utime(file, (1e9, 1e9))


def copy(root):
    shutil.copytree(root / "data", root / "copy", copy_function=shutil.copyfile)
    shutil.rmtree(root / "data")
    (root / "copy").rename(root / "data")


def later_label(root):
    file = root / "data/two/groundtruth.txt"
    file.write_text(file.read_text().replace("12,10,20,20", "nan,nan,nan,nan"))


def later_mask(root):
    Image.fromarray(np.zeros((40, 60), np.uint8)).save(root / "data/two/masks/2.png")


def another_video(root):
    shutil.copytree(root / "data/two", root / "data/three")


@pytest.mark.parametrize(("change", "more"), [(touch, 0), (copy, 0), (later_label, 0), (later_mask, 0),
                                              (another_video, 1)])
@pytest.mark.parametrize("protocol", ["ope", "davis"])
def test_results_of_the_same_pictures_stay_good(evaluation, tmp_path, change, more, protocol):
    assert evaluation(protocol) == 2
    change(tmp_path)
    assert evaluation(protocol) == 2 + more


@pytest.mark.parametrize(("protocol", "refused"), [("ope", False), ("davis", True)])
def test_the_first_mask_counts_where_it_is_read(evaluation, tmp_path, protocol, refused):
    evaluation(protocol)
    mask = np.zeros((40, 60), np.uint8)
    mask[11:30, 10:30] = 255
    Image.fromarray(mask).save(tmp_path / "data/two/masks/0.png")
    if refused:
        with pytest.raises(OutputError, match="two changed"):
            evaluation(protocol)
    else:
        assert evaluation(protocol) == 2


@pytest.mark.parametrize("text", ["", "[]", "{", '{"two": 3}', '{"two": {"listed": "x"}}'])
def test_results_without_a_sound_note_are_of_unknown_pictures(evaluation, tmp_path, text):
    evaluation()
    (tmp_path / "out/still" / NOTES).write_text(text)
    with pytest.raises(OutputError, match="of one, two changed"):
        evaluation()


def test_what_was_not_tracked_yet_may_change(evaluation, tmp_path):
    evaluation()
    for file in (tmp_path / "out/still/raw").glob("two*"):
        file.unlink()
    repaint(tmp_path)
    assert evaluation() == 3
    assert evaluation() == 3


def test_pictures_are_read_only_where_their_list_does_not_tell(evaluation, monkeypatch):
    evaluation()
    monkeypatch.setattr("hashlib.file_digest", None)
    assert evaluation() == 2


def test_a_message_names_a_few_of_many(tmp_path):
    sequences = [type("S", (), {"name": f"s{n}"})() for n in range(9)]
    (tmp_path / "raw").mkdir()
    for one in sequences:
        (tmp_path / f"raw/{one.name}.txt").touch()
    with pytest.raises(OutputError, match="s0, s1, s2 and 6 more changed"):
        Inputs(masks=False).check(tmp_path, sequences)
