"""What the benchmark times is what it says: parts that make up a step, and the layers that a search passes."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.anchor_free_heads import PixelwiseHead
from siamjax.nets.inverted import Block, InvertedTrunk
from siamjax.nets.layers import Norm
from siamjax.nets.rpn_heads import DepthwiseRPN
from siamjax.nets.siamfc import SiamFC
from siamjax.nets.siamrpn import SiamRPN
from siamjax.trackers.anchor_free import AnchorFreeConfig
from siamjax.trackers.base import as_frame
from siamjax.trackers.siamfc import SiamFCTracker
from siamjax.trackers.siamrpn import SiamRPNTracker
from siamjax.weights import zoo

SMALL = (Stage(4, 11, 2, pool_stride=2), Stage(4, 5, pool_stride=2), Stage(4, 3), Stage(4, 3), Stage(4, 3, norm=False))
TRACKERS = {
    "siamfc": SiamFCTracker(SiamFC(AlexNet(SMALL, lowering="lax"))),
    "siamrpn": SiamRPNTracker(SiamRPN(AlexNet(SMALL, Norm(), lowering="lax"), DepthwiseRPN(4, lowering="lax"))),
    "fear": AnchorFreeConfig(
        exemplar_size=64, search_size=128, squeezed=True, context=0.2, smoothing="squared", half_pixel=False).build(
            SiamRPN(InvertedTrunk((Block(4, stride=8, expansion=None),), 4, lowering="lax"),
                    PixelwiseHead(4, 1, lowering="lax")))}


@pytest.fixture
def script(monkeypatch):
    """`script("benchmark")`: a module of the folder `scripts`."""
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "scripts"))
    return importlib.import_module


@pytest.mark.slow
@pytest.mark.parametrize("kind", TRACKERS)
def test_crop_network_and_choice_make_up_a_step(script, kind):
    worker = script("benchmark_worker")
    tracker = TRACKERS[kind]
    shapes = zoo.wanted_variables(tracker)
    rng = np.random.default_rng(0)
    variables = jax.tree.map(lambda leaf: jnp.asarray(
        rng.normal(0, 0.1, leaf.shape) if len(leaf.shape) == 4 else rng.uniform(0.1, 0.2, leaf.shape), jnp.float32),
        shapes)  # such that a target stays within the frame: a choice does not see its rim
    frame = as_frame(rng.integers(0, 256, (240, 320, 3), np.uint8))
    state = tracker.init(variables, frame, (130.0, 90.0, 50.0, 40.0))
    parts = worker.siamfc_parts(tracker) if kind == "siamfc" else worker.siamrpn_parts(tracker)

    @jax.jit
    def joined(state):
        crop, network, choice = parts
        seen = crop(state, frame)
        return choice(state, seen, network(variables, state, seen))

    moved = joined(state)
    moved = moved[0] if kind == "siamfc" else moved
    stepped, _ = jax.jit(lambda state: tracker.step(variables, state, frame))(state)
    assert np.abs(np.asarray(stepped.centre - state.centre)).max() > 0
    np.testing.assert_allclose(moved.centre, stepped.centre, atol=1e-3)
    np.testing.assert_allclose(moved.size, stepped.size, atol=1e-3)


def test_weights_are_read_back_under_one_spelling_of_each_name(script, tmp_path):
    worker = script("benchmark_worker")
    worker.write_weights("siamrpn_alex", tmp_path / "w.safetensors")
    tracker, variables = worker.load("siamrpn_alex", tmp_path / "w.safetensors", prepared=False)
    wanted = jax.tree.map(jnp.shape, zoo.wanted_variables(tracker))
    assert jax.tree.map(jnp.shape, variables) == wanted


def test_layers_of_a_search_and_their_operations(script):
    layers = script("benchmark_layers")
    tracker = TRACKERS["siamrpn"]
    variables = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), zoo.wanted_variables(tracker))
    found = layers.search_layers(tracker, variables)
    first, second = list(found)[:2]
    assert (first.shape, first.geometry.stride) == ((1, 255, 255, 3), 2)
    assert first.operations() == pytest.approx(2e-9 * 123 * 123 * 4 * 11 * 11 * 3)
    assert second.operations() == pytest.approx(2e-9 * 57 * 57 * 4 * 5 * 5 * 4)
    assert sum(map(len, found.values())) == 5 + 2 * 3  # of each branch not the exemplar's


def test_a_peer_that_is_missing_is_named_and_left_out(script, tmp_path, monkeypatch, capsys):
    benchmark = script("benchmark")
    monkeypatch.setattr("sys.argv", ["benchmark.py", "--peers", str(tmp_path), "--peer-python", sys.executable])
    monkeypatch.setattr(benchmark, "imports", lambda python, modules: "onnxruntime" not in modules)
    arguments, plan = benchmark.parse(), benchmark.PLANS["light"]
    assert benchmark.others(arguments, plan, "fear_xs", 1, tmp_path / "w") == {}
    assert "fear_xs: no cv2, onnxruntime in" in capsys.readouterr().err
    assert benchmark.others(arguments, plan, "nanotrack_v2", 1, tmp_path / "w")["peer"][2:4] == [
        "nanotrack_v2", str(tmp_path)]


def test_each_plan_times_calls_of_the_worker(script):
    benchmark, worker = script("benchmark"), script("benchmark_worker")
    assert set(benchmark.PLANS) == set(worker.WARM_UP)
    row = {"model": "m", "threads": 1, "PyTorch": 200.0, "step": 100.0}
    assert "| m | 1 | 100.00 | 200.00 | 0.50 |" in benchmark.table(benchmark.PLANS["train"], [row])
    row = {"model": "fear_xs", "threads": 1, "peer": 8.0, "wall": {"peer": 10.0, "step": 15.0},
           **dict.fromkeys(benchmark.PLANS["light"].ours, 2.0)}
    alone = {key: value for key, value in row.items() if key != "peer"}
    lines = benchmark.table(benchmark.PLANS["light"], [alone, row]).splitlines()
    assert lines[-2].endswith("| 2.00 |  |  |  |")  # its peer could not be run
    assert lines[-1].endswith("| 2.00 | 8.00 | 0.25 | 1.50 |")
    for plan in benchmark.PLANS.values():
        assert {ours for ours, _ in plan.compared.values()} <= set(plan.ours)
