"""A table, once: for pages, terminals, Markdown and spreadsheets."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from collections.abc import Sequence
from numbers import Integral
from typing import Literal

from markupsafe import Markup

from siamjax.evaluation.reports import templates


@dataclasses.dataclass(frozen=True)
class Rich:
    """A value that a page shows in another way than text does.

    Attributes:
      text: of terminals, Markdown and spreadsheets.
      html: of pages.
    """

    text: str
    html: Markup


Value = float | int | str | Rich


@dataclasses.dataclass(frozen=True)
class Column:
    """What stands in a column.

    Attributes:
      head: its heading.
      about: the heading at more length, shown by pages when it is pointed at.
      kind: "name" for the heads of rows, at the left; "figure", at the right; "picture", which only pages show.
      digits: after the point, of figures that are no whole numbers.
      compared: whether its figures take part in the marks of the table.
      bar: whether pages draw a bar under each figure, which is a share of 1.
    """

    head: str | Rich
    about: str = ""
    kind: Literal["name", "figure", "picture"] = "figure"
    digits: int = 3
    compared: bool = False
    bar: bool = False

    @property
    def shown(self) -> str | Markup:
        """Its heading on a page."""
        return self.head.html if isinstance(self.head, Rich) else self.head


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell of a page: what it shows, and how.

    Attributes:
      shown: text, or markup.
      kind: of its column.
      best: whether it is marked.
      share: length of its bar, per cent; None for no bar.
    """

    shown: str | Markup
    kind: str
    best: bool = False
    share: float | None = None

    @property
    def classes(self) -> str:
        """Of its style."""
        return " ".join(["best"] * self.best + ["bar"] * (self.share is not None))


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of values under their columns.

    Attributes:
      columns: what stands in them.
      rows: as many values each as there are columns; a figure that is not finite does not exist.
      caption: of the page's table, markup where it is `Markup`.
      best: what the highest of the figures compared is marked among, where there are several: those of its "column",
        or those of its "row".
    """

    macro = "table"

    columns: Sequence[Column]
    rows: Sequence[Sequence[Value]]
    caption: str = ""
    best: Literal["column", "row"] | None = None

    def __str__(self) -> str:
        """Lines of text, names to the left and figures to the right."""
        columns, lines = self._texts("-")
        widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
        lines.insert(1, ["-" * width for width in widths])
        return "\n".join("  ".join(
            text.ljust(width) if column.kind == "name" else text.rjust(width)
            for column, text, width in zip(columns, line, widths)) for line in lines)

    def to_markdown(self) -> str:
        """A table of GitHub's Markdown."""
        columns, lines = self._texts("-")
        lines = [[text.replace("|", r"\|") for text in line] for line in lines]
        lines.insert(1, ["---" if column.kind == "name" else "---:" for column in columns])
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def to_csv(self) -> str:
        """Comma-separated values with all digits; what does not exist is empty."""
        chosen = [place for place, column in enumerate(self.columns) if column.kind != "picture"]
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([_plain(self.columns[place].head) for place in chosen])
        for row in self.rows:
            values = (row[place] for place in chosen)
            writer.writerow(["" if _is_missing(value) else _plain(value).strip() if isinstance(value, (str, Rich))
                             else value for value in values])
        return file.getvalue()

    def to_html(self) -> Markup:
        """The table of a page."""
        return templates.part(self)

    def cells(self) -> list[list[Cell]]:
        """Of each row, for pages."""
        return [[self._cell(column, value, row, place) for place, (column, value) in enumerate(zip(self.columns, row))]
                for row in self.rows]

    def _cell(self, column: Column, value: Value, row: Sequence[Value], place: int) -> Cell:
        if isinstance(value, (str, Rich)):
            return Cell(value.html if isinstance(value, Rich) else value, column.kind)
        bar = column.bar and math.isfinite(value)
        return Cell(_figure(value, column.digits, "–"), column.kind, best=self._is_best(column, value, row, place),
                    share=min(100 * value, 100.0) if bar else None)

    def _is_best(self, column: Column, value: float, row: Sequence[Value], place: int) -> bool:
        if self.best is None or not column.compared:
            return False
        among = ([other[place] for other in self.rows] if self.best == "column"
                 else [other for each, other in zip(self.columns, row) if each.compared])
        known = [other for other in among if not isinstance(other, (str, Rich)) and math.isfinite(other)]
        return len(among) > 1 and bool(known) and value == max(known)

    def _texts(self, missing: str) -> tuple[list[Column], list[list[str]]]:
        """The columns that text shows, and its lines, the first being the heads."""
        chosen = [place for place, column in enumerate(self.columns) if column.kind != "picture"]
        columns = [self.columns[place] for place in chosen]
        return columns, [[_plain(column.head) for column in columns], *(
            [_plain(row[place]) if isinstance(row[place], (str, Rich))
             else _figure(row[place], self.columns[place].digits, missing) for place in chosen] for row in self.rows)]


def _plain(value: Value) -> str:
    return value.text if isinstance(value, Rich) else str(value)


def _is_missing(value: Value) -> bool:
    return not isinstance(value, (str, Rich)) and not math.isfinite(value)


def _figure(value: Value, digits: int, missing: str) -> str:
    if _is_missing(value):
        return missing
    return str(value) if isinstance(value, Integral) else f"{value:.{digits}f}"
