"""`siamjax evaluate`: models x sequences -> result files, report.json, report.html."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from siamjax.cli.common import Settings, load_tracker
from siamjax.data.readers.folder import read_folder
from siamjax.errors import ConfigError
from siamjax.evaluation import reports, results, runner, scoring
from siamjax.ops import metrics
from siamjax.outputs import check_folder
from siamjax.trackers.loop import track_frames
from siamjax.weights import zoo


def evaluate(
    data: Path,
    output: Path,
    model: Settings = (),
    protocol: str = "ope",
    convention: str = "visible",
    settings: Annotated[Settings, tyro.conf.arg(name="set")] = (),
) -> None:
    """Scores models on a folder of sequences, side by side.

    A run that was stopped goes on where it was; a finished one is scored anew, e.g. under another convention.

    Args:
      data: folder of sequences, each with img/ and groundtruth.txt.
      output: folder for the result files, report.json and report.html.
      model: a zoo name, a weight file or the folder of a training; give several for several models, none for
        the default one.
      protocol: how the trackers are run: ope (one pass, never helped).
      convention: how the boxes are scored: visible, otb, lasot, got10k, pysot.
      settings: a setting of all trackers, e.g. tracker.scale_lr=0.5.
    """
    runner.find_protocol(protocol)
    if convention not in metrics.CONVENTIONS:
        known = ", ".join(metrics.CONVENTIONS)
        raise ConfigError(f"unknown convention '{convention}'", "--convention", f"choose one of: {known}")
    rules = metrics.CONVENTIONS[convention]
    sequences = read_folder(data)
    runner.check_sequences(sequences)
    check_folder(output)
    loaded = [load_tracker(name, settings) for name in model or (zoo.DEFAULT,)]
    entries = runner.contenders(loaded, track_frames)
    for entry in entries:  # a folder that is taken is known before anything is tracked
        results.claim(output / entry.name, runner.record_of(entry, data, protocol))
    for entry in entries:
        runner.run(entry, sequences, output, data_folder=data, protocol=protocol)
    scores = [scoring.score_tracker(output / entry.name, sequences, rules) for entry in entries]
    page = reports.write_reports(
        output, scores, sequences, data_folder=data, convention=rules, protocol=protocol
    )
    print(f"\n{reports.table(scores)}\n\nconvention {rules.name}: {rules.rule}\nreport: {page}")
