"""What a data set holds, before anything is trained on it: counts, distributions, pictures, and what is left out."""

from __future__ import annotations

import dataclasses
import json
import warnings
from collections.abc import Sequence as Listing
from pathlib import Path
from typing import Any

import numpy as np

from siamjax.data.pools import in_frame
from siamjax.data.readers import Choice, Reader, open_data
from siamjax.data.sequences import MaskedTrack, Track
from siamjax.errors import DataError, SourceError
from siamjax.evaluation.drawing.annotators import Answer, Box, Mask, annotate
from siamjax.evaluation.drawing.sheets import contact_sheet
from siamjax.evaluation.reports.parts import Page, Section, Sheet, Text, jpeg
from siamjax.evaluation.reports.table import Column, Table
from siamjax.outputs import folder_for, write_text

PICTURES, LISTED = 12, 200  # on the sheet; in the table of what is left out
EDGES = {"target size": (0, 8, 16, 32, 64, 128, 256, 512, np.inf), "aspect": (0, 0.25, 0.5, 0.8, 1.25, 2, 4, np.inf),
         "motion": (0, 0.02, 0.05, 0.1, 0.2, 0.5, 1, np.inf), "length": (1, 2, 10, 30, 100, 300, 1000, 3000, np.inf)}
UNITS = {"target size": "square root of the area, px", "aspect": "width by height",
         "motion": "of the centre from frame to frame, in target sizes", "length": "frames of a track"}


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What was found.

    Attributes:
      facts: as in report.json.
      page: the HTML page.
    """

    facts: dict[str, Any]
    page: Path


def inspect(data: str | Path, output: str | Path, *, reader: Reader | Choice | None = None) -> Inspection:
    """Writes `report.json` and `report.html` on a data set; a few frames are decoded, for the pictures.

    Args:
      data: folder, as `open_data` takes it.
      output: folder for the two files.
      reader: see `open_data`.
    Raises:
      DataError: nothing that can be read.
      OutputError: the files cannot be written.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*siamjax inspect lists them")
        tracks = open_data(data, reader)
    faults = [fault._asdict() for fault in getattr(tracks, "faults", ())]
    facts = describe(tracks) | {"data": str(data), "layout": getattr(tracks, "layout", ""), "left_out": faults}
    sheet, unread = _sheet(tracks)
    facts["unreadable"] = unread
    page = _page(facts, sheet)
    with folder_for(output) as folder:
        write_text(folder / "report.json", json.dumps(facts, indent=1) + "\n")
        write_text(folder / "report.html", page.to_html())
    return Inspection(facts, Path(output) / "report.html")


def describe(tracks: Listing[Track]) -> dict[str, Any]:
    """Counts and distributions of tracks; boxes are in frame pixels."""
    present = absent = masked = 0
    values: dict[str, list[np.ndarray]] = {name: [] for name in EDGES}
    sizes: dict[str, int] = {}
    categories: dict[str, int] = {}
    for track in tracks:
        boxes, (height, width) = in_frame(track)
        boxes = boxes.astype(np.float64)
        is_there = np.isfinite(boxes).all(1)
        present, absent = present + int(is_there.sum()), absent + int((~is_there).sum())
        masked += int(track.masked.sum()) if isinstance(track, MaskedTrack) else 0
        side = np.sqrt(np.maximum(boxes[:, 2] * boxes[:, 3], 1e-9))
        centre = boxes[:, :2] + boxes[:, 2:] / 2
        step = np.linalg.norm(np.diff(centre, axis=0), axis=1) / side[:-1]
        values["target size"].append(side[is_there])
        values["aspect"].append(boxes[is_there, 2] / np.maximum(boxes[is_there, 3], 1e-9))
        values["motion"].append(step[np.isfinite(step)])
        values["length"].append(np.array([len(boxes)]))
        sizes[f"{width}x{height}"] = sizes.get(f"{width}x{height}", 0) + 1
        if track.category:
            categories[track.category] = categories.get(track.category, 0) + 1
    found = {name: np.concatenate(parts) if parts else np.zeros(0) for name, parts in values.items()}
    return {"tracks": len(tracks), "videos": len({track.group for track in tracks}), "boxes": present,
            "absent": absent, "share_absent": absent / max(1, present + absent), "masks": masked,
            "frame_sizes": dict(sorted(sizes.items(), key=lambda one: -one[1])),
            "categories": dict(sorted(categories.items(), key=lambda one: -one[1])),
            "histograms": {name: {"edges": [one if np.isfinite(one) else None for one in EDGES[name]],
                                  "counts": np.histogram(found[name], EDGES[name])[0].tolist(),
                                  "median": float(np.median(found[name])) if len(found[name]) else None}
                           for name in EDGES}}


def _sheet(tracks: Listing[Track]) -> tuple[np.ndarray | None, list[dict[str, str]]]:
    """A frame of some tracks with box and mask, and those frames that cannot be read."""
    pictures, labels, unread = [], [], []
    for number in np.unique(np.linspace(0, len(tracks) - 1, PICTURES).astype(int)).tolist():
        track = tracks[number]
        there = np.flatnonzero(np.isfinite(track.boxes).all(1))
        if not len(there):
            continue
        frame = int(there[len(there) // 2])
        try:
            pixels = track.read(frame)
            mask = track.mask(frame) if isinstance(track, MaskedTrack) and track.masked[frame] else None
        except (SourceError, DataError) as error:
            unread.append({"where": error.where, "what": error.what})
            continue
        pictures.append(annotate(pixels, [Answer(track.boxes[frame], mask=mask)], [Mask(), Box()]))
        labels.append(f"{track.name}, {frame + 1}")
    return (contact_sheet(pictures, labels) if pictures else None), unread


def _page(facts: dict[str, Any], sheet: np.ndarray | None) -> Page:
    counts = {name: facts[name] for name in ("tracks", "videos", "boxes", "absent", "masks")}
    counts |= {"left out": len(facts["left_out"]), "share absent": f"{100 * facts['share_absent']:.1f} %"}
    sections = [Section("Pictures", [Sheet(jpeg(sheet), "Frames of some tracks with their boxes and masks.")])
                ] if sheet is not None else []
    faults = [(one["name"], one["what"], one["where"], one["do"]) for one in facts["left_out"][:LISTED]]
    faults += [("", one["what"], one["where"], "replace or remove the file") for one in facts["unreadable"]]
    if faults:
        heads = [Column(head, kind="name") for head in ("sequence", "what", "where", "what to do")]
        sections.insert(0, Section("Left out", [Table(heads, faults)]))
    for name, histogram in facts["histograms"].items():
        total = max(1, sum(histogram["counts"]))
        edges = histogram["edges"]
        rows = [(f"{low:g} and more" if high is None else f"{low:g} to {high:g}", count, count / total)
                for low, high, count in zip(edges, edges[1:], histogram["counts"])]
        sections.append(Section(name.capitalize(), [Text(UNITS[name]), Table(
            [Column(name, kind="name"), Column("number"), Column("share", bar=True)], rows)]))
    for key, head in (("frame_sizes", "Frame sizes"), ("categories", "Categories")):
        if facts[key]:
            sections.append(Section(head, [Table([Column(head, kind="name"), Column("tracks")],
                                                 list(facts[key].items())[:LISTED])]))
    return Page(f"Data set {Path(facts['data']).resolve().name}", f"layout: {facts['layout'] or 'prepared'}", counts,
                sections, ["made by siamjax inspect"])
