"""A data set and an experiment small enough to train in seconds."""

from __future__ import annotations

import subprocess

import jax
import numpy as np
import pytest
from PIL import Image

from siamjax.data.readers import open_data

EXPERIMENT = '''
from siamjax.data.augment import AugmentConfig
from siamjax.data.pipeline import DataConfig
from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.siamfc import SiamFC
from siamjax.trackers.siamfc import SiamFCConfig
from siamjax.training.experiment import Experiment
from siamjax.training.objectives import LogisticObjective
from siamjax.training.optim import OptimConfig

stages = (Stage(4, 11, 2, pool_stride=2), Stage(4, 5, groups=2, pool_stride=2),
          Stage(4, 3, norm=False, relu=False))
config = Experiment(
    name="small", seed=3, batch_size=4, epochs=3, steps_per_epoch=8,
    net=SiamFC(AlexNet(stages, lowering="lax"), response_scale=0.01, logit_bias=True),
    objective=LogisticObjective(centre="box"), tracker=SiamFCConfig(exemplar_size=63, search_size=95),
    data=DataConfig(patch_size=127, exemplar_size=63, max_fraction=0.9, negative=0.2),
    augment=AugmentConfig(exemplar_size=63, search_size=95, flip=0.5),
    optim=OptimConfig(peak_lr=1e-2, final_lr=1e-3), ema=0.9, checkpoint_every=5, log_every=4)
'''


@pytest.fixture(scope="session")
def compiled_once(tmp_path_factory):
    """A compilation cache: many trainings here are of one program. The folder, for processes of one's own."""
    folder = tmp_path_factory.mktemp("cache")
    jax.config.update("jax_compilation_cache_dir", str(folder / "siamjax" / "xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    yield folder
    jax.config.update("jax_compilation_cache_dir", None)


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A folder of three sequences of six frames: a bright square on noise."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for number in range(3):
        folder = root / f"sequence{number}"
        (folder / "img").mkdir(parents=True)
        lines = []
        for frame in range(6):
            image = rng.integers(0, 120, (96, 128, 3), np.uint8)
            x, y = 20 + 5 * frame + number, 25 + 3 * frame
            image[y : y + 28, x : x + 32] += np.uint8([100, 40 * number, 0])
            Image.fromarray(image).save(folder / "img" / f"{frame:04}.png")
            lines.append(f"{x},{y},32,28")
        (folder / "groundtruth.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="session")
def tracks(data):
    return open_data(data)


@pytest.fixture(scope="session")
def experiment_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("experiment") / "small.py"
    path.write_text(EXPERIMENT)
    return path


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own, of 3 MB; for root where file systems can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no small file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
