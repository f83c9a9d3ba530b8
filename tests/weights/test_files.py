"""Weight files: round trips, and every file that is refused."""

from __future__ import annotations

import dataclasses
import json
import stat

import jax
import numpy as np
import pytest
from flax import traverse_util
from safetensors.numpy import save_file

from siamjax.errors import OutputError, SourceError, WeightsError
from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.siamfc import SiamFC
from siamjax.trackers.siamfc import SiamFCConfig, SiamFCTracker
from siamjax.weights import files, spec, zoo

TINY = SiamFCTracker(SiamFC(AlexNet((Stage(4, 11, 8, pool_stride=1),))), SiamFCConfig(num_scales=1))


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "tiny.safetensors"
    variables = jax.tree.map(lambda a: np.full(a.shape, 0.5, np.float32), zoo.wanted_variables(TINY))
    zoo.save(path, TINY, variables, card="tiny", licence="Apache-2.0")
    return path


def rewritten(path, change):
    """The file with its arrays and metadata changed."""
    variables, metadata = files.load(path)
    arrays = {k: np.asarray(v) for k, v in traverse_util.flatten_dict(variables, sep="/").items()}
    change(arrays, metadata)
    save_file(arrays, path, metadata)


def test_a_file_alone_rebuilds_its_tracker(written):
    loaded = zoo.load(written, prepare=False)
    assert loaded.tracker == TINY
    assert hash(loaded.tracker) == hash(TINY)  # equal trackers share a compilation
    assert loaded.params["params"]["backbone"]["conv1"]["kernel"].shape == (11, 11, 3, 4)


def test_half_floats_come_back_as_float32(tmp_path, written):
    variables, metadata = files.load(written)
    files.save(tmp_path / "half.safetensors", variables, metadata, dtype="float16")
    assert (tmp_path / "half.safetensors").stat().st_size < written.stat().st_size
    kernel = files.load(tmp_path / "half.safetensors")[0]["params"]["backbone"]["conv1"]["kernel"]
    assert kernel.dtype == np.float32


def test_nothing_is_left_of_a_failed_write(tmp_path, written):
    variables, metadata = files.load(written)
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "out.safetensors").mkdir()  # a folder in the way: the rename fails, even for root
    with pytest.raises(OutputError, match=r"out\.safetensors"):
        files.save(folder / "out.safetensors", variables, metadata)
    assert [p.name for p in folder.iterdir()] == ["out.safetensors"]


def test_files_are_readable_by_others(written):
    assert stat.S_IMODE(written.stat().st_mode) & 0o044 == 0o044


def config_with(**changes):
    def change(arrays, metadata):
        config = json.loads(metadata["config"])
        config.update(changes)
        metadata["config"] = json.dumps(config)
    return change


@pytest.mark.parametrize(("change", "said"), [
    (lambda a, m: m.pop("config"), "without siamjax's metadata"),
    (lambda a, m: m.update(config="{"), "not JSON"),
    (config_with(kind="os:system"), "unknown kind 'os:system'"),
    (config_with(kind="siamjax.weights.files:digest"), "unknown kind"),
    (config_with(kind="siamjax.trackers.siamfc:SiamFCConfig"), "do not fit|not of a tracker"),
    (config_with(colour=3), "do not fit this version"),
    (lambda a, m: a.pop("params/backbone/conv1/kernel"), "params/backbone/conv1/kernel"),
    (lambda a, m: a.update(extra=np.zeros(2, np.float32)), "extra"),
    (lambda a, m: a.update({"params/backbone/conv1/bias": np.zeros(5, np.float32)}), "conv1/bias"),
    (lambda a, m: a["params/backbone/conv1/bias"].fill(np.inf), "not finite"),
    (lambda a, m: a["params/backbone/conv1/bias"].fill(np.nan), "holds NaN: numbers that are not finite"),
    (lambda a, m: a.update({"params/backbone/conv1/bias": np.zeros(4, np.int32)}), "is of type I32"),
    (lambda a, m: a.update({"params/backbone/conv1": np.zeros(4, np.float32)}), "/conv1' stands beside"),
    (lambda a, m: a.update(params=np.zeros(4, np.float32)), "'params' stands beside 'params/backbone/conv1/"),
    (lambda a, m: a.update({"": np.zeros(4, np.float32)}), "'' is no name"),
    (lambda a, m: a.update({"params//x": np.zeros(4, np.float32)}), "'params//x' is no name"),
    (lambda a, m: a.update({"/".join("a" * 99): np.zeros(4, np.float32)}), "is no name of a parameter"),
    (lambda a, m: a.update({"params/\x1b[31m\n\u00e9": np.zeros(4, np.float32)}), "params/ é"),
    (lambda a, m: a.update({"params/backbone/conv1/bias": np.zeros(0, np.float32)}), r"conv1/bias \(0,\)"),
])
def test_files_that_do_not_fit_are_refused(written, change, said):
    rewritten(written, change)
    with pytest.raises(WeightsError, match=said):
        zoo.load(written)


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\xff" * 64])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="not a safetensors file"):
        zoo.load(path)


def test_names_that_are_nothing(tmp_path):
    with pytest.raises(SourceError, match="one of: siamfc"):
        zoo.load("siamfcc")
    with pytest.raises(SourceError, match="no weights in the package"):
        zoo.load("siamfc_alexnet")
    with pytest.raises(SourceError, match=r"without weights\.safetensors"):
        zoo.load(tmp_path)


def test_settings_survive_json():
    tracker = dataclasses.replace(TINY, config=SiamFCConfig(score_scale=1.5, score_offset=-2.0))
    assert spec.loads(spec.dumps(tracker), where="x") == tracker
