"""Training on features that are computed once: what is kept, what is not made twice, and that it learns."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax.data.augment import AugmentConfig
from siamjax.data.config import DataConfig
from siamjax.data.synthetic import SyntheticConfig, make_tracks
from siamjax.errors import ConfigError
from siamjax.training.experiment import load_experiment

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def frozen(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("frozen_features")


@pytest.fixture
def config():
    """The mean of the search crop is the feature; boxes are of the size of the drawn objects."""
    augment = AugmentConfig(exemplar_size=31, search_size=63)
    return dataclasses.replace(load_experiment(ROOT / "experiments/siamrpn_tiny.py"), augment=augment, ema=0.5,
                               data=DataConfig(patch_size=127, min_side=5, threads=0))


def a_part(frozen, **changes):
    """One number that learns to be the mean of another."""
    def embed(config, variables):
        return lambda pair: ({"mean": pair.search.mean((1, 2, 3)) / 255, "index": pair.index}, pair.index % 3 != 0)

    def loss(config, params, stats, rows, key):
        value = ((params["level"] - rows["mean"]) ** 2).mean()
        return value, (stats, {"error": value})

    return frozen.Part(**{"name": "head", "frozen": ("backbone",), "shard": 6, "embedded": 3,
                          "usable": lambda track: True, "embed": embed, "loss": loss,
                          "judge": lambda config, params, stats, rows: {"level": params["level"]}, **changes})


def test_shards_are_of_the_stream_without_what_is_not_worth_keeping_and_are_made_once(frozen, config, tmp_path):
    tracks = make_tracks(SyntheticConfig(videos=2, frames=3, height=96, width=128, min_size=24, max_size=48), seed=0)
    part = a_part(frozen)
    first, second = (frozen.shard(part, config, tracks, {}, tmp_path / "train", number) for number in (0, 1))
    assert first["index"].tolist() == [1, 2, 4, 5]
    assert second["index"].tolist() == [7, 8, 10, 11]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train_000.npz", "train_001.npz"]
    again = frozen.shard(part, config, [], {}, tmp_path / "train", 1)  # from the file: there is nothing to draw from
    np.testing.assert_array_equal(again["mean"], second["mean"])


def test_the_part_learns_and_its_average_is_what_comes_out(frozen, config, capsys):
    rows = {"mean": np.float32(np.linspace(0.2, 0.4, 60))}
    start = {"params": {"head": {"level": jnp.float32(0)}}, "batch_stats": {"head": {"seen": jnp.float32(7)}}}
    recipe = frozen.Recipe(steps=120, batch_size=20, lr=0.02, weight_decay=0.0, clip_norm=1.0)
    trained = frozen.fit(a_part(frozen), config, start, [rows], rows, recipe)
    np.testing.assert_allclose(trained["params"]["level"], 0.3, atol=0.03)
    assert trained["batch_stats"]["seen"] == 7
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["100/120", "120/120"]
    assert f"validation level {float(trained['params']['level']):.3f}" in lines[-1]
    few = frozen.fit(a_part(frozen), config, start, [rows], {"mean": rows["mean"][:3]},
                     dataclasses.replace(recipe, steps=1))
    assert 0 < jax.device_get(few["params"]["level"]) < 0.02


def test_pairs_and_weights_are_checked_before_work(frozen, tmp_path):
    recipe, small = frozen.Recipe(1, 1, 0.1, 0.0, 1.0), ROOT / "experiments/siammask_small.py"
    for experiment, pairs, says in ((small, 7, "multiple of 6"), (small, 0, "multiple of 6"),
                                    (ROOT / "experiments/siamrpn_tiny.py", 6, "init_from is not set")):
        with pytest.raises(ConfigError, match=says):
            frozen.train(a_part(frozen), experiment, tmp_path, tmp_path / "out", pairs, recipe)
    assert not (tmp_path / "out").exists()
