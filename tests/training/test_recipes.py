"""The experiments of the region-proposal family: PySOT's recipes name what their nets have; the tiny one learns."""

import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from siamjax.data.synthetic import make_tracks
from siamjax.settings import describe
from siamjax.training import loop, optim
from siamjax.training.experiment import load_experiment

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
RECIPES = {  # batch of all GPUs, epochs, steps an epoch, share of negative pairs, what trains from epoch 10 on
    "siamrpn_alex": (2048, 50, 292, 0.05, ("conv4", "conv5")),
    "siamrpn_upchannel": (2048, 50, 292, 0.05, ("conv4", "conv5")),
    "siamrpnpp_r50_8gpu": (224, 20, 2678, 0.2, ("layer2", "layer3", "layer4")),
    "siamrpnpp_r50_16gpu": (384, 20, 1562, 0.2, ("layer2", "layer3", "layer4")),
    "siamrpnpp_r50_otb_8gpu": (128, 20, 4687, 0.2, ("layer1", "layer2", "layer3", "layer4")),
    "siamrpnpp_mobilev2": (224, 20, 2678, 0.2, ("layer3", "layer4", "layer5", "layer6", "layer7"))}


def recipe(name):
    return load_experiment(EXPERIMENTS / f"{name}.py")


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_that_of_its_source(name):
    batch, epochs, steps, negative, _ = RECIPES[name]
    config = recipe(name)
    assert (config.batch_size, config.epochs, config.steps_per_epoch, config.data.negative) == (
        batch, epochs, steps, negative)
    assert config.objective.anchors == config.tracker.anchors
    before, after = config.optim.phases(steps)
    assert (before.first_step, after.first_step) == (0, 10 * steps)


SHAPED = ("siamrpn_alex", "siamrpnpp_r50_8gpu")  # by default


@pytest.mark.parametrize("name", [name if name in SHAPED else pytest.param(name, marks=pytest.mark.slow)
                                  for name in RECIPES])
def test_recipe_fits_its_net(name):
    _, _, steps, _, thawed = RECIPES[name]
    config = recipe(name)
    images = [jnp.zeros((1, size, size, 3)) for size in (config.augment.exemplar_size, config.augment.search_size)]
    shapes = jax.eval_shape(config.net.init, jax.random.key(0), *images)["params"]
    optim.check_paths(config.optim, shapes)
    before, after = config.optim.phases(steps)
    assert all(before.freezes(f"backbone/{layer}") for layer in shapes["backbone"])
    assert {layer for layer in shapes["backbone"] if not after.freezes(f"backbone/{layer}")} == set(thawed)
    assert not any(after.freezes(part) for part in shapes if part != "backbone")


@pytest.mark.parametrize(("name", "parent", "changes"), [
    ("siamrpnpp_r50_16gpu", "siamrpnpp_r50_8gpu", {"name", "batch_size", "steps_per_epoch"}),
    ("siamrpnpp_r50_otb_8gpu", "siamrpnpp_r50_8gpu",
     {"name", "batch_size", "steps_per_epoch", "net", "tracker", "augment", "optim"}),
    ("siamrpnpp_mobilev2", "siamrpnpp_r50_8gpu", {"name", "net", "tracker", "optim"}),
    ("siamrpn_upchannel", "siamrpn_alex", {"name", "net"})])
def test_recipe_differs_from_its_parent_where_it_says(name, parent, changes):
    mine, theirs = describe(recipe(name)), describe(recipe(parent))
    assert {key for key in mine if mine[key] != theirs[key]} == changes


@pytest.mark.slow
def test_tiny_experiment_learns_on_the_synthetic_set(tmp_path):
    config = dataclasses.replace(recipe("siamrpn_tiny"), log_every=20, epochs=2, steps_per_epoch=60)
    loop.train(config, make_tracks(seed=config.seed), tmp_path, data="the synthetic set")
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < 0.7 * lines[0]["loss"]
    assert lines[-1]["iou"] > lines[0]["iou"]
