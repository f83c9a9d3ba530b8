"""`siamjax train`: an experiment file and data -> weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import jax
import tyro

from siamjax import training
from siamjax.cli.common import Settings, choose_reader
from siamjax.errors import ConfigError
from siamjax.training import check_checkpoints, load_experiment


def train(
    experiment: tyro.conf.Positional[Path | None] = None,
    /,
    *,
    output: Path,
    data: tuple[str, ...] = (),
    settings: Annotated[Settings, tyro.conf.arg(name="set")] = (),
    steps: int | None = None,
    reader: str | None = None,
    layout: str | None = None,
    split: str | None = None,
    strict: tyro.conf.FlagCreatePairsOff[bool] = False,
    check_images: tyro.conf.FlagCreatePairsOff[bool] = False,
    verify: tyro.conf.FlagCreatePairsOff[bool] = False,
    hosts: tyro.conf.FlagCreatePairsOff[bool] = False,
    coordinator: str | None = None,
    process: int | None = None,
    processes: int | None = None,
) -> None:
    """Trains an experiment; run again with the same output it goes on from the last checkpoint.

    Args:
      experiment: Python file with `config = Experiment(...)`, e.g. experiments/siamfc_tiny.py.
      output: folder for checkpoints, metrics.jsonl, experiment.json and, at the end, weights.safetensors.
      data: folder of sequences or a COCO pair, for embedding nets also OBJECT/*.jpg; what its validation.txt names,
        where there is one, is left out of the training. Several are mixed, each as DIR or NAME=DIR (see
        DataConfig.parts). Without data: moving shapes that the package draws itself.
      settings: a setting of the experiment, e.g. optim.peak_lr=1e-3.
      steps: stop after this step, with weights; the schedule stays that of the experiment.
      reader: Python file with a function `reader(folder)` that lists the tracks of a layout of one's own.
      layout: which layout of a publisher the folder has, e.g. got10k, where its content leaves that open.
      split: which part of a published data set: train, val, test, ..., all, or a file with a sequence's name a line.
      strict: stop at the first sequence with a fault; without it those with faults are left out, and counted.
      check_images: before the training read all images that it may draw, and name those that are damaged; without
        it they are skipped when they are drawn.
      verify: train nothing, but read all checkpoints in the output folder and say which are as they were saved.
      hosts: one of several processes of a job that SLURM, Open MPI, Kubernetes or a TPU pod has started.
      coordinator: of several processes that are started by hand: HOST:PORT of the first, the same for all.
      process: number of this one, from 0.
      processes: how many there are.
    """
    if verify:
        check_checkpoints(output)
        return
    if experiment is None:
        raise ConfigError("no experiment is given", "siamjax train", "give an experiment file, e.g. "
                          "experiments/siamfc_tiny.py")
    if hosts or (coordinator, process, processes) != (None, None, None):
        training.join(coordinator, process, processes)
    config = load_experiment(experiment)
    weights = training.train(config, output, _data_sets(data), settings=settings, stop_at=steps,
                             check_images=check_images, reader=choose_reader(reader, layout, split, strict))
    if jax.process_index() > 0:
        return
    print(f"wrote {weights}")
    print(f"track with it: siamjax track SOURCE --model {output}" if config.embedder is None else
          f"how well it tells objects apart: siamjax verify --model {output} --output {output}-verified"
          + (f" --data {data[0]}" if len(data) == 1 else ""))


def _data_sets(entries: tuple[str, ...]) -> Path | dict[str, Path] | None:
    """The folder that is given, several by their names, or None."""
    named: dict[str, Path] = {}
    for entry in entries:
        name, equals, folder = entry.partition("=")
        if not equals or Path(entry).exists():
            if len(entries) == 1:
                return Path(entry)
            name, folder = Path(entry).resolve().name, entry
        if not name or "/" in name or name in named:
            raise ConfigError(f"a data set is named '{name}'", "--data", "give each a name of its own: NAME=DIR")
        named[name] = Path(folder)
    return named or None
