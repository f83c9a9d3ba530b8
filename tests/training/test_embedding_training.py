"""Embedding nets through the same loop: experiments, checkpoints, resume, weight files, views of the crops."""

import dataclasses
import json

import chex
import jax
import numpy as np
import pytest

from siamjax.data.augment import AugmentConfig, Jitter
from siamjax.data.config import DataConfig, wide
from siamjax.data.synthetic import VOCABULARY, SyntheticConfig, make_tracks
from siamjax.errors import ConfigError, DataError, WeightsError
from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.contrastive import EmbeddingHead, PseudoSiamese, Siamese, Tower
from siamjax.nets.embedder import EmbedderConfig
from siamjax.nets.text import TextBackbone
from siamjax.ops.views import View
from siamjax.settings import replace_by_path
from siamjax.trackers.siamfc import SiamFCConfig
from siamjax.training import loop, start
from siamjax.training.embedding_objective import ContrastiveObjective, NTXentObjective
from siamjax.training.experiment import Experiment
from siamjax.training.optim import OptimConfig
from siamjax.weights import embedders, files, zoo

BACKBONE = AlexNet((Stage(4, 7, 4), Stage(6, 3, relu=False)), lowering="lax")
HEAD = EmbeddingHead(6)
SMALL = SyntheticConfig(videos=4, frames=4, height=64, width=80, objects=2, min_size=20, max_size=30)
VERIFY = Experiment(
    name="small_verify", seed=3, batch_size=4, epochs=2, steps_per_epoch=4, net=Siamese(BACKBONE, HEAD),
    objective=ContrastiveObjective(), embedder=EmbedderConfig(View(size=31), View(size=31)),
    data=wide(DataConfig(patch_size=47, exemplar_size=31, negative=0.5, min_fraction=0.0, threads=0)),
    augment=AugmentConfig(exemplar_size=31, search_size=31, exemplar=Jitter(shift=2), search=Jitter(shift=2)),
    optim=OptimConfig(peak_lr=1e-2, final_lr=1e-3), checkpoint_every=3, log_every=2)
SKETCH = dataclasses.replace(
    VERIFY, name="small_sketch", objective=NTXentObjective(within=False), net=PseudoSiamese(Tower(BACKBONE, HEAD),
                                                                                             Tower(BACKBONE, HEAD)),
    embedder=EmbedderConfig(View(size=31), View("sketch", 31), distance="cosine"))
TEXT = dataclasses.replace(
    SKETCH, name="small_text",
    net=PseudoSiamese(Tower(BACKBONE, HEAD), Tower(TextBackbone(len(VOCABULARY), 4), HEAD)),
    embedder=EmbedderConfig(View(size=31), View("words", 6, VOCABULARY), distance="cosine"))


@pytest.fixture(scope="module")
def tracks():
    return make_tracks(SMALL, seed=1)


@pytest.fixture(scope="module")
def train(tracks, compiled_once):
    def run(experiment, folder, stop_at=None):
        return files.load(loop.train(experiment, tracks, folder, data="shapes", stop_at=stop_at))[0]

    return run


@pytest.fixture(scope="module")
def whole(train, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, train(VERIFY, folder)


def test_folder_loads_as_the_net_with_its_settings(whole):
    loaded = embedders.load(whole[0])
    assert (loaded.embedder.net, loaded.embedder.config) == (VERIFY.net, VERIFY.use)
    assert loaded.embedder.config.exemplar_size == 31  # the data's, whatever the embedder said
    assert "small_verify: 8 steps of 4 pairs" in loaded.card
    chex.assert_trees_all_equal(jax.device_get(loaded.params), whole[1])
    lines = [json.loads(line) for line in (whole[0] / "metrics.jsonl").read_text().splitlines()]
    assert {"loss", "near", "far", "accuracy"} <= lines[-1].keys()
    embedding = loaded.embedder.embed(loaded.params, np.zeros((2, 31, 31, 3), np.uint8))
    chex.assert_shape(embedding, (2, 6))
    np.testing.assert_allclose(loaded.embedder.distance(embedding[0], embedding[1]), 0, atol=1e-6)


def test_stopped_and_resumed_equals_undisturbed_to_the_bit(train, whole, tmp_path):
    train(VERIFY, tmp_path, stop_at=5)
    chex.assert_trees_all_equal(train(VERIFY, tmp_path), whole[1])


def test_record_says_what_the_weights_are_for(whole):
    record = json.loads((whole[0] / "experiment.json").read_text())
    assert record["experiment"]["embedder"]["first"]["size"] == 31
    assert record["experiment"]["tracker"] is None


def test_a_side_of_sketches_and_one_of_words_train_and_load(train, tmp_path):
    for experiment, second in ((SKETCH, np.zeros((2, 31, 31, 1))), (TEXT, np.zeros((2, 6), np.int32))):
        train(experiment, tmp_path / experiment.name, stop_at=2)
        loaded = embedders.load(tmp_path / experiment.name)
        assert loaded.embedder == experiment.use.build(experiment.net)
        chex.assert_shape(loaded.embedder.embed(loaded.params, second, "second"), (2, 6))
        line = json.loads((tmp_path / experiment.name / "metrics.jsonl").read_text().splitlines()[0])
        assert np.isfinite(line["loss"])


def test_inputs_of_another_shape_are_an_error(whole):
    loaded = embedders.load(whole[0])
    with pytest.raises(ConfigError, match=r"inputs of shape \(63, 63, 3\).*image of shape \(31, 31, 3\)"):
        loaded.embedder.embed(loaded.params, np.zeros((1, 63, 63, 3)))


def test_an_embedding_nets_file_is_no_tracker(whole):
    with pytest.raises(WeightsError, match="not of a tracker"):
        zoo.load(whole[0])


def test_bgr_nets_see_bgr_in_training_and_in_use(whole):
    loaded = embedders.load(whole[0])
    image = np.random.default_rng(0).uniform(0, 255, (1, 31, 31, 3)).astype(np.float32)
    bgr = dataclasses.replace(loaded.embedder, config=dataclasses.replace(loaded.embedder.config, channel_order="bgr"))
    np.testing.assert_allclose(bgr.embed(loaded.params, image[..., ::-1]), loaded.embedder.embed(loaded.params, image),
                               atol=1e-6)


def test_one_tower_starts_from_a_part_of_a_file_and_the_other_from_nothing(train, whole, tmp_path):
    experiment = dataclasses.replace(
        SKETCH, init_from=str(whole[0] / "weights.safetensors"), init_parts=(("backbone", "first/backbone"),),
        norm_mode="eval", optim=dataclasses.replace(SKETCH.optim, frozen=("first/backbone",)))
    got = train(experiment, tmp_path, stop_at=1)
    chex.assert_trees_all_equal(got["params"]["first"]["backbone"], whole[1]["params"]["backbone"])
    chex.assert_trees_all_equal(got["batch_stats"]["first"]["backbone"], whole[1]["batch_stats"]["backbone"])
    kernels = [got["params"][side]["backbone"]["conv2"]["kernel"] for side in ("first", "second")]
    assert (kernels[0] != kernels[1]).any()


def test_a_shorter_backbone_leaves_the_last_layers_of_the_file_out(whole):
    short = SKETCH.net.clone(first=Tower(BACKBONE.clone(stages=BACKBONE.stages[:1]), HEAD))
    variables = jax.jit(short.init)(jax.random.key(0), np.zeros((1, 31, 31, 3), np.float32),
                                    np.zeros((1, 31, 31, 1), np.float32))
    taken = start.take_parts(whole[1], [("backbone", "first/backbone")], where="w.safetensors")
    got = start.start_from(variables, taken, where="w.safetensors")
    chex.assert_trees_all_equal(got["params"]["first"]["backbone"]["conv1"], whole[1]["params"]["backbone"]["conv1"])
    assert set(got["params"]["first"]["backbone"]) == {"conv1"}


def test_parts_that_a_file_has_not_are_an_error(whole):
    with pytest.raises(WeightsError, match=r"no part 'trunk'.*backbone, head"):
        start.take_parts(whole[1], [("trunk", "backbone")], where="w.safetensors")
    taken = start.take_parts(whole[1], [("head", "first/head")], where="w.safetensors")
    chex.assert_trees_all_equal(taken, {"params": {"first": {"head": whole[1]["params"]["head"]}}})


@pytest.mark.parametrize(("changes", "says"), [
    ({"embedder": None}, "a tracker or an embedding net, one of them"),
    ({"tracker": SiamFCConfig()}, "a tracker or an embedding net, one of them"),
    ({"data": dataclasses.replace(VERIFY.data, negative=0.0)}, "one class only"),
    ({"objective": NTXentObjective(), "batch_size": 1}, "batch of one pair")])
def test_experiments_that_cannot_train_are_errors(changes, says):
    with pytest.raises(ConfigError, match=says):
        dataclasses.replace(VERIFY, **changes)


def test_words_of_objects_that_are_not_in_the_data_are_an_error():
    with pytest.raises(ConfigError, match="synthetic_share"):
        replace_by_path(TEXT, "data.synthetic_share", "0.5")


def test_faults_are_found_before_the_first_step(tracks, tmp_path):
    wide_view = dataclasses.replace(VERIFY, embedder=EmbedderConfig(View(size=63), View(size=31)))
    uneven = dataclasses.replace(SKETCH, net=SKETCH.net.clone(second=Tower(BACKBONE, EmbeddingHead(7))))
    short = dataclasses.replace(TEXT, embedder=EmbedderConfig(View(size=31), View("words", 6, ("red", "star"))))
    for number, (experiment, kind, says) in enumerate((
            (wide_view, ConfigError, "crops of 31 px for a side that takes 63"),
            (uneven, ConfigError, "embeddings of 6 and of 7 numbers"), (short, DataError, "unknown word"))):
        with pytest.raises(kind, match=says):
            loop.train(experiment, tracks, tmp_path / str(number), data="shapes")
        assert not (tmp_path / str(number) / "weights.safetensors").exists()
    with pytest.raises(DataError, match="1 object: there is nothing to tell it from"):
        loop.train(VERIFY, tracks[:1], tmp_path / "one", data="shapes")
    with pytest.raises(DataError, match="no words describe"):
        loop.train(TEXT, [Silent(track) for track in tracks], tmp_path / "silent", data="shapes")


class Silent:
    """A track without a description."""

    def __init__(self, track):
        self.name, self.group, self.category = track.name, track.group, track.category
        self.boxes, self.size, self.key, self.read = track.boxes, track.size, track.key, track.read
