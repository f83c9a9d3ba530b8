"""A target that leaves and returns five times amid objects like it: what long-term trackers make of it.

    python scripts/departures.py --seeds 5 15 [--photos DIR]
    python scripts/departures.py --seeds 5 6 --output runs/departures

Renders `data.departures` clips, follows the target by `siamrpn_small_lt`, without and with its look at what it found,
and prints a row each: frames wrongly called tracked (the target away, or the box not on it), wrongly called lost, and
until found again. Without it the score is fitted to the proposals alone, on the same evidence (`calibrate.py fit`), and
thresholds are the same; or it is `long_term(siamrpn_small)` with thresholds of its own. `--photos DIR` puts photographs
of the validation split of DIR on the objects and behind them, the first distractor's of the target's own kind. With
`--data DIR` it follows the one sequence `--sequence` of that folder instead. `--output` writes contact sheets.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tyro
from PIL import Image

from siamjax import tune_cpu
from siamjax.data import Track, departures, open_data, open_split
from siamjax.errors import DataError
from siamjax.evaluation import Verdicts, contact_sheet, draw, judge_departures, run_stem, total_verdicts
from siamjax.settings import replaced
from siamjax.trackers import LoadedTracker, Result, long_term, track_frames
from siamjax.weights import zoo

EVERY = 4  # frames of a contact sheet
LEAST_SIDE = 40  # px, of an object whose photograph is shown
PICTURES = 5  # of a clip: target, three distractors, background; each of an image of its own
# `calibrate.py fit`, without the distance.
PROPOSALS_ALONE = {"inner.inner.score_scale": 0.7944, "inner.inner.score_offset": -0.5914}


def main(seeds: tuple[int, int] = (5, 15), photos: Path | None = None, data: Path | None = None, sequence: str = "",
         output: Path | None = None, models: tuple[str, ...] = ()) -> None:
    """Prints the table, and to stderr a row for each clip.

    Args:
      seeds: first clip and the one after the last.
      photos: folder with validation.txt and images with boxes.
      data: folder of sequences in place of clips.
      sequence: the end of its name.
      output: folder for overlays.
      models: names of the zoo to follow the target by in place of the three.
    """
    tune_cpu()
    print("| second look | frames | called tracked while away | or off the target | called lost while seen | "
          "frames until found again, mean (median) | never found |\n|---|---|---|---|---|---|---|", flush=True)
    for name, loaded in ({name: zoo.load(name) for name in models} or with_and_without()).items():
        began, verdicts = time.perf_counter(), []
        for clip, read, truth in clips(seeds, photos, data, sequence):
            result = follow(loaded, read, truth)
            verdicts.append(judge_departures(result.boxes, result.lost, truth))
            print(row(f"{name}, {clip}", verdicts[-1]), file=sys.stderr, flush=True)
            if output is not None:
                show(output / name / run_stem(clip), read, truth, result)
        print(row(name, total_verdicts(verdicts)), f"{time.perf_counter() - began:.0f} s", flush=True)


def with_and_without() -> dict[str, LoadedTracker]:
    """`siamrpn_small_lt`, and what it is without its look at what it found."""
    verified = zoo.load("siamrpn_small_lt")
    return {"without, own thresholds": long_term(zoo.load("siamrpn_small")),
            "without, the same thresholds": without_second_look(verified), "with": verified}


def without_second_look(verified: LoadedTracker) -> LoadedTracker:
    """The same tracker whose calibrated score hears of its proposals only."""
    config = replaced(verified.tracker.config, {"inner.distance_scale": 0.0} | PROPOSALS_ALONE)
    return dataclasses.replace(verified, tracker=config.build(verified.tracker.net))


def clips(seeds: tuple[int, int], photos: Path | None, data: Path | None, sequence: str):
    """Name, reader of a frame and true boxes of each clip."""
    if data is None:
        kinds = None if photos is None else objects_by_kind(open_split(photos)[1])
        for seed in range(*seeds):
            photos_of = None if kinds is None else drawn_photos(kinds, seed)
            clip = departures.Departures(departures.DeparturesConfig(), seed, photos_of)
            yield str(seed), clip.image, clip.boxes
        return
    found = [track for track in open_data(data) if track.name.endswith(sequence)]
    if len(found) != 1:
        raise DataError(f"{len(found)} sequences end in '{sequence}'", str(data), "name one of them")
    yield found[0].group, found[0].read, found[0].boxes


def objects_by_kind(tracks: Sequence[Track]) -> dict[str, list[Track]]:
    """Objects of single images that are large enough to be looked at, by what they are; kinds with enough images."""
    kinds: dict[str, list[Track]] = {}
    for track in tracks:
        if len(track.boxes) == 1 and track.boxes[0, 2:].min() >= LEAST_SIDE:
            kinds.setdefault(track.category, []).append(track)
    return {kind: found for kind, found in sorted(kinds.items()) if len({track.group for track in found}) >= PICTURES}


def drawn_photos(kinds: dict[str, list[Track]], seed: int) -> departures.Photos:
    """Target and first distractor of one kind, the others of any, each of an image of its own, and a background."""
    random = np.random.default_rng([seed, 1])
    chosen, seen = [], set()
    kind = str(random.choice(list(kinds)))
    for own in (True, True, *[False] * (PICTURES - 2)):
        left = [track for track in kinds[kind if own else str(random.choice(list(kinds)))] if track.group not in seen]
        chosen.append(left[random.integers(len(left))])
        seen.add(chosen[-1].group)
    inside = [cut_out(track) for track in chosen[:-1]]
    return departures.Photos(inside[0], tuple(inside[1:]), chosen[-1].read(0))


def cut_out(track: Track) -> np.ndarray:
    """The inside of the box of an image's object."""
    x, y, w, h = np.maximum(np.round(track.boxes[0]), 0).astype(int)
    return track.read(0)[y:y + h, x:x + w]


def follow(loaded: LoadedTracker, read: Callable[[int], np.ndarray], truth: np.ndarray) -> Result:
    """The track of a target from its first true box on."""
    return track_frames(loaded.tracker, loaded.params, map(read, range(len(truth))), truth[0])[0]


def row(name: str, verdicts: Verdicts) -> str:
    waits = verdicts.until_found
    seen = verdicts.false_tracked - verdicts.false_absent
    wait = f"{np.mean(waits):.1f} ({np.median(waits):g})" if waits else "-"
    return (f"| {name} | {verdicts.absent + verdicts.seen} | {verdicts.false_absent} of {verdicts.absent} | {seen} | "
            f"{verdicts.false_lost} of {verdicts.seen} | {wait} | {len(waits) - sum(verdicts.found)} of {len(waits)} |")


def show(folder: Path, read: Callable[[int], np.ndarray], truth: np.ndarray, result: Result) -> None:
    """Writes a contact sheet of every fourth frame."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = range(0, len(truth), EVERY)
    pictures = [draw(read(n), result.boxes[n], scores=result.scores[n:n + 1], lost=result.lost[n:n + 1],
                             truth=truth[n]) for n in numbers]
    sheet = contact_sheet(pictures, [str(n) for n in numbers], columns=8, width=240)
    Image.fromarray(sheet).save(folder / "sheet.png")


if __name__ == "__main__":
    tyro.cli(main)
