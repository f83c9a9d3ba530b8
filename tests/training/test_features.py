"""Frozen parts computed once: what is kept, what is made again, and that the one loop trains on it as on crops."""

import dataclasses
import json

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from siamjax.data.augment import AugmentConfig
from siamjax.data.damage import Damaged
from siamjax.data.pipeline import DataConfig
from siamjax.data.synthetic import SyntheticConfig, make_tracks
from siamjax.errors import ConfigError, TrainingError
from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.guided_mask import GuidedMask, Segment
from siamjax.nets.similarity_heads import PixelwiseRPN, SimilarityRPN
from siamjax.ops import xcorr
from siamjax.trackers.siamfc import SiamFCConfig
from siamjax.trackers.siammask import SiamMaskConfig
from siamjax.training import feed, loop, shards
from siamjax.training.experiment import Experiment
from siamjax.training.features import BackboneFeatures, Cached
from siamjax.training.mask_windows import MaskWindows, WindowObjective, soft_overlap
from siamjax.training.objectives import LogisticObjective
from siamjax.training.optim import OptimConfig
from siamjax.types import TrainPair
from siamjax.weights import files

STAGES = (Stage(4, 11, 2, pool_stride=2), Stage(4, 5, groups=2, pool_stride=2), Stage(4, 3, norm=False, relu=False))
AUGMENT = AugmentConfig(exemplar_size=63, search_size=95, flip=0.5)


class Normed(nn.Module):
    """The response of features that a BatchNorm has seen: the least that has parameters and statistics."""

    backbone: nn.Module
    axis_name: str | None = None

    @nn.compact
    def __call__(self, exemplar, search, *, train=False):
        norm = nn.BatchNorm(use_running_average=not train, axis_name=self.axis_name, momentum=0.9, name="head")
        z, x = self.backbone(exemplar, train=train), self.backbone(search, train=train)
        return 0.1 * xcorr.dense(z, norm(x), lowering="lax")


@pytest.fixture(scope="module")
def small():
    """A head on a frozen backbone."""
    return Experiment(
        name="cached", seed=3, batch_size=4, epochs=3, steps_per_epoch=8, net=Normed(AlexNet(STAGES, lowering="lax")),
        objective=LogisticObjective(centre="box"), tracker=SiamFCConfig(exemplar_size=63, search_size=95),
        data=DataConfig(patch_size=127, exemplar_size=63, max_fraction=0.9, negative=0.2), augment=AUGMENT,
        optim=OptimConfig(peak_lr=1e-2, final_lr=1e-3, frozen=("backbone",)), ema=0.9,
        cached=Cached(BackboneFeatures(), pairs=24, shard=12, at_once=4), checkpoint_every=5, log_every=4)


@pytest.fixture(scope="module")
def train(tracks, compiled_once):
    def run(experiment, folder, **kwargs):
        return files.load(loop.train(experiment, tracks, folder, data="squares", **kwargs))[0]

    return run


@pytest.fixture(scope="module")
def whole(train, small, tmp_path_factory):
    """The folder and the weights of an undisturbed training of 24 steps."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, train(small, folder)


def features_of(folder):
    return {path.name: path.read_bytes() for path in sorted((folder / "features").iterdir())}


def test_only_the_rest_trains_on_files_of_the_pairs(whole):
    folder, weights = whole
    assert list(features_of(folder)) == ["00000.npy", "00001.npy", "features.json"]
    start = {"params": {"scale": 1, "bias": 0}, "batch_stats": {"mean": 0, "var": 1}}
    for kind, values in start.items():
        for name, value in values.items():
            assert (weights[kind]["backbone"]["conv1"]["norm"][name] == value).all()
            assert (weights[kind]["head"][name] != value).all()
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [4, 8, 12, 16, 20, 24]
    assert {"centre_error", "lr", "skipped"} <= lines[0].keys()
    assert "24 steps of 4 pairs on features of 24 pairs, seed 3, on squares" in files.read_header(
        folder / "weights.safetensors").metadata["card"]


@pytest.mark.slow
def test_loss_on_features_is_that_of_the_whole_net_on_the_crops(whole, small, tracks):
    variables = jax.tree.map(jnp.asarray, whole[1])
    pairs = feed.pair_feed(small, tracks, data="", damaged=Damaged())
    stream = pairs.draw(0)
    batch = next(stream)
    stream.close()
    cached = feed.feature_feed(small, tracks, whole[0], whole[1], pairs, batch,
                               damaged=Damaged(), say=pytest.fail)
    # The first four pairs of the stream, augmented as they were for the rows.
    pair = pairs.augment(shards.augment_key(small), batch)
    rows = shards.Rows([np.load(whole[0] / "features/00000.npy")], jax.eval_shape(shards.packed, pair))
    kept = cached.augment(jax.random.key(0), rows.take(np.arange(4)))
    assert kept.index.tolist() == pair.index.tolist() == [0, 1, 2, 3]
    keys = pair.replace(key=kept.key)
    want = small.objective(small.net.apply(variables, pair.exemplar, pair.search), keys)
    got = cached.objective(cached.net.apply(variables, kept.exemplar, kept.search), kept)
    chex.assert_trees_all_close(got, want, rtol=5e-3, atol=5e-3)


def test_stopped_and_resumed_equals_undisturbed_to_the_bit(train, small, whole, tmp_path):
    train(small, tmp_path, stop_at=11)
    chex.assert_trees_all_equal(train(small, tmp_path), whole[1])
    assert features_of(tmp_path) == features_of(whole[0])


@pytest.mark.slow
def test_bad_steps_are_skipped_and_name_the_pairs_of_the_stream(train, small, tmp_path):
    bad = dataclasses.replace(small, optim=dataclasses.replace(small.optim, peak_lr=1e30), max_bad_steps=3)
    with pytest.raises(TrainingError, match="in a row had NaN or Inf"):
        train(bad, tmp_path)
    skipped = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    skipped = [line["indices"] for line in skipped if line.get("skipped") is True]
    assert len(skipped) >= 3
    assert all(0 <= index < 24 for row in skipped for index in row)


@pytest.mark.parametrize(("changes", "says"), [
    ({"optim": OptimConfig()}, "'backbone' is computed once, but trains"),
    ({"optim": OptimConfig(frozen=("backbone/conv1",))}, "'backbone' is computed once, but trains"),
    ({"optim": OptimConfig(frozen=("backbone",), thaw=(("backbone/conv3", 1),))}, "computed once, but trains"),
    ({"cached": Cached(MaskWindows()), "optim": OptimConfig(frozen=("backbone",))}, "the net has no part 'head'")])
def test_what_is_computed_once_must_be_frozen(small, changes, says):
    with pytest.raises(ConfigError, match=says):
        dataclasses.replace(small, **changes)


@pytest.mark.parametrize("numbers", [{"pairs": 0}, {"pairs": 700}, {"shard": 30, "pairs": 60}, {"at_once": 0}])
def test_numbers_of_pairs_that_do_not_divide_are_refused(numbers):
    with pytest.raises(ConfigError):
        Cached(BackboneFeatures(), **numbers)


# Masks.

@pytest.fixture(scope="module")
def masks():
    """Masks on a frozen trunk and frozen small, all of them narrow."""
    stages = (Stage(4, 11, 2, pool_stride=2), Stage(4, 5, groups=2, pool_stride=2), Stage(4, 3), Stage(4, 3),
              Stage(4, 3, norm=False, relu=False))
    augment = AugmentConfig(search_size=159)
    return Experiment(
        name="masks", seed=5, batch_size=4, epochs=1, steps_per_epoch=30,
        net=GuidedMask(AlexNet(stages, used_stages=(1, 2, 5), lowering="lax"),
                       SimilarityRPN(PixelwiseRPN(hidden=4, context=4)), Segment(hidden=4, widths=(4, 4))),
        objective=WindowObjective(), tracker=SiamMaskConfig(search_size=287, channel_order="rgb"),
        data=DataConfig(patch_size=augment.reach, masks=True, threads=0, min_side=5), augment=augment,
        optim=OptimConfig(rule="adam", peak_lr=1e-2, final_lr=1e-3, frozen=("backbone", "head")),
        cached=Cached(MaskWindows(), pairs=8, shard=8, at_once=4), log_every=10)


@pytest.fixture(scope="module")
def drawn_tracks():
    return make_tracks(SyntheticConfig(videos=2, frames=3, height=96, width=128, min_size=24, max_size=48), seed=0)


@pytest.mark.slow
def test_masks_learn_on_windows_that_were_cut_once(masks, drawn_tracks, tmp_path, compiled_once):
    loop.train(masks, drawn_tracks, tmp_path, data="shapes")
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < 0.8 * lines[0]["loss"]
    assert lines[-1]["mask_iou"] > lines[0]["mask_iou"]
    assert {"mask", "mask_iou"} <= lines[0].keys()


@pytest.mark.slow
def test_windows_are_those_of_the_middle_cell_and_boxes_are_shaken_by_pair(masks):
    size, margin = 159, 16
    rng = np.random.default_rng(0)
    crops = [jnp.asarray(rng.uniform(0, 255, (2, side, side, 3)), jnp.float32) for side in (127, size)]
    mask = np.zeros((2, size, size), np.float32)
    mask[0, 60:90, 70:100] = 1
    mask[1, :margin] = 1  # outside of the window
    variables = jax.jit(masks.net.init)(jax.random.key(0), *crops)
    pair = a_pair(crops, mask)
    embed, params = masks.cached.features.embedder(masks.net, variables, size)
    kept, worth = jax.jit(embed)(params, pair)
    assert worth.tolist() == [True, False]
    np.testing.assert_array_equal(kept.mask[0, 60 - margin : 90 - margin, 70 - margin : 100 - margin], 1)
    assert kept.mask.sum() == 900
    # Without a shake the masks are those that the whole net draws at its middle cell.
    net = masks.cached.features.trained(masks.net)
    got = jax.jit(net.apply)(variables, kept.exemplar, kept.search)
    want = jax.jit(masks.net.apply)(variables, *crops)[2]
    middle = want.shape[1] // 2
    want = want[:, middle, middle].reshape(got.shape)
    assert np.abs(got - want).mean() < 0.01 * want.std()  # pixels are kept as bytes
    keys = jax.random.split(jax.random.key(3), 2)
    shaken = masks.cached.features.varied(kept.replace(key=keys)).search[1]
    assert (shaken != kept.search[1]).all()
    one = jax.tree.map(lambda leaf: leaf[1:], kept.replace(key=keys))
    np.testing.assert_array_equal(masks.cached.features.varied(one).search[1], shaken[1:])


def a_pair(crops, mask):
    box = jnp.array([[70.0, 60, 30, 30]] * 2)
    return TrainPair(*crops, box, box, jnp.ones(2, bool), jnp.arange(2), None, jnp.asarray(mask), jnp.ones(2, bool))


def test_objective_of_windows_is_refused_without_them(masks):
    with pytest.raises(ConfigError, match=r"cached=Cached\(MaskWindows\(\)\)"):
        WindowObjective()((1, 2, 3), a_pair((None, None), np.zeros((2, 4, 4))))


def test_overlap_of_certain_probabilities_is_that_of_their_pixels():
    target = np.full((1, 8, 8), -1.0, np.float32)
    target[0, :4] = 1
    logits = np.full((1, 8, 8), -50.0, np.float32)
    logits[0, 2:6] = 50
    np.testing.assert_allclose(soft_overlap(jnp.asarray(logits), jnp.asarray(target)), [(16 + 1) / (48 + 1)], rtol=1e-5)


def test_tracks_without_masks_are_not_drawn(masks, tracks, drawn_tracks):
    usable = masks.cached.features.usable
    assert not any(map(usable, tracks))
    assert all(map(usable, drawn_tracks))
