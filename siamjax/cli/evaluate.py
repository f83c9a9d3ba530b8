"""`siamjax evaluate`: models x sequences -> result files, report.json, report.html."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from siamjax.cli.common import Settings, load_tracker
from siamjax.data.readers import open_videos
from siamjax.errors import ConfigError
from siamjax.evaluation import runner
from siamjax.evaluation.files import results
from siamjax.evaluation.files.inputs import Inputs
from siamjax.evaluation.protocols import one_pass as scoring
from siamjax.evaluation.protocols import video_objects as mask_scoring
from siamjax.evaluation.reports import boxes as reports
from siamjax.evaluation.reports import masks as mask_reports
from siamjax.ops import metrics
from siamjax.outputs import folder_for
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
      data: folder of sequences, each with img/ and groundtruth.txt, for davis with masks/ or polygon.txt too; or
        JPEGImages/ and Annotations/ of DAVIS.
      output: folder for the result files, report.json and report.html.
      model: a zoo name, a weight file or the folder of a training; give several for several models, none for
        the default one.
      protocol: how the trackers are run: ope (one pass, never helped), davis (the same, and masks are scored).
      convention: how boxes are scored under ope: visible, otb, uav123, got10k, lasot, got10k_lasot, pysot, pytracking,
        pytracking_uav, pytracking_valid; docs/evaluate.md says whose rules these are.
      settings: a setting of all trackers, e.g. tracker.scale_lr=0.5.
    """
    masks = runner.find_protocol(protocol).masks
    if convention not in metrics.CONVENTIONS:
        known = ", ".join(metrics.CONVENTIONS)
        raise ConfigError(f"unknown convention '{convention}'", "--convention", f"choose one of: {known}")
    rules = metrics.CONVENTIONS[convention]
    if masks and convention != "visible":
        raise ConfigError(f"'{convention}' is a convention for boxes, and {protocol} scores masks", "--convention",
                          "leave it out")
    sequences = open_videos(data)
    if masks:
        late = {one.name for one in sequences if one.label is not None and np.isnan(one.boxes[0]).any()}
        if late:  # of objects that share a video some may come later, and nothing says where to start them
            print(f"left out, not in the first frame: {', '.join(sorted(late))}")
        sequences = [one for one in sequences if one.name not in late]
        found, sequences = len(sequences), mask_scoring.scorable(sequences)
        if len(sequences) < found:
            print(f"left out, without masks or rotated boxes: {found - len(sequences)} of {found} sequences")
        if not any(one.masked[1:-1].any() for one in sequences):
            print("no frame between the first and the last has a true mask: masks are written and nothing is scored")
    else:
        scoring.check_labels(sequences)
    runner.check_sequences(sequences)
    with folder_for(output):
        loaded = [load_tracker(name, settings) for name in model or (zoo.DEFAULT,)]
        entries = runner.contenders(loaded, functools.partial(track_frames, keep_masks=masks))
        folders, inputs = [output / entry.name for entry in entries], Inputs(masks=masks)
        with results.unclaimed_if_empty(folders):
            for entry in entries:  # a folder that is taken is known before anything is tracked
                runner.claim(entry, sequences, output, data_folder=data, protocol=protocol, inputs=inputs)
            for entry in entries:
                runner.run(entry, sequences, output, data_folder=data, protocol=protocol, inputs=inputs)
    if masks:
        scored = [mask_scoring.score_tracker(folder, sequences) for folder in folders]
        page = mask_reports.write_reports(output, scored, sequences, data_folder=data, protocol=protocol)
        table, said = mask_reports.table(scored), f"{mask_reports.NAME}: {mask_reports.RULE}"
    else:
        scores = [scoring.score_tracker(folder, sequences, rules) for folder in folders]
        page = reports.write_reports(output, scores, sequences, data_folder=data, convention=rules, protocol=protocol)
        table, said = reports.table(scores), f"{rules.name}: {rules.rule}"
    print(f"\n{table}\n\nconvention {said}\nreport: {page}")
