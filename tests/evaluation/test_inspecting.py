"""A page and a JSON of what a data set holds."""

from __future__ import annotations

import json

import numpy as np
from PIL import Image

from siamjax.cli.main import run


def test_what_a_data_set_holds(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for name, rows in (("a", ["10,20,40,30", "50,20,40,30", "nan,nan,nan,nan"]), ("b", ["10,20,30,30"] * 3),
                       ("bad", ["10,20,30,30"] * 2)):
        (tmp_path / f"data/{name}/img").mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 256, (120, 160, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"data/{name}/img/{number}.png")
        (tmp_path / f"data/{name}/groundtruth.txt").write_text("\n".join(rows) + "\n")
    assert run(["inspect", str(tmp_path / "data"), "--output", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("2 tracks in 2 videos or images, 5 boxes, 16.7 % absent; 1 sequences left out\n")
    assert "left out bad: 2 boxes for 3 images" in said.out
    facts = json.loads((tmp_path / "out/report.json").read_text())
    assert (facts["tracks"], facts["boxes"], facts["absent"], facts["frame_sizes"]) == (2, 5, 1, {"160x120": 2})
    assert sum(facts["histograms"]["motion"]["counts"]) == 3
    assert facts["histograms"]["aspect"]["counts"] == [0, 0, 0, 3, 2, 0, 0]
    page = (tmp_path / "out/report.html").read_text()
    assert "2 boxes for 3 images" in page
    assert "data:image/jpeg;base64," in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")


def test_nothing_to_inspect_is_one_line(tmp_path, capsys):
    assert run(["inspect", str(tmp_path / "nothing"), "--output", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()
