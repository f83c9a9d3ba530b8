"""One setting makes a net compute in bfloat16, in all of its parts."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import siamjax
from siamjax.data.sample import sample_clip
from siamjax.errors import ConfigError
from siamjax.ops import metrics
from siamjax.precision import FAST, PARITY, Precision, at_precision
from siamjax.training.experiment import Experiment, load_experiment
from siamjax.weights import zoo


def precisions(net: nn.Module) -> set[Precision]:
    """All that stand anywhere in a net."""
    values = [getattr(net, name) for name in net.__dataclass_fields__ if name not in ("parent", "name")]
    own = {value for value in values if isinstance(value, Precision)}
    return own.union(*(precisions(value) for value in values if isinstance(value, nn.Module)))


@pytest.mark.parametrize("name", zoo.ZOO)
def test_every_part_of_every_net_takes_it_and_gives_it_back(name):
    net = zoo.ZOO[name].tracker.net
    assert precisions(net) == {PARITY}
    fast = at_precision(net, "bfloat16")
    assert precisions(fast) == {FAST}
    assert at_precision(fast, "float32") == net


def test_another_name_is_refused():
    with pytest.raises(ConfigError, match="float32, bfloat16"):
        at_precision(zoo.ZOO["siamfc"].tracker.net, "float16")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="float32, bfloat16"):
        siamjax.load("siamfc", precision="double")  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, entry in zoo.ZOO.items() if entry.weights])
def test_a_loaded_tracker_follows_the_sample_as_in_single_precision(name):
    clip, truth = sample_clip()
    tracks = []
    for precision in ("float32", "bfloat16"):
        loaded = siamjax.load(name, precision=precision)
        assert {leaf.dtype for leaf in jax.tree.leaves(loaded.params)} == {jnp.dtype("float32")}
        tracks.append(siamjax.track(loaded, clip, truth[0]).boxes)
    assert tracks[1].dtype == np.float32
    assert metrics.iou(*tracks).mean() > 0.8


def test_an_experiment_has_it_as_one_setting(tmp_path):
    path = tmp_path / "own.py"
    path.write_text("""
from siamjax.nets.alexnet import AlexNet
from siamjax.nets.siamfc import SiamFC
from siamjax.trackers.siamfc import SiamFCConfig
from siamjax.training.experiment import Experiment
from siamjax.training.objectives import LogisticObjective
config = Experiment(name="own", net=SiamFC(AlexNet()), objective=LogisticObjective(), tracker=SiamFCConfig(),
                    precision="bfloat16")
""")
    config = load_experiment(path)
    assert precisions(config.training_net) == {FAST}
    assert precisions(config.build_tracker().net) == {PARITY}  # the weights are for either
    with pytest.raises(ConfigError, match=r"Experiment\.precision"):
        Experiment(name="x", net=config.net, objective=config.objective, tracker=config.tracker,
                   precision="half")  # type: ignore[arg-type]
