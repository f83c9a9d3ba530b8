"""A training folder that an earlier version wrote goes on; what did not exist then is taken to be as by default.

`former/4bb5760.zip` is the folder of four steps of this experiment at that commit; `after_8.safetensors` in it are the
weights of eight.
"""

import dataclasses
import json
import zipfile
from pathlib import Path

import chex
import pytest

from siamjax.data.config import AugmentConfig, DataConfig
from siamjax.data.synthetic import SyntheticConfig, make_tracks
from siamjax.errors import ConfigError
from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.siamfc import SiamFC
from siamjax.trackers.siamfc import SiamFCConfig
from siamjax.training import loop
from siamjax.training.experiment import Experiment
from siamjax.training.objectives import LogisticObjective
from siamjax.training.optim import OptimConfig
from siamjax.weights import files

FORMER = sorted((Path(__file__).parent / "former").glob("*.zip"))
STAGES = (Stage(2, 11, 2, pool_stride=2), Stage(2, 5, groups=2, pool_stride=2), Stage(2, 3, norm=False, relu=False))
NARROW = Experiment(
    name="narrow", seed=3, batch_size=4, epochs=2, steps_per_epoch=4,
    net=SiamFC(AlexNet(STAGES, lowering="lax"), response_scale=0.01, logit_bias=True),
    objective=LogisticObjective(centre="box"), tracker=SiamFCConfig(exemplar_size=63, search_size=95),
    data=DataConfig(patch_size=127, exemplar_size=63, max_fraction=0.9, negative=0.2, min_side=5),
    augment=AugmentConfig(exemplar_size=63, search_size=95, flip=0.5),
    synthetic=SyntheticConfig(videos=3, frames=3, height=96, width=128, min_size=24, max_size=48),
    optim=OptimConfig(peak_lr=1e-2, final_lr=1e-3), ema=0.9, checkpoint_every=4, log_every=4)


@pytest.fixture(params=FORMER, ids=lambda path: path.stem)
def folder(request, tmp_path):
    with zipfile.ZipFile(request.param) as archive:
        archive.extractall(tmp_path)
    return tmp_path


def train(experiment, folder):
    return loop.train(experiment, make_tracks(experiment.synthetic, seed=3), folder, data="the synthetic set")


def test_a_folder_of_then_goes_on_to_the_weights_of_then_and_says_what_it_took(folder, capsys, compiled_once):
    got = files.load(train(NARROW, folder))[0]
    said = capsys.readouterr().err.splitlines()
    lines = [line for line in said if "of an earlier version" in line]
    assert len(lines) == 1
    assert "experiment.json is of an earlier version, without " in lines[0]
    assert "precision" in lines[0]
    assert "optim.fall" in lines[0]
    assert "resuming from step 4" in said
    chex.assert_trees_all_close(got, files.load(folder / "after_8.safetensors")[0], rtol=1e-4, atol=1e-5)
    record = json.loads((folder / "experiment.json").read_text())
    assert record["experiment"]["precision"] == "float32"
    assert [run["from_step"] for run in record["runs"]] == [0, 4]


@pytest.mark.parametrize(("changes", "says"), [
    ({"precision": "bfloat16"}, "precision: None, now 'bfloat16'"),
    ({"optim": dataclasses.replace(NARROW.optim, fall="cosine")}, r"optim\.fall: None, now 'cosine'"),
    ({"seed": 4}, "seed: 3, now 4")])
def test_what_is_not_as_by_default_is_refused(folder, changes, says):
    with pytest.raises(ConfigError, match="different experiment; .*" + says):
        train(dataclasses.replace(NARROW, **changes), folder)
