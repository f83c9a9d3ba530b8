"""One table, four ways of showing it; and parts of pages, whose words cannot become markup."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from markupsafe import Markup

from siamjax.evaluation import Column, Table
from siamjax.evaluation.reports.parts import (
    Code,
    Entry,
    Figure,
    Figures,
    Folded,
    Gallery,
    Page,
    Picture,
    Section,
    Sheet,
    Text,
    below,
    named,
)
from siamjax.evaluation.reports.table import Rich

NAN = float("nan")
TABLE = Table([Column("tracker", kind="name"), Column("frames"), Column("AUC", "of the curve", compared=True, bar=True),
               Column("over time", kind="picture")],
              [[named(0, "a|b"), 12, 0.25, Rich("", Markup("<svg></svg>"))], [below("its box"), 3, NAN, ""],
               ["c", 4, 0.75, ""]], "what", best="column")


def test_as_text_names_are_at_the_left_and_figures_at_the_right():
    assert str(TABLE).splitlines() == [
        "tracker    frames    AUC", "---------  ------  -----", "a|b            12  0.250", "  its box       3      -",
        "c               4  0.750"]


def test_as_markdown():
    assert TABLE.to_markdown().splitlines() == [
        "| tracker | frames | AUC |", "| --- | ---: | ---: |", r"| a\|b | 12 | 0.250 |", "|   its box | 3 | - |",
        "| c | 4 | 0.750 |"]


def test_as_comma_separated_values_with_all_digits():
    rows = list(csv.reader(io.StringIO(Table([Column("a", kind="name"), Column("b")], [["x, y", 1 / 3], ["z", NAN]]
                                             ).to_csv())))
    assert rows == [["a", "b"], ["x, y", repr(1 / 3)], ["z", ""]]


def test_as_html_with_marks_bars_and_pictures():
    page = TABLE.to_html()
    assert '<abbr title="of the curve">AUC</abbr>' in page
    assert '<td class="best bar" style="--share:75.0%">0.750</td>' in page
    assert '<td class="bar" style="--share:25.0%">0.250</td>' in page
    assert '<td class="">–</td>' in page
    assert '<td class="time"><svg></svg></td>' in page
    assert page.count('<th scope="row">') == 3


@pytest.mark.parametrize(("best", "marked"), [(None, []), ("column", ["5", "4"]), ("row", ["2", "5"])])
def test_the_best_is_marked_among_a_column_or_a_row(best, marked):
    table = Table([Column("n", kind="name"), Column("x", compared=True), Column("y", compared=True), Column("z")],
                  [["a", 1, 2, 9], ["b", 5, 4, 9]], best=best)
    assert [cell.shown for row in table.cells() for cell in row if cell.best] == marked


def test_a_figure_alone_is_not_marked():
    table = Table([Column("x", compared=True)], [[1.0]], best="column")
    assert not table.cells()[0][0].best


BAD = '<i>&"x'


@pytest.mark.parametrize("part", [
    Text(BAD), Code(BAD), Table([Column(BAD, BAD, kind="name")], [[BAD]], BAD), Table([Column("x")], [[named(1, BAD)]]),
    Table([Column("x")], [[below(BAD)]]), Figures([Figure(BAD, BAD, Markup(), [Entry(0, BAD, BAD)])]),
    Gallery([Picture(BAD, BAD, BAD, "data:x"), Picture(BAD, BAD, BAD, "")]), Sheet("data:x", BAD),
    Folded(BAD, [Text(BAD)])], ids=lambda part: type(part).__name__)
def test_words_stay_words_in_every_part(part):
    page = Page(BAD, BAD, {BAD: BAD}, [Section(BAD, [part])], [BAD]).to_html()
    assert "<i>" not in page
    assert page.count("&lt;i&gt;&amp;&#34;x") >= 7


def test_a_table_takes_numbers_of_numpy():
    table = Table([Column("x")], [[np.float64(0.5)], [np.int64(3)]])
    assert str(table).split() == ["x", "-----", "0.500", "3"]
