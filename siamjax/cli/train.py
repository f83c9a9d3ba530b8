"""`siamjax train`: an experiment file and data -> weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from siamjax.cli.common import Settings
from siamjax.data.config import DataConfig
from siamjax.data.damage import check_images as read_all
from siamjax.data.damage import named
from siamjax.data.readers import open_objects, open_split
from siamjax.data.sequences import Track
from siamjax.data.synthetic import make_tracks
from siamjax.errors import ConfigError, DataError
from siamjax.settings import replace_by_path
from siamjax.training import loop
from siamjax.training.checkpoints import FOLDER, check_all, damaged_error
from siamjax.training.experiment import load_experiment


def train(
    experiment: tyro.conf.Positional[Path | None] = None,
    /,
    *,
    output: Path,
    data: Path | None = None,
    settings: Annotated[Settings, tyro.conf.arg(name="set")] = (),
    steps: int | None = None,
    check_images: tyro.conf.FlagCreatePairsOff[bool] = False,
    verify: tyro.conf.FlagCreatePairsOff[bool] = False,
) -> None:
    """Trains an experiment; run again with the same output it goes on from the last checkpoint.

    Args:
      experiment: Python file with `config = Experiment(...)`, e.g. experiments/siamfc_tiny.py.
      output: folder for checkpoints, metrics.jsonl, experiment.json and, at the end, weights.safetensors.
      data: folder of sequences or a COCO pair, for embedding nets also OBJECT/*.jpg; what its validation.txt names,
        where there is one, is left out of the training. Without data: moving shapes that the package draws itself.
      settings: a setting of the experiment, e.g. optim.peak_lr=1e-3.
      steps: stop after this step, with weights; the schedule stays that of the experiment.
      check_images: before the training read all images that it may draw, and name those that are damaged; without
        it they are skipped when they are drawn.
      verify: train nothing, but read all checkpoints in the output folder and say which are as they were saved.
    """
    if verify:
        return _verify(output)
    if experiment is None:
        raise ConfigError("no experiment is given", "siamjax train", "give an experiment file, e.g. "
                          "experiments/siamfc_tiny.py")
    if steps is not None and steps < 1:
        raise ConfigError(f"{steps} steps", "--steps", "train for 1 or more")
    config = load_experiment(experiment)
    for text in settings:
        path, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"'{text}' is not a setting", "--set", "write --set KEY=VALUE")
        config = replace_by_path(config, path, value)
    if data is None:
        tracks = make_tracks(config.synthetic, seed=config.seed)
    else:
        tracks = (open_split(data) if config.embedder is None else open_objects(data))[0]
    if check_images:
        _check_images(tracks, config.data, "the synthetic set" if data is None else str(data))
    name = "the synthetic set" if data is None else data.resolve().name
    weights = loop.train(config, tracks, output, data=name, stop_at=steps)
    print(f"wrote {weights}")
    print(f"track with it: siamjax track SOURCE --model {output}" if config.embedder is None else
          f"how well it tells objects apart: siamjax verify --model {output} --output {output}-verified"
          + (f" --data {data}" if data else ""))


def _check_images(tracks: Sequence[Track], config: DataConfig, where: str) -> None:
    count, damaged = 0, []
    for damage in read_all(tracks, config):
        count += 1
        if damage is not None:
            damaged.append(damage.where)
            print(f"damaged: {damage.where}: {damage.what}")
    if damaged:
        raise DataError(f"{len(damaged)} of {count} images cannot be read: {named(damaged)}", where,
                        "mend or remove them, or leave --check-images out, and they are skipped")
    print(f"all {count} images can be read")


def _verify(output: Path) -> None:
    damaged = {}
    for step, problem, known in check_all(output):
        if problem:
            damaged[step] = problem
        print(f"checkpoint {step}: " + (f"damaged: {problem}" if problem else "sound" if known else
                                        "can be read; of an older version, without a digest to hold it against"))
    if damaged:
        raise damaged_error(output / FOLDER, damaged)
