"""`siamjax evaluate` from its arguments to its reports, with trackers whose scores are known."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from siamjax.cli import evaluate as command
from siamjax.cli.main import run
from siamjax.data.labels import write_labels
from siamjax.errors import ConfigError, DataError, OutputError, SourceError
from siamjax.evaluation import evaluating
from siamjax.trackers.base import LoadedTracker, Result


@dataclasses.dataclass(frozen=True)
class StillTracker:
    net: str = "none"
    config: str = "none"


def hold(tracker, params, frames, boxes, keep_masks):
    count = len(list(frames))
    flags = np.zeros(count, bool)
    return [Result(np.repeat(boxes, count, axis=0), np.ones(count), flags, ~flags, np.full(count, 0.01))]


@pytest.fixture
def loads(monkeypatch):
    """Names that were asked for; every name is a box that never moves."""
    asked = []

    def load_tracker(model, settings=(), **_):
        asked.append((model, settings))
        return LoadedTracker(StillTracker(), {}, "card", str(model))

    monkeypatch.setattr(command, "load_tracker", load_tracker)
    monkeypatch.setattr(evaluating, "track_frames", hold)
    return asked


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data/one"
    (folder / "img").mkdir(parents=True)
    for number in range(4):
        Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(folder / f"img/{number}.png")
    (folder / "groundtruth.txt").write_text("10,10,20,20\n" * 3 + "40,10,20,20\n")
    return tmp_path / "data"


def test_models_side_by_side(loads, data, tmp_path, capsys):
    command.evaluate(data, tmp_path / "out", model=("a", "b", "a"), settings=("tracker.x=1",))
    assert loads == [(name, ("tracker.x=1",)) for name in "aba"]
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert sorted(tracker["name"] for tracker in report["trackers"]) == ["a", "a-2", "b"]
    assert report["trackers"][0]["figures"]["precision"] == pytest.approx(2 / 3)
    boxes = np.loadtxt(tmp_path / "out/a-2/raw/one.txt", delimiter=",")
    np.testing.assert_array_equal(boxes, [[10, 10, 20, 20]] * 4)
    said = capsys.readouterr().out
    assert "report.html" in said
    assert "0.635" in said  # 2 of 3 frames beat 20 of 21 thresholds


def test_without_a_model_the_default_one_is_scored(loads, data, tmp_path):
    command.evaluate(data, tmp_path / "out")
    assert [name for name, _ in loads] == [command.zoo.DEFAULT]


def test_a_finished_run_is_scored_anew(loads, data, tmp_path, capsys):
    command.evaluate(data, tmp_path / "out", model=("a",))
    command.evaluate(data, tmp_path / "out", model=("a",), convention="otb")
    assert "1 of 1 sequences are there already" in capsys.readouterr().out
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["convention"]["name"] == "otb"
    assert report["trackers"][0]["figures"]["precision"] == pytest.approx(3 / 4)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"protocol": "vot"}, ConfigError, "choose one of: ope"),
        ({"convention": "lvis"}, ConfigError, "choose one of: visible, otb, uav123, got10k, lasot, "),
        ({"protocol": "davis", "convention": "otb"}, ConfigError, "a convention for boxes"),
        ({"protocol": "davis"}, DataError, "no sequence has masks or rotated boxes"),
        ({"data": "nowhere"}, DataError, "no such folder"),
        ({"data": "."}, DataError, "no sequence"),
        ({"output": "file/out"}, OutputError, "cannot be written"),
    ],
)
def test_errors_come_before_any_work(loads, data, tmp_path, arguments, error, words):
    (tmp_path / "file").touch()
    for key in ("data", "output"):
        if key in arguments:
            arguments = arguments | {key: tmp_path / arguments[key]}
    with pytest.raises(error, match=words):
        command.evaluate(**{"data": data, "output": tmp_path / "out", "model": ("a",)} | arguments)
    assert not loads


def test_masks_of_a_tracker_are_scored_and_their_files_are_as_described(mask_model, model, tmp_path, capsys):
    folder = tmp_path / "data/square"
    for part in ("img", "masks"):
        (folder / part).mkdir(parents=True)
    for number in range(4):
        mask = np.zeros((96, 128), np.uint8)
        mask[30:62, 40 + number:72 + number] = 255
        Image.fromarray(mask).save(folder / f"masks/{number}.png")
        Image.fromarray(mask).convert("RGB").save(folder / f"img/{number}.png")
    (folder / "groundtruth.txt").write_text("".join(f"{40 + n},30,32,32\n" for n in range(4)))
    arguments = ["evaluate", "--protocol", "davis", "--data", str(tmp_path / "data"), "--output", str(tmp_path / "out"),
                 "--model", mask_model, "--model", model]
    assert run(arguments) == 0
    report = json.loads((tmp_path / "out/report.json").read_text())
    figures = {tracker["name"]: tracker for tracker in report["trackers"]}
    assert set(figures) == {"tiny", "tinymask"}
    assert figures["tiny"]["figures"] == figures["tiny"]["baselines"]["filled_box"]
    assert all(0 <= tracker["figures"]["j"]["mean"] <= 1 for tracker in report["trackers"])
    masks = sorted((tmp_path / "out/tinymask/masks/square").iterdir())
    assert [path.name for path in masks] == ["0.png", "1.png", "2.png", "3.png"]
    first = np.asarray(Image.open(masks[0]))
    assert (first[30:62, 40:72] == 1).all()
    assert first.sum() == 32 * 32
    before = [path.stat().st_mtime_ns for path in masks]
    capsys.readouterr()
    assert run(arguments) == 0
    assert [path.stat().st_mtime_ns for path in masks] == before
    assert "1 of 1 sequences are there already" in capsys.readouterr().out


def test_folders_of_davis_are_scored_and_objects_that_come_later_are_left_out(mask_model, tmp_path, capsys):
    for kind in ("JPEGImages", "Annotations"):
        (tmp_path / "data" / kind / "walk").mkdir(parents=True)
    for number in range(4):
        labels = np.zeros((96, 128), np.uint8)
        labels[30:62, 40 + number:72 + number], labels[70:90, 10:40] = 2, 5
        labels[2:12, 100:120] = 7 * (number > 1)
        Image.fromarray(labels * np.uint8(30)).save(tmp_path / f"data/JPEGImages/walk/{number:05d}.jpg")
        write_labels(tmp_path / f"data/Annotations/walk/{number:05d}.png", labels)
    arguments = ["evaluate", "--protocol", "davis", "--data", str(tmp_path / "data"), "--output", str(tmp_path / "out"),
                 "--model", mask_model]
    assert run(arguments) == 0
    assert "left out, not in the first frame: walk/7\n" in capsys.readouterr().out
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert [one["name"] for one in report["trackers"][0]["sequences"]] == ["walk/2", "walk/5"]
    first = np.asarray(Image.open(tmp_path / "out/tinymask/masks/walk/00000.png"))
    assert first[40, 50] == 1
    assert first[80, 20] == 2


def sparse(folder, annotated, frames=16):
    """A video in the layout of YouTube-VOS, of an object that moves, with masks for some frames."""
    for kind in ("JPEGImages", "Annotations"):
        (folder / kind / "walk").mkdir(parents=True)
    for number in range(frames):
        labels = np.zeros((96, 128), np.uint8)
        labels[30:62, 40 + number:72 + number] = 1
        Image.fromarray(labels * np.uint8(200)).save(folder / f"JPEGImages/walk/{number:05d}.jpg")
        if number in annotated:
            write_labels(folder / f"Annotations/walk/{number:05d}.png", labels)
    return folder


@pytest.mark.parametrize(("annotated", "scored"), [([0], 0), ([0, 5, 10, 15], 2), ([0, 15], 0), (range(16), 14)])
def test_all_frames_are_tracked_and_those_with_masks_scored(mask_model, tmp_path, capsys, annotated, scored):
    data = sparse(tmp_path / "data", annotated)
    arguments = ["evaluate", "--protocol", "davis", "--data", str(data), "--output", str(tmp_path / "out"),
                 "--model", mask_model]
    assert run(arguments) == 0
    assert len(list((tmp_path / "out/tinymask/masks/walk").iterdir())) == 16
    assert len((tmp_path / "out/tinymask/raw/walk.txt").read_text().splitlines()) == 16
    [tracker] = json.loads((tmp_path / "out/report.json").read_text())["trackers"]
    assert tracker["sequences"][0]["frames_counted"] == scored
    assert (tracker["figures"]["j"]["mean"] is None) == (scored == 0)
    assert ("nothing is scored" in capsys.readouterr().out) == (scored == 0)


@pytest.mark.parametrize(("annotated", "counted"), [([0, 5, 10], 2), ([0, 1], 1), (range(16), 15)])
def test_boxes_are_scored_where_somebody_says_what_is_true(loads, tmp_path, annotated, counted):
    data = sparse(tmp_path / "data", annotated)
    for convention in ("visible", "otb", "lasot", "pysot"):  # unknown is not absent: neither a miss nor a hit
        command.evaluate(data, tmp_path / "out", model=("a",), convention=convention)
        [tracker] = json.loads((tmp_path / "out/report.json").read_text())["trackers"]
        assert tracker["frames_counted"] == counted + (convention != "visible")


def test_labels_of_first_frames_alone_are_refused_before_tracking(loads, tmp_path):
    with pytest.raises(DataError, match="only first frames are annotated"):
        command.evaluate(sparse(tmp_path / "data", [0]), tmp_path / "out", model=("a",))
    assert not loads
    assert not (tmp_path / "out").exists()


def test_a_taken_folder_is_known_before_any_tracking(loads, data, tmp_path, monkeypatch):
    (tmp_path / "out/b/raw").mkdir(parents=True)
    (tmp_path / "out/b/raw/one.txt").write_text("1,2,3,4\n")
    with pytest.raises(OutputError, match="unknown run"):
        command.evaluate(data, tmp_path / "out", model=("a", "b"))
    assert not (tmp_path / "out/a").exists()


@pytest.mark.parametrize("name", ["..", ".", "", "../x", "a/b", "nul", "x" * 300])
def test_a_model_whose_name_leads_elsewhere_leaves_nothing(loads, data, tmp_path, monkeypatch, name):
    monkeypatch.setattr(command, "load_tracker", lambda model, *_, **__: LoadedTracker(StillTracker(), {}, "c", name))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError, match="cannot be the name of a file"):
        command.evaluate(data, tmp_path / "new" / "out", model=("m",))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("source", "name"), [("runs/mine", "mine"), (".", "mine"), ("..", "runs"),
                                              ("..safetensors", None), ("...safetensors", None)])
def test_results_of_a_model_lie_in_the_output_however_it_is_given(model, data, tmp_path, monkeypatch, capsys, source,
                                                                  name):
    for folder in ("runs", "runs/mine"):
        (tmp_path / folder).mkdir()
        shutil.copy(model, tmp_path / folder / "weights.safetensors")
    monkeypatch.chdir(tmp_path if source == "runs/mine" else tmp_path / "runs/mine")
    if name is None:
        shutil.copy(model, source)
    before = {path for path in tmp_path.rglob("*")}
    status = run(["evaluate", "--data", str(data), "--output", str(tmp_path / "out"), "--model", source])
    said = capsys.readouterr()
    made = {path.relative_to(tmp_path).parts[:2] for path in set(tmp_path.rglob("*")) - before}
    if name is None:
        assert (status, made) == (2, set())
        assert said.err.count("\n") == 1
        assert "cannot be the name of a file" in said.err
    else:
        assert status == 0, said.err
        assert made == {("out",), ("out", name), ("out", "report.json"), ("out", "report.html")}


def test_an_unknown_model_is_an_error_and_leaves_nothing(data, tmp_path):
    with pytest.raises(SourceError, match="no model or file"):
        command.evaluate(data, tmp_path / "new/out", model=("nothing_of_this_name",))
    assert not (tmp_path / "new").exists()


def test_a_run_that_fails_at_once_leaves_nothing_and_one_that_fails_later_what_it_did(loads, data, tmp_path,
                                                                                      monkeypatch):
    shutil.copytree(data / "one", data / "two")

    allowed = []

    def fail(tracker, params, frames, boxes, keep_masks):
        if not allowed:
            raise SourceError("damaged", "a frame", "replace it")
        return hold(tracker, params, frames, boxes, allowed.pop())

    monkeypatch.setattr(evaluating, "track_frames", fail)
    for sound, left in (([], set()), ([False], {"one.txt", "one_scores.txt", "one_time.txt"})):
        allowed[:] = sound
        with pytest.raises(SourceError, match="damaged"):
            command.evaluate(data, tmp_path / "out", model=("a",))
        assert {path.name for path in (tmp_path / "out").rglob("*.txt")} == left
        assert (tmp_path / "out").exists() == bool(left)
