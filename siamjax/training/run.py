"""Training as a verb: an experiment, an output folder and data -> weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from siamjax.data.config import DataConfig
from siamjax.data.damage import check_images as read_all
from siamjax.data.damage import named
from siamjax.data.mixing import united
from siamjax.data.readers import Choice, Reader, open_objects, open_split
from siamjax.data.sequences import Track
from siamjax.data.synthetic import make_tracks
from siamjax.errors import ConfigError, DataError
from siamjax.settings import replace_by_path
from siamjax.training import loop
from siamjax.training.checkpoints import FOLDER, check_all, damaged_error
from siamjax.training.experiment import Experiment, load_experiment

DRAWN = "the synthetic set"


def train(experiment: Experiment | str | Path, output: str | Path,
          data: str | Path | Mapping[str, str | Path] | None = None, *, settings: Sequence[str] = (),
          stop_at: int | None = None, check_images: bool = False, reader: Reader | Choice | None = None,
          say: Callable[[str], None] = print) -> Path:
    """Trains an experiment; called again with the same output it goes on from the last checkpoint.

    Args:
      experiment: an `Experiment`, or where there is one: `FILE.py`, `FILE.py:NAME` or `package.module:NAME`.
      output: folder for checkpoints, metrics.jsonl, experiment.json and, at the end, weights.safetensors.
      data: folder of sequences or a COCO pair, for embedding nets also OBJECT/*.jpg; what its validation.txt names,
        where there is one, is left out. Several by their names: those are the names of `DataConfig.parts`, and go
        before those of their tracks. None: moving shapes that the package draws itself.
      settings: `KEY=VALUE` each, changes of the experiment.
      stop_at: step to stop at, with weights; the schedule stays that of the experiment.
      check_images: first read all images that the training may draw; without it damaged ones are skipped as they come.
      reader: lists the tracks of `data`; by default the layout is recognised.
      say: is told what was found of the images; the loop itself writes to the standard error.
    Returns:
      The weight file.
    Raises:
      KeyboardInterrupt: stopped by Ctrl-C or SIGTERM, after a checkpoint was saved.
      SiamjaxError: settings, data, folder or checkpoint that cannot be used; see `loop.train`.
    """
    if stop_at is not None and stop_at < 1:
        raise ConfigError(f"{stop_at} steps", "--steps", "train for 1 or more")
    config = experiment if isinstance(experiment, Experiment) else load_experiment(experiment)
    for text in settings:
        path, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"'{text}' is not a setting", "--set", "write --set KEY=VALUE")
        config = replace_by_path(config, path, value)
    if data is None:
        tracks = make_tracks(config.synthetic, seed=config.seed)
    else:
        opened = open_split if config.embedder is None else open_objects
        tracks = (united({name: opened(Path(folder), reader)[0] for name, folder in data.items()})
                  if isinstance(data, Mapping) else opened(Path(data), reader)[0])
    if check_images:
        _check_images(tracks, config.data, DRAWN if data is None else str(data), say)
    name = DRAWN if data is None else ", ".join(data) if isinstance(data, Mapping) else Path(data).resolve().name
    return loop.train(config, tracks, Path(output), data=name, stop_at=stop_at)


def check_checkpoints(output: str | Path, *, say: Callable[[str], None] = print) -> None:
    """Reads all checkpoints of a training and says which are as they were saved.

    Raises:
      SourceError: there are none.
      WeightsError: some are damaged.
    """
    damaged = {}
    for step, problem, known in check_all(Path(output)):
        if problem:
            damaged[step] = problem
        say(f"checkpoint {step}: " + (f"damaged: {problem}" if problem else "sound" if known else
                                      "can be read; of an older version, without a digest to hold it against"))
    if damaged:
        raise damaged_error(Path(output) / FOLDER, damaged)


def _check_images(tracks: Sequence[Track], config: DataConfig, where: str, say: Callable[[str], None]) -> None:
    count, damaged = 0, []
    for damage in read_all(tracks, config):
        count += 1
        if damage is not None:
            damaged.append(damage.where)
            say(f"damaged: {damage.where}: {damage.what}")
    if damaged:
        raise DataError(f"{len(damaged)} of {count} images cannot be read: {named(damaged)}", where,
                        "mend or remove them, or leave --check-images out, and they are skipped")
    say(f"all {count} images can be read")
