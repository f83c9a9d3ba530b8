"""The experiments of the anchor-free nets: published recipes, crops as their trackers cut them, steps from shipped
weights; the tiny one learns."""

import dataclasses
import functools
import json
import types
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from siamjax.data.augment import make_augment
from siamjax.data.config import Jitter
from siamjax.data.pipeline import batches, make_sample
from siamjax.data.synthetic import make_tracks
from siamjax.errors import ConfigError
from siamjax.settings import describe, replace_by_path
from siamjax.trackers.longterm import LongTermConfig
from siamjax.trackers.siamrpn import as_frame
from siamjax.trackers.verified import VerifiedConfig
from siamjax.training import feed, loop, optim, start
from siamjax.training.experiment import load_experiment
from siamjax.training.state import new_state
from siamjax.training.step import AXIS, make_train_step
from siamjax.weights import files, zoo

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
RECIPES = {  # batch, epochs, steps an epoch, share of negative pairs, rates of the first and the last epoch
    "fear_xs": (128, 150, 9140, 0.0, 1.4e-4, 1e-6),
    "nanotrack_v1": (32, 50, 3125, 0.2, 1e-3, 5e-4),
    "nanotrack_v2": (32, 50, 3125, 0.2, 1e-3, 5e-4),
    "nanotrack_v3": (64, 50, 6250, 0.2, 1e-3, 5e-4)}
SQUEEZED = ("fear_xs", "fear_finetune", "fear_tiny")
STILL = Jitter(shift=0, stretch=0)


@functools.cache
def recipe(name):
    return load_experiment(EXPERIMENTS / f"{name}.py")


@functools.cache
def shapes_of(name):
    config = recipe(name)
    images = [jnp.zeros((1, size, size, 3)) for size in (config.augment.exemplar_size, config.augment.search_size)]
    return jax.eval_shape(config.net.init, jax.random.key(0), *images)


@pytest.mark.parametrize("name", ["fear_xs", *(pytest.param(name, marks=pytest.mark.slow)
                                               for name in RECIPES if name != "fear_xs")])
def test_recipe_fits_its_net(name):
    optim.check_paths(recipe(name).optim, shapes_of(name)["params"])


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_that_of_its_source(name):
    batch, epochs, steps, negative, first, last = RECIPES[name]
    config = recipe(name)
    assert (config.batch_size, config.epochs, config.steps_per_epoch, config.data.negative) == (
        batch, epochs, steps, negative)
    rates = optim.epoch_rates(config.optim, epochs)
    np.testing.assert_allclose(rates[[0, -1]], [first, last], rtol=0.02)
    assert config.objective.points == config.tracker.anchors
    assert config.tracker == zoo.ZOO[name].tracker.config
    assert (config.augment.exemplar_size, config.augment.search_size) == (
        config.tracker.exemplar_size, config.tracker.search_size)


@pytest.mark.parametrize("name", ["nanotrack_v1", "nanotrack_v2", "nanotrack_v3"])
def test_trunk_of_nanotrack_trains_from_epoch_10_on_at_a_tenth(name):
    config = recipe(name)
    before, after = config.optim.phases(config.steps_per_epoch)
    assert (before.first_step, after.first_step) == (0, 10 * config.steps_per_epoch)
    assert before.freezes("backbone/block3/expand/norm/scale")
    assert not after.freezes("backbone/stem/kernel")
    assert not before.freezes("head/cls/out/kernel")
    assert config.optim.factors == (("backbone", 0.1),)


@pytest.mark.parametrize(("name", "parent", "changes"), [
    ("nanotrack_v2", "nanotrack_v1", {"name", "net", "tracker"}),
    ("nanotrack_v3", "nanotrack_v1", {"name", "net", "tracker", "batch_size", "steps_per_epoch", "data"})])
def test_recipe_differs_from_its_parent_where_it_says(name, parent, changes):
    mine, theirs = describe(recipe(name)), describe(recipe(parent))
    assert {key for key in mine if mine[key] != theirs[key]} == changes


@pytest.mark.parametrize("name", ["fear_xs", "fear_finetune", *(pytest.param(name, marks=pytest.mark.slow)
                                                                for name in RECIPES if name != "fear_xs")])
def test_recipe_starts_from_weights_in_the_package(name):
    """Its trunk's at least, whole; the head of a recipe is drawn."""
    config = recipe(name)
    loaded, _ = files.load(zoo.locate(config.init_from)[0])
    variables = jax.tree.map(lambda leaf: np.full(leaf.shape, np.nan, np.float32), shapes_of(name))
    parts = start.take_parts(loaded, config.init_parts, where=name) if config.init_parts else loaded
    started = traverse_util.flatten_dict(start.start_from(variables, parts, where=name), sep="/")
    taken = {path for path, value in started.items() if np.isfinite(value).all()}
    assert {path for path in started if path.split("/")[1] == "backbone"} <= taken
    assert (len(taken) == len(started)) == (config.init_parts is None)


# Crops of training and of tracking.

class Photo:
    """A smooth image whose colours are places, and a box on it: a `Track` of one frame."""

    def __init__(self, box):
        self.name = self.group = str(box)
        self.category, self.size, self.boxes = "", (240, 320), np.float32([box])

    def key(self, number):
        return self.name, number

    def read(self, number):
        y, x = np.mgrid[:240, :320]
        return np.stack([x * 0.75, y, 128 + 60 * np.sin(x / 19) * np.cos(y / 17)], -1).astype(np.uint8)


@pytest.mark.parametrize("name", SQUEEZED)
def test_all_fears_cut_alike(name):
    """So that what holds of the crops of one of them holds of the others'."""
    mine, tiny = recipe(name), recipe("fear_tiny")
    for setting in ("squeezed", "exemplar_size", "context", "search_scale"):
        assert getattr(mine.data, setting) == getattr(tiny.data, setting)
    assert (mine.tracker, mine.augment.exemplar_size, mine.augment.search_size) == (tiny.tracker, 128, 256)


@pytest.mark.parametrize("box", [
    (4, 150, 50, 50), *(pytest.param(box, marks=pytest.mark.slow) for box in [(100, 80, 60, 30), (150, 60, 40, 90)])])
def test_crops_of_a_training_are_those_of_its_tracker(box):
    """But that its tracker cuts windows of whole pixels."""
    config = recipe("fear_tiny")
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, negative=0.0, patch_size=256))
    still = dataclasses.replace(config.augment, exemplar=STILL, search=STILL, grey=0.0, flip=0.0)
    photo = Photo(box)
    batch = next(batches([photo], config.data, seed=0, batch_size=1))
    pair = jax.jit(make_augment(still))(jax.random.key(0), batch)
    frame = as_frame(photo.read(0))
    centre, size = photo.boxes[0, :2] + photo.boxes[0, 2:] / 2, photo.boxes[0, 2:]
    state = types.SimpleNamespace(centre=jnp.asarray(centre), size=jnp.asarray(size), mean=photo.read(0).mean((0, 1)))
    tracker = config.build_tracker()
    for crop, margin, side in ((pair.exemplar, 0.2, 128), (pair.search, 2.0, 256)):
        wanted, middle, scale = tracker.cut(state, frame, margin, side)
        assert crop.shape == (1, side, side, 3)
        assert np.abs(np.asarray(crop[0]) - wanted).mean() < 1.5
        np.testing.assert_allclose(size * scale, side / (1 + 2 * margin), rtol=0.03)
        np.testing.assert_allclose((centre - middle) * scale, 0, atol=2.5)
    np.testing.assert_allclose(pair.exemplar_box[0], [(128 - 128 / 1.4) / 2] * 2 + [128 / 1.4] * 2, rtol=1e-5)
    np.testing.assert_allclose(pair.search_box[0], [(256 - 51.2) / 2] * 2 + [51.2] * 2, rtol=1e-5)


@pytest.mark.parametrize(("name", "squeezed", "says"), [
    ("fear_tiny", False, "squeezed in use.*set it to true"), ("siamrpn_tiny", True, "squares in use.*set it to false")])
def test_crops_that_are_not_those_of_the_tracker_are_an_error(name, squeezed, says):
    config = recipe(name)
    with pytest.raises(ConfigError, match=says):
        dataclasses.replace(config, data=dataclasses.replace(config.data, squeezed=squeezed))


def test_a_tracker_round_another_is_trained_on_crops_as_that_one_cuts_them():
    for name in ("fear_tiny", "siamrpn_tiny"):
        config = recipe(name)
        for outer in (LongTermConfig(config.tracker), VerifiedConfig(config.tracker)):
            long = dataclasses.replace(config, tracker=outer)
            with pytest.raises(ConfigError, match=r"data\.squeezed"):
                dataclasses.replace(long, data=dataclasses.replace(config.data, squeezed=not config.data.squeezed))


def test_settings_of_an_objective_change_by_path():
    changed = replace_by_path(replace_by_path(recipe("fear_tiny"), "objective.assign.radius", "3"),
                              "objective.box_loss", "giou")
    assert (changed.objective.assign.radius, changed.objective.box_loss) == (3, "giou")
    with pytest.raises(ConfigError, match=r"InsideRule\.radius|radius"):
        replace_by_path(recipe("fear_tiny"), "objective.assign.radius", "-3")


# Steps.

def steps(config, count, size=6):
    """Metrics of steps from the weights that an experiment starts from, on the same synthetic pairs, and parameters
    before and after."""
    sample = make_sample(make_tracks(seed=3), config.data, seed=0)
    batch = jax.tree.map(lambda *rows: np.stack(rows), *(sample(index) for index in range(size)))
    phase = config.optim.phases(1)[0]
    tx = optim.make_optimiser(config.optim, optim.make_schedule(config.optim, config.epochs, 100), phase)
    variables, _ = files.load(zoo.locate(config.init_from)[0])
    augment = feed.in_order(make_augment(config.augment), config.tracker.channel_order)
    step = make_train_step(config.net, config.objective, tx, augment, phase, train_norm=config.norm_mode == "train")
    step = jax.jit(jax.vmap(step, axis_name=AXIS))
    variables = jax.tree.map(jnp.asarray, variables)
    state = jax.tree.map(lambda leaf: leaf[None], new_state(variables, tx, jax.random.key(1), ema=False))
    metrics = []
    for _ in range(count):
        state, measured = step(state.replace(step=jnp.zeros_like(state.step)), jax.tree.map(lambda x: x[None], batch))
        metrics.append({name: float(value[0]) for name, value in measured.items()})
    after = jax.tree.map(lambda leaf: np.asarray(leaf[0]), state.params)
    return metrics, traverse_util.flatten_dict(variables["params"], sep="/"), traverse_util.flatten_dict(after, sep="/")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "changes"), [
    ("fear_finetune", {"optim.warmup_steps": 0}), ("nanotrack_v3", {"optim.peak_lr": 1e-4, "optim.warmup_epochs": 0})])
def test_steps_from_shipped_weights_lower_their_loss(name, changes):
    """They find nearly all objects at once, which no wrong crop, order of channels or target would let them do."""
    config = recipe(name)
    for path, value in changes.items():
        config = replace_by_path(config, path, str(value))
    metrics, before, after = steps(config, 4)
    assert all(m["good"] for m in metrics)
    assert metrics[0]["iou"] > 0.6
    assert metrics[-1]["loss"] < metrics[0]["loss"]
    frozen = config.optim.phases(1)[0].freezes
    for path in before:
        assert (before[path] != after[path]).any() != frozen(path), path


@pytest.mark.slow
def test_tiny_experiment_learns_on_the_synthetic_set(tmp_path):
    config = dataclasses.replace(recipe("fear_tiny"), log_every=20, epochs=2, steps_per_epoch=60)
    loop.train(config, make_tracks(seed=config.seed), tmp_path, data="the synthetic set")
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < 0.8 * lines[0]["loss"]
    assert lines[-1]["iou"] > lines[0]["iou"]
