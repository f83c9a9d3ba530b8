"""Every published layout through `siamjax train` and `siamjax evaluate`; the trees are those of the readers' tests."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from siamjax.cli.main import run

TESTS = Path(__file__).parents[1]


def load(path: Path):
    """A file of tests as a module."""
    spec = importlib.util.spec_from_file_location(f"trees_of_{path.stem}", path)
    assert spec is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TREES = load(TESTS / "data/readers/test_layouts.py").TREES
NARROW = f"""
import dataclasses
from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.siamfc import SiamFC
from siamjax.training.experiment import load_experiment

stages = (Stage(4, 11, 2, pool_stride=2), Stage(4, 5, pool_stride=2), Stage(4, 3, norm=False, relu=False))
net = SiamFC(AlexNet(stages, lowering="lax"), logit_bias=True)
config = dataclasses.replace(load_experiment({str(TESTS.parent / "experiments/siamfc_tiny.py")!r}), net=net)
"""
QUICK = {"got10k"}
SPLITS = {"trackingnet": ["--split", "train"], "youtubevos": ["--split", "train"], "det": None, "coco": None}
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def tiers(names):
    return [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in names]


@pytest.mark.parametrize("name", tiers(TREES))
def test_evaluate_scores_the_videos(tmp_path, model, capsys, name):
    TREES[name](tmp_path / "data")
    options, out = SPLITS.get(name, []), tmp_path / "out"
    status = run(["evaluate", "--data", str(tmp_path / "data"), "--output", str(out), "--model", model,
                  *(options or [])])
    if options is None:  # single images
        assert status == 2
        assert capsys.readouterr().err.startswith("error: ")
        assert not out.exists()
    else:
        assert status == 0, capsys.readouterr().err
        assert (out / "report.json").is_file()


@pytest.mark.parametrize("name", tiers(TREES))
def test_train_draws_pairs_of_it(tmp_path, capsys, name):
    TREES[name](tmp_path / "data")
    (tmp_path / "narrow.py").write_text(NARROW)
    settings = [word for text in ("batch_size=4", "data.min_side=2", "data.max_fraction=0.9", "data.min_area=4",
                                  "data.negative=0") for word in ("--set", text)]
    assert run(["train", str(tmp_path / "narrow.py"), "--data", str(tmp_path / "data"), "--output",
                str(tmp_path / "out"), "--steps", "2", *settings]) == 0, capsys.readouterr().err
    assert (tmp_path / "out/weights.safetensors").is_file()
