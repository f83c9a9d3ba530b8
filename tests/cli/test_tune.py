"""`siamjax tune` from its arguments to its table."""

from __future__ import annotations

import json

import jax
import numpy as np
import pytest
from PIL import Image

from siamjax.cli import tune as command
from siamjax.cli.main import run
from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.siamfc import SiamFC
from siamjax.trackers.siamfc import SiamFCConfig, SiamFCTracker
from siamjax.weights import zoo


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A weight file of a net that costs nothing."""
    stages = (Stage(2, 11, 2, pool_stride=2), Stage(2, 5, pool_stride=2), Stage(2, 3, norm=False, relu=False))
    tracker = SiamFCTracker(SiamFC(AlexNet(stages, lowering="lax")), SiamFCConfig(upsampling=2))
    crops = (np.zeros((1, size, size, 3), np.float32) for size in (127, 255))
    params = jax.jit(tracker.net.init)(jax.random.key(0), *crops)
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    zoo.save(path, tracker, params, card="a test", licence="none")
    return path


@pytest.fixture
def data(tmp_path):
    for name, frames in (("a", 3), ("b", 3), ("c", 1)):
        folder = tmp_path / "data" / name
        (folder / "img").mkdir(parents=True)
        for number in range(frames):
            pixels = np.random.default_rng(number).integers(0, 256, (64, 96, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"img/{number}.png")
        (folder / "groundtruth.txt").write_text("10,10,20,20\n" * frames)
    (tmp_path / "data/validation.txt").write_text("b\nc\n")
    return tmp_path / "data"


def test_only_the_validation_videos_are_looked_at(model, data, tmp_path, capsys):
    (data / "a/img/1.png").write_bytes(b"no image")
    assert run(["tune", "--data", str(data), "--output", str(tmp_path / "out"), "--model", str(model),
                "--grid", "scale_lr=0.2,0.8", "--grid", "tracker.window_influence=0.5"]) == 0
    report = json.loads((tmp_path / "out/tune.json").read_text())
    assert [trial["settings"] for trial in report["trials"]] == [
        {}, {"scale_lr": 0.2, "window_influence": 0.5}, {"scale_lr": 0.8, "window_influence": 0.5}]
    assert all(list(trial["videos"]) == ["b"] for trial in report["trials"])  # c has one frame
    assert report["best"]["auc"] == max(trial["auc"] for trial in report["trials"])
    assert report["model"] == "tiny"
    shown = capsys.readouterr().out
    assert "| scale_lr | window_influence | AUC | precision |" in shown
    assert "1 videos" in shown


def test_drawn_settings_are_those_of_the_seed(model, data, tmp_path):
    for folder in ("x", "y"):
        command.tune(data, tmp_path / folder, grid=("scale_lr=0.2,0.8",), model=str(model), random=2, seed=5)
    x, y = (json.loads((tmp_path / folder / "tune.json").read_text())["trials"] for folder in "xy")
    assert x == y
    assert len({trial["settings"].get("scale_lr") for trial in x}) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--grid", "scale_lr"], "write KEY=V1,V2"),
        (["--grid", "scale_lr=0.1,large"], "write KEY=V1,V2"),
        ([], "nothing to tune"),
        (["--grid", "lr=0.5"], "no setting 'lr'"),
        (["--grid", "search_size=255"], "shapes the program"),
        (["--grid", "scale_lr=2"], "from 0 to 1"),
        (["--grid", "scale_lr=0.5", "--lanes", "0"], "1 or more"),
    ],
)
def test_mistakes_are_told_before_any_work(model, data, tmp_path, capsys, arguments, words):
    assert run(["tune", "--data", str(data), "--output", str(tmp_path / "out"), "--model", str(model),
                *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_without_a_split_is_an_error(model, data, tmp_path, capsys):
    arguments = ["tune", "--data", str(data), "--output", str(tmp_path / "out"), "--model", str(model),
                 "--grid", "scale_lr=0.5"]
    (data / "validation.txt").write_text("c\n")
    assert run(arguments) == 2
    assert "no video to tune on" in capsys.readouterr().err
    (data / "validation.txt").unlink()
    assert run(arguments) == 2
    assert "no validation split" in capsys.readouterr().err
