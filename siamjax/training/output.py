"""What a training needs of its output folder, and the weights that it leaves there."""

from __future__ import annotations

import contextlib
import itertools
import shutil
from pathlib import Path

import jax

from siamjax.errors import OutputError
from siamjax.training.experiment import Experiment
from siamjax.training.state import TrainState, tracking_variables
from siamjax.weights import files, zoo


def check_space(folder: Path, state: TrainState, keep: int) -> None:
    """Raises OutputError unless the disk has room for the checkpoints of `state`, one more than are kept."""
    bytes_each = sum(leaf.nbytes for leaf in jax.tree.leaves(state.replace(key=None)))
    needed, free = (keep + 1) * bytes_each + (1 << 20), shutil.disk_usage(folder).free
    if free < needed:
        raise OutputError(f"{free >> 20} MB free, {keep + 1} checkpoints need {needed >> 20} MB", str(folder),
                          "make space, or lower Experiment.keep")


def set_aside(path: Path) -> str:
    """Gives a damaged file another name, so that nothing of it is lost; says which, in words to put behind its name.

    The first of several processes does it.
    """
    free = next(name for name in (path.with_name(f"{path.name}.damaged{number or ''}") for number in itertools.count())
                if not name.exists())
    if jax.process_index() > 0:
        return ""
    with contextlib.suppress(OSError):
        path.replace(free)
        return f" and was kept as {free.name}"
    return ""


def write_weights(folder: Path, experiment: Experiment, state: TrainState, data: str) -> Path:
    """Writes `weights.safetensors`: what `siamjax.load(folder)` tracks with."""
    licence, digest, start = "that of the training data's use", "", "random parameters"
    if experiment.init_from is not None:
        path = zoo.locate(experiment.init_from)[0]
        _, source = files.load(path)
        licence, digest = source["licence"], files.digest(path)
        start = f"{Path(experiment.init_from).name} (sha256 {digest[:16]}; {source['card']})"
    average = f"; moving average {experiment.ema}" if experiment.ema else ""
    cached = experiment.cached
    features = f" on features of {cached.pairs} pairs" if cached else ""
    card = (f"{experiment.name}: {int(state.step)} steps of {experiment.batch_size} pairs{features}, "
            f"seed {experiment.seed}, on {data}, from {start}{average}")
    path = folder / "weights.safetensors"
    metadata = zoo.metadata_for(experiment.use.build(experiment.net), card=card, licence=licence, source_sha256=digest)
    files.save(path, jax.device_get(tracking_variables(state)), metadata)
    return path
