"""Trackers x sequences -> result files. A run that was stopped goes on where it was."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from siamjax.data import sequences as data
from siamjax.errors import DataError
from siamjax.evaluation.files import records, results
from siamjax.evaluation.files.inputs import Inputs
from siamjax.evaluation.protocols.base import Protocol, Track, Unit, frames_per_second
from siamjax.outputs import safe_name
from siamjax.trackers.base import LoadedTracker, MaskRule, mask_rule_of

REPORTS = ("report.json", "report.html")


@dataclasses.dataclass(frozen=True)
class Contender:
    """A tracker that takes part in an evaluation.

    Attributes:
      name: of its folder and in the tables.
      track: follows targets through frames.
      record: what makes its results what they are (weights, settings, code); written beside them.
      rule: of its masks; None for a tracker without any.
    """

    name: str
    track: Track
    record: dict[str, object]
    rule: MaskRule | None = None


def contenders(
    loaded: Sequence[LoadedTracker],
    track_frames: Callable[..., list],
) -> list[Contender]:
    """Makes contenders of loaded trackers; a second one of the same name gets `-2`, a third `-3`.

    Args:
      loaded: as `weights.zoo.load` gives them.
      track_frames: `(tracker, params, frames, boxes) -> results`, that is `trackers.loop.track_frames`.
    Raises:
      OutputError: a name that no folder can have.
    """
    for entry in loaded:
        safe_name(entry.name, "--model")
    names = [*REPORTS]  # which lie beside the folders
    for entry in loaded:
        count = 1
        while (name := entry.name if count == 1 else f"{entry.name}-{count}") in names:
            count += 1
        names.append(name)

    def bound(entry: LoadedTracker) -> Track:
        return lambda frames, boxes: track_frames(entry.tracker, entry.params, frames, boxes)

    return [Contender(name, bound(entry), records.describe(entry), mask_rule_of(entry.tracker))
            for name, entry in zip(names[len(REPORTS):], loaded)]


def check_sequences(sequences: Sequence[data.Sequence]) -> None:
    """Checks, before anything is tracked, that every sequence can be started and stored.

    Raises:
      DataError: no sequences; a first frame without a box; names whose files or folders would collide.
      OutputError: a name that no file can have.
    """
    if not sequences:
        raise DataError("no sequences", "data", "give a folder of sequences")
    owners: dict[str, str] = {}
    groups: dict[str, str] = {}
    for sequence in sequences:
        if groups.setdefault(folder := results.stem(sequence.group), sequence.group) != sequence.group:
            raise DataError(f"two videos have the result folder {folder}", f"{groups[folder]} and {sequence.group}",
                            "rename one")
        if not np.isfinite(sequence.boxes[0]).all():
            raise DataError(
                "the target is absent from frame 1", sequence.name, "cut the sequence to start where it shows"
            )
        for ending in ("", "_scores", "_time", "_polygon"):
            file = f"{results.stem(sequence.name)}{ending}.txt"
            if file in owners:
                where = f"{owners[file]} and {sequence.name}"
                raise DataError(f"two sequences have the result file {file}", where, "rename one")
            owners[file] = sequence.name


def run(
    contender: Contender,
    protocol: Protocol,
    units: Sequence[Unit],
    output: Path,
    *,
    data_folder: Path,
    inputs: Inputs | None = None,
    progress: Callable[[str], object] = print,
) -> None:
    """Tracks every unit that has no result yet and writes what the protocol keeps of it into `output/NAME`.

    Args:
      contender: the tracker.
      protocol: how it is run.
      units: of `protocol.prepare`, checked by `check_sequences`.
      output: folder of the whole evaluation.
      data_folder: of the sequences.
      inputs: digests of the sequences that were worked out already, e.g. for another contender.
      progress: is given a line a unit where the output is no terminal (there a bar is drawn).
    Raises:
      OutputError: the folder holds results of another run, or of pictures that have changed since.
    """
    folder, inputs = output / contender.name, inputs or Inputs(masks=protocol.masks)
    claim(contender, protocol, units, output, data_folder=data_folder, inputs=inputs)
    todo = [unit for unit in units if not all(results.has_run(folder, one.name) for one in unit.objects)]
    if done := len(units) - len(todo):
        progress(f"{contender.name}: {done} of {len(units)} sequences are there already")
    on_terminal = sys.stderr.isatty()
    with tqdm(total=sum(unit.frames for unit in todo), unit="frame", desc=contender.name,
              disable=not on_terminal) as bar:
        for number, unit in enumerate(todo, 1):
            bar.set_postfix_str(unit.name)
            inputs.note(folder, unit.objects)
            answers = protocol.follow(contender.track, unit, bar.update)
            for one, answer in zip(unit.objects, answers):
                if len(answer.boxes) != len(one.frames):
                    raise DataError(f"{len(answer.boxes)} results for {len(one.frames)} frames",
                                    f"{contender.name} on {one.name}", "let the tracker answer every frame")
            protocol.write(folder, unit, answers, contender.rule)
            if not on_terminal:
                rate = frames_per_second([answers[0].seconds])
                progress(f"{contender.name}: {number}/{len(todo)} {unit.name}, {unit.frames} frames at "
                         f"{rate:.1f} frames/s")


def claim(contender: Contender, protocol: Protocol, units: Sequence[Unit], output: Path, *, data_folder: Path,
          inputs: Inputs) -> None:
    """Takes the folder of a contender for this run, or goes on with it; arguments as for `run`.

    Raises:
      OutputError: the folder holds results of another run, or of pictures that have changed since.
    """
    folder = output / contender.name
    record = contender.record | {"protocol": protocol.name, "data": str(data_folder.resolve())}
    results.claim(folder, record)
    inputs.check(folder, [one for unit in units for one in unit.objects])
