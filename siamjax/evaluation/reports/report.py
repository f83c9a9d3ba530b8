"""What an evaluation tells: report.json with every figure, report.html for people, tables for terminals."""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from siamjax.data import sequences as data
from siamjax.evaluation.files import records
from siamjax.evaluation.reports.parts import Page, Section, made_by
from siamjax.evaluation.reports.table import Table
from siamjax.outputs import whole_file, write_text

SPEED_RULE = (
    "Frames/s are the frames after the first of each sequence over the seconds that the result files give "
    "for them. The start on the first frame and compilation are not in them; the next frames are decoded "
    "meanwhile."
)


@dataclasses.dataclass(frozen=True)
class Report:
    """What is said of trackers, the best first.

    Attributes:
      data: all of it, for report.json; a figure that does not exist may be NaN.
      page: the same for people.
      tables: the overall figures, for terminals.
      rule: by which they were made.
      beside: files that lie beside the page, by their names.
    """

    data: Mapping[str, Any]
    page: Page
    tables: Sequence[Table]
    rule: str
    beside: Mapping[str, bytes] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        """The tables, as lines of text."""
        return "\n\n".join(map(str, self.tables))

    def write(self, output: Path) -> Path:
        """Writes `report.json`, `report.html` and what lies beside it into `output`; returns the path of the page.

        Raises:
          OutputError: they cannot be written.
        """
        for name, content in self.beside.items():
            with whole_file(output / name, "wb") as file:
                file.write(content)
        write_text(output / "report.json", json.dumps(plain(self.data), indent=1, allow_nan=False) + "\n")
        write_text(output / "report.html", self.page.to_html())
        return output / "report.html"


def circumstances(sequences: Sequence[data.Sequence], *, data_folder: Path, protocol: str) -> dict[str, Any]:
    """What the report on an evaluation begins with."""
    return {
        "created": now(),
        "data": {
            "name": data_folder.resolve().name,
            "folder": str(data_folder),
            "sequences": len(sequences),
            "frames": sum(len(sequence.frames) for sequence in sequences),
            **_origin(sequences),
        },
        "protocol": protocol,
        "seed": None,  # nothing is drawn at random in a one-pass run
        "speed": SPEED_RULE,
        "versions": records.versions(),
    }


def _origin(sequences: Sequence[data.Sequence]) -> dict[str, str]:
    """Which pixel boxes count from, where it is not 0."""
    if not any(sequence.as_written for sequence in sequences):
        return {}
    return {"origin": "boxes as their files have them, the first pixel being 1, as the toolkits take them"}


def evaluation_page(report: Mapping[str, Any], runs: Mapping[str, object], sections: Sequence[Section]) -> Page:
    """The page of an evaluation.

    Args:
      report: what report.json holds: the circumstances, and a `convention` with its `name` and `rule`.
      runs: record of each tracker's run by its name.
      sections: of the page, but for the last, which says how the runs were made.
    """
    facts = {"Sequences": report["data"]["sequences"], "Frames": report["data"]["frames"],
             "Protocol": report["protocol"], "Convention": report["convention"]["name"], "Made": report["created"]}
    return Page(f"{report['data']['name']}: {len(runs)} tracker{'s' * (len(runs) > 1)}", report["convention"]["rule"],
                facts, [*sections, Section("How these runs were made", made_by(runs))],
                [report["speed"], f"{said(report['versions'])}. All figures are in report.json beside this page."])


def now() -> str:
    """The time of a report."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def said(versions: Mapping[str, str]) -> str:
    """Versions in a row."""
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def plain(value: Any) -> Any:
    """`value` as what strict JSON can hold: no NaN, no NumPy."""
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
