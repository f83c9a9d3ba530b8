"""Settings of a tracker chosen on validation videos: many of them follow each video in one program.

What only scales numbers rides in the state, so one target started once is followed with all settings by
one `vmap` over states that differ in nothing else: equal to a run for each, with one compilation in all.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from siamjax.data.readers import Choice, Reader, open_validation
from siamjax.data.sequences import Sequence as Video
from siamjax.errors import ConfigError, DataError
from siamjax.evaluation.files import records
from siamjax.evaluation.protocols.base import read_frames
from siamjax.evaluation.reports.table import Column, Table
from siamjax.ops import frames as frame_ops
from siamjax.ops import metrics
from siamjax.outputs import folder_for, write_text
from siamjax.settings import at, replaced
from siamjax.trackers import loop, riding
from siamjax.trackers.base import LoadedTracker
from siamjax.weights import zoo

CHUNK = 5  # frames of a program: short videos fill their last chunk up with blank ones
SHOWN = 10  # rows of the table
LANES = 16  # settings that one program follows, by default


@dataclasses.dataclass(frozen=True)
class Trial:
    """What some settings scored.

    Attributes:
      settings: name and value of those that were tried; empty for the tracker's own.
      auc, precision: over all videos, of the convention `visible`.
      videos: success AUC of each video by its name; NaN where none of its frames counts.
    """

    settings: dict[str, float]
    auc: float
    precision: float
    videos: dict[str, float]


def grid(options: Mapping[str, Sequence[float]]) -> list[dict[str, float]]:
    """Every combination of the values of each setting, the last one varying fastest."""
    return [dict(zip(options, values)) for values in itertools.product(*options.values())]


def scatter(options: Mapping[str, Sequence[float]], count: int, seed: int) -> list[dict[str, float]]:
    """`count` settings, each value even between the least and the largest of its options."""
    random = np.random.default_rng(seed)
    ranges = {name: (min(values), max(values)) for name, values in options.items()}
    return [{name: float(random.uniform(*ends)) for name, ends in ranges.items()} for _ in range(count)]


def trials(loaded: LoadedTracker, videos: Sequence[Video], settings: Sequence[Mapping[str, float]], *,
           lanes: int = LANES, progress: Callable[[str], object] = print) -> Iterator[Trial]:
    """Scores settings one after the other, one pass over the videos for each `lanes` of them.

    Args:
      loaded: the tracker; its own settings stand where a trial names none.
      videos: to choose on, each with the target in its first frame; never those that will be reported.
      settings: what to try, fields of the tracker's config that ride along.
      lanes: settings that one program follows; memory and the time of a step grow with it.
      progress: is given a line a pass where the output is no terminal (there a bar is drawn).
    Raises:
      ConfigError: a setting that is unknown, out of range, or of the program's shape.
      DataError: no video, or one that starts without the target or has no frame that counts.
    """
    configs, tracker = _prepare(loaded.tracker, settings)
    _check(videos, settings)
    shape = tuple(np.max([frame_ops.bucket(*video.size) for video in videos], axis=0).tolist())
    lanes = min(lanes, len(settings))
    total = sum(len(video.frames) for video in videos) * len(settings)

    def results() -> Iterator[Trial]:
        openings = [_start(tracker, loaded.params, video, shape) for video in videos]
        on_terminal = sys.stderr.isatty()
        with tqdm(total=total, unit="frame", desc=loaded.name, disable=not on_terminal) as bar:
            for first in range(0, len(settings), lanes):
                chosen = range(first, min(first + lanes, len(settings)))
                padded = [*chosen, *[chosen[-1]] * (lanes - len(chosen))]
                tracks = []
                for video, opening in zip(videos, openings):
                    bar.set_postfix_str(video.name)
                    lane = jax.tree.map(lambda leaf: leaf[0], opening)
                    states = jax.tree.map(lambda *values: jnp.stack(values),
                                          *(riding.with_numbers(lane, configs[i]) for i in padded))
                    tracks.append(_follow(tracker, loaded.params, video, states, shape, lanes))
                    bar.update(len(video.frames) * len(chosen))
                for lane, number in enumerate(chosen):
                    yield _score(dict(settings[number]), videos, [boxes[lane] for boxes in tracks])
                if not on_terminal:
                    progress(f"{loaded.name}: {chosen[-1] + 1} of {len(settings)} settings tried")

    return results()


def best(tried: Sequence[Trial]) -> Trial:
    """The trial with the highest AUC, the first of equal ones."""
    return max(tried, key=lambda trial: trial.auc)


@dataclasses.dataclass(frozen=True)
class Tuning:
    """What tuning found.

    Attributes:
      trials: all of them, the tracker's own settings first.
      videos: how many they were scored on.
      file: that has every trial.
    """

    trials: tuple[Trial, ...]
    videos: int
    file: Path

    @property
    def best(self) -> Trial:
        """The trial with the highest AUC."""
        return best(self.trials)

    @property
    def table(self) -> Table:
        """The best trials, and the tracker's own settings."""
        return summary(self.trials)


def tune(data: str | Path, output: str | Path, options: Mapping[str, Sequence[float]], *,
         model: LoadedTracker | str | Path = zoo.DEFAULT, random: int = 0, seed: int = 0, lanes: int = LANES,
         reader: Reader | Choice | None = None, say: Callable[[str], object] = print) -> Tuning:
    """Tries settings of a tracker on the validation videos of a folder, many in one program.

    Only the videos that validation.txt names are looked at: scores after a choice belong to other ones.

    Args:
      data: folder of videos with validation.txt in it.
      output: folder for tune.json, which grows meanwhile.
      options: values of each setting by its name; several settings are combined.
      model: a loaded tracker; or a zoo name, a weight file or the folder of a training.
      random: try this many settings drawn between the least and the largest value of each, not the grid.
      seed: of what is drawn.
      lanes: settings that one program follows.
      reader: lists the videos of `data`; by default the layout is recognised.
      say: is told how far it is, line by line.
    Raises:
      ConfigError: nothing to try, or a setting that is unknown, out of range, or of the program's shape.
      DataError: no validation split, or videos that cannot be scored.
      OutputError: tune.json cannot be written.
    """
    data, output = Path(data), Path(output)
    if not options:
        raise ConfigError("nothing to tune", "--grid", "give KEY=V1,V2,...")
    if random < 0 or lanes < 1 or seed < 0:
        raise ConfigError(f"random {random}, seed {seed} and lanes {lanes}", "tune", "use 0, 0 and 1 or more")
    videos = [video for video in open_validation(data, reader) if len(video.frames) > 1]
    if not videos and not (data / "validation.txt").is_file():
        raise DataError("there is no validation split", str(data / "validation.txt"),
                        "name the videos to tune on in it, one a line")
    loaded = model if isinstance(model, LoadedTracker) else zoo.load(model)
    tried = scatter(options, random, seed) if random else grid(options)
    running = trials(loaded, videos, [{}, *tried], lanes=lanes, progress=say)
    record = records.describe(loaded) | {"data": str(data.resolve()), "seed": seed if random else None}
    done: list[Trial] = []
    with folder_for(output):
        for trial in running:
            done.append(trial)
            found = {"best": dataclasses.asdict(best(done)), "trials": [dataclasses.asdict(one) for one in done]}
            write_text(output / "tune.json", json.dumps(record | found, indent=1))
    return Tuning(tuple(done), len(videos), output / "tune.json")


def summary(tried: Sequence[Trial]) -> Table:
    """The best trials and the tracker's own settings, which are the first trial."""
    names = list(dict.fromkeys(name for trial in tried for name in trial.settings))
    order = sorted(tried, key=lambda trial: -trial.auc)
    shown = order[:SHOWN] + ([tried[0]] if tried[0] not in order[:SHOWN] else [])
    return Table([*map(Column, names), Column("AUC", digits=4), Column("precision", digits=4)], [
        [*(f"{trial.settings[name]:.4g}" if name in trial.settings else "own" for name in names), trial.auc,
         trial.precision] for trial in shown])


def _prepare(tracker: Any, settings: Sequence[Mapping[str, float]]) -> tuple[list[Any], Any]:
    """The settings of each trial, and a tracker whose program serves all of them."""
    names = riding.names(tracker.config)
    tried = {name for trial in settings for name in trial}
    for name in sorted(tried - set(names)):
        shapes = _is_setting(tracker.config, name)
        what = f"'{name}' shapes the program" if shapes else f"there is no setting '{name}'"
        do = f"tune {', '.join(names)}" + ("; compare values of others with `evaluate --set`" if shapes else "")
        raise ConfigError(what, "settings to tune", do)
    configs = [replaced(tracker.config, trial) for trial in settings]
    # A setting that turns a part of the program off at 0 must be on for all if it is for any.
    largest = {name: max(trial.get(name, at(tracker.config, name)) for trial in settings) for name in tried}
    return configs, dataclasses.replace(tracker, config=replaced(tracker.config, largest))


def _is_setting(config: Any, path: str) -> bool:
    try:
        at(config, path)
    except AttributeError:
        return False
    return True


def _check(videos: Sequence[Video], settings: Sequence[Mapping[str, float]]) -> None:
    if not settings:
        raise ConfigError("nothing to try", "settings to tune", "give a setting with values")
    if not videos:
        raise DataError("there is no video to tune on", "validation split",
                        "name videos of two frames or more in validation.txt")
    for video in videos:
        if not np.isfinite(video.boxes[0]).all():
            raise DataError("the target is absent from frame 1", video.name, "cut the video to start where it shows")
        if not np.isfinite(video.boxes[1:]).all(axis=1).any():
            raise DataError("no frame after the first shows the target", video.name, "leave it out of the split")


def _start(tracker, params, video: Video, shape: tuple[int, int]) -> Any:
    """State `[1, ...]` after the first frame."""
    return loop.start(tracker, params, frame_ops.pad(video.read(0), shape), np.float32(video.boxes[:1]), shared=True)


def _follow(tracker, params, video: Video, states, shape: tuple[int, int], lanes: int) -> np.ndarray:
    """Boxes `[lanes, T, 4]` of one video with `lanes` settings; row 0 is the given box."""
    blank = frame_ops.blank(shape, video.size)
    frames = itertools.islice(read_frames(video), 1, None)
    boxes = []  # stay on the device until the end: meanwhile the host decodes
    while images := list(itertools.islice(frames, CHUNK)):
        padded = [blank if image is None else frame_ops.pad(image, shape) for image in images]
        chunk = jax.tree.map(lambda *leaves: np.stack(leaves), *padded, *[blank] * (CHUNK - len(images)))
        states, outputs = loop.advance(tracker, params, states, chunk, shared=True)
        boxes.append(outputs.box)
    given = np.broadcast_to(np.float32(video.boxes[0]), (1, lanes, 4))
    return np.concatenate([given, *map(np.asarray, boxes)])[:len(video.frames)].swapaxes(0, 1)


def _score(settings: dict[str, float], videos: Sequence[Video], tracks: Sequence[np.ndarray]) -> Trial:
    rules = metrics.VISIBLE
    scores = [metrics.score_sequence(boxes[video.known], video.boxes[video.known], rules)
              for boxes, video in zip(tracks, videos)]
    overall = metrics.score_overall(scores, rules).figures(rules)
    each = {video.name: score.figures(rules).auc for video, score in zip(videos, scores)}
    return Trial(settings, overall.auc, overall.precision, each)
