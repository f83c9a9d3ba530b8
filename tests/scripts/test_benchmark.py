"""What the benchmark times is what it says: parts that make up a step, and the layers that a search passes."""

from __future__ import annotations

import importlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.layers import Norm
from siamjax.nets.rpn_heads import DepthwiseRPN
from siamjax.nets.siamfc import SiamFC
from siamjax.nets.siamrpn import SiamRPN
from siamjax.trackers.base import as_frame
from siamjax.trackers.siamfc import SiamFCTracker
from siamjax.trackers.siamrpn import SiamRPNTracker
from siamjax.weights import zoo

SMALL = (Stage(4, 11, 2, pool_stride=2), Stage(4, 5, pool_stride=2), Stage(4, 3), Stage(4, 3), Stage(4, 3, norm=False))
TRACKERS = {
    "siamfc": SiamFCTracker(SiamFC(AlexNet(SMALL, lowering="lax"))),
    "siamrpn": SiamRPNTracker(SiamRPN(AlexNet(SMALL, Norm(), lowering="lax"), DepthwiseRPN(4, lowering="lax")))}


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
        return choice(state, network(variables, state, crop(state, frame)))

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


def test_each_plan_times_calls_of_the_worker(script):
    benchmark, worker = script("benchmark"), script("benchmark_worker")
    assert set(benchmark.PLANS) == set(worker.WARM_UP)
    row = {"model": "m", "threads": 1, "PyTorch": 200.0, "step": 100.0}
    assert "| m | 1 | 100.00 | 200.00 | 0.50 |" in benchmark.table(benchmark.PLANS["train"], [row])
    for plan in benchmark.PLANS.values():
        assert {ours for ours, _ in plan.compared.values()} <= set(plan.ours)
