"""Trackers x sequences -> result files, figures and a report, in one call."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from siamjax.data.readers import Choice, Reader, open_videos
from siamjax.errors import DataError
from siamjax.evaluation import protocols, runner
from siamjax.evaluation.files import results
from siamjax.evaluation.files.inputs import Inputs
from siamjax.evaluation.protocols.base import DEFAULT_CONVENTION, Protocol, Unit
from siamjax.evaluation.reports.report import Report
from siamjax.evaluation.reports.table import Table
from siamjax.outputs import folder_for
from siamjax.trackers.base import LoadedTracker
from siamjax.trackers.loop import track_frames
from siamjax.weights import zoo


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
      scores: of the protocol, one a tracker in the order given.
      report: what is said of them.
      page: the report for people.
    """

    scores: tuple[Any, ...]
    report: Report
    page: Path

    @property
    def table(self) -> Table:
        """The overall figures, the best tracker first."""
        return self.report.tables[0]

    @property
    def figures(self) -> dict[str, Any]:
        """The overall figures of each tracker by its name."""
        return {score.name: score.figures for score in self.scores}

    @property
    def by_sequence(self) -> dict[str, Mapping[str, Any]]:
        """The figures of each sequence by the tracker's name and the sequence's."""
        return {score.name: score.by_sequence for score in self.scores}


def evaluate(data: str | Path, output: str | Path, *, models: Iterable[LoadedTracker | str | Path] = (),
             protocol: str | Protocol = "ope", convention: str = DEFAULT_CONVENTION,
             reader: Reader | Choice | None = None, say: Callable[[str], object] = print) -> Evaluation:
    """Scores trackers on a folder of sequences, side by side.

    A run that was stopped goes on where it was; a finished one is scored anew, e.g. under another convention.

    Args:
      data: folder of sequences.
      output: folder for the result files, report.json and report.html.
      models: loaded trackers, or zoo names, weight files and folders of trainings; none for the default one. They are
        not looked at before the data is known to be good.
      protocol: one of one's own; or a name of `PROTOCOLS`, a Python file with a `protocol`, or `package.module:NAME`.
      convention: whose rules boxes are scored after.
      reader: lists the sequences of `data`; by default the layout is recognised.
      say: is told what is left out and how far the trackers are, line by line.
    Raises:
      ConfigError: an unknown protocol or convention.
      DataError, SourceError: data that cannot be followed or scored.
      WeightsError: a model that cannot be loaded.
      OutputError: the folder holds results of another run, or cannot be written.
    """
    data, output = Path(data), Path(output)
    rules = protocols.find(protocol).under(convention)
    units = rules.prepare(open_videos(data, reader), say)
    runner.check_sequences([one for unit in units for one in unit.objects])
    with folder_for(output):
        loaded = [one if isinstance(one, LoadedTracker) else zoo.load(one) for one in models] or [zoo.load(zoo.DEFAULT)]
        entries = runner.contenders(loaded, functools.partial(track_frames, keep_masks=rules.masks))
        folders, inputs = [output / entry.name for entry in entries], Inputs(masks=rules.masks)
        with results.unclaimed_if_empty(folders):
            for entry in entries:  # a folder that is taken is known before anything is tracked
                runner.claim(entry, rules, units, output, data_folder=data, inputs=inputs)
            for entry in entries:
                runner.run(entry, rules, units, output, data_folder=data, inputs=inputs, progress=say)
    return _reported(rules, units, folders, data, output)


def rescore(data: str | Path, output: str | Path, *, protocol: str | Protocol = "ope",
            convention: str = DEFAULT_CONVENTION, reader: Reader | Choice | None = None,
            say: Callable[[str], object] = print) -> Evaluation:
    """Scores the result files that are there, whatever made them, e.g. an earlier version; nothing is tracked.

    Arguments, what comes back and errors are those of `evaluate`; besides:

    Raises:
      DataError: there are no results, or results of some sequences are missing.
    """
    data, output = Path(data), Path(output)
    rules = protocols.find(protocol).under(convention)
    units = rules.prepare(open_videos(data, reader), say)
    runner.check_sequences([one for unit in units for one in unit.objects])
    folders = sorted(raw.parent for raw in output.glob("*/raw") if raw.is_dir())
    if not folders:
        raise DataError("there are no results to score", str(output), "give the output folder of an evaluation")
    return _reported(rules, units, folders, data, output)


def _reported(rules: Protocol, units: Sequence[Unit], folders: Sequence[Path], data: Path, output: Path) -> Evaluation:
    scores = tuple(rules.score(folder, units) for folder in folders)
    report = rules.report(scores, units, data_folder=data, output=output)
    return Evaluation(scores, report, report.write(output))
