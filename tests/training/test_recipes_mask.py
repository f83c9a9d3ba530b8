"""The experiments of SiamMask: its recipes train what it trains at its rates; the tiny one learns masks."""

import dataclasses
import functools
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from siamjax.data.synthetic import make_tracks
from siamjax.settings import describe
from siamjax.training import loop, optim
from siamjax.training.experiment import load_experiment

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
RECIPES = {  # steps an epoch, share of negative pairs, search px, largest shift, weights of rpn and mask
    "siammask_base": (9375, 0.2, 255, 64, (1, 36)),
    "siammask_sharp": (3125, 0.0, 143, 8, (0, 36))}


@functools.cache
def recipe(name):
    return load_experiment(EXPERIMENTS / f"{name}.py")


@functools.cache
def shapes_of(name):
    config = recipe(name)
    images = [jnp.zeros((1, size, size, 3)) for size in (config.augment.exemplar_size, config.augment.search_size)]
    return jax.eval_shape(config.net.init, jax.random.key(0), *images)["params"]


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_that_of_its_source_and_fits_its_net(golden, name):
    steps, negative, side, shift, weights = RECIPES[name]
    config = recipe(name)
    assert (config.batch_size, config.epochs, config.steps_per_epoch) == (64, 20, steps)
    assert (config.data.negative, config.augment.search_size, config.augment.search.shift) == (negative, side, shift)
    assert (config.objective.rpn_weight, config.objective.mask_weight) == weights
    assert config.data.masks
    assert config.data.patch_size == config.augment.reach
    assert config.objective.rpn.anchors == config.tracker.anchors
    optim.check_paths(config.optim, shapes_of(name))
    want = golden("schedules")[f"{name.replace('_', '/')}/lr_space_and_groups_20epochs"]
    np.testing.assert_allclose(optim.epoch_rates(config.optim, 20), want[:, 0], rtol=1e-6)
    outputs = jax.eval_shape(config.net.init_with_output, jax.random.key(0), jnp.zeros((1, 127, 127, 3)),
                             jnp.zeros((1, side, side, 3)))[0]
    grid, pixels = {"siammask_base": (25, 63), "siammask_sharp": (3, 127)}[name]
    assert outputs[2].shape == (1, grid, grid, pixels * pixels)
    assert config.tracker.mask_size == pixels


def trains(name, phase):
    """The parts with a parameter that trains."""
    flat = traverse_util.flatten_dict(shapes_of(name), sep="/")
    return {"/".join(path.split("/")[:2]) for path in flat if not phase.freezes(path)}


def test_base_trains_its_heads_and_then_two_stages():
    config = recipe("siammask_base")
    before, after = config.optim.phases(config.steps_per_epoch)
    assert (before.first_step, after.first_step) == (0, 10 * 9375)
    heads = {"neck/levels_0", "head/cls", "head/loc", "mask/exemplar", "mask/search", "mask/mix", "mask/out"}
    assert trains("siammask_base", before) == heads
    assert trains("siammask_base", after) == heads | {"backbone/layer2", "backbone/layer3"}
    assert dict(config.optim.factors) == {"backbone": 0.1}


def test_sharp_trains_the_refinement_and_what_it_grows_from():
    config = recipe("siammask_sharp")
    (phase,) = config.optim.phases(config.steps_per_epoch)
    parts = trains("siammask_sharp", phase)
    assert {part for part in parts if not part.startswith("refine/")} == {"mask/exemplar", "mask/search"}
    assert parts > {"mask/exemplar", "mask/search"}


def test_sharp_goes_on_from_base_and_differs_where_it_says():
    base, sharp = (recipe(name) for name in RECIPES)
    mine, theirs = (traverse_util.flatten_dict(shapes_of(name), sep="/")
                    for name in ("siammask_sharp", "siammask_base"))
    assert {path for path in theirs if path not in mine or mine[path].shape != theirs[path].shape} == set()
    assert {path.split("/")[0] for path in mine if path not in theirs} == {"refine"}
    mine, theirs = describe(sharp), describe(base)
    assert {key for key in mine if mine[key] != theirs[key]} <= {
        "name", "steps_per_epoch", "net", "tracker", "objective", "augment", "data", "optim", "init_from"}


def test_tiny_experiment_fits_its_data():
    config = recipe("siammask_tiny")
    optim.check_paths(config.optim, shapes_of("siammask_tiny"))
    assert config.data.masks
    assert config.objective.rpn.anchors == config.tracker.anchors
    assert config.net.mask.features == config.tracker.mask_size ** 2


@pytest.mark.slow
def test_tiny_experiment_learns_on_the_synthetic_set(tmp_path):
    config = dataclasses.replace(recipe("siammask_tiny"), log_every=20, epochs=2, steps_per_epoch=60)
    loop.train(config, make_tracks(seed=config.seed), tmp_path, data="the synthetic set")
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < 0.7 * lines[0]["loss"]
    assert lines[-1]["mask"] < 0.7 * lines[0]["mask"]
    assert lines[-1]["mask_iou"] > max(0.4, 2 * lines[0]["mask_iou"])
