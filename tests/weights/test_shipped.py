"""What the package ships, held to the zoo and to the experiments that make it."""

import dataclasses
import re
from pathlib import Path

import pytest

from siamjax.training import load_experiment
from siamjax.weights import ZOO, files, spec, zoo

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
TRAINED = ("siamrpn_small", "siammask_small", "fear_mask")  # by this project
SHIPPED = [name for name, entry in ZOO.items() if entry.weights]
STEPS = re.compile(r"trained: the \w+, ([\d,]+) steps of (\d+) by Adam \((\S+), cosine, moving average (\S+)\) on "
                   r"features of ([\d,]+) augmented pairs")


def header(name):
    return files.read_header(zoo.locate(name)[0])


def of_file(name):
    return spec.loads(header(name).metadata["config"], where=name)


def number(text):
    return float(text.replace(",", ""))


@pytest.mark.parametrize("name", SHIPPED)
def test_settings_are_those_of_the_file_or_wrap_them(name):
    file, tracker = of_file(name), ZOO[name].tracker
    assert tracker.net == file.net
    config = tracker.config
    if hasattr(file.config, "inner") or not hasattr(config, "inner"):
        assert config == file.config
        return
    while hasattr(config, "inner"):
        config = config.inner
    # What verifies it may read its score otherwise.
    config = dataclasses.replace(config, score_scale=file.config.score_scale, score_offset=file.config.score_offset)
    assert config == file.config


@pytest.mark.parametrize("name", ["siamfc", *TRAINED])
def test_settings_that_a_file_holds_stand_nowhere_else(name):
    assert ZOO[name].own is None


@pytest.mark.parametrize("name", TRAINED)
def test_the_experiment_builds_the_tracker_of_the_file(name):
    config, shipped = load_experiment(EXPERIMENTS / f"{name}.py"), of_file(name)
    assert config.build_tracker() == shipped
    zoo.check_shapes(header(name).variables, zoo.wanted_variables(config.build_tracker()), where=name)


@pytest.mark.parametrize("name", TRAINED)
def test_the_experiment_trains_as_the_card_says(name):
    config, card = load_experiment(EXPERIMENTS / f"{name}.py"), header(name).metadata["card"]
    found = STEPS.search(card)
    assert found is not None
    steps, batch, rate, average, pairs = map(number, found.groups())
    assert (config.steps, config.batch_size, config.optim.peak_lr) == (steps, batch, rate)
    assert (config.ema, config.cached.pairs) == (average, pairs)
    assert (config.optim.rule, config.optim.fall) == ("adamw", "cosine")
    assert config.optim.final_lr == pytest.approx(rate / 50)
    assert f"seed {config.seed}" in card
