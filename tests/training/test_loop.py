import json
import shutil

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax.errors import ConfigError, OutputError, TrainingError, WeightsError
from siamjax.settings import replace_by_path
from siamjax.training import feed, loop, start
from siamjax.training.experiment import load_experiment
from siamjax.training.lock import only_training
from siamjax.types import TrainPair
from siamjax.weights import files, zoo


@pytest.fixture(scope="module")
def small(experiment_file):
    return load_experiment(experiment_file)


@pytest.fixture(scope="module")
def train(small, tracks, compiled_once):
    def run(folder, *settings, stop_at=None):
        experiment = small
        for text in settings:
            experiment = replace_by_path(experiment, *text.split("=", 1))
        return files.load(loop.train(experiment, tracks, folder, data="squares", stop_at=stop_at))[0]

    return run


@pytest.fixture(scope="module")
def whole(train, tmp_path_factory):
    """The folder and the weights of an undisturbed training of 24 steps."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, train(folder)


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_output_holds_what_it_should(whole):
    folder, _ = whole
    assert [line["step"] for line in lines(folder)] == [4, 8, 12, 16, 20, 24]
    assert {"loss", "centre_error", "positive", "negative", "lr", "skipped"} <= lines(folder)[0].keys()
    assert {"steps_per_second", "pairs_per_second", "waiting"} <= lines(folder)[-1].keys()
    record = json.loads((folder / "experiment.json").read_text())
    assert record["experiment"]["optim"]["peak_lr"] == 1e-2
    assert record["runs"][0]["devices"] == jax.device_count()
    assert record["runs"][0]["versions"]["jax"] == jax.__version__
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_in_half_precision_it_learns_about_the_same_and_keeps_all_in_single(train, whole, tmp_path):
    half = train(tmp_path / "half", "precision=bfloat16")
    assert {leaf.dtype for leaf in jax.tree.leaves(half)} == {np.dtype("float32")}
    losses = [lines(folder)[-1]["loss"] for folder in (tmp_path / "half", whole[0])]
    np.testing.assert_allclose(*losses, rtol=0.05)
    assert losses[0] != losses[1]
    assert zoo.load(tmp_path / "half", prepare=False).tracker == zoo.load(whole[0], prepare=False).tracker


def test_folder_loads_as_a_tracker_with_its_settings(whole, small):
    loaded = zoo.load(whole[0], prepare=False)
    assert loaded.tracker.config == small.tracker
    assert loaded.tracker.net == small.net
    assert "small: 24 steps of 4 pairs, seed 3, on squares" in loaded.card
    chex.assert_trees_all_equal(jax.device_get(loaded.params), whole[1])


def test_same_seed_same_weights_to_the_bit_and_another_seed_others(train, whole, tmp_path):
    chex.assert_trees_all_equal(train(tmp_path / "again"), whole[1])
    other = train(tmp_path / "other", "seed=4", stop_at=2)
    kernels = (weights["params"]["backbone"]["conv1"]["kernel"] for weights in (other, whole[1]))
    assert (next(kernels) != next(kernels)).any()


def test_stopped_and_resumed_equals_undisturbed_to_the_bit(train, whole, tmp_path):
    """Stopped between checkpoints and epochs; logging and saving otherwise than before changes nothing."""
    train(tmp_path, stop_at=11)
    chex.assert_trees_all_equal(train(tmp_path, "log_every=3", "checkpoint_every=100"), whole[1])
    record = json.loads((tmp_path / "experiment.json").read_text())
    assert [run["from_step"] for run in record["runs"]] == [0, 11]


def test_metrics_of_steps_done_again_are_taken_out(train, tmp_path):
    train(tmp_path, stop_at=8)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 9, "loss": 1}\n{"step": 10, "lo')
    train(tmp_path, stop_at=12)
    assert [line["step"] for line in lines(tmp_path)] == [4, 8, 12]


def test_finished_training_only_writes_its_weights_again(train, whole, tmp_path):
    shutil.copytree(whole[0], tmp_path / "copy")
    (tmp_path / "copy" / "weights.safetensors").unlink()
    chex.assert_trees_all_equal(train(tmp_path / "copy"), whole[1])


@pytest.mark.parametrize("setting", ["optim.peak_lr=0.02", "seed=9", "net.response_scale=0.02",
                                     "data.max_gap=3"])
def test_resuming_into_another_experiment_names_what_differs(train, whole, setting):
    path = setting.split("=")[0]
    with pytest.raises(ConfigError, match=rf"different experiment; experiment\.{path}: .*, now"):
        train(whole[0], setting)


def test_resuming_with_other_data_is_refused(small, tracks, whole):
    with pytest.raises(ConfigError, match=r"data\.tracks: 3, now 2"):
        loop.train(small, tracks[:2], whole[0], data="squares")


def test_unreadable_checkpoint_is_one_clear_error(train, whole, tmp_path):
    shutil.copytree(whole[0], tmp_path / "copy")
    for path in (tmp_path / "copy" / "checkpoints" / "24" / "state").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    with pytest.raises(WeightsError, match="checkpoint 24 is damaged: "):
        train(tmp_path / "copy")


def test_bad_steps_in_a_row_stop_the_training_with_their_pairs_named(train, tmp_path):
    with pytest.raises(TrainingError, match="in a row had NaN or Inf"):
        train(tmp_path, "optim.peak_lr=1e30", "max_bad_steps=3")
    skipped = [line for line in lines(tmp_path) if line.get("skipped") is True]
    assert len(skipped) >= 3
    first = skipped[0]
    assert first["indices"] == list(range(4 * (first["step"] - 1), 4 * first["step"]))


def test_batch_that_does_not_divide_over_devices_names_both(train, tmp_path):
    with pytest.raises(ConfigError, match=r"batch of 6 does not divide over 4 devices .* e\.g\. 8"):
        train(tmp_path / "out", "batch_size=6")
    assert not (tmp_path / "out").exists()


def test_output_that_is_a_file_or_full_is_refused_before_work(train, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        train(tmp_path / "file")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(OutputError, match="0 MB free"):
        train(tmp_path / "full")
    assert not (tmp_path / "full" / "weights.safetensors").exists()


def test_starts_from_weights_and_keeps_what_is_frozen(train, whole, tmp_path):
    start = whole[0] / "weights.safetensors"
    got = train(tmp_path, f"init_from={start}", "norm_mode=eval", "optim.frozen=backbone/conv1", stop_at=3)
    chex.assert_trees_all_equal(got["params"]["backbone"]["conv1"], whole[1]["params"]["backbone"]["conv1"])
    chex.assert_trees_all_equal(got["batch_stats"], whole[1]["batch_stats"])
    assert (got["params"]["bias"] != whole[1]["params"]["bias"]).any()
    _, metadata = files.load(tmp_path / "weights.safetensors")
    assert metadata["source_sha256"] == files.digest(start)
    assert "small: 24 steps" in metadata["card"]


def test_weights_without_the_bias_leave_it_at_its_start(small, tracks, whole, tmp_path):
    loaded, metadata = files.load(whole[0] / "weights.safetensors")
    params = {name: leaf for name, leaf in loaded["params"].items() if name != "bias"}
    files.save(tmp_path / "start.safetensors", {**loaded, "params": params}, metadata)
    mine = jax.tree.map(np.zeros_like, loaded)
    merged = start.start_from(mine, files.load(tmp_path / "start.safetensors")[0], where="start.safetensors")
    chex.assert_trees_all_equal(merged["params"], {**params, "bias": np.zeros((), np.float32)})


def test_weights_of_another_net_are_refused(train, whole, tmp_path):
    loaded, metadata = files.load(whole[0] / "weights.safetensors")
    loaded["params"]["backbone"]["conv1"]["kernel"] = np.zeros((11, 11, 3, 8), np.float32)
    files.save(tmp_path / "other.safetensors", loaded, metadata)
    with pytest.raises(WeightsError, match=r"conv1/kernel .*, 8\) where the net has .*, 4\)"):
        train(tmp_path / "out", f"init_from={tmp_path / 'other.safetensors'}")


def test_frozen_path_that_names_nothing_lists_the_parameters(train, tmp_path):
    with pytest.raises(ConfigError, match=r"'backbone/conv9'.*backbone/conv1/bias"):
        train(tmp_path, "optim.frozen=backbone/conv9")


def test_crops_come_in_the_order_of_channels_that_the_tracker_gives():
    def augment(key, batch):
        return TrainPair(jnp.arange(3.0), 10 + jnp.arange(3.0), None, None, None, None, None)

    rgb, bgr = (feed.in_order(augment, order)(None, None) for order in ("rgb", "bgr"))
    assert (rgb.exemplar.tolist(), rgb.search.tolist()) == ([0, 1, 2], [10, 11, 12])
    assert (bgr.exemplar.tolist(), bgr.search.tolist()) == ([2, 1, 0], [12, 11, 10])


def test_a_second_training_in_the_folder_is_refused_and_touches_nothing(train, whole, tmp_path):
    shutil.copytree(whole[0], tmp_path / "copy")
    before = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "copy").rglob("*") if path.is_file())
    with only_training(tmp_path / "copy"), pytest.raises(OutputError, match="another training is at work"):
        train(tmp_path / "copy")
    assert before == sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "copy").rglob("*")
                            if path.is_file())


def test_records_that_are_damaged_stop_no_resume(train, whole, tmp_path, capsys):
    train(tmp_path, stop_at=8)
    (tmp_path / "experiment.json").write_bytes(b"\xff\x00{")
    (tmp_path / "metrics.jsonl").write_bytes(b"\xff\n" + (tmp_path / "metrics.jsonl").read_bytes())
    capsys.readouterr()
    chex.assert_trees_all_equal(train(tmp_path), whole[1])
    assert capsys.readouterr().err.count("warning: ") == 2
    assert [line["step"] for line in lines(tmp_path)] == [4, 8, 12, 16, 20, 24]


def test_a_disk_that_fills_is_one_error_and_with_space_it_goes_on_to_the_bit(train, whole, small_disk, monkeypatch):
    folder, filler = small_disk / "out", small_disk / "filler"
    train(folder, stop_at=5)
    monkeypatch.setattr(loop.output, "check_space", lambda *_: None)  # the disk fills while the training runs
    filler.write_bytes(bytes(shutil.disk_usage(small_disk).free - (100 << 10)))
    with pytest.raises(OutputError, match=r"No space left on device .*: make space; the same command then goes on"):
        train(folder, "checkpoint_every=1", "keep=100")
    assert not [path for path in folder.rglob("*") if "tmp" in path.name or "partial" in path.name]
    filler.unlink()
    chex.assert_trees_all_equal(train(folder), whole[1])


def test_a_disk_too_full_for_the_weights_is_one_error_and_loses_nothing(train, whole, small_disk, monkeypatch):
    folder, filler = small_disk / "out", small_disk / "filler"
    shutil.copytree(whole[0], folder)
    (folder / "weights.safetensors").unlink()
    monkeypatch.setattr(loop.output, "check_space", lambda *_: None)
    filler.write_bytes(bytes(shutil.disk_usage(small_disk).free - (12 << 10)))
    with pytest.raises(OutputError, match="No space left on device"):
        train(folder)
    assert {path.name for path in folder.iterdir()} == {"checkpoints", "experiment.json", "metrics.jsonl"}
    filler.unlink()
    chex.assert_trees_all_equal(train(folder), whole[1])
