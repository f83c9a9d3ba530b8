"""`siamjax tune`: settings of a tracker -> their scores on the validation videos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from siamjax import evaluation
from siamjax.cli.common import Settings, choose_reader, load_tracker
from siamjax.errors import ConfigError
from siamjax.weights import zoo


def tune(
    data: Path,
    output: Path,
    grid: Settings = (),
    model: str = zoo.DEFAULT,
    random: int = 0,
    seed: int = 0,
    lanes: int = 16,
    settings: Annotated[Settings, tyro.conf.arg(name="set")] = (),
    experiment: str | None = None,
    reader: str | None = None,
    layout: str | None = None,
    split: str | None = None,
    strict: tyro.conf.FlagCreatePairsOff[bool] = False,
) -> None:
    """Tries settings of a tracker on the validation videos of a folder, many in one program.

    Only the videos that validation.txt names are looked at: scores after a choice belong to other ones.

    Args:
      data: folder of videos with validation.txt in it.
      output: folder for tune.json, which grows while it runs.
      grid: KEY=V1,V2,... values of a setting, e.g. window_influence=0.3,0.4,0.5; several settings are combined.
      model: a zoo name, a weight file or the folder of a training.
      random: try this many settings drawn between the least and the largest value of each, not the grid.
      seed: of what is drawn.
      lanes: settings that one program follows.
      settings: a setting that is the same for all, e.g. tracker.search_size=287.
      experiment: Python file with `config = Experiment(...)`, whose net and tracker a model that is a file is of.
      reader: Python file with a function `reader(folder)` that lists the videos of a layout of one's own.
      layout: which layout of a publisher the folder has, e.g. got10k, where its content leaves that open.
      split: which part of a published data set: train, val, test, ..., all, or a file with a sequence's name a line.
      strict: stop at the first sequence with a fault; without it those with faults are left out, and counted.
    """
    options = dict(map(read_options, grid))
    loaded = load_tracker(model, settings, experiment=experiment)
    found = evaluation.tune(data, output, options, model=loaded, random=random, seed=seed, lanes=lanes,
                            reader=choose_reader(reader, layout, split, strict))
    print(f"\n{found.table.to_markdown()}\n\n{found.videos} videos, convention visible; every trial: {found.file}")


def read_options(text: str) -> tuple[str, tuple[float, ...]]:
    """A setting's name and its values, of `KEY=V1,V2,...`.

    Raises:
      ConfigError: of another form, or a value that is no number.
    """
    name, _, values = text.partition("=")
    try:
        return name.removeprefix("tracker."), tuple(float(value) for value in values.split(","))
    except ValueError:
        raise ConfigError(f"'{text}' is not a setting with numbers", "--grid", "write KEY=V1,V2,...") from None
