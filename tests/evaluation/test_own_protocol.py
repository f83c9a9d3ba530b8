"""A protocol of a user's own, in one file outside of the package, from the command line to its report."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from siamjax import evaluation
from siamjax.cli.main import run
from siamjax.errors import ConfigError
from siamjax.evaluation import evaluating, protocols
from siamjax.evaluation.files import records

FILE = '''
import numpy as np

from siamjax.evaluation import Protocol, TrackerScore, read_record, read_run


class Drift(Protocol):
    name = "drift"
    rule = "Pixels between the last box and the true one; less is worse here, <to try> the escapes."

    def score(self, folder, units):
        rows = {}
        for unit in units:
            for one in unit.objects:
                boxes = read_run(folder, one.name, one.boxes).boxes
                rows[one.name] = {"drift": -float(np.abs(boxes[-1, :2] - one.boxes[-1, :2]).sum())}
        overall = {"drift": float(np.mean([row["drift"] for row in rows.values()]))}
        return TrackerScore(folder.name, read_record(folder), overall, rows)


protocol = Drift()
other = 3
'''


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "drift.py"
    path.write_text(FILE)
    return path


@pytest.fixture
def trackers(monkeypatch, perfect, still, fake_track):
    """Models by name, which are followed without a device."""
    monkeypatch.setattr("siamjax.cli.evaluate.load_tracker", lambda name, *_, **__: {"p": perfect, "s": still}[name])
    monkeypatch.setattr(evaluating, "track_frames",
                        lambda tracker, params, frames, boxes, keep_masks: fake_track(tracker, params, frames, boxes))


@pytest.mark.parametrize("ending", ["", ":protocol"])
def test_it_runs_from_the_command_line_and_has_a_report(file, trackers, data_folder, tmp_path, capsys, ending):
    assert run(["evaluate", "--protocol", f"{file}{ending}", "--data", str(data_folder),
                "--output", str(tmp_path / "out"), "--model", "s", "--model", "p"]) == 0
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert [tracker["name"] for tracker in report["trackers"]] == ["perfect", "still"]
    assert report["trackers"][0]["figures"] == {"drift": 0}
    assert [row["name"] for row in report["trackers"][1]["sequences"]] == ["fast", "gone", "slow"]
    assert report["trackers"][1]["sequences"][0]["figures"] == {"drift": -32}
    assert report["protocol"] == json.loads((tmp_path / "out/still/run.json").read_text())["protocol"] == "drift"
    page = (tmp_path / "out/report.html").read_text()
    assert "&lt;to try&gt;" in page
    assert "<to try>" not in page
    said = capsys.readouterr().out
    assert "perfect  " in said
    assert "convention drift: Pixels" in said


def test_its_figures_are_data_in_python(file, perfect, still, trackers, data_folder, tmp_path):
    own = protocols.find(str(file))
    found = evaluation.evaluate(data_folder, tmp_path / "out", models=[perfect, still], protocol=own,
                                say=lambda line: None)
    assert found.figures == {"perfect": {"drift": 0}, "still": {"drift": pytest.approx(-(32 + 11 + 10) / 3)}}
    assert found.by_sequence["still"]["slow"] == {"drift": -10}
    assert found.page == tmp_path / "out/report.html"
    rows = list(csv.reader(io.StringIO(found.table.to_csv())))
    assert rows[0] == ["tracker", "drift", "frames/s"]
    assert rows[1] == ["perfect", "0.0", ""]


def test_results_of_one_protocol_are_not_mixed_into_another(file, trackers, perfect, data_folder, tmp_path, capsys):
    arguments = ["evaluate", "--data", str(data_folder), "--output", str(tmp_path / "out"), "--model", "p"]
    assert run([*arguments, "--protocol", str(file)]) == 0
    assert run(arguments) == 2
    assert "differs in protocol" in capsys.readouterr().err


@pytest.mark.parametrize(("given", "words"), [
    ("nowhere.py", "no such protocol file"),
    ("{file}:other", "no `other = Protocol"),
    ("{file}:nothing", "no `nothing = Protocol"),
    ("drift", "choose one of: ope, davis; or give a Python file"),
])
def test_what_is_no_protocol_is_said(file, given, words):
    with pytest.raises(ConfigError, match=words):
        protocols.find(given.format(file=file))


def test_a_convention_belongs_to_the_protocols_that_have_some(file):
    with pytest.raises(ConfigError, match="'otb' is a convention for boxes"):
        protocols.find(str(file)).under("otb")


def test_a_tracker_of_a_class_outside_of_the_package_can_be_described(perfect):
    assert records.describe(perfect)["tracker"]["config"]["speed"] == 0.0


def test_scores_without_a_figure_come_last(file):
    score = evaluation.TrackerScore
    ranked = protocols.base.ranked([score("none", {}, {"x": np.nan}, {}), score("low", {}, {"x": -2.0}, {}),
                                    score("high", {}, {"x": 1.0}, {})])
    assert [one.name for one in ranked] == ["high", "low", "none"]
