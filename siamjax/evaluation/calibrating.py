"""Is a tracker's score the probability that its box holds the target, and which settings make it one, in one call."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from siamjax.data.readers import open_split, open_videos
from siamjax.data.sequences import Sequence as Video
from siamjax.errors import DataError
from siamjax.evaluation.metrics import calibration, verification
from siamjax.evaluation.metrics.calibration import Logistic
from siamjax.evaluation.protocols.base import Unit
from siamjax.evaluation.protocols.one_pass import OnePass
from siamjax.evaluation.reports.table import Column, Table
from siamjax.ops import metrics
from siamjax.outputs import folder_for
from siamjax.settings import at
from siamjax.trackers import riding
from siamjax.trackers.base import LoadedTracker
from siamjax.trackers.loop import track_frames
from siamjax.weights import zoo

SCALES = ("score_scale", "distance_scale")  # settings that multiply evidence in the log odds of a score
OFFSET = "score_offset"


class Claims(NamedTuple):
    """What a tracker claimed of the frames after the first, and what was so.

    Attributes:
      score: `[N]` the probability that the box holds the target, as the tracker says.
      right: `[N]` bool, whether it overlapped the true one by half or more.
      video: `[N]` number of the video.
    """

    score: np.ndarray
    right: np.ndarray
    video: np.ndarray


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What scores are worth, as they are and after a fit.

    Attributes:
      claims: of the tracker as it is.
      left_out: `[N]` scores after fits that had not seen the video.
      fit: of the log odds of the score, over all videos.
      settings: of the tracker, with which its score is what `fit` makes of it; none where its score has no such
        settings in use.
      table: the figures.
      diagram: file of the reliability diagrams.
    """

    claims: Claims
    left_out: np.ndarray
    fit: Logistic
    settings: dict[str, float]
    table: Table
    diagram: Path


def calibrate(data: str | Path, output: str | Path, *, model: LoadedTracker | str | Path = zoo.DEFAULT,
              say: Callable[[str], object] = print) -> Calibration:
    """Compares a tracker's scores with what came true, and fits them by logistic regression (Platt 1999).

    Args:
      data: folder of sequences; those that its validation.txt names are used, or without one all: report on others.
      output: folder for the diagrams, `NAME.png`.
      model: any tracker with a score: loaded; or a zoo name, a weight file or the folder of a training.
      say: is told how far it is, line by line.
    Raises:
      DataError: data that cannot be used, or scores of which all came true, or none.
      OutputError: the diagrams cannot be written.
    """
    from siamjax.evaluation.reports.calibration_plot import save_diagrams  # takes half a second to import

    data, output = Path(data), Path(output)
    if (data / "validation.txt").is_file():
        videos = [one for one in open_split(data)[1] if isinstance(one, Video) and len(one.frames) > 1]
    else:
        videos = open_videos(data)
    loaded = model if isinstance(model, LoadedTracker) else zoo.load(model)
    found = claims_of(loaded, videos, say=say)
    odds = calibration.log_odds(found.score)
    left_out = np.full(len(odds), np.nan)
    for one in np.unique(found.video):
        rest = found.video != one
        left_out[~rest] = calibration.fit(odds[rest], found.right[rest])(odds[~rest, None])
    fit = calibration.fit(odds, found.right)
    versions = {"as it is": found.score, "fitted, on videos left out": left_out}
    with folder_for(output):
        save_diagrams(output / f"{loaded.name}.png",
                      {name: calibration.reliability(score, found.right) for name, score in versions.items()},
                      title=f"{loaded.name}, {data.resolve().name}")
    return Calibration(found, left_out, fit, settings_of(loaded, fit), summary(found.right, versions),
                       output / f"{loaded.name}.png")


def claims_of(loaded: LoadedTracker, videos: Sequence[Video], *, say: Callable[[str], object] = print) -> Claims:
    """Follows the targets of videos and collects what was claimed.

    Raises:
      DataError: no frame after the first has a true box.
    """
    scores, right, numbers = [], [], []
    for number, video in enumerate(videos):
        [result] = OnePass().follow(lambda frames, boxes: track_frames(
            loaded.tracker, loaded.params, frames, boxes, keep_masks=False), Unit((video,)))
        known = np.flatnonzero(video.known)[1:] if video.known[0] else np.flatnonzero(video.known)
        overlaps = np.nan_to_num(metrics.iou(result.boxes[known], video.boxes[known]))  # an absent target is not held
        scores.append(result.scores[known])
        right.append(overlaps >= calibration.OVERLAP)
        numbers.append(np.full(len(known), number))
        say(f"{loaded.name}: {number + 1}/{len(videos)} {video.name}")
    if not sum(map(len, scores)):
        raise DataError("only first frames are annotated: there is nothing to compare", "data",
                        "give labels of later frames")
    return Claims(np.concatenate(scores), np.concatenate(right), np.concatenate(numbers))


def settings_of(loaded: LoadedTracker, fit: Logistic) -> dict[str, float]:
    """Settings of a tracker whose score is `sigmoid(score_scale * evidence + score_offset)`, brought to the fit.

    Empty where the tracker has no such settings in use: `score_scale=1` and `score_offset=0` take them into use.
    """
    config, slope = loaded.tracker.config, float(fit.slope[0])
    own = {path: at(config, path) for path in riding.names(config)}
    of_kind = {path: path.rpartition(".")[2] for path in own}
    offset = next((path for path, name in of_kind.items() if name == OFFSET), None)
    if offset is None or own[offset] is None:
        return {}
    scaled = {path: slope * own[path] for path, name in of_kind.items() if name in SCALES and own[path] is not None}
    return scaled | {offset: slope * own[offset] + fit.offset}


def summary(right: np.ndarray, versions: dict[str, np.ndarray]) -> Table:
    """Brier score, both calibration errors and the area under the ROC of scores by what they are called."""
    def errors(score: np.ndarray) -> list[float]:
        width, mass = (calibration.reliability(score, right, equal=equal).error for equal in ("width", "mass"))
        return [calibration.brier(score, right), width, mass, verification.roc(-score, right).area]

    columns = [Column(head, digits=4) for head in ("Brier", "error, bins of one width", "of one mass", "ROC area")]
    return Table([Column("scores", kind="name"), Column("frames"), Column("right"), *columns],
                 [[name, len(right), float(right.mean()), *errors(score)] for name, score in versions.items()])
