"""Makes the score of a verified tracker the probability that the box holds the target; shows what scores are worth.

    python scripts/calibrate.py gather --data DIR --output evidence.npz
    python scripts/calibrate.py fit evidence.npz
    python scripts/calibrate.py show --data OTHER --output calibration

`gather` follows the targets of the validation split of DIR: through their own videos, and on into others, where
nothing is the target; in the crop of a tracked target and in that of a lost one. It writes down of each proposal its
score, its embedding's distance from the target, and whether its box overlaps the true one by half. `fit` prints the
settings that make a probability of these (Platt 1999) and what they are worth on videos left out of the fit. For
`siamrpn_small` it takes the targets' own videos as they come: a scale near 1 and an offset near 0 say that the net's
score is such a probability already. For `siamrpn_small_lt`, which meets absent targets, right and wrong proposals weigh
the same. `show` compares the scores of any trackers with what came true on other videos, as they are and after a fit on
all of them but the one in question, and writes the reliability diagrams (`siamjax.evaluation.calibrate`).
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tyro

from siamjax import outputs, tune_cpu
from siamjax.data import Sequence, open_split
from siamjax.evaluation import OVERLAP, Logistic, brier, calibrate, fit_logistic, log_odds, reliability, roc
from siamjax.ops import frames as frame_ops
from siamjax.ops import metrics
from siamjax.trackers import siamrpn
from siamjax.trackers import verified as verified_trackers
from siamjax.weights import zoo

OTHERS = (1, 4, 8)  # places further down the list of videos, of those that a target is sought in
FOREIGN = 6  # frames of such a video
EVERY = 3  # of a video's frames, those in which the target is sought as if it were lost


def gather(data: Path, output: Path, model: str = "siamrpn_small_lt") -> None:
    """Writes what is known of each proposal on the validation split.

    Args:
      data: folder with validation.txt.
      output: file to write.
      model: a tracker that looks twice, long-term round `Verified`.
    """
    tune_cpu()
    outputs.check_folder(output.parent)
    loaded = zoo.load(model)
    tracker = loaded.tracker
    videos = [track for track in open_split(data)[1] if isinstance(track, Sequence) and len(track.frames) > 1]
    shape = tuple(np.max([frame_ops.bucket(*video.size) for video in videos], axis=0).tolist())
    start = jax.jit(functools.partial(tracker.init, loaded.params))
    look = jax.jit(functools.partial(proposed, tracker, loaded.params), static_argnames="lost")
    rows = []
    for number, video in enumerate(videos):
        known = first = start(frame_ops.pad(video.read(0), shape), np.float32(video.boxes[0]))
        others = [videos[(number + step) % len(videos)] for step in OTHERS]
        for seen in [video, *(other for other in others if other.group != video.group)]:
            frames = range(1, len(seen.frames)) if seen is video else range(FOREIGN)
            state = first if seen is video else known  # of the target as it looked lately
            for index in frames:
                truth = seen.boxes[index] if seen is video else np.full(4, np.nan)
                frame = frame_ops.pad(seen.read(index), shape)
                state, *found = look(state, frame, lost=False)
                rows.append((number, seen is video, False, *judged(found, truth)))
                if index % EVERY == 0:
                    _, *found = look(first if seen is video else known, frame, lost=True)
                    rows.append((number, seen is video, True, *judged(found, truth)))
            known = state if seen is video else known
        print(f"{video.name}: {len(rows)} proposals", flush=True)
    names = ("video", "own", "lost", "score", "distance", "overlap")
    with outputs.whole_file(output, "wb") as file:
        np.savez(file, **{name: np.array(column) for name, column in zip(names, zip(*rows))})


def proposed(tracker: Any, params: Any, state: Any, frame: Any, *, lost: bool):
    """The state moved onto the best proposal; its raw score, its distance and its box.

    What the target looks like is learned from proposals that the present settings take for it.
    """
    verified, inner = tracker.inner, state.inner
    config = verified.config.inner
    plain = dataclasses.replace(config, score_scale=None, score_offset=None).build(tracker.net)
    proposal = (plain.search(params, inner.inner, frame, tracker.config.lost_search_size,
                             state.settings.lost_window_influence) if lost else
                plain.search(params, inner.inner, frame))
    calibrated = siamrpn.calibrated(config, inner.inner.settings, proposal.score)
    found = verified.judge(params, inner, proposal.replace(score=calibrated), frame)
    moved = verified.clip(verified.follow(inner, found), frame)
    return (state.replace(inner=moved), proposal.score, verified_trackers.distance_of(found.embedding, inner.identity),
            verified.answer(moved).box)


def judged(found: Any, truth: np.ndarray) -> tuple[float, float, float]:
    """Score, distance and overlap with the true box, 0 where there is none."""
    score, distance, box = jax.device_get(found)
    return float(score), float(distance), float(np.nan_to_num(metrics.iou(box[None], truth[None])[0]))


def fit(evidence: tyro.conf.Positional[Path], /) -> None:
    """Prints settings, and how good they are on videos left out.

    Args:
      evidence: file that `gather` wrote.
    """
    known = dict(np.load(evidence))
    odds, right = log_odds(known["score"]), known["overlap"] >= OVERLAP
    everywhere, as_tracked = right | True, known["own"] & ~known["lost"]
    print(f"{len(right)} proposals, {right.mean():.2f} right; {as_tracked.sum()} of tracking, "
          f"{right[as_tracked].mean():.2f} right")
    print("| what | settings | Brier, error, ROC area left out | by the score as it is |\n|---|---|---|---|")
    for name, chosen, features, law in (
            ("siamrpn_small", as_tracked, odds[:, None], fit_logistic),
            ("siamrpn_small_lt without the distance", everywhere, odds[:, None], balanced),
            ("siamrpn_small_lt", everywhere, np.stack([odds, known["distance"]], 1), balanced)):
        x, y, video = features[chosen], right[chosen], known["video"][chosen]
        found = law(x, y)
        held_out = np.concatenate([law(x[video != one], y[video != one])(x[video == one]) for one in np.unique(video)])
        truth = np.concatenate([y[video == one] for one in np.unique(video)])
        settings = f"score_scale={found.slope[0]:.4f} score_offset={found.offset:.4f}"
        if len(found.slope) > 1:
            settings += f" distance_scale={-found.slope[1]:.4f}"
        plain = figures(known["score"][chosen], y)
        print(f"| {name} | {settings} | {figures(held_out, truth)} | {plain} |", flush=True)


def balanced(features: np.ndarray, right: np.ndarray) -> Logistic:
    """A fit to which right and wrong proposals weigh the same."""
    count = len(right) / 2
    return fit_logistic(features, right, np.where(right, count / right.sum(), count / (~right).sum()))


def figures(score: np.ndarray, right: np.ndarray) -> str:
    """Brier score, both calibration errors (bins of one width, of one mass), ROC area."""
    width, mass = (reliability(score, right, equal=equal).error for equal in ("width", "mass"))
    area = roc(-score, right).area
    return f"{brier(score, right):.4f}, {width:.4f} ({mass:.4f}), {area:.4f}"


def show(data: Path, output: Path, models: tuple[str, ...] = ("siamfc", "siamrpn_small", "siamrpn_small_lt")) -> None:
    """Prints and draws claims against what came true, of any trackers with a score.

    Args:
      data: folder of sequences; not those that anything was fitted on.
      output: folder for the diagrams.
      models: zoo names, weight files or folders of trainings.
    """
    tune_cpu()
    for model in models:
        found = calibrate(data, output, model=model, say=lambda line: print(line, file=sys.stderr))
        print(f"\n{model}\n\n{found.table.to_markdown()}", flush=True)
        if found.settings:
            print("\n" + " ".join(f"--set tracker.{name}={value:.4f}" for name, value in found.settings.items()))
    print(f"wrote {output}")


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"gather": gather, "fit": fit, "show": show})
