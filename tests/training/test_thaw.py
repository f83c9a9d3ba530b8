"""A training across the epoch at which its backbone thaws: stopped anywhere, it gives the same weights."""

import json

import chex
import jax
import numpy as np
import pytest

from siamjax.errors import TrainingError, WeightsError
from siamjax.settings import replace_by_path
from siamjax.training import loop, replicas
from siamjax.training.experiment import load_experiment
from siamjax.weights import files

EXPERIMENT = '''
from siamjax.data.augment import AugmentConfig, Jitter
from siamjax.data.pipeline import DataConfig
from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.rpn_heads import DepthwiseRPN
from siamjax.nets.siamrpn import SiamRPN
from siamjax.ops.anchors import AnchorConfig
from siamjax.trackers.siamrpn import SiamRPNConfig
from siamjax.training.experiment import Experiment
from siamjax.training.optim import OptimConfig
from siamjax.training.rpn_objective import RPNObjective

anchors = AnchorConfig(scales=(4,))  # objects are half as large in crops of half the size
net = SiamRPN(AlexNet((Stage(4, 11, 8), Stage(4, 3, relu=False)), lowering="lax"), DepthwiseRPN(4, lowering="lax"))
config = Experiment(
    name="thaw", seed=3, batch_size=4, epochs=3, steps_per_epoch=4, net=net, objective=RPNObjective(anchors=anchors),
    tracker=SiamRPNConfig(exemplar_size=63, search_size=111, anchors=anchors),
    data=DataConfig(patch_size=143, exemplar_size=63, max_fraction=0.9, negative=0.2),
    augment=AugmentConfig(exemplar_size=63, search_size=111, search=Jitter(shift=16)),
    optim=OptimConfig(peak_lr=1e-2, final_lr=1e-3, reach_final=True, warmup_lr=5e-3, warmup_epochs=1, clip_norm=10.0,
                      frozen=("backbone",), thaw=(("backbone/conv2", 2),), factors=(("backbone", 0.5),)),
    ema=0.9, checkpoint_every=100, log_every=4)
'''
THAW = 8  # step


@pytest.fixture(scope="module")
def train(tracks, compiled_once, tmp_path_factory):
    path = tmp_path_factory.mktemp("experiment") / "thaw.py"
    path.write_text(EXPERIMENT)

    def run(folder, *settings, stop_at=None):
        experiment = load_experiment(path)
        for text in settings:
            experiment = replace_by_path(experiment, *text.split("=", 1))
        return files.load(loop.train(experiment, tracks, folder, data="squares", stop_at=stop_at))[0]

    return run


@pytest.fixture(scope="module")
def whole(train, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, train(folder, "ema=0"), train(tmp_path_factory.mktemp("before"), "ema=0", stop_at=THAW)


def test_backbone_moves_from_its_epoch_on_and_only_what_thaws(train, whole, tmp_path):
    _, after, before = whole
    start = train(tmp_path, "ema=0", stop_at=1)
    for kind in ("params", "batch_stats"):
        chex.assert_trees_all_equal(before[kind]["backbone"], start[kind]["backbone"])
        chex.assert_trees_all_equal(after[kind]["backbone"]["conv1"], start[kind]["backbone"]["conv1"])
        moved = jax.tree.map(lambda a, b: (a != b).any(), after[kind]["backbone"]["conv2"],
                             before[kind]["backbone"]["conv2"])
        assert all(jax.tree.leaves(moved))
        assert all(jax.tree.leaves(jax.tree.map(lambda a, b: (a != b).any(), after[kind]["head"],
                                                before[kind]["head"])))


@pytest.mark.parametrize("step", [THAW, *(pytest.param(step, marks=pytest.mark.slow) for step in (THAW - 1, THAW + 1))])
def test_stopped_round_the_thaw_and_resumed_equals_undisturbed_to_the_bit(train, whole, tmp_path, step):
    train(tmp_path, "ema=0", stop_at=step)
    chex.assert_trees_all_equal(train(tmp_path, "ema=0"), whole[1])
    assert [run["from_step"] for run in json.loads((tmp_path / "experiment.json").read_text())["runs"]] == [0, step]


def test_a_later_phase_that_does_not_fit_stops_before_the_first_step(train, tmp_path, monkeypatch):
    compiled, asked = replicas.compiled, []

    def too_large(step, state, batch):
        asked.append(step)
        if len(asked) == 2:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 90 GiB")
        return compiled(step, state, batch)

    monkeypatch.setattr(replicas, "compiled", too_large)
    with pytest.raises(TrainingError, match=rf"does not fit .*from step {THAW} on.*precision=bfloat16"):
        train(tmp_path, "ema=0")
    assert not (tmp_path / "metrics.jsonl").read_text()
    asked.clear()
    train(tmp_path, "ema=0", stop_at=THAW)  # which needs no second phase
    assert len(asked) == 1


def test_log_shows_the_rate_of_each_epoch(whole):
    lines = [json.loads(line) for line in (whole[0] / "metrics.jsonl").read_text().splitlines()]
    np.testing.assert_allclose([line["lr"] for line in lines], [5e-3, 1e-2, 1e-3], rtol=1e-6)
    assert {"cls", "loc", "iou", "score", "positives"} <= lines[0].keys()


def test_start_for_the_other_order_of_channels_is_refused(train, whole, tmp_path):
    start = whole[0] / "weights.safetensors"  # SiamRPNConfig's own order is PySOT's
    with pytest.raises(WeightsError, match="for bgr images, and the net sees rgb"):
        train(tmp_path, f"init_from={start}", "tracker.channel_order=rgb")
