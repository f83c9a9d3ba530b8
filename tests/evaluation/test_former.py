"""Results of earlier versions: `former/` holds what commit 4bb5760 wrote, and its figures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from siamjax import evaluation
from siamjax.cli.main import run
from siamjax.errors import OutputError
from siamjax.evaluation.files import results

FORMER = Path(__file__).parent / "former"
SQUARES = {"one": (4, 3), "two": (5, 5)}  # frames, and px a frame to the right


def make(folder: Path, frames: int, truth: str) -> None:
    (folder / "img").mkdir(parents=True)
    for number in range(frames):
        Image.fromarray(np.full((64, 96, 3), 90, np.uint8)).save(folder / f"img/{number:05d}.png")
    (folder / "groundtruth.txt").write_text(truth)


@pytest.fixture
def squares(tmp_path):
    for name, (frames, step) in SQUARES.items():
        make(tmp_path / "data" / name, frames, "".join(f"{10 + step * n},20,20,20\n" for n in range(frames)))
    return tmp_path / "data"


@pytest.fixture
def output(tmp_path):
    shutil.copytree(FORMER, tmp_path / "former")
    return tmp_path / "former"


def test_boxes_of_an_earlier_version_get_their_figures_again(squares, output, capsys):
    then = json.loads((output / "ope/report.json").read_text())["trackers"]
    assert run(["evaluate", "--rescore", "--data", str(squares), "--output", str(output / "ope")]) == 0
    now = json.loads((output / "ope/report.json").read_text())["trackers"]
    for before, after in zip(then, now, strict=True):
        assert before.items() <= after.items()
    assert now[0]["run"]["tracker"]["kind"] == "siamjax.trackers.siamfc:SiamFCTracker"  # as it was written
    assert "0.940" in capsys.readouterr().out


def test_rotated_boxes_of_an_earlier_version_get_their_figures_again(tmp_path, output):
    make(tmp_path / "data/turned", 4, "20,10,40,40\n" * 4)
    (tmp_path / "data/turned/polygon.txt").write_text("40,10,60,30,40,50,20,30\n" * 4)
    found = evaluation.rescore(tmp_path / "data", output / "davis", protocol="davis", say=lambda line: None)
    [score] = found.scores
    assert (score.rotated.polygon, score.rotated.box) == (pytest.approx(0.592, abs=5e-4), pytest.approx(0.5, abs=5e-4))


def test_a_run_goes_on_with_its_own_record_and_with_no_other(output):
    """Other code is another run by design: its boxes could differ."""
    folder = output / "ope/siamfc"
    record = results.read_record(folder)
    results.claim(folder, record)
    assert all(results.has_run(folder, name) for name in SQUARES)
    with pytest.raises(OutputError, match="differs in code_sha256"):
        results.claim(folder, record | {"code_sha256": "another"})


def test_a_folder_without_results_is_said(squares, tmp_path, capsys):
    assert run(["evaluate", "--rescore", "--data", str(squares), "--output", str(tmp_path)]) == 2
    assert "there are no results to score" in capsys.readouterr().err
    assert not (tmp_path / "report.json").exists()
