"""experiment.json and metrics.jsonl as disks, editors and kills may leave them."""

import json

import numpy as np
import pytest

from siamjax.errors import ConfigError, OutputError
from siamjax.training import report as report_module
from siamjax.training.experiment import load_experiment
from siamjax.training.provenance import provenance, write_provenance
from siamjax.training.report import Report

DAMAGED = {
    "empty": b"", "not UTF-8": b'{"experiment": {"name": "\xe9\xff"}, "data": {}}', "zeros": bytes(500),
    "cut": b'{"experiment": {"name": "sm', "a list": b"[1, 2]", "a number": b"7", "null": b"null",
    "without what counts": b'{"other": 1}', "of other types": b'{"experiment": [], "data": "x"}',
    "nested": b"[" * 200_000, "binary": bytes(range(256)) * 4}


@pytest.fixture(scope="module")
def small(experiment_file):
    return load_experiment(experiment_file)


def write(folder, small, tracks, **kwargs):
    said = []
    write_provenance(folder, provenance(folder, small, tracks, data="squares", say=said.append,
                                        **{"resumed_at": 8, **kwargs}))
    return said, json.loads((folder / "experiment.json").read_text())


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_record_stops_nothing_and_is_kept(tmp_path, small, tracks, name):
    (tmp_path / "experiment.json").write_bytes(DAMAGED[name])
    said, record = write(tmp_path, small, tracks)
    assert len(said) == 1
    assert said[0].startswith("warning: ")
    assert "is not checked" in said[0]
    assert "experiment.json.damaged" in said[0]
    assert (tmp_path / "experiment.json.damaged").read_bytes() == DAMAGED[name]
    assert [run["from_step"] for run in record["runs"]] == [8]
    assert record["experiment"]["name"] == "small"


def test_a_missing_record_and_a_folder_in_its_place_stop_nothing(tmp_path, small, tracks):
    said, _ = write(tmp_path, small, tracks)
    assert "is missing" in " ".join(said)
    (tmp_path / "experiment.json").unlink()
    (tmp_path / "experiment.json").mkdir()
    said, record = write(tmp_path, small, tracks)
    assert (len(said), len(record["runs"])) == (1, 1)


def test_earlier_damage_is_not_written_over(tmp_path, small, tracks):
    for content in (b"first", b"second"):
        (tmp_path / "experiment.json").write_bytes(content)
        write(tmp_path, small, tracks)
    assert sorted(path.read_bytes() for path in tmp_path.glob("*.damaged*")) == [b"first", b"second"]


@pytest.mark.parametrize("runs", [None, 3, "x", {"a": 1}])
def test_the_guard_holds_where_only_the_list_of_starts_is_damaged(tmp_path, small, tracks, runs):
    write(tmp_path, small, tracks, resumed_at=None)
    path = tmp_path / "experiment.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "runs": runs}))
    said, record = write(tmp_path, small, tracks)
    assert (len(said), len(record["runs"])) == (0, 1)
    with pytest.raises(ConfigError, match="of a different experiment"):
        write(tmp_path, small, tracks[:1])


GOOD = '{"step": 4, "loss": 0.5}\n{"step": 8, "loss": 0.25}\n'


def report(path, first_step=8):
    return Report(path, first_step=first_step, last_step=20, batch_size=4)


@pytest.mark.parametrize("junk", [b"\xff\xfe\xe9\n", bytes(300) + b"\n", b"[1]\n", b'"text"\n', b'{"loss": 1}\n',
                                  b'{"step": "4"}\n', b'{"step": true}\n', b"[" * 200_000 + b"\n", b"7\n"])
@pytest.mark.parametrize("first", [True, False])
def test_damaged_metrics_stop_nothing_and_are_kept(tmp_path, capsys, junk, first):
    path = tmp_path / "metrics.jsonl"
    before = junk + GOOD.encode() if first else GOOD.encode() + junk
    path.write_bytes(before)
    lines = report(path)
    lines.line({"step": 12})
    lines.close()
    assert path.read_text() == GOOD + '{"step": 12}\n'
    assert (tmp_path / "metrics.jsonl.damaged").read_bytes() == before
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "metrics.jsonl.damaged" in said


@pytest.mark.parametrize("end", ['{"step": 9, "lo', "{", '{"step": 12, "loss": 1}\n', "\ufeff"])
def test_what_a_kill_leaves_behind_is_not_damage(tmp_path, capsys, end):
    path = tmp_path / "metrics.jsonl"
    path.write_text(GOOD + end)
    report(path).close()
    assert path.read_text() == GOOD
    assert capsys.readouterr().err == ""
    assert [one.name for one in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_a_last_line_without_its_end_and_a_mark_at_the_start_are_read(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.rstrip().replace("\n", "\r\n").encode())
    report(path).close()
    assert path.read_text() == GOOD


def test_a_folder_in_the_place_of_the_metrics_is_moved(tmp_path):
    (tmp_path / "metrics.jsonl").mkdir()
    report(tmp_path / "metrics.jsonl").close()
    assert (tmp_path / "metrics.jsonl").read_text() == ""


def test_metrics_on_a_full_disk_are_one_error(small_disk):
    lines = report(small_disk / "metrics.jsonl")
    lines.line({"step": 12})
    with pytest.raises(OutputError, match=r"cannot be written: No space left on device .*make space; the same command"):  # noqa: PT012
        for step in range(13, 2000):
            lines.line({"step": step, "text": "x" * 9000})
    lines.close()
    records, whole = report_module._read_lines(small_disk / "metrics.jsonl")
    assert whole
    assert records[0] == {"step": 12}
    assert np.all(np.diff([record["step"] for record in records]) == 1)
