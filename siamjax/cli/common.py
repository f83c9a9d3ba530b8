"""What several commands share: models by name, and settings of their trackers from the command line."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import tyro

from siamjax.errors import BoxError, ConfigError
from siamjax.settings import replace_by_path
from siamjax.trackers.base import LoadedTracker
from siamjax.weights import zoo

Settings = tyro.conf.UseAppendAction[tuple[str, ...]]


def load_tracker(model: str | Path, settings: tuple[str, ...] = ()) -> LoadedTracker:
    """A model with `tracker.KEY=VALUE` settings of its tracker applied.

    Raises:
      ConfigError: a setting of another form, an unknown key, or a value out of range.
    """
    loaded = zoo.load(model)
    config = loaded.tracker.config
    for text in settings:
        path, equals, value = text.partition("=")
        if not equals or not path.startswith("tracker."):
            raise ConfigError(f"'{text}' is not a setting", "--set", "write --set tracker.KEY=VALUE")
        config = replace_by_path(config, path.removeprefix("tracker."), value)
    return dataclasses.replace(loaded, tracker=dataclasses.replace(loaded.tracker, config=config))


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
