"""The verb: what it makes of its arguments before the loop begins."""

import dataclasses
from pathlib import Path

import pytest

import siamjax
from siamjax.errors import SiamjaxError
from siamjax.training import load_experiment, run, train

TINY = Path(__file__).parents[2] / "experiments/siamfc_tiny.py"


@pytest.fixture
def begun(monkeypatch):
    """`begun(...)`: what the loop is given by `train` of these arguments."""
    given = {}

    def loop(experiment, tracks, folder, *, data, stop_at):
        given.update(experiment=experiment, tracks=tracks, folder=folder, data=data, stop_at=stop_at)
        return folder / "weights.safetensors"

    monkeypatch.setattr(run.loop, "train", loop)

    def call(*args, **kwargs):
        assert train(*args, **kwargs) == given["folder"] / "weights.safetensors"
        return given

    return call


def test_it_is_a_verb_of_the_library():
    assert siamjax.train is train


@pytest.mark.parametrize("given", [TINY, str(TINY), f"{TINY}:config", load_experiment(TINY)])
def test_an_experiment_is_given_as_such_or_by_where_it_is(begun, given, tmp_path):
    told = begun(given, str(tmp_path), settings=["optim.peak_lr=0.5", "seed=3"], stop_at=7)
    want = load_experiment(TINY)
    assert told["experiment"] == dataclasses.replace(want, seed=3, optim=dataclasses.replace(want.optim, peak_lr=0.5))
    assert (told["data"], told["stop_at"], told["folder"]) == ("the synthetic set", 7, tmp_path)
    assert told["tracks"]


def test_data_are_opened_without_their_validation_part(begun, data, tmp_path):
    (tmp_path / "set").symlink_to(data)
    assert begun(TINY, tmp_path, tmp_path / "set")["data"] == data.name
    assert len(begun(TINY, tmp_path, str(data))["tracks"]) == 3


def test_images_are_read_first_where_that_is_asked_for(begun, data, tmp_path):
    said = []
    begun(TINY, tmp_path, data, check_images=True, say=said.append, settings=["data.max_fraction=0.9"])
    assert said == ["all 18 images can be read"]


@pytest.mark.parametrize(("arguments", "says"), [
    ({"stop_at": 0}, "train for 1 or more"), ({"settings": ["seed"]}, "'seed' is not a setting"),
    ({"settings": ["sead=1"]}, "did you mean seed"), ({"data": "nowhere"}, "nowhere"),
    ({"experiment": "nothing.py"}, "no such experiment file")])
def test_what_cannot_be_used_is_said_before_the_work(begun, tmp_path, arguments, says):
    with pytest.raises(SiamjaxError, match=says):
        begun(**{"experiment": TINY, "output": tmp_path, **arguments})
