"""report.html: one page that needs nothing else, legible on light and on dark, without a script."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from html import escape
from importlib import resources
from typing import Protocol

import numpy as np

from siamjax.data import sequences as data
from siamjax.evaluation.protocols.one_pass import SequenceScore, TrackerScore
from siamjax.evaluation.reports import plots
from siamjax.evaluation.reports.gallery import worst_frames
from siamjax.ops import metrics
from siamjax.ops.metrics import Convention

COLUMNS = (
    ("auc", "AUC", "Mean of the success curve"),
    ("precision", "Precision", "Share of frames with a centre error of at most 20 px"),
    ("normalised_precision", "Norm. precision", "Precision with the error in units of the target's size"),
    ("mean_overlap", "Mean overlap", "Average overlap over the frames that count (AO)"),
    ("success_50", "SR 0.5", "Share of frames with an overlap above 0.5"),
    ("success_75", "SR 0.75", "Share of frames with an overlap above 0.75"),
)


def render(
    report: dict, trackers: Sequence[TrackerScore], sequences: Sequence[data.Sequence], convention: Convention
) -> str:
    """The page, as text.

    Args:
      report: what report.json holds; the head and foot are made of it.
      trackers: the best first.
      sequences: of the data set, in the order of the trackers' rows.
      convention: that the figures follow.
    """
    title = title_of(report, len(trackers))
    body = [
        head(report, title),
        _overall(trackers),
        _curves(trackers, convention),
        _by_sequence(trackers, convention),
        "<h2>Worst frames</h2>",
        *(worst_frames(tracker, sequences, is_open=i == 0) for i, tracker in enumerate(trackers)),
        foot(report, trackers),
    ]
    return document(title, body)


def title_of(report: dict, trackers: int) -> str:
    """Of the page on so many trackers."""
    return f"{report['data']['name']}: {trackers} tracker{'s' * (trackers > 1)}"


def document(title: str, body: Sequence[str]) -> str:
    """A whole page of these parts."""
    style = (resources.files("siamjax") / "assets" / "report.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        # The page may load nothing, from nowhere, and run nothing: pictures and styles are inside it.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head>\n<body><main>\n"
        + "\n".join(body)
        + "\n</main></body></html>\n"
    )


def head(report: dict, title: str) -> str:
    """Title, rule and facts."""
    facts = {
        "Sequences": report["data"]["sequences"],
        "Frames": report["data"]["frames"],
        "Protocol": report["protocol"],
        "Convention": report["convention"]["name"],
        "Made": report["created"],
    }
    rows = "".join(f"<div><dt>{key}</dt><dd>{escape(str(value))}</dd></div>" for key, value in facts.items())
    rule = escape(report["convention"]["rule"])
    return f'<h1>{escape(title)}</h1><p class="quiet">{rule}</p><dl class="facts">{rows}</dl>'


def _overall(trackers: Sequence[TrackerScore]) -> str:
    columns = [cells_of([getattr(tracker.figures, key) for tracker in trackers]) for key, _, _ in COLUMNS]
    columns.append(cells_of([tracker.frames_per_second for tracker in trackers], digits=1))
    rows = [
        f'<tr><td>{rank}</td><th scope="row">{plots.swatch(rank - 1)}{escape(tracker.name)}</th>'
        f"{''.join(cells)}</tr>"
        for rank, (tracker, *cells) in enumerate(zip(trackers, *columns), 1)
    ]
    return (
        '<h2>Overall</h2><div class="scroll"><table><caption>Ranked by AUC; a dot marks the best of a column.'
        f'</caption><thead><tr><th scope="col">Rank</th><th scope="col" class="name">Tracker</th>{_heads()}'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _heads() -> str:
    heads = [f'<th scope="col"><abbr title="{about}">{label}</abbr></th>' for _, label, about in COLUMNS]
    return "".join(heads) + '<th scope="col">Frames/s</th>'


def _curves(trackers: Sequence[TrackerScore], convention: Convention) -> str:
    normalised = "mean of the curve" if convention.normalised_score == "mean" else "at 0.2"
    panels = (
        ("Success", "success", np.asarray(convention.thresholds), "overlap threshold", "auc", "AUC"),
        ("Precision", "precision", metrics.ERROR_THRESHOLDS, "centre error, px", "precision", "at 20 px"),
        ("Normalised precision", "normalised_precision", metrics.NORMALISED_THRESHOLDS,
         "centre error / target size", "normalised_precision", normalised),
    )  # fmt: skip
    figures = []
    for title, field, thresholds, x_label, key, unit in panels:
        figures_of = [(getattr(tracker.figures, key), tracker.name) for tracker in trackers]
        order = sorted(range(len(trackers)), key=lambda i: -figures_of[i][0])
        curves = [plots.Curve(i, thresholds, getattr(trackers[i].score, field)) for i in order]
        said = "; ".join(f"{figures_of[i][1]} {figures_of[i][0]:.3f}" for i in order)
        legend = "".join(
            f"<li>{plots.swatch(i)}<span>{escape(figures_of[i][1])}</span>"
            f"<span>{_number(figures_of[i][0])}</span></li>"
            for i in order
        )
        plot = plots.line_plot(title, f"{unit}: {said}", x_label, "share of frames", curves)
        figures.append(
            f'<figure><figcaption><b>{title}</b><span class="quiet">{unit} in the legend</span></figcaption>'
            f"{plot}<ul>{legend}</ul></figure>"
        )
    return f'<h2>Curves</h2><div class="plots">{"".join(figures)}</div>'


def _by_sequence(trackers: Sequence[TrackerScore], convention: Convention) -> str:
    """All figures of the only tracker; or AUC, then precision, of several side by side."""
    rows = list(zip(*(tracker.sequences for tracker in trackers)))
    sparks = [
        plots.sparkline([entry.overlaps for entry in row], range(len(row)), f"overlaps on {row[0].name}")
        for row in rows
    ]
    over_time = [f'<td class="time">{spark}</td>' for spark in sparks]
    over_time_head = '<th scope="col" class="name time">Overlap over time</th>'
    if len(trackers) == 1:
        cells = [
            [*(cells_of([getattr(row.figures, key)], bar=True)[0] for key, _, _ in COLUMNS),
             *cells_of([row.frames_per_second], digits=1), spark]
            for (row,), spark in zip(rows, over_time)
        ]  # fmt: skip
        tables = [_sequence_table(rows, cells, _heads() + over_time_head, "All figures")]
    else:
        names = [escape(tracker.name) for tracker in trackers]
        heads = "".join(f'<th scope="col">{plots.swatch(i)}{name}</th>' for i, name in enumerate(names))
        auc, precision = (
            [cells_of([getattr(entry.figures, key) for entry in row], bar=True) for row in rows]
            for key in ("auc", "precision")
        )
        cells = [[*row, spark] for row, spark in zip(auc, over_time)]
        tables = [
            _sequence_table(rows, cells, heads + over_time_head, "AUC: mean of the success curve"),
            _sequence_table(rows, precision, heads, "Precision: share of frames within 20 px"),
        ]
    said = (
        f"Frames are those that count under the convention '{convention.name}'. Overlap (0 to 1) over time "
        "has gaps where the target is absent."
    )
    return f'<h2>By sequence</h2><p class="quiet">{said}</p>{"".join(tables)}'


def _sequence_table(
    rows: Sequence[Sequence[SequenceScore]], cells: Sequence[Sequence[str]], heads: str, caption: str
) -> str:
    body = "".join(
        f'<tr><th scope="row">{escape(row[0].name)}</th><td>{row[0].score.frames}</td>{"".join(own)}</tr>'
        for row, own in zip(rows, cells)
    )
    return (
        f'<div class="scroll"><table><caption>{caption}</caption><thead><tr>'
        f'<th scope="col" class="name">Sequence</th><th scope="col">Frames</th>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


class Recorded(Protocol):
    """A tracker's name, and what its run was made with."""

    @property
    def name(self) -> str: ...

    @property
    def record(self) -> dict[str, object]: ...


def foot(report: dict, trackers: Sequence[Recorded]) -> str:
    """How the runs were made."""
    records = "".join(
        f"<details><summary>{escape(tracker.name)}</summary>"
        f"<pre>{escape(json.dumps(tracker.record, indent=2))}</pre></details>"
        for tracker in trackers
    )
    versions = ", ".join(f"{name} {number}" for name, number in report["versions"].items())
    return (
        f"<h2>How these runs were made</h2>{records}<footer><p>{escape(report['speed'])}</p>"
        f"<p>{escape(versions)}. All figures are in report.json beside this page.</p></footer>"
    )


def cells_of(values: Sequence[float], *, digits: int = 3, bar: bool = False) -> list[str]:
    """Table cells of one figure of several trackers, the best marked (not a figure that stands alone)."""
    known = [value for value in values if math.isfinite(value)]
    best = max(known) if len(values) > 1 and known else None
    cells = []
    for value in values:
        kinds = ["best"] * (value == best) + ["bar"] * (bar and math.isfinite(value))
        share = f' style="--share:{min(100 * value, 100):.1f}%"' if "bar" in kinds else ""
        cells.append(f'<td class="{" ".join(kinds)}"{share}>{_number(value, digits)}</td>')
    return cells


def _number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"
