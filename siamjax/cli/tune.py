"""`siamjax tune`: settings of a tracker -> their scores on the validation videos."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from siamjax.cli.common import Settings, load_tracker
from siamjax.data.readers import open_split
from siamjax.errors import ConfigError, DataError
from siamjax.evaluation import runner, tuning
from siamjax.evaluation.tuning import Trial
from siamjax.outputs import folder_for, write_text
from siamjax.weights import zoo

SHOWN = 10  # rows of the printed table


def tune(
    data: Path,
    output: Path,
    grid: Settings = (),
    model: str = zoo.DEFAULT,
    random: int = 0,
    seed: int = 0,
    lanes: int = tuning.LANES,
    settings: Annotated[Settings, tyro.conf.arg(name="set")] = (),
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
    """
    if not grid:
        raise ConfigError("nothing to tune", "--grid", "give KEY=V1,V2,...")
    if random < 0 or lanes < 1 or seed < 0:
        raise ConfigError(f"random {random}, seed {seed} and lanes {lanes}", "tune", "use 0, 0 and 1 or more")
    options = dict(map(read_options, grid))
    if not (data / "validation.txt").is_file():
        raise DataError("there is no validation split", str(data / "validation.txt"),
                        "name the videos to tune on in it, one a line")
    videos = [video for video in open_split(data)[1] if len(video.frames) > 1]
    loaded = load_tracker(model, settings)
    tried = tuning.scatter(options, random, seed) if random else tuning.grid(options)
    running = tuning.trials(loaded, videos, [{}, *tried], lanes=lanes)
    record = runner.describe(loaded) | {"data": str(data.resolve()), "seed": seed if random else None}
    done: list[Trial] = []
    with folder_for(output):
        for trial in running:
            done.append(trial)
            write_text(output / "tune.json", report(record, done))
    print(f"\n{table(done)}\n\n{len(videos)} videos, convention visible; every trial: {output / 'tune.json'}")


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


def report(record: dict[str, object], tried: Sequence[Trial]) -> str:
    """JSON of all trials and which is best."""
    best = dataclasses.asdict(tuning.best(tried))
    return json.dumps(record | {"best": best, "trials": [dataclasses.asdict(trial) for trial in tried]}, indent=1)


def table(tried: Sequence[Trial]) -> str:
    """The best trials and the tracker's own settings, which are the first trial, in Markdown."""
    names = list(dict.fromkeys(name for trial in tried for name in trial.settings))
    ranked = sorted(tried, key=lambda trial: -trial.auc)
    shown = ranked[:SHOWN] + ([tried[0]] if tried[0] not in ranked[:SHOWN] else [])
    rows = [[*(f"{trial.settings[name]:.4g}" if name in trial.settings else "own" for name in names),
             f"{trial.auc:.4f}", f"{trial.precision:.4f}"] for trial in shown]
    header = [*names, "AUC", "precision"]
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
