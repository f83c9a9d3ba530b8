"""`siamjax export`: tracks -> files that annotation programs take."""

from __future__ import annotations

from pathlib import Path

import tyro

from siamjax import evaluation
from siamjax.cli.common import choose_reader
from siamjax.evaluation import ExportForm


def export(
    source: tyro.conf.Positional[Path],
    /,
    *,
    output: Path,
    to: ExportForm = "cvat",
    reader: str | None = None,
    layout: str | None = None,
    split: str | None = None,
) -> None:
    """Writes tracks for an annotator to correct: siamjax track, export, correct, siamjax train.

    Args:
      source: a folder that siamjax track wrote, or a data set.
      output: folder for the files.
      to: cvat (for video 1.1), mot, coco (with videos) or csv.
      reader: Python file with a function `reader(folder)` that lists the tracks of a layout of one's own.
      layout: which layout of a publisher the data set has, where its content leaves that open.
      split: which part of a published data set.
    """
    for path in evaluation.export(source, output, to, reader=choose_reader(reader, layout, split, False)):
        print(f"wrote {path}")
