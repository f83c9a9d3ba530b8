"""From trained weight files to the default of the package: choose on the validation split, calibrate, write.

    python scripts/default_weights.py mix start.safetensors runs/a --share 0.5 --output mixed.safetensors
    python scripts/default_weights.py choose --data DIR runs/a mixed.safetensors --settings scale_lr=0.4
    python scripts/default_weights.py ship --data DIR mixed.safetensors --output siamjax/assets/siamfc.safetensors

`mix` averages a training with the weights it started from. `choose` prints the success AUC of every file with every
setting; `ship` finds what the score is worth and writes the file in half precision with its card; `halve` writes it so
as it is. All look at the videos named in DIR/validation.txt only.
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import jax
import numpy as np
import tyro
from flax import traverse_util

from siamjax import tune_cpu
from siamjax.data import Sequence, open_split
from siamjax.errors import ConfigError
from siamjax.evaluation import fit_logistic, log_odds
from siamjax.ops import metrics
from siamjax.settings import replace_by_path
from siamjax.trackers import LoadedTracker, SiamFCConfig, track_frames
from siamjax.weights import files, prepare, zoo

SCALE = 0.1  # of the peak inside the sigmoid while it is measured: no peak saturates float32
FOREIGN = 6  # frames of another video a target is sought in, for peaks where there is no target


def choose(weights: tyro.conf.Positional[tuple[str, ...]], /, data: Path,
           settings: tyro.conf.UseAppendAction[tuple[str, ...]] = ()) -> None:
    """Prints the success AUC on the validation videos of every weight file with every setting.

    Args:
      weights: weight files, zoo names or training folders.
      data: folder with validation.txt.
      settings: KEY=VALUE[,KEY=VALUE] of the tracker, one combination each; the file's own are always tried.
    """
    videos = validation_videos(data)
    print("| weights | settings | AUC | precision | frames/s |\n|---|---|---|---|---|")
    for name in weights:
        loaded = zoo.load(name)
        for text in ("", *settings):
            began = time.perf_counter()
            scores = [metrics.score_sequence(follow(with_settings(loaded, text), video)[0].boxes, video.boxes,
                                             metrics.VISIBLE, frame_size=video.size[::-1]) for video in videos]
            figures = metrics.score_overall(scores, metrics.VISIBLE).figures(metrics.VISIBLE)
            rate = sum(len(video.frames) for video in videos) / (time.perf_counter() - began)
            print(f"| {name} | {text or '-'} | {figures.auc:.4f} | {figures.precision:.4f} | {rate:.1f} |", flush=True)


def ship(weights: tyro.conf.Positional[str], /, data: Path, output: Path, licence: str, card: str,
         settings: str = "", response: float = 1.0, lost: float | None = None) -> None:
    """Fits the score, or SiamFC's threshold of `lost`, on the validation videos; writes weights in half precision.

    Args:
      weights: weight file or training folder.
      data: folder with validation.txt.
      output: file to write.
      licence: for the metadata.
      card: source, data, steps, seed, command, scores: what a user should know.
      settings: KEY=VALUE[,KEY=VALUE] of the tracker.
      response: factor on the gains of a `SimilarityRPN`, whose head fits the few videos it was trained on better
        than others: its trunk's response deserves more weight than training gives it.
    """
    _, metadata = files.load(zoo.locate(weights)[0])
    loaded = with_settings(zoo.load(weights, prepare=False), settings)
    if response != 1:
        loaded.params["params"]["head"]["gain"] *= response
    videos = validation_videos(data)
    if isinstance(loaded.tracker.config, SiamFCConfig):
        shipped = with_ratio(loaded, ratio_threshold(loaded, videos) if lost is None else lost)
        print(f"score = peak over the first frame's, lost below {shipped.tracker.config.lost_threshold:.2f}")
    else:
        scale, offset, threshold = calibrate(loaded, videos)
        threshold = threshold if lost is None else lost
        print(f"score = sigmoid({scale:.4f} * logit {offset:+.4f}), lost below {threshold:.2f}")
        shipped = with_sigmoid(loaded, round(scale, 4), round(offset, 4), threshold)
    zoo.save(output, shipped.tracker, shipped.params, card=card, licence=licence, dtype="float16",
             source_sha256=metadata["source_sha256"])
    print(f"wrote {output}: {output.stat().st_size / 1e6:.2f} MB")


def halve(weights: tyro.conf.Positional[str], /, output: Path, card: str, settings: str = "") -> None:
    """Writes weights whose score is calibrated already, as those of masks on a shipped tracker, in half precision.

    Args:
      weights: weight file or training folder.
      output: file to write.
      card: as for `ship`.
      settings: KEY=VALUE[,KEY=VALUE] of the tracker.
    """
    _, metadata = files.load(zoo.locate(weights)[0])
    loaded = with_settings(zoo.load(weights, prepare=False), settings)
    zoo.save(output, loaded.tracker, loaded.params, card=card, licence=metadata["licence"], dtype="float16",
             source_sha256=metadata["source_sha256"])
    print(f"wrote {output}: {output.stat().st_size / 1e6:.2f} MB")


def mix(start: tyro.conf.Positional[str], trained: tyro.conf.Positional[str], /, share: float, output: Path) -> None:
    """Averages trained weights with those they started from (Wortsman et al. 2022, WiSE-FT).

    Args:
      start: weight file that the training started from.
      trained: weight file or folder of the training; parameters that `start` lacks are taken from here.
      share: of the trained weights, 0..1.
      output: file to write.
    """
    old = traverse_util.flatten_dict(files.load(zoo.locate(start)[0])[0])
    variables, metadata = files.load(zoo.locate(trained)[0])
    new = traverse_util.flatten_dict(variables)
    mixed = {key: (1 - share) * old.get(key, value) + share * value for key, value in new.items()}
    files.save(output, traverse_util.unflatten_dict(mixed), metadata)
    print(f"wrote {output}: {share:g} of {trained}, {1 - share:g} of {start}")


def validation_videos(data: Path) -> list[Sequence]:
    """Validation tracks of more than one frame."""
    return [track for track in open_split(data)[1] if isinstance(track, Sequence) and len(track.frames) > 1]


def follow(loaded: LoadedTracker, video: Sequence, frames=None):
    return track_frames(loaded.tracker, loaded.params,
                        (video.read(n) for n in range(len(video.frames))) if frames is None else frames,
                        video.boxes[0])


def with_settings(loaded: LoadedTracker, text: str) -> LoadedTracker:
    config = loaded.tracker.config
    for pair in filter(None, text.split(",")):
        key, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"'{pair}' is not a setting", "--set", "write KEY=VALUE")
        config = replace_by_path(config, key, value)
    return dataclasses.replace(loaded, tracker=dataclasses.replace(loaded.tracker, config=config))


def with_ratio(loaded: LoadedTracker, threshold: float) -> LoadedTracker:
    """SiamFC with the peak over the first frame's own as its score.

    A sigmoid of the raw peak is worth less: how high a peak is depends on the target, and what fits some videos misses
    the next (on nine sequences ROC area 0.638 for right boxes, where this ratio has 0.732).
    """
    config = dataclasses.replace(loaded.tracker.config, score_scale=None, score_offset=None, lost_threshold=threshold)
    return dataclasses.replace(loaded, tracker=dataclasses.replace(loaded.tracker, config=config))


def ratio_threshold(loaded: LoadedTracker, videos: list[Sequence]) -> float:
    """The score that 1 in 50 of the frames with the target fall below: lost is said late rather than wrongly."""
    scores = []
    for video in videos:
        result = follow(with_ratio(loaded, 0.0), video)[0]
        scores.append(result.scores[1:][metrics.iou(result.boxes[1:], np.nan_to_num(video.boxes[1:])) >= 0.5])
    return round(float(np.quantile(np.concatenate(scores), 0.02)), 2)


def with_sigmoid(loaded: LoadedTracker, scale: float, offset: float, threshold: float) -> LoadedTracker:
    """The plain tracker with `score = sigmoid(scale * logit + offset)`, ranking its proposals as before.

    The logits of the RPN net themselves are scaled, and the temperature with them.
    """
    config, params = loaded.tracker.config, loaded.params
    config = dataclasses.replace(config, temperature=round(config.temperature * scale, 3), lost_threshold=threshold)
    head = params["params"]["head"]
    out = {name: value * scale for name, value in head["rpn"]["cls_out"].items()}
    out["bias"] = out["bias"].at[out["bias"].size // 2:].add(offset)  # of the foreground
    head = {**head, "gain": head["gain"] * scale, "rpn": {**head["rpn"], "cls_out": out}}
    params = {**params, "params": {**params["params"], "head": head}}
    return dataclasses.replace(loaded, tracker=dataclasses.replace(loaded.tracker, config=config), params=params)


def calibrate(loaded: LoadedTracker, videos: list[Sequence]) -> tuple[float, float, float]:
    """`a`, `b` of `sigmoid(a * logit + b)`, and the threshold of `lost`, from frames where the answer is known.

    The logit is the difference of the two logits of an RPN net's proposal. The target counts as there where the box
    overlaps the true one by at least a half, as away where they are apart, where it is absent, and in frames of another
    video. Both sides weigh the same.
    """
    measuring = with_sigmoid(loaded, SCALE, 0.0, 0.0)
    net, params = prepare.prepare(measuring.tracker.net, measuring.params)
    measuring = dataclasses.replace(measuring, tracker=dataclasses.replace(measuring.tracker, net=net),
                                    params=jax.device_put(params))
    peaks, there = [], []
    for video, other in zip(videos, videos[1:] + videos[:1]):
        result = follow(measuring, video)[0]
        overlap = metrics.iou(result.boxes[1:], np.nan_to_num(video.boxes[1:]))
        known = (overlap >= 0.5) | (overlap == 0)
        peaks.append(log_odds(result.scores[1:][known]) / SCALE)
        there.append(overlap[known] > 0)
        foreign = [video.read(0), *(other.read(n) for n in range(min(FOREIGN, len(other.frames))))]
        peaks.append(log_odds(follow(measuring, video, foreign)[0].scores[1:]) / SCALE)
        there.append(np.zeros(len(foreign) - 1, bool))
    x, y = np.concatenate(peaks).astype(np.float64), np.concatenate(there)
    weight = np.where(y, 0.5 / y.sum(), 0.5 / (~y).sum())
    fit = fit_logistic(x, y, weight, ridge=0.0)
    a, b = float(fit.slope[0]), fit.offset
    p = 1 / (1 + np.exp(-(a * x + b)))
    print(f"{y.sum()} frames with the target, mean score {p[y].mean():.2f}; "
          f"{(~y).sum()} without, {p[~y].mean():.2f}")
    # Lost is said late rather than wrongly: 1 in 50 of the frames with the target fall below.
    return a, b, round(float(np.quantile(p[y], 0.02)), 2)


if __name__ == "__main__":
    tune_cpu()
    tyro.extras.subcommand_cli_from_dict({"mix": mix, "choose": choose, "ship": ship, "halve": halve})
