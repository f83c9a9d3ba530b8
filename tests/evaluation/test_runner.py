"""Trackers over sequences: what is written, what goes on after a stop, what is refused before it starts."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from siamjax.errors import ConfigError, DataError, OutputError, SourceError
from siamjax.evaluation import protocols, runner
from siamjax.evaluation.files import records, results
from siamjax.evaluation.protocols.base import Unit, frames_per_second
from siamjax.evaluation.protocols.one_pass import OnePass


def contender(loaded, track):
    return runner.contenders([loaded], track)[0]


def one_pass(track, sequence, seen=lambda: None):
    """The result of one sequence."""
    [result] = OnePass().follow(track, Unit((sequence,)), seen)
    return result


def run(entry, sequences, output, folder):
    """Runs and returns what was said meanwhile."""
    lines = []
    runner.run(entry, OnePass(), OnePass().prepare(sequences), output, data_folder=folder, progress=lines.append)
    return lines


def test_a_second_model_of_one_name_gets_a_number(perfect, still, fake_track):
    names = [c.name for c in runner.contenders([perfect, still, perfect, perfect], fake_track)]
    assert names == ["perfect", "still", "perfect-2", "perfect-3"]


def test_each_contender_runs_its_own_tracker(perfect, still, fake_track, sequences, truths):
    first, second = runner.contenders([perfect, still], fake_track)
    fast = sequences[0]
    np.testing.assert_allclose(one_pass(first.track, fast).boxes, truths["fast"])
    np.testing.assert_allclose(one_pass(second.track, fast).boxes, truths["fast"][[0] * 9])


def test_a_run_writes_every_sequence(perfect, fake_track, sequences, tmp_path, data_folder, truths):
    lines = run(contender(perfect, fake_track), sequences, tmp_path, data_folder)
    for name, truth in truths.items():
        assert len(results.read_run(tmp_path / "perfect", name, truth).boxes) == len(truth)
    assert lines[0] == "perfect: 1/3 fast, 9 frames at 100.0 frames/s"
    assert len(lines) == 3


def test_a_stopped_run_goes_on_where_it_was(perfect, fake_track, sequences, tmp_path, data_folder):
    started = []

    def stopped(tracker, params, frames, boxes):
        started.append(1)
        if len(started) == 2:
            raise KeyboardInterrupt
        return fake_track(tracker, params, frames, boxes)

    with pytest.raises(KeyboardInterrupt):
        run(contender(perfect, stopped), sequences, tmp_path, data_folder)
    kept = (tmp_path / "perfect/raw/fast.txt").stat().st_mtime_ns
    assert not results.has_run(tmp_path / "perfect", "gone")
    lines = run(contender(perfect, stopped), sequences, tmp_path, data_folder)
    assert len(started) == 4
    assert (tmp_path / "perfect/raw/fast.txt").stat().st_mtime_ns == kept
    assert lines[0] == "perfect: 1 of 3 sequences are there already"


@pytest.mark.parametrize("change", ["weights", "settings", "data"])
def test_another_run_is_not_mixed_in(perfect, fake_track, sequences, tmp_path, data_folder, change):
    run(contender(perfect, fake_track), sequences, tmp_path, data_folder)
    if change == "weights":
        perfect = dataclasses.replace(perfect, params={"params": {"w": np.zeros(2, np.float32)}})
    elif change == "settings":
        config = dataclasses.replace(perfect.tracker.config, speed=1.0)
        perfect = dataclasses.replace(perfect, tracker=dataclasses.replace(perfect.tracker, config=config))
    else:
        data_folder = data_folder.parent / "other"
    with pytest.raises(OutputError, match=r"differs in (weights_sha256|tracker|data)"):
        run(contender(perfect, fake_track), sequences, tmp_path, data_folder)


def test_a_frame_that_does_not_decode_reaches_the_tracker_as_none(perfect, fake_track, sequences):
    sequences[0].frames[3].write_bytes(b"not an image")
    result = one_pass(contender(perfect, fake_track).track, sequences[0])
    assert result.valid.tolist() == [True] * 3 + [False] + [True] * 5
    np.testing.assert_array_equal(result.boxes[3], result.boxes[2])


def test_every_frame_counts_towards_progress_once(perfect, fake_track, sequences):
    seen = []
    one_pass(contender(perfect, fake_track).track, sequences[0], lambda: seen.append(1))
    assert len(seen) == 9


def test_a_first_frame_that_does_not_decode_is_an_error(perfect, fake_track, sequences):
    sequences[0].frames[0].write_bytes(b"not an image")
    with pytest.raises(SourceError, match="00000001"):
        one_pass(contender(perfect, fake_track).track, sequences[0])


def test_a_tracker_that_leaves_frames_out_is_an_error(perfect, fake_track, sequences, tmp_path, data_folder):
    def short(tracker, params, frames, boxes):
        return fake_track(tracker, params, list(frames)[:-1], boxes)

    with pytest.raises(DataError, match="8 results for 9 frames"):
        run(contender(perfect, short), sequences, tmp_path, data_folder)
    assert not results.has_run(tmp_path / "perfect", "fast")


def test_sequences_are_checked_before_work(sequences):
    runner.check_sequences(sequences)
    with pytest.raises(DataError, match="no sequences"):
        runner.check_sequences([])
    absent = dataclasses.replace(sequences[0], boxes=np.full_like(sequences[0].boxes, np.nan))
    with pytest.raises(DataError, match="absent from frame 1"):
        runner.check_sequences([absent])
    for other in ("fast_time", "fast"):
        with pytest.raises(DataError, match="two sequences have the result file"):
            runner.check_sequences([sequences[0], dataclasses.replace(sequences[1], name=other)])


def test_an_unknown_protocol_names_those_there_are():
    with pytest.raises(ConfigError, match=r"unknown protocol 'vot' .*choose one of: ope, davis"):
        protocols.find("vot")


def test_a_record_tells_what_made_the_results(perfect):
    record = records.describe(perfect)
    assert record["model"] == "perfect"
    assert record["tracker"]["config"]["speed"] == 0.0
    assert {"python", "siamjax", "jax", "numpy"} <= record["versions"].keys()
    other = records.describe(dataclasses.replace(perfect, params={}))
    assert record["weights_sha256"] != other["weights_sha256"]


def test_speed_leaves_the_start_out():
    assert frames_per_second([np.array([9.0, 0.1, 0.1])]) == pytest.approx(10)
    assert np.isnan(frames_per_second([np.array([9.0])]))
