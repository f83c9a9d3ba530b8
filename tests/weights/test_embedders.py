"""Trackers as embedding nets, prepared forms, thresholds in weight files."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest

from siamjax.errors import ConfigError, OutputError, WeightsError
from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.contrastive import EmbeddingHead, PseudoSiamese, Siamese, Tower
from siamjax.nets.embedder import EmbedderConfig
from siamjax.nets.layers import Norm
from siamjax.nets.text import TextBackbone
from siamjax.ops.views import View
from siamjax.trackers.siamfc import SiamFCConfig, SiamFCTracker
from siamjax.weights import embedders, files, zoo

VIEW = View(size=47)
BACKBONE = AlexNet((Stage(8, 7, 2, pool_stride=2), Stage(16, 3)), lowering="auto")


def saved(path, embedder, seed=0):
    """A file of an embedding net with statistics away from what they start from."""
    inputs = [np.zeros(view.inputs().shape, view.inputs().dtype) for view in (embedder.config.first,
                                                                               embedder.config.second)]
    variables = jax.jit(embedder.net.init)(jax.random.key(seed), *inputs)
    rng = np.random.default_rng(seed)
    variables = jax.tree.map(lambda x: np.float32(x * rng.uniform(0.7, 1.3, x.shape) + 0.1 * (x.ndim < 2)), variables)
    files.save(path, variables, zoo.metadata_for(embedder, card="of a test", licence="Apache-2.0"))
    return path


@pytest.fixture
def path(tmp_path):
    net = Siamese(BACKBONE, EmbeddingHead(6, norm=Norm()))
    return saved(tmp_path / "net.safetensors", EmbedderConfig(VIEW, VIEW).build(net))


def embeddings(loaded, x, side="first"):
    return jax.jit(lambda params, x: loaded.embedder.embed(params, x, side))(loaded.params, x)


def images(count=3, size=47, channels=3):
    return np.random.default_rng(1).uniform(0, 255, (count, size, size, channels)).astype(np.float32)


def test_the_default_is_the_trunk_of_siamrpn_small_with_its_threshold():
    loaded = embedders.load()
    config = loaded.embedder.config
    assert (config.distance, config.threshold, config.first.size) == ("cosine", embedders.THRESHOLD, 127)
    found = np.asarray(embeddings(loaded, images(2, 127)))
    assert found.shape == (2, 384)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    assert np.abs(loaded.params["params"]["head"]["mean"]).min() > 0
    shared = embedders.load("siammask_small", prepare=True)
    assert shared.fingerprint == loaded.fingerprint  # one trunk, in either form


def test_a_tracker_of_ones_own_gives_its_whole_trunk_without_a_threshold(tmp_path):
    tracker = SiamFCTracker(zoo.ZOO["siamfc"].tracker.net.clone(backbone=BACKBONE),
                            SiamFCConfig(num_scales=1))
    shapes = [np.zeros((1, size, size, 3), np.float32) for size in (127, 255)]
    zoo.save(tmp_path / "siamfc.safetensors", tracker, jax.jit(tracker.net.init)(jax.random.key(0), *shapes),
             card="own", licence="Apache-2.0")
    loaded = embedders.load(tmp_path / "siamfc.safetensors")  # whatever its name
    assert loaded.embedder.config.threshold is None
    assert embeddings(loaded, images(2, 127)).shape == (2, 16)
    with pytest.raises(WeightsError, match="has no backbone"):
        embedders.trunk_of(dataclasses.replace(tracker, net=EmbeddingHead()), centred=False, where="x")


def test_a_long_alexnet_gives_its_first_four_convolutions():
    five = AlexNet((Stage(4, 3),) * 5, used_stages=(2, 5))
    tracker = SiamFCTracker(zoo.ZOO["siamfc"].tracker.net.clone(backbone=five), SiamFCConfig())
    backbone = embedders.trunk_of(tracker, centred=False, where="x").net.backbone
    assert (len(backbone.stages), backbone.used_stages) == (4, None)


@pytest.mark.parametrize("second", [pytest.param(VIEW, marks=pytest.mark.slow), View("sketch", 47)])
def test_the_prepared_form_gives_the_plain_embeddings(tmp_path, path, second):
    if second != VIEW:
        head = EmbeddingHead(6, norm=Norm())
        saved(path, EmbedderConfig(VIEW, second).build(PseudoSiamese(Tower(BACKBONE, head), Tower(BACKBONE, head))))
    plain, fast = embedders.load(path), embedders.load(path, prepare=True)
    assert fast.embedder.net != plain.embedder.net
    for side, channels in (("first", 3), ("second", 3 if second == VIEW else 1)):
        x = images(channels=channels)
        np.testing.assert_allclose(embeddings(fast, x, side), embeddings(plain, x, side), atol=2e-5)


def test_a_net_of_words_stays_plain(tmp_path):
    view = View("words", 2, ("red", "blue"))
    embedder = EmbedderConfig(VIEW, view).build(
        PseudoSiamese(Tower(BACKBONE, EmbeddingHead(6)), Tower(TextBackbone(2, 4), EmbeddingHead(6))))
    saved(tmp_path / "words.safetensors", embedder)
    fast = embedders.load(tmp_path / "words.safetensors", prepare=True)
    assert fast.embedder == embedder
    assert fast.embedder.embed(fast.params, view.tokens("red")[None], "second").shape == (1, 6)


def test_a_threshold_is_written_and_nothing_else_changes(tmp_path, path):
    before = embedders.load(path)
    embedders.save_calibrated(tmp_path / "new.safetensors", path, 0.25, said="by hand")
    after = embedders.load(tmp_path / "new.safetensors")
    assert after.embedder.config == dataclasses.replace(before.embedder.config, threshold=0.25)
    assert after.card == "of a test; threshold 0.25 by hand"
    assert after.fingerprint == before.fingerprint
    jax.tree.map(np.testing.assert_array_equal, after.params, before.params)
    with pytest.raises(OutputError):
        embedders.save_calibrated(path / "below", path, 0.25, said="by hand")
    saved(path, before.embedder, seed=1)
    assert embedders.load(path).fingerprint != before.fingerprint


def test_a_default_calibrated_on_own_photos_is_an_embedding_nets_file(tmp_path):
    embedders.save_calibrated(tmp_path / "mine.safetensors", embedders.DEFAULT, 0.5, said="by hand")
    assert (tmp_path / "mine.safetensors").stat().st_size < 12e6
    mine, default = embedders.load(tmp_path / "mine.safetensors"), embedders.load()
    assert (mine.embedder.config.threshold, mine.fingerprint) == (0.5, default.fingerprint)


@pytest.mark.parametrize("threshold", [-0.1, float("nan"), float("inf")])
def test_a_threshold_is_a_distance(threshold):
    with pytest.raises(ConfigError, match=r"EmbedderConfig\.threshold"):
        EmbedderConfig(threshold=threshold)


def test_a_backbones_file_is_refused(tmp_path, path):
    variables, metadata = files.load(path)
    files.save(path, variables, metadata | {"config": '{"kind":"siamjax.ops.views:View"}'})
    with pytest.raises(WeightsError, match="settings are of a View, not of an embedding net or a tracker"):
        embedders.load(path)
