"""report.html of an evaluation of masks, built like that of boxes in `page`."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from siamjax.data import sequences as data
from siamjax.data.images import read_image
from siamjax.errors import SourceError
from siamjax.evaluation.drawing import overlay
from siamjax.evaluation.drawing.painting import tint
from siamjax.evaluation.files import masks as mask_files
from siamjax.evaluation.metrics import davis
from siamjax.evaluation.protocols.base import by_video
from siamjax.evaluation.protocols.video_objects import MaskFigures, MaskTrackerScore, ObjectScore
from siamjax.evaluation.reports import gallery, plots
from siamjax.evaluation.reports.page import cells_of, document, foot, head, title_of

COLUMNS = ("J&F", "J mean", "J recall", "J decay", "F mean", "F recall", "F decay")


def row_of(figures: MaskFigures) -> list[float]:
    """The values of `COLUMNS`."""
    return [figures.j_and_f, figures.j.mean, figures.j.recall, figures.j.decay, figures.f.mean, figures.f.recall,
            figures.f.decay]


def render(report: dict, trackers: Sequence[MaskTrackerScore], sequences: Sequence[data.Sequence],
           output: Path) -> str:
    """The page, as text.

    Args:
      report: what report.json holds.
      trackers: the best first.
      sequences: of the data set, in whatever order.
      output: folder of the evaluation, for the masks of the pictures.
    """
    title = title_of(report, len(trackers))
    return document(title, [
        head(report, title), _overall(trackers), _rotated(trackers, report["convention"]["rotated_rule"]),
        "<h2>By object</h2>", *(_by_object(tracker, is_open=i == 0) for i, tracker in enumerate(trackers)),
        "<h2>Worst frames</h2>",
        *(_worst(tracker, sequences, output, is_open=i == 0) for i, tracker in enumerate(trackers)),
        foot(report, trackers),
    ])


def _overall(trackers: Sequence[MaskTrackerScore]) -> str:
    rows = []
    for index, tracker in enumerate(trackers):
        for kind, figures in tracker.figures.items():
            own = kind == "mask"
            name = f"{plots.swatch(index)}{escape(tracker.name)}" if own else f'<span class="quiet">its {kind}</span>'
            rate = cells_of([tracker.frames_per_second], digits=1)[0] if own else "<td></td>"
            rows.append(f'<tr><th scope="row">{name}</th>{_plain_cells(row_of(figures))}{rate}</tr>')
    return _table("Overall, ranked by J&amp;F; below each tracker what its box gives by itself", "Tracker",
                  [*COLUMNS, "Frames/s"], rows)


def _rotated(trackers: Sequence[MaskTrackerScore], rule: str) -> str:
    """Each tracker's mean, and below it the objects that have rotated boxes, if any."""
    rows = []
    for index, tracker in enumerate(trackers):
        for score in (tracker, *tracker.objects):
            if score.rotated is not None:
                own = score is tracker
                name = (f"{plots.swatch(index)}{escape(score.name)}" if own
                        else f'<span class="quiet">on {escape(score.name)}</span>')
                cells = _plain_cells([score.rotated.polygon, score.rotated.box])
                rows.append(f'<tr><th scope="row">{name}</th>{cells}</tr>')
    return "" if not rows else "<h2>Rotated boxes</h2>" + _table(escape(rule), "Tracker", ["Rotated", "Upright"], rows)


def _by_object(tracker: MaskTrackerScore, *, is_open: bool) -> str:
    rows = []
    for row in tracker.objects:
        if not row.frames:
            continue
        box, ellipse = (row.figures[kind].j.mean for kind in ("filled box", "ellipse"))
        spark = plots.sparkline([row.values], [0], f"J on {row.name}")
        rows.append(f'<tr><th scope="row">{escape(row.name)}</th><td>{row.frames}</td>'
                    f'{_plain_cells([*row_of(row.figures["mask"]), box, ellipse])}'
                    f'<td class="time">{spark}</td></tr>')
    heads = ["Frames", *COLUMNS, "J, box", "J, ellipse", "J over time"]
    caption = "Objects with frames that count; J of the masks, of the filled box and of the ellipse"
    table = _table(caption, "Object", heads, rows)
    return f"<details{' open' * is_open}><summary>{escape(tracker.name)}</summary>{table}</details>"


def _worst(tracker: MaskTrackerScore, sequences: Sequence[data.Sequence], output: Path, *, is_open: bool) -> str:
    """The frame of lowest J of each object, those that went worst first."""
    rows = {row.name: row for row in tracker.objects if row.worst_frame is not None}
    found = [(rows[one.name], objects, number) for objects in by_video(sequences)
             for number, one in enumerate(objects) if one.name in rows]
    found.sort(key=lambda entry: float(np.nanmin(entry[0].values)))
    figures = "".join(_picture(*entry, output / tracker.name) for entry in found[:gallery.MOST_PICTURES])
    return (f"<details{' open' * is_open}><summary>{escape(tracker.name)}</summary>"
            '<p class="quiet">The first frame with the lowest J of each object. The tracker\'s mask is orange; the '
            f'true mask is outlined in white.</p><div class="gallery">{figures}</div></details>')


def _picture(row: ObjectScore, objects: Sequence[data.Sequence], number: int, folder: Path) -> str:
    frame, one = row.worst_frame or 0, objects[number]
    what = f"frame {frame}, J {row.values[frame]:.2f}"
    caption = f"<figcaption><b>{escape(row.name)}</b><span>{what}</span></figcaption>"
    try:
        small, _ = gallery.reduced(read_image(one.frames[frame], among=one.frames))
    except SourceError:
        return f'<figure><p class="quiet">This frame cannot be read.</p>{caption}</figure>'
    canvas = np.array(small)
    tint(canvas, _shrunk(mask_files.read(folder, objects[0], frame) == number + 1, small), overlay.COLOURS[0])
    canvas[davis.boundary(_shrunk(one.mask(frame), small))] = overlay.TRUTH_COLOUR
    return gallery.figure(canvas, f"{row.name}, {what}: the tracker's mask and the true one's outline", caption)


def _shrunk(mask: np.ndarray, like: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(mask).resize(like.shape[1::-1], Image.Resampling.NEAREST))


def _plain_cells(values: Sequence[float]) -> str:
    return "".join(cells_of([value])[0] for value in values)


def _table(caption: str, first: str, heads: Sequence[str], rows: Sequence[str]) -> str:
    kinds = [' class="name time"' if one == "J over time" else "" for one in heads]
    columns = "".join(f'<th scope="col"{kind}>{escape(one)}</th>' for kind, one in zip(kinds, heads))
    return (f'<div class="scroll"><table><caption>{caption}</caption><thead><tr><th scope="col" class="name">{first}'
            f"</th>{columns}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>")
