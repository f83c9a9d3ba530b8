"""`siamjax inspect`: a data set -> a page of what is in it, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import tyro

from siamjax import evaluation
from siamjax.cli.common import choose_reader


def inspect(
    data: tyro.conf.Positional[Path],
    /,
    *,
    output: Path,
    reader: str | None = None,
    layout: str | None = None,
    split: str | None = None,
) -> None:
    """Says what a data set holds: counts, sizes, motion, pictures with boxes and masks, and what is left out and why.

    Args:
      data: folder of a data set, as siamjax train takes it, or what siamjax prepare wrote.
      output: folder for report.html and report.json.
      reader: Python file with a function `reader(folder)` that lists the tracks of a layout of one's own.
      layout: which layout of a publisher the folder has, where its content leaves that open.
      split: which part of a published data set; by default all.
    """
    found = evaluation.inspect(data, output, reader=choose_reader(reader, layout, split, False))
    facts = found.facts
    print(f"{facts['tracks']} tracks in {facts['videos']} videos or images, {facts['boxes']} boxes, "
          f"{100 * facts['share_absent']:.1f} % absent; {len(facts['left_out'])} sequences left out")
    for fault in facts["left_out"]:
        print(f"left out {fault['name']}: {fault['what']} ({fault['where']}): {fault['do']}")
    print(f"wrote {found.page}")
