"""Settings of a tracker chosen on validation videos: many of them follow each video in one program.

What only scales numbers rides in the state, so one target started once is followed with all settings by
one `vmap` over states that differ in nothing else: equal to a run for each, with one compilation in all.
"""

from __future__ import annotations

import dataclasses
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from siamjax.data import sequences as data
from siamjax.errors import ConfigError, DataError
from siamjax.evaluation.protocols.base import read_frames
from siamjax.ops import frames as frame_ops
from siamjax.ops import metrics
from siamjax.settings import at, replaced
from siamjax.trackers import loop, riding
from siamjax.trackers.base import LoadedTracker

CHUNK = 5  # frames of a program: short videos fill their last chunk up with blank ones
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


def trials(loaded: LoadedTracker, videos: Sequence[data.Sequence], settings: Sequence[Mapping[str, float]], *,
           lanes: int = LANES, progress: Callable[[str], None] = print) -> Iterator[Trial]:
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


def _check(videos: Sequence[data.Sequence], settings: Sequence[Mapping[str, float]]) -> None:
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


def _start(tracker, params, video: data.Sequence, shape: tuple[int, int]) -> Any:
    """State `[1, ...]` after the first frame."""
    return loop.start(tracker, params, frame_ops.pad(video.read(0), shape), np.float32(video.boxes[:1]), shared=True)


def _follow(tracker, params, video: data.Sequence, states, shape: tuple[int, int], lanes: int) -> np.ndarray:
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


def _score(settings: dict[str, float], videos: Sequence[data.Sequence], tracks: Sequence[np.ndarray]) -> Trial:
    rules = metrics.VISIBLE
    scores = [metrics.score_sequence(boxes[video.known], video.boxes[video.known], rules)
              for boxes, video in zip(tracks, videos)]
    overall = metrics.score_overall(scores, rules).figures(rules)
    each = {video.name: score.figures(rules).auc for video, score in zip(videos, scores)}
    return Trial(settings, overall.auc, overall.precision, each)
