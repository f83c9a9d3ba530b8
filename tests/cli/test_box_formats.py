"""Boxes in another format than pixels stop every command that reads them, in one line and with nothing left."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from siamjax.cli.main import run

SIDES = np.array([320, 240] * 2)
BOXES = np.array([220, 150, 40, 30]) + np.arange(12)[:, None] * [2.0, 1, 0.1, 0.1]
FORMATS = {"normalised": BOXES / SIDES, "x1,y1,x2,y2": np.hstack([BOXES[:, :2], BOXES[:, :2] + BOXES[:, 2:]]),
           "larger ones": 3 * BOXES}


@pytest.mark.parametrize("command", [["evaluate", "--data", "{data}"], ["evaluate", "--data", "{data}/walk"],
                                     ["track", "{data}/walk", "--model", "{model}"],
                                     ["train", "experiments/siamfc_tiny.py", "--data", "{data}"]], ids=" ".join)
@pytest.mark.parametrize("kind", FORMATS)
def test_the_format_is_named(model, tmp_path, capsys, command, kind):
    (tmp_path / "data/walk/img").mkdir(parents=True)
    for number in range(len(BOXES)):
        Image.fromarray(np.zeros((240, 320, 3), np.uint8)).save(tmp_path / f"data/walk/img/{number}.png")
    np.savetxt(tmp_path / "data/walk/groundtruth.txt", FORMATS[kind], delimiter=",", fmt="%.4f")
    words = [word.format(data=tmp_path / "data", model=model) for word in command]
    assert run([*words, "--output", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert kind in said
    assert "groundtruth.txt" in said
    assert not (tmp_path / "out").exists()
