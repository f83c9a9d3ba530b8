import dataclasses
from pathlib import Path

import pytest

from siamjax.errors import ConfigError
from siamjax.settings import describe, replace_by_path
from siamjax.training.experiment import Experiment, load_experiment

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def small(experiment_file):
    return load_experiment(experiment_file)


@pytest.mark.parametrize("path", sorted((PROJECT / "experiments").glob("*.py")), ids=lambda p: p.stem)
def test_experiments_of_the_project_load_and_name_themselves(path):
    config = load_experiment(path)
    assert config.name == path.stem
    assert isinstance(hash(config), int)
    assert config.data.patch_size >= min(config.augment.reach, 511)  # PySOT's patches; beyond is their mean colour


def test_published_recipe_is_the_reference_s():
    config = load_experiment(PROJECT / "experiments" / "siamfc_alexnet.py")
    assert (config.batch_size, config.epochs, config.steps_per_epoch, config.steps) == (8, 50, 1166, 58300)
    assert (config.optim.peak_lr, config.optim.final_lr, config.optim.momentum) == (1e-2, 1e-5, 0.9)
    assert config.optim.weight_decay == 5e-4
    assert (config.augment.search_size, config.data.negative, config.norm_mode) == (239, 0.0, "train")


def test_scratch_differs_from_finetune_only_in_how_it_starts():
    fine, scratch = (describe(load_experiment(PROJECT / "experiments" / f"siamfc_{name}.py"))
                     for name in ("finetune", "scratch"))
    assert {key for key in fine if fine[key] != scratch[key]} == {"name", "norm_mode", "optim"}


def test_a_setting_by_path_makes_another_experiment(small):
    assert replace_by_path(small, "optim.peak_lr", "1e-3").optim.peak_lr == 1e-3
    assert replace_by_path(small, "objective.centre", "crop").objective.centre == "crop"
    assert replace_by_path(small, "init_from", "w.safetensors").init_from == "w.safetensors"
    assert replace_by_path(small, "net.backbone.lowering", "auto").net.backbone.lowering == "auto"
    with pytest.raises(ConfigError, match=r"did you mean optim.peak_lr"):
        replace_by_path(small, "optim.pek_lr", "1e-3")
    with pytest.raises(ConfigError, match="one of train, eval"):
        replace_by_path(small, "norm_mode", "both")


@pytest.mark.parametrize(("text", "says"), [
    ("x = 1", "no `config = Experiment"), ("config = 3", "no `config = Experiment"),
    ("\nconfig = (", "line 2"), ("import nothing_of_this_name", "line 1"), ("a = 1\nb = a / 0\n", "line 2")])
def test_a_file_that_is_no_experiment_says_why(tmp_path, text, says):
    path = tmp_path / "bad.py"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says):
        load_experiment(path)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="no such experiment"):
        load_experiment(tmp_path / "none.py")


@pytest.mark.parametrize("settings", [{"batch_size": 0}, {"epochs": 0}, {"ema": 1.0}, {"norm_mode": "both"},
                                      {"log_every": 0}, {"keep": 0}])
def test_settings_out_of_range_are_errors(small, settings):
    with pytest.raises(ConfigError, match=f"Experiment.{next(iter(settings))}"):
        dataclasses.replace(small, **settings)


def test_experiments_are_values(small, experiment_file):
    assert load_experiment(experiment_file) == small
    assert isinstance(small, Experiment)
