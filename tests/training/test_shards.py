"""The files of features: each whole or not there, made again as they were, and refused where they are of others."""

import dataclasses
import shutil

import jax.numpy as jnp
import numpy as np
import pytest

from siamjax.data.augment import AugmentConfig
from siamjax.data.damage import Damaged
from siamjax.data.pipeline import DataConfig, batches
from siamjax.errors import ConfigError, OutputError, TrainingError
from siamjax.nets.alexnet import AlexNet
from siamjax.nets.siamfc import SiamFC
from siamjax.trackers.siamfc import SiamFCConfig
from siamjax.training import shards
from siamjax.training.experiment import Experiment
from siamjax.training.features import Cached
from siamjax.training.objectives import LogisticObjective
from siamjax.training.optim import OptimConfig
from siamjax.types import TrainPair


@dataclasses.dataclass(frozen=True)
class Means:
    """Features that cost nothing: mean colours; pairs whose number divides by `dropped` are not worth keeping."""

    dropped: int = 5
    scale: float = 1.0
    frozen: tuple[str, ...] = ("backbone",)

    def embedder(self, net, variables, search_size):
        def embed(params, pair):
            z, x = (self.scale * crop.mean((1, 2), keepdims=True) for crop in (pair.exemplar, pair.search))
            return pair.replace(exemplar=(z, params["level"] + z), search=x), pair.index % self.dropped != 0

        return embed, {"level": jnp.float32(1)}


VARIABLES = {"params": {"backbone": {"kernel": np.ones(3)}}}


@pytest.fixture
def small():
    return Experiment(
        name="cached", seed=3, net=SiamFC(AlexNet()), objective=LogisticObjective(), tracker=SiamFCConfig(),
        data=DataConfig(patch_size=127, max_fraction=0.9, threads=0), augment=AugmentConfig(flip=0.5),
        optim=OptimConfig(frozen=("backbone",)), cached=Cached(Means(), pairs=24, shard=12, at_once=4))


@pytest.fixture
def rows_of(tracks):
    """`rows_of(experiment, folder)`: the rows and what was said of them."""
    def augment(key, batch):
        z, x = (patch.astype(jnp.float32) for patch in (batch.exemplar, batch.search))
        return TrainPair(z, x, batch.exemplar_box, batch.search_box, batch.similar, batch.index, None)

    def run(experiment, folder, variables=VARIABLES):
        said = []
        with_one = batches(tracks, experiment.data, seed=1, batch_size=2)
        rows = shards.rows_of(experiment, tracks, folder, variables, augment, next(with_one), damaged=Damaged(),
                              say=said.append)
        return rows, said

    return run


@pytest.fixture
def whole(rows_of, small, tmp_path):
    """Files of 24 pairs."""
    rows_of(small, tmp_path / "whole")
    return features_of(tmp_path / "whole")


def features_of(folder):
    return {path.name: path.read_bytes() for path in sorted((folder / "features").iterdir())}


def test_rows_are_the_pairs_of_the_stream_but_for_those_not_worth_keeping(rows_of, small, tmp_path):
    rows, said = rows_of(small, tmp_path)
    assert list(features_of(tmp_path)) == ["00000.npy", "00001.npy", "features.json"]
    assert len(said) == 2
    everything = rows.take(np.arange(len(rows)))
    assert everything.index.tolist() == [index for index in range(24) if index % 5]
    assert everything.search.dtype == everything.exemplar[1].dtype == np.float16
    assert everything.search.shape == (19, 1, 1, 3)
    np.testing.assert_allclose(everything.exemplar[1] - everything.exemplar[0], 1, atol=0.1)
    assert (everything.key, everything.mask) == (None, None)
    some = rows.take(np.array([17, 2]))
    np.testing.assert_array_equal(some.search, everything.search[[17, 2]])


@pytest.mark.parametrize("lost", [["00000.npy"], ["00001.npy"], ["00000.npy", "00001.npy"]])
def test_files_that_a_kill_has_left_out_are_made_as_they_would_have_been(rows_of, small, whole, tmp_path, lost):
    for name in lost:
        (tmp_path / "whole/features" / name).unlink()
    (tmp_path / "whole/features/.00002.npy.999999999.partial").write_text("of a process that is no more")
    _, said = rows_of(small, tmp_path / "whole")
    assert len(said) == len(lost)
    assert features_of(tmp_path / "whole") == whole


def test_files_that_are_there_are_not_made_again(rows_of, small, whole, tmp_path):
    assert rows_of(small, tmp_path / "whole")[1] == []


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", 100, -1])
def test_a_damaged_file_is_made_again_with_a_word(rows_of, small, whole, tmp_path, damage):
    path = tmp_path / "whole/features/00001.npy"
    path.write_bytes(damage if isinstance(damage, bytes) else path.read_bytes()[:damage])
    _, said = rows_of(small, tmp_path / "whole")
    assert "00001.npy is damaged and is made again" in said[0]
    assert features_of(tmp_path / "whole") == whole


def test_files_that_are_there_serve_another_optimiser_and_more_pairs(rows_of, small, whole, tmp_path):
    more = dataclasses.replace(small, cached=dataclasses.replace(small.cached, pairs=36), name="more",
                               optim=OptimConfig(rule="adam", frozen=("backbone",)))
    rows, said = rows_of(more, tmp_path / "whole")
    assert (len(rows), len(said)) == (28, 1)
    assert whole.items() <= features_of(tmp_path / "whole").items()


@pytest.mark.parametrize(("changes", "says"), [
    ({"seed": 4}, "seed: 3, now 4"), ({"augment": AugmentConfig()}, r"augment\.flip: 0\.5, now 0\.0"),
    ({"cached": Cached(Means(), pairs=24, shard=8, at_once=4)}, "shard: 12, now 8"),
    ({"cached": Cached(Means(4), pairs=24, shard=12, at_once=4)}, r"features\.dropped: 5, now 4")])
def test_features_of_another_experiment_are_refused(rows_of, small, whole, tmp_path, changes, says):
    with pytest.raises(ConfigError, match="the features are of another experiment; .*" + says):
        rows_of(dataclasses.replace(small, **changes), tmp_path / "whole")
    assert features_of(tmp_path / "whole") == whole


def test_features_of_other_weights_are_refused(rows_of, small, whole, tmp_path):
    with pytest.raises(ConfigError, match="parameters: "):
        rows_of(small, tmp_path / "whole", {"params": {"backbone": {"kernel": np.zeros(3)}}})


@pytest.mark.parametrize("text", [None, "", "[]", "{"])
def test_features_of_which_nothing_is_known_are_refused(rows_of, small, whole, tmp_path, text):
    record = tmp_path / "whole/features/features.json"
    record.unlink() if text is None else record.write_text(text)
    with pytest.raises(ConfigError, match=r"features\.json cannot be read"):
        rows_of(small, tmp_path / "whole")


@pytest.mark.parametrize(("features", "says"), [
    (Means(scale=1e4), "half precision does not hold"), (Means(dropped=1), "none is worth keeping")])
def test_features_that_nothing_can_be_learned_from_are_refused(rows_of, small, tmp_path, features, says):
    with pytest.raises(TrainingError, match=says):
        rows_of(dataclasses.replace(small, cached=Cached(features, pairs=4, shard=4, at_once=4)), tmp_path)


def test_no_room_is_said_before_the_work(rows_of, small, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(OutputError, match="0 MB free, the features need"):
        rows_of(small, tmp_path)
    assert not list((tmp_path / "features").glob("*.npy"))


def test_every_row_comes_once_before_any_comes_again_and_hosts_share_the_batch():
    table = np.zeros(10, [("index", np.int32)])
    table["index"] = np.arange(10)
    rows = shards.Rows([table[:3], table[3:3], table[3:]], {"index": 0})

    def seen(first_step, steps, **host):
        stream = shards.drawn(rows, **{"seed": 1, "batch_size": 4, "process_index": 0, "process_count": 1, **host},
                              first_step=first_step)
        return [index for _ in range(steps) for index in next(stream)["index"].tolist()]

    order = seen(0, 10)
    times = [order[first : first + 10] for first in range(0, 40, 10)]
    assert all(sorted(time) == list(range(10)) for time in times)
    assert len(set(map(tuple, times))) == 4
    assert seen(7, 3) == order[28:]
    both = [np.reshape(seen(0, 10, process_index=host, process_count=2), (10, 2)) for host in (0, 1)]
    assert np.concatenate(both, axis=1).ravel().tolist() == order
    assert seen(0, 10, seed=2) != order
