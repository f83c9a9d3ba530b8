"""A disk that fills: one line, exit 2, and what is there is whole; a limit on the size of files stands for it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from siamjax.cli.main import run

resource = pytest.importorskip("resource")


@pytest.fixture
def videos(tmp_path):
    for name in ("one", "two"):
        (tmp_path / "set" / name / "img").mkdir(parents=True)
        for number in range(3):
            pixels = np.random.default_rng(number).integers(0, 256, (96, 128, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"set/{name}/img/{number}.png")
        (tmp_path / "set" / name / "groundtruth.txt").write_text("40,30,32,32\n" * 3)
    (tmp_path / "set/validation.txt").write_text("one\n")
    return tmp_path / "set"


@pytest.fixture
def limited(monkeypatch, tmp_path, capfd):
    """Runs a command with files of so many bytes at most; gives its one line."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def call(limit, *arguments):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
        try:
            status = run([*map(str, arguments)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        said = capfd.readouterr().err
        assert status == 2, said
        assert said.startswith("error: cannot be written: ")
        assert said.count("\n") == 1
        return said

    return call


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_evaluate_keeps_the_results_and_goes_on_from_them(videos, model, limited, tmp_path, capfd):
    command = ["evaluate", "--data", videos, "--model", model, "--output", tmp_path / "out"]
    assert "report" in limited(9_000, *command)
    kept = names(tmp_path / "out")
    assert {"tiny/run.json", "tiny/raw/one.txt", "tiny/raw/two.txt"} <= set(kept)
    assert "report.html" not in kept
    assert not any(".partial" in name for name in kept)
    assert run([*map(str, command)]) == 0
    assert "2 of 2 sequences are there already" in capfd.readouterr().out


@pytest.mark.slow
def test_tune_keeps_the_trials_until_then(videos, model, limited, tmp_path):
    command = ["tune", "--data", videos, "--model", model, "--output", tmp_path / "out", "--lanes", "1",
               "--grid", "window_influence=" + ",".join(f"{value / 50}" for value in range(50))]
    limited(4_096, *command)
    assert names(tmp_path / "out") == ["tune.json"]
    assert 1 <= len(json.loads((tmp_path / "out/tune.json").read_text())["trials"]) < 51


@pytest.mark.parametrize(("command", "left"), [
    (["embed", "{photos}", "--output", "{out}/x.npz"], []),
    pytest.param(["verify", "--data", "{photos}", "--pairs", "100", "--output", "{out}"], [], marks=pytest.mark.slow),
    (["verify", "--data", "{photos}", "--pairs", "100", "--output", "{out}", "--calibrated", "{out}/x.safetensors"],
     [])])
def test_embeddings_and_reports_are_whole_or_not_there(command, left, photos, embedder_files, limited, tmp_path):
    out = tmp_path / "out"
    limited(4_096, *(part.format(photos=photos, out=out) for part in command), "--model",
            embedder_files / "whole.safetensors")
    assert not out.exists() or names(out) == left
