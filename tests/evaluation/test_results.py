"""Result files: their form, what is refused, and which run they belong to."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from siamjax.errors import DataError, OutputError
from siamjax.evaluation.files import results
from siamjax.trackers.base import Result

TRUTH = np.array([[1.0, 2, 3, 4], [np.nan] * 4])


def result() -> Result:
    boxes = np.array([[1, 2, 3, 4], [1.25, -2.00006, 3, 4]])
    flags = np.zeros(2, bool)
    return Result(boxes, np.array([1, 0.123456789]), flags, ~flags, np.array([0.5, 0.0123]))


def test_files_are_as_described(tmp_path):
    results.claim(tmp_path, {"tracker": "a"})
    results.write_run(tmp_path, "bag", result())
    lines = (tmp_path / "raw/bag.txt").read_text()
    assert lines == "1.0000,2.0000,3.0000,4.0000\n1.2500,-2.0001,3.0000,4.0000\n"
    assert (tmp_path / "raw/bag_scores.txt").read_text() == "1.000000\n0.123457\n"
    assert (tmp_path / "raw/bag_time.txt").read_text() == "0.50000000\n0.01230000\n"
    assert sorted(file.name for file in tmp_path.rglob("*")) == [
        "bag.txt", "bag_scores.txt", "bag_time.txt", "raw", "run.json"]  # fmt: skip


def test_what_was_written_is_read(tmp_path):
    results.claim(tmp_path, {})
    assert not results.has_run(tmp_path, "video/2")
    results.write_run(tmp_path, "video/2", result())
    assert results.has_run(tmp_path, "video/2")
    stored = results.read_run(tmp_path, "video/2", TRUTH)
    np.testing.assert_allclose(stored.boxes, result().boxes, atol=5.1e-5)
    np.testing.assert_allclose(stored.scores, result().scores, atol=1e-6)
    np.testing.assert_allclose(stored.seconds, result().seconds)


def test_rotated_boxes_are_written_and_read(tmp_path):
    corners = np.arange(16).reshape(2, 4, 2) / 8
    results.claim(tmp_path, {})
    results.write_run(tmp_path, "bag", dataclasses.replace(result(), polygons=corners))
    assert (tmp_path / "raw/bag_polygon.txt").read_text().startswith("0.0000,0.1250,0.2500,0.3750,0.5000,")
    np.testing.assert_allclose(results.read_run(tmp_path, "bag", TRUTH).polygons, corners, atol=5.1e-5)
    (tmp_path / "raw/bag_polygon.txt").write_text("1,2,3,4,5,6,7,8\n")
    with pytest.raises(DataError, match="1 lines for 2 frames"):
        results.read_run(tmp_path, "bag", TRUTH)


def test_boxes_alone_are_enough(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/bag.txt").write_text("1,2,3,4\n5,6,7,8\n")
    stored = results.read_run(tmp_path, "bag", TRUTH)
    assert stored.scores is None
    assert stored.seconds is None
    assert stored.polygons is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1,2,3,4\n", "1 boxes for 2 frames"),
        ("9,2,3,4\n1,2,3,4\n", "the run started from"),
        ("1,2,3\n1,2,3\n", "3 numbers a line"),
        ("one\ntwo\n", "not a result file"),
        ("1,2,3,4\n1,2,3\n", "not a result file"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path, text, words):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/bag.txt").write_text(text)
    with pytest.raises(DataError, match=words):
        results.read_run(tmp_path, "bag", TRUTH)


def test_missing_results_and_short_times_are_refused(tmp_path):
    results.claim(tmp_path, {})
    with pytest.raises(DataError, match="no such result"):
        results.read_run(tmp_path, "bag", TRUTH)
    results.write_run(tmp_path, "bag", result())
    (tmp_path / "raw/bag_time.txt").write_text("1\n")
    with pytest.raises(DataError, match="1 lines for 2 frames"):
        results.read_run(tmp_path, "bag", TRUTH)


def test_the_same_run_may_go_on_and_another_may_not(tmp_path):
    record = {"model": "a", "settings": {"sizes": (1, 2)}}
    results.claim(tmp_path, record)
    results.claim(tmp_path, record)
    assert json.loads((tmp_path / "run.json").read_text()) == {"model": "a", "settings": {"sizes": [1, 2]}}
    with pytest.raises(OutputError, match="differs in settings"):
        results.claim(tmp_path, record | {"settings": {}})


@pytest.mark.parametrize("record", [None, "broken"])
def test_results_of_an_unknown_run_are_not_mixed_in(tmp_path, record):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/bag.txt").write_text("1,2,3,4\n")
    if record:
        (tmp_path / "run.json").write_text(record)
    with pytest.raises(OutputError, match=r"earlier run|unknown run"):
        results.claim(tmp_path, {"model": "a"})
