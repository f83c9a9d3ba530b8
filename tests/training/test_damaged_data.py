"""Trainings on data with damaged images, and on data from which images were taken out."""

import json
import shutil

import chex
import numpy as np
import pytest
from PIL import Image

from siamjax.cli.main import run
from siamjax.data.readers import open_data
from siamjax.errors import ConfigError
from siamjax.training import loop
from siamjax.training.experiment import load_experiment
from siamjax.training.fingerprint import group_digests, images_gone
from siamjax.weights import files

SPEED = ("steps_per_second", "pairs_per_second", "waiting")


@pytest.fixture(scope="module")
def train(experiment_file, compiled_once):
    def start(data, folder, stop_at):
        path = loop.train(load_experiment(experiment_file), open_data(data), folder, data="squares", stop_at=stop_at)
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        return files.load(path)[0], [{k: v for k, v in line.items() if k not in SPEED} for line in lines]

    return start


@pytest.fixture
def copied(data, tmp_path):
    return shutil.copytree(data, tmp_path / "data")


def damage(data, *names):
    paths = [data / name for name in names]
    for path in paths:
        path.write_bytes(path.read_bytes()[:300])
    return list(map(str, paths))


def test_a_damaged_image_is_skipped_counted_named_and_resuming_draws_the_same(train, copied, tmp_path, capsys):
    names = damage(copied, "sequence0/img/0002.png", "sequence2/img/0000.png")
    whole, metrics = train(copied, tmp_path / "whole", 20)
    said = capsys.readouterr().err
    told = [line for line in metrics if "damaged" in line]
    assert sorted(line["damaged"] for line in told) == names
    assert sum(line.get("redrawn", 0) for line in metrics) >= 2
    assert all(said.count(f"damaged image skipped: {name}: ") == 1 for name in names)
    assert "2 images were damaged and skipped" in said.splitlines()[-1]
    train(copied, tmp_path / "parts", 8)
    again, parts = train(copied, tmp_path / "parts", 20)
    chex.assert_trees_all_equal(again, whole)
    assert parts == metrics
    assert "2 images were damaged and skipped" in capsys.readouterr().err


def test_the_image_may_be_taken_out_between_two_starts(train, copied, tmp_path, capsys):
    damage(copied, "sequence1/img/0003.png")
    train(copied, tmp_path / "out", 8)
    (copied / "sequence1" / "img" / "0003.png").unlink()
    lines = (copied / "sequence1" / "groundtruth.txt").read_text().splitlines(keepends=True)
    (copied / "sequence1" / "groundtruth.txt").write_text("".join(lines[:3] + lines[4:]))
    capsys.readouterr()
    train(copied, tmp_path / "out", 12)
    said = capsys.readouterr().err
    assert said.startswith("warning: 1 of the images are gone since the checkpoint")
    train(copied, tmp_path / "out", 16)
    assert "warning" not in capsys.readouterr().err


def test_other_data_are_refused_as_before(train, copied, tmp_path):
    train(copied, tmp_path / "out", 4)
    lines = (copied / "sequence1" / "groundtruth.txt").read_text().splitlines(keepends=True)
    (copied / "sequence1" / "groundtruth.txt").write_text("".join(["21,26,32,28\n", *lines[1:]]))
    with pytest.raises(ConfigError, match=r"of a different experiment; data\.sha256"):
        train(copied, tmp_path / "out", 8)


class Fake:
    def __init__(self, group, frames, name=None, shift=0.0):
        self.group, self.name = group, name or group
        self.boxes = np.arange(frames)[:, None] + np.float32([20 + shift, 15, 24, 30])


DATA = [Fake("a", 40), Fake("b", 60, "b/1"), Fake("b", 60, "b/2"), *(Fake(f"image{n}", 1) for n in range(20))]


@pytest.mark.parametrize(("now", "gone"), [
    ([Fake("a", 39), *DATA[1:]], 1),
    ([Fake("a", 38), Fake("b", 59, "b/1"), Fake("b", 59, "b/2"), *DATA[3:]], 3),
    (DATA[:-2], 2),  # photos of one frame each
    ([DATA[0], DATA[2], *DATA[3:]], None),  # one object of several
    (DATA[:-7], None), (DATA[1:], None),  # too much to be an accident
    ([*DATA, Fake("new", 1)], None), ([Fake("a", 40, shift=1), *DATA[1:]], None), ([Fake("a", 41), *DATA[1:]], None),
    (DATA, None), ([*DATA[:-1], Fake("other", 1)], None)])
def test_what_counts_as_images_taken_out(now, gone):
    assert images_gone(group_digests(DATA), group_digests(now)) == gone


@pytest.mark.parametrize("before", [None, 3, "x", "z" * 26, ["a"], {}, "0" * 25])
def test_a_damaged_fingerprint_allows_nothing(before):
    assert images_gone(before, group_digests(DATA)) is None


def test_check_images_names_all_of_them_and_starts_nothing(experiment_file, copied, tmp_path, capsys):
    command = ["train", str(experiment_file), "--data", str(copied), "--output", str(tmp_path / "out"),
               "--check-images", "--steps", "1"]
    names = damage(copied, "sequence0/img/0000.png", "sequence2/img/0004.png")
    assert run(command) == 2
    said = capsys.readouterr()
    assert [line.split(": ")[1] for line in said.out.splitlines()] == names
    assert said.err == (f"error: 2 of 18 images cannot be read: {names[0]}, {names[1]} ({copied}): mend or remove "
                        "them, or leave --check-images out, and they are skipped\n")
    assert not (tmp_path / "out").exists()
    for name in names:
        Image.new("RGB", (128, 96)).save(name)
    assert run(command) == 0
    assert "all 18 images can be read" in capsys.readouterr().out
