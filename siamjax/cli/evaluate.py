"""`siamjax evaluate`: models x sequences -> result files, report.json, report.html."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from siamjax import evaluation
from siamjax.cli.common import Settings, choose_reader, load_tracker
from siamjax.precision import Name
from siamjax.weights import zoo


def evaluate(
    data: Path,
    output: Path,
    model: Settings = (),
    protocol: str = "ope",
    convention: str = "visible",
    settings: Annotated[Settings, tyro.conf.arg(name="set")] = (),
    experiment: str | None = None,
    reader: str | None = None,
    layout: str | None = None,
    split: str | None = None,
    strict: tyro.conf.FlagCreatePairsOff[bool] = False,
    origin: str | None = None,
    precision: Name | None = None,
    rescore: bool = False,
) -> None:
    """Scores models on a folder of sequences, side by side.

    A run that was stopped goes on where it was; a finished one is scored anew, e.g. under another convention.

    Args:
      data: folder of sequences, each with img/ and groundtruth.txt, for davis with masks/ or polygon.txt too; or
        JPEGImages/ and Annotations/ of DAVIS.
      output: folder for the result files, report.json and report.html.
      model: a zoo name, a weight file or the folder of a training; give several for several models, none for
        the default one.
      protocol: how the trackers are run: ope (one pass, never helped), davis (the same, and masks are scored), or a
        Python file with a protocol of one's own.
      convention: how boxes are scored under ope: visible, otb, uav123, got10k, lasot, got10k_lasot, pysot, pytracking,
        pytracking_uav, pytracking_valid; docs/evaluate.md says whose rules these are.
      settings: a setting of all trackers, e.g. tracker.scale_lr=0.5.
      experiment: Python file with `config = Experiment(...)`, whose net and tracker the models that are files are of.
      reader: Python file with a function `reader(folder)` that lists the sequences of a layout of one's own.
      layout: which layout of a publisher the folder has, e.g. got10k, where its content leaves that open.
      split: which part of a published data set: train, val, test, ..., all, or a file with a sequence's name a line.
      strict: stop at the first sequence with a fault; without it those with faults are left out, and counted.
      origin: of boxes whose files count pixels from 1 (OTB, UAV123): written (as they are, which toolkits take; without
        the option) or zero (1 less).
      precision: float32 or bfloat16, in which the nets compute.
      rescore: track nothing, and score all results that are in output, e.g. of an earlier version.
    """
    lists = choose_reader(reader, layout, split, strict, origin)
    if rescore:
        found = evaluation.rescore(data, output, protocol=protocol, convention=convention, reader=lists)
    else:
        models = (load_tracker(name, settings, experiment=experiment, precision=precision)
                  for name in model or (zoo.DEFAULT,))
        found = evaluation.evaluate(data, output, models=models, protocol=protocol, convention=convention,
                                    reader=lists)
    print(f"\n{found.report}\n\nconvention {found.report.rule}\nreport: {found.page}")
