"""`siamjax verify` from its arguments to its reports and a calibrated copy; trainings that cannot start."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from siamjax.cli.main import run
from siamjax.weights import embedders, files

EXPERIMENT = """
from siamjax.data.augment import AugmentConfig
from siamjax.data.config import DataConfig
from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.contrastive import EmbeddingHead, PseudoSiamese, Siamese, Tower
from siamjax.nets.embedder import EmbedderConfig
from siamjax.ops.views import View
from siamjax.training.embedding_objective import TripletObjective
from siamjax.training.experiment import Experiment

backbone = AlexNet((Stage(4, 7, 4, relu=False),), lowering="lax")
config = Experiment(
    name="small", net=Siamese(backbone, EmbeddingHead(4)), objective=TripletObjective(), batch_size=4, epochs=1,
    steps_per_epoch=2, embedder=EmbedderConfig(View(size=31), View(size=31)),
    data=DataConfig(patch_size=47, exemplar_size=31, threads=0),
    augment=AugmentConfig(exemplar_size=31, search_size=31))
"""
TWO_SIZES = EXPERIMENT.replace('Siamese(backbone, EmbeddingHead(4))',
                               'PseudoSiamese(Tower(backbone, EmbeddingHead(4)), Tower(backbone, EmbeddingHead(5)))')


@pytest.fixture
def model(embedder_files, tmp_path):
    shutil.copy(embedder_files / "whole.safetensors", tmp_path / "whole.safetensors")
    return tmp_path / "whole.safetensors"


def test_figures_reports_and_a_calibrated_copy_of_own_photos(photos, model, tmp_path, capsys):
    (photos / "validation.txt").write_text("c*\nk*\np*\n")  # cup, key, pen
    before = model.read_bytes()
    arguments = ["verify", "--data", str(photos), "--model", str(model), "--output", str(tmp_path / "out")]
    assert run([*arguments, "--pairs", "100", "--calibrated", str(tmp_path / "new.safetensors")]) == 0
    shown = capsys.readouterr().out
    report = json.loads((tmp_path / "out/report.json").read_text(), parse_constant=pytest.fail)
    assert (report["data"]["objects"], report["data"]["split"]) == (3, "validation.txt")
    [pairs] = report["pairs"]
    assert (pairs["kind"], pairs["pairs"]) == ("frames", 128)
    assert pairs["area"] > 0.99
    assert pairs["recall@1"] > 0.9
    assert pairs["at_model_threshold"]["threshold"] == 0.0125
    assert "at the model's own threshold, 0.0125" in shown
    assert Image.open(tmp_path / "out/embeddings.png").format == "PNG"
    assert (tmp_path / "out/report.html").is_file()
    old, new = embedders.load(model), embedders.load(tmp_path / "new.safetensors")
    assert new.embedder.config.threshold == pairs["threshold"] != old.embedder.config.threshold
    assert new.fingerprint == old.fingerprint  # embeddings made before stay good
    assert "; threshold" in new.card
    assert "128 pairs of frames of photos" in new.card
    assert model.read_bytes() == before


def test_the_models_own_file_may_be_calibrated_and_again(photos, model, tmp_path):
    for seed in ("1", "2"):
        assert run(["verify", "--data", str(photos), "--model", str(model), "--output", str(tmp_path / "out"),
                    "--seed", seed, "--pairs", "100", "--calibrated", str(model)]) == 0
        found = json.loads((tmp_path / "out/report.json").read_text())["pairs"][0]["threshold"]
        assert embedders.load(model).embedder.config.threshold == found
    assert files.load(model)[1]["card"].count("; threshold") == 1


def test_a_net_of_words_is_scored_by_its_words(embedder_files, tmp_path, monkeypatch, capsys):
    from siamjax.data.synthetic import SyntheticConfig, make_tracks

    size = {"height": 64, "width": 80, "min_size": 20, "max_size": 30}
    small = make_tracks(SyntheticConfig(videos=4, frames=2, objects=2, **size))
    colours = zip(sorted({track.description for track in small}), ("red", "green", "blue") * 9)
    said = {description: word for description, word in colours}
    monkeypatch.setattr("siamjax.evaluation.protocols.pairs.make_tracks",
                        lambda *_, **__: [Said(track, said[track.description]) for track in small])
    assert run(["verify", "--model", str(embedder_files / "words.safetensors"), "--output", str(tmp_path), "--pairs",
                "100"]) == 0
    page = (tmp_path / "report.html").read_text()
    assert any(f"&#34;{word}&#34;" in page for word in ("red", "green", "blue"))
    assert "own threshold" not in capsys.readouterr().out


class Said:
    """A track that is called by another word."""

    def __init__(self, track, description):
        self.name, self.group, self.category, self.description = track.name, track.group, track.category, description
        self.boxes, self.size, self.key, self.read = track.boxes, track.size, track.key, track.read


def refused(capsys, *arguments):
    capsys.readouterr()
    assert run(list(map(str, arguments))) == 2
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    return line


def test_what_cannot_be_verified_is_refused(photos, model, tmp_path, capsys):
    output = tmp_path / "out"
    (tmp_path / "empty").mkdir()
    one = tmp_path / "one"
    shutil.copytree(photos / "cup", one / "cup")
    for data, options, says in (
            (tmp_path / "empty", (), "the folder is empty"), (tmp_path / "missing", (), "no such folder"),
            (one, (), "one object only"), (photos, ("--pairs", "3"), "draw 100 or more"),
            (photos, ("--calibrated", "x.npz"), "let it end in .safetensors")):
        assert says in refused(capsys, "verify", "--data", data, "--model", model, "--output", output, *options)
        assert not (output / "report.html").exists()
    (photos / "cup/9.jpg").write_bytes(b"no image")
    assert "cup/9.jpg" in refused(capsys, "verify", "--data", photos, "--model", model, "--output", output)


@pytest.mark.parametrize(("text", "settings", "says"), [
    (EXPERIMENT, ("objective.margin=0",), "margin is 0.0 (TripletObjective.margin): use a number above 0"),
    (EXPERIMENT, ("objective.margin=-1",), "margin is -1.0"),
    (EXPERIMENT, ("batch_size=1",), "a batch of one pair has nothing to tell it from"),
    (TWO_SIZES, (), "the towers give embeddings of 4 and of 5 numbers")])
def test_settings_that_cannot_train_are_refused(photos, tmp_path, capsys, text, settings, says):
    (tmp_path / "experiment.py").write_text(text)
    said = refused(capsys, "train", tmp_path / "experiment.py", "--data", photos, "--output", tmp_path / "run",
                   *(part for one in settings for part in ("--set", one)))
    assert says in said
    assert not (tmp_path / "run/weights.safetensors").exists()


def test_data_of_one_object_is_refused_and_own_photos_train(photos, tmp_path, capsys):
    (tmp_path / "experiment.py").write_text(EXPERIMENT)
    shutil.copytree(photos / "cup", tmp_path / "one/cup")
    (tmp_path / "empty").mkdir()
    train = ("train", tmp_path / "experiment.py", "--output", tmp_path / "run", "--data")
    assert "1 object: there is nothing to tell it from" in refused(capsys, *train, tmp_path / "one")
    assert "the folder is empty" in refused(capsys, *train, tmp_path / "empty")
    assert run(list(map(str, (*train, photos)))) == 0
    assert "siamjax verify --model" in capsys.readouterr().out
    loaded = embedders.load(tmp_path / "run")
    assert (loaded.embedder.config.exemplar_size, loaded.embedder.config.threshold) == (31, None)
    assert np.isfinite(loaded.embedder.embed(loaded.params, np.zeros((1, 31, 31, 3)))).all()
