"""What several commands share: models by name, and settings of their trackers from the command line."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import tyro

from siamjax.data.readers import Choice, Reader, find_reader
from siamjax.errors import BoxError, ConfigError
from siamjax.precision import Name
from siamjax.settings import replace_by_path
from siamjax.trackers.base import LoadedTracker
from siamjax.training.experiment import load_experiment
from siamjax.weights import zoo

Settings = tyro.conf.UseAppendAction[tuple[str, ...]]


def load_tracker(model: str | Path, settings: tuple[str, ...] = (), *, experiment: str | None = None,
                 precision: Name | None = None) -> LoadedTracker:
    """A model with `tracker.KEY=VALUE` settings of its tracker applied.

    Args:
      model: zoo name, weight file, or the folder of a training.
      settings: of the tracker.
      experiment: file of a net of the user's own, see `load_experiment`; names of the zoo do without.
      precision: see `siamjax.load`.
    Raises:
      ConfigError: a setting of another form, an unknown key, or a value out of range.
    """
    own = None if experiment is None or str(model) in zoo.ZOO else load_experiment(experiment).build_tracker()
    loaded = zoo.load(model, tracker=own, precision=precision)
    config = loaded.tracker.config
    for text in settings:
        path, equals, value = text.partition("=")
        if not equals or not path.startswith("tracker."):
            raise ConfigError(f"'{text}' is not a setting", "--set", "write --set tracker.KEY=VALUE")
        config = replace_by_path(config, path.removeprefix("tracker."), value)
    return dataclasses.replace(loaded, tracker=dataclasses.replace(loaded.tracker, config=config))


def choose_reader(reader: str | None, layout: str | None, split: str | None, strict: bool,
                  origin: str | None = None) -> Reader | Choice | None:
    """How a folder of data is to be read, of the options --reader, --layout, --split, --strict and --origin.

    Raises:
      ConfigError: a reader of one's own together with what only the others know, or one that is not there.
    """
    if reader is None:
        return Choice(layout, split, strict, origin) if layout or split or strict or origin else None
    if layout or split or strict or origin:
        raise ConfigError("a reader of one's own has no layout, split, origin or checks to choose from", "--reader",
                          "leave --layout, --split, --origin and --strict out")
    return find_reader(reader)


def parse_box(text: str, where: str) -> list[float]:
    """The numbers of `x,y,w,h`.

    Raises:
      BoxError: it is not four numbers; `where` names the option.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 4:
        raise BoxError(f"'{text}' is not a box", where, f"give four numbers x,y,w,h, e.g. {where} 120,80,60,40")
    return numbers
