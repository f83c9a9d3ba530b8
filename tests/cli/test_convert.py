"""`siamjax convert` of PySOT's trackers and of ImageNet backbones: what it writes, and each wrong input."""

from __future__ import annotations

import json

import numpy as np
import pytest
from flax import traverse_util

from siamjax.cli.main import run
from siamjax.errors import WeightsError
from siamjax.weights import backbones, files, zoo
from siamjax.weights.published import recognise

torch = pytest.importorskip("torch")


def their_tensors(names, wanted):
    """Tensors by the first spelling of each name, zeros that take no memory."""
    shapes = traverse_util.flatten_dict(wanted, sep="/")
    tensors = {}
    for ours, name in {ours: name for name, ours in reversed(names)}.items():
        shape = shapes[ours].shape
        sizes = (shape[3], shape[2], *shape[:2]) if len(shape) == 4 else shape
        tensors[name] = torch.zeros(1).expand(sizes) if sizes else torch.zeros(())
    return tensors


def tracker(model):
    entry = zoo.ZOO[model]
    return their_tensors(entry.names, zoo.wanted_variables(entry.tracker))


@pytest.fixture(scope="module")
def alex():
    return tracker("siamrpn_alex")


@pytest.fixture(scope="module")
def mobilenet():
    source = backbones.BACKBONES["mobilenetv2"][1]
    tensors = their_tensors(source.names, backbones.wanted_variables(source.net))
    return {name: value for name, value in tensors.items() if ".expand." not in name}  # which the file has not


def test_a_tracker_of_pysot_is_recognised_and_stays_bgr(alex, tmp_path, capsys):
    torch.save({"state_dict": {f"module.{name}": value for name, value in alex.items()}}, tmp_path / "model.pth")
    output = tmp_path / "alex.safetensors"
    assert run(["convert", str(tmp_path / "model.pth"), "--output", str(output), "--source", "example.org"]) == 0
    said = capsys.readouterr().out
    assert f"model.pth is siamrpn_alex: {len(alex)} tensors converted, none left over" in said
    assert "with other settings: siamrpn_alex_otb (choose with --model)" in said
    _, metadata = files.load(output)
    assert metadata["channel_order"] == "bgr"
    assert json.loads(metadata["config"])["config"]["channel_order"] == "bgr"
    assert metadata["card"] == "siamrpn_alex, converted from model.pth, published by example.org"
    loaded = zoo.load(output, prepare=False)
    assert loaded.tracker == zoo.ZOO["siamrpn_alex"].tracker


@pytest.mark.parametrize("model", [name for name, entry in zoo.ZOO.items() if entry.names is not None])
def test_every_published_model_says_the_order_of_its_channels(model):
    tracker = zoo.ZOO[model].tracker
    metadata = zoo.metadata_for(tracker, card="", licence="")
    assert metadata["channel_order"] == tracker.config.channel_order == (
        "rgb" if "siamfc" in model or "fear" in model else "bgr")


@pytest.mark.parametrize("model", [
    "siamrpn_r50", *(pytest.param(f"siamrpn_{name}", marks=pytest.mark.slow)
                     for name in ("mobilev2", "r50_otb", "r50_lt"))])
def test_models_of_like_names_are_told_apart(model):
    """The long-term net differs from the short-term one in shapes only."""
    tensors = {name: np.broadcast_to(np.float32(0), value.shape) for name, value in tracker(model).items()}
    assert recognise(tensors, where="x.pth") == [model]


def test_a_backbone_becomes_a_start(mobilenet, tmp_path, capsys):
    extra = {"features.18.0.weight": torch.zeros(1280, 320, 1, 1), "classifier.1.bias": torch.zeros(1000)}
    torch.save({**mobilenet, **extra}, tmp_path / "m.pt")
    output = tmp_path / "m.safetensors"
    assert run(["convert", str(tmp_path / "m.pt"), "--backbone", "mobilenetv2", "--licence", "MIT",
                "--output", str(output)]) == 0
    said = capsys.readouterr().out
    assert "m.pt is mobilenetv2 for rgb images: 260 tensors, without the layers features.18, classifier" in said
    variables, metadata = files.load(output)
    assert set(variables["params"]) == set(variables["batch_stats"]) == {"backbone"}
    np.testing.assert_array_equal(variables["params"]["backbone"]["layer1"]["block0"]["expand"]["kernel"][0, 0],
                                  np.eye(32))
    assert (metadata["channel_order"], metadata["licence"]) == ("rgb", "MIT")
    assert json.loads(metadata["config"])["normalise"] is True
    assert run(["models", str(output)]) == 0
    with pytest.raises(WeightsError, match="MobileNetV2, not of a tracker"):
        zoo.load(output)


def wrong_head(tensors):
    return {**tensors, "rpn_head.cls.head.3.weight": torch.zeros(14, 256, 1, 1)}


@pytest.mark.parametrize(("change", "arguments", "says"), [
    (wrong_head, [], "1 misshapen: rpn_head.cls.head.3.weight (14, 256, 1, 1), not (10, 256, 1, 1)"),
    pytest.param(dict, ["--model", "siamrpn_mobilev2"], "missing: backbone.layer0.0.weight", marks=pytest.mark.slow),
    (dict, ["--model", "siamrpn_upchannel"], "10 missing: rpn_head.loc_adjust.bias"),
    (dict, ["--backbone", "alexnet"], "30 missing: features.0.bias or layer1.0.bias"),
    (dict, ["--backbone", "alexnett"], "did you mean alexnet?"),
    (dict, ["--model", "siamrpn_alexx"], "did you mean siamrpn_alex"),
    (dict, ["--model", "siamrpn_alex", "--backbone", "alexnet"], "give one of them")])
def test_a_tracker_that_is_not_what_was_asked_for(alex, tmp_path, capsys, change, arguments, says):
    torch.save(change(alex), tmp_path / "x.pth")
    refused(["convert", str(tmp_path / "x.pth"), "--output", str(tmp_path / "o.safetensors"), *arguments], says, capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["x.pth"]


@pytest.mark.parametrize(("arguments", "says"), [
    ([], "it is a backbone: add --backbone mobilenetv2"),
    *(pytest.param(*case, marks=pytest.mark.slow) for case in (
        (["--model", "siamrpn_mobilev2"], "missing: backbone.layer0.0.weight"),
        (["--backbone", "resnet50"], "missing: bn1.bias")))])
def test_a_backbone_that_is_not_what_was_asked_for(mobilenet, tmp_path, capsys, arguments, says):
    torch.save(mobilenet, tmp_path / "x.pth")
    refused(["convert", str(tmp_path / "x.pth"), "--output", str(tmp_path / "o.safetensors"), *arguments], says, capsys)


@pytest.mark.parametrize("kept", [0.5, 0.999])
def test_a_truncated_file(alex, tmp_path, capsys, kept):
    path = tmp_path / "x.pth"
    torch.save(alex, path)
    whole = path.read_bytes()
    path.write_bytes(whole[:int(kept * len(whole))])
    for arguments in ([], ["--backbone", "alexnet"]):
        refused(["convert", str(path), "--output", str(tmp_path / "o.safetensors"), *arguments],
                "not a checkpoint of tensors only", capsys)


def refused(arguments, says, capsys):
    """One line, exit 2, nothing of the output."""
    assert run(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert says in said
