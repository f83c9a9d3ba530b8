import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from siamjax.cli.main import run

TINY = str(Path(__file__).parents[2] / "experiments" / "siamfc_tiny.py")


NARROW = f"""
import dataclasses
from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.siamfc import SiamFC
from siamjax.training.experiment import load_experiment

stages = (Stage(4, 11, 2, pool_stride=2), Stage(4, 5, pool_stride=2), Stage(4, 3, norm=False, relu=False))
net = SiamFC(AlexNet(stages, lowering="lax"), logit_bias=True)
config = dataclasses.replace(load_experiment({TINY!r}), net=net)
"""


def test_without_data_trains_on_shapes_that_the_package_draws(tmp_path, capsys):
    (tmp_path / "narrow.py").write_text(NARROW)
    assert run(["train", str(tmp_path / "narrow.py"), "--output", str(tmp_path / "out"), "--steps", "1",
                "--set", "batch_size=4"]) == 0
    assert (tmp_path / "out" / "weights.safetensors").is_file()
    record = json.loads((tmp_path / "out" / "experiment.json").read_text())
    assert record["runs"][0]["data"] == "the synthetic set"
    assert record["experiment"]["batch_size"] == 4
    assert "siamjax track SOURCE --model" in capsys.readouterr().out


TEXT = f"""
import dataclasses
from siamjax.data.synthetic import SyntheticConfig
from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.contrastive import Tower
from siamjax.training.experiment import load_experiment

parent = load_experiment({TINY.replace("siamfc_tiny", "image_text")!r})
image = Tower(AlexNet((Stage(4, 7, 4),), lowering="lax"), parent.net.first.head)
config = dataclasses.replace(parent, net=parent.net.clone(first=image), synthetic=SyntheticConfig(videos=3, frames=2))
"""


def test_trains_an_embedding_net_on_shapes_and_their_descriptions(tmp_path, capsys):
    (tmp_path / "text.py").write_text(TEXT)
    assert run(["train", str(tmp_path / "text.py"), "--output", str(tmp_path / "out"), "--steps", "1",
                "--set", "batch_size=8"]) == 0
    record = json.loads((tmp_path / "out" / "experiment.json").read_text())
    assert record["data"]["tracks"] == 9
    assert "siamjax track" not in capsys.readouterr().out
    assert run(["models", str(tmp_path / "out")]) == 0
    assert "image_text: 1 steps of 8 pairs" in capsys.readouterr().out


def test_words_need_data_that_has_them(tmp_path, capsys, shared):
    (tmp_path / "text.py").write_text(TEXT)
    assert run(["train", str(tmp_path / "text.py"), "--output", str(tmp_path / "out"), "--set", "batch_size=8",
                "--data", str(shared / "training")]) == 2
    assert "no words describe this object" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "says"), [
    (["no_such.py"], "no such experiment file"),
    ([TINY, "--set", "optim.pek_lr=1"], "did you mean optim.peak_lr"),
    ([TINY, "--set", "batch_size"], "write --set KEY=VALUE"),
    ([TINY, "--set", "batch_size=many"], "a whole number"),
    ([TINY, "--set", "batch_size=6"], "does not divide over 4 devices"),
    ([TINY, "--steps", "0"], "train for 1 or more"),
    ([TINY, "--data", "/no/such/folder"], "/no/such/folder"),
    ([TINY, "--set", "batch_size=4", "--set", "init_from=/no/such.safetensors"], "no model or file"),
    ([TINY, "--set", "batch_size=4", "--set", "optim.frozen=no/such"], "no/such"),
    ([TINY, "--set", "batch_size=4", "--set", "keep=10000000"], "make space")])
def test_mistakes_are_one_line_and_exit_2(tmp_path, capsys, arguments, says):
    assert run(["train", *arguments, "--output", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("error: ")
    assert says in said
    assert not (tmp_path / "out").exists()


def test_verify_says_which_checkpoints_are_as_they_were_saved(tmp_path, capsys):
    (tmp_path / "narrow.py").write_text(NARROW)
    out = tmp_path / "out"
    command = ["train", str(tmp_path / "narrow.py"), "--output", str(out), "--set", "batch_size=4", "--set",
               "checkpoint_every=1", "--steps", "2"]
    assert run(command) == 0
    capsys.readouterr()
    assert run(["train", "--output", str(out), "--verify"]) == 0
    assert capsys.readouterr() == ("checkpoint 1: sound\ncheckpoint 2: sound\n", "")
    largest = max((out / "checkpoints" / "2").rglob("*"), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[100:120] = bytes(255 - byte for byte in content[100:120])
    largest.write_bytes(content)
    assert run(["train", "--output", str(out), "--verify"]) == 2
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "checkpoint 1: sound"
    assert said.out.splitlines()[1].startswith("checkpoint 2: damaged: ")
    assert said.err.startswith("error: checkpoint 2 is damaged: ")
    assert said.err.count("\n") == 1
    assert f"delete {out / 'checkpoints' / '2'} to go on from checkpoint 1" in said.err
    assert run([*command[:-1], "3"]) == 2
    assert capsys.readouterr().err == said.err


@pytest.mark.parametrize("arguments", [["--output", "{}"], ["--output", "{}", "--verify"],
                                       ["--output", "{}/none", "--verify"]])
def test_nothing_to_train_and_nothing_to_verify_are_one_line(tmp_path, capsys, arguments):
    assert run(["train", *(word.format(tmp_path) for word in arguments)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


MIXED = NARROW + """
from siamjax.data import DataConfig, Part

config = dataclasses.replace(config, batch_size=4, data=dataclasses.replace(
    config.data, threads=0, max_fraction=1, parts=(Part("first", uses=-1), Part("b", uses=3, max_gap=1))))
"""


def test_several_data_sets_by_their_names(tmp_path, capsys):
    (tmp_path / "mixed.py").write_text(MIXED)
    for folder in ("a", "b"):
        (tmp_path / folder / "video" / "img").mkdir(parents=True)
        for frame in range(3):
            picture = np.random.default_rng(frame).integers(0, 255, (90, 120, 3), np.uint8)
            Image.fromarray(picture).save(tmp_path / folder / "video" / "img" / f"{frame}.png")
        (tmp_path / folder / "video" / "groundtruth.txt").write_text("30,20,40,40\n" * 3)
    command = ["train", str(tmp_path / "mixed.py"), "--steps", "1", "--output"]
    data = ["--data", f"first={tmp_path / 'a'}", str(tmp_path / "b")]
    assert run([*command, str(tmp_path / "out"), *data]) == 0
    record = json.loads((tmp_path / "out" / "experiment.json").read_text())
    assert record["data"]["tracks"] == 2
    assert record["runs"][0]["data"] == "first, b"
    assert [part["name"] for part in record["experiment"]["data"]["parts"]] == ["first", "b"]
    for entries, message in ((data[1:2], r"no track of the data is of 'b'.*it has first"),
                             ([data[2], data[2]], "named 'b'"),
                             ([f"b={tmp_path / 'a'}", f"c={tmp_path / 'b'}"], "'first'.*it has b, c")):
        capsys.readouterr()
        assert run([*command, str(tmp_path / "none"), "--data", *entries]) == 2
        assert re.search(message, capsys.readouterr().err)
        assert not (tmp_path / "none").exists()
