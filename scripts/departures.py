"""A target that leaves and returns five times amid objects like it: what long-term trackers make of it.

    python scripts/departures.py --seeds 5 15
    python scripts/departures.py --seeds 5 6 --output runs/departures

Renders `data.departures` clips, follows the target with each model (`siamrpn_small` stands for its long-term form
without a verdict of its own on what it found) and prints a row each: frames wrongly called tracked (the target away,
or the box not on it), wrongly called lost, and until found again. With `--data DIR` it follows the one sequence
`--sequence` of that folder instead. `--output` writes contact sheets.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import tyro
from PIL import Image

from siamjax.cpu import tune_cpu
from siamjax.data.departures import Departures, DeparturesConfig
from siamjax.data.readers import open_data
from siamjax.errors import DataError
from siamjax.evaluation import overlay
from siamjax.evaluation.departures import Verdicts, judge, total
from siamjax.trackers.base import LoadedTracker, Output
from siamjax.trackers.longterm import LongTermConfig, long_term
from siamjax.weights import zoo

EVERY = 4  # frames of a contact sheet


class Followed(NamedTuple):
    """Boxes `[T, 4]` `xywh`, scores `[T]` and `lost` `[T]` of a track."""

    boxes: np.ndarray
    scores: np.ndarray
    lost: np.ndarray


def main(models: tyro.conf.Positional[tuple[str, ...]] = ("siamrpn_small", "siamrpn_small_lt"), /,
         seeds: tuple[int, int] = (5, 15), data: Path | None = None, sequence: str = "",
         output: Path | None = None) -> None:
    """Prints the table, and to stderr a row for each clip.

    Args:
      models: zoo names or weight files; short-term ones are made long-term.
      seeds: first clip and the one after the last.
      data: folder of sequences in place of clips.
      sequence: the end of its name.
      output: folder for overlays.
    """
    tune_cpu()
    print("| model | frames | called tracked while away | or off the target | called lost while seen | "
          "frames until found again, mean (median) | never found |\n|---|---|---|---|---|---|---|", flush=True)
    for name in models:
        loaded = zoo.load(name)
        if not isinstance(loaded.tracker.config, LongTermConfig):
            loaded = long_term(loaded)
        began, verdicts = time.perf_counter(), []
        for clip, read, truth in clips(seeds, data, sequence):
            result = follow(loaded, read, truth)
            verdicts.append(judge(result.boxes, result.lost, truth))
            print(row(f"{name}, {clip}", verdicts[-1]), file=sys.stderr, flush=True)
            if output is not None:
                show(output / name / clip, read, truth, result)
        print(row(name, total(verdicts)), f"{time.perf_counter() - began:.0f} s", flush=True)


def clips(seeds: tuple[int, int], data: Path | None, sequence: str):
    """Name, reader of a frame and true boxes of each clip."""
    if data is None:
        for seed in range(*seeds):
            clip = Departures(DeparturesConfig(), seed)
            yield str(seed), clip.image, clip.boxes
        return
    found = [track for track in open_data(data) if track.name.endswith(sequence)]
    if len(found) != 1:
        raise DataError(f"{len(found)} sequences end in '{sequence}'", str(data), "name one of them")
    yield found[0].group, found[0].read, found[0].boxes


def follow(loaded: LoadedTracker, read: Callable[[int], np.ndarray], truth: np.ndarray) -> Followed:
    """The track of one target, in one scan without lanes: of both crops each frame then runs one alone."""
    frames = np.stack([read(number) for number in range(len(truth))])
    outputs = jax.device_get(scan(loaded.tracker, loaded.params, frames, np.float32(truth[0])))
    return Followed(np.concatenate([truth[:1], outputs.box]), np.append(1.0, outputs.score),
                    np.append(False, outputs.lost))


@functools.partial(jax.jit, static_argnums=0)
def scan(tracker: Any, params: Any, frames: Any, box: Any) -> Output:
    state = tracker.init(params, frames[0], box)
    return jax.lax.scan(functools.partial(tracker.step, params), state, frames[1:])[1]


def row(name: str, verdicts: Verdicts) -> str:
    waits = verdicts.until_found
    seen = verdicts.false_tracked - verdicts.false_absent
    wait = f"{np.mean(waits):.1f} ({np.median(waits):g})" if waits else "-"
    return (f"| {name} | {verdicts.absent + verdicts.seen} | {verdicts.false_absent} of {verdicts.absent} | {seen} | "
            f"{verdicts.false_lost} of {verdicts.seen} | {wait} | {len(waits) - sum(verdicts.found)} of {len(waits)} |")


def show(folder: Path, read: Callable[[int], np.ndarray], truth: np.ndarray, result: Followed) -> None:
    """Writes a contact sheet of every fourth frame."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = range(0, len(truth), EVERY)
    pictures = [overlay.draw(read(n), result.boxes[n], scores=result.scores[n:n + 1], lost=result.lost[n:n + 1],
                             truth=truth[n]) for n in numbers]
    sheet = overlay.contact_sheet(pictures, [str(n) for n in numbers], columns=8, width=240)
    Image.fromarray(sheet).save(folder / "sheet.png")


if __name__ == "__main__":
    tyro.cli(main)
