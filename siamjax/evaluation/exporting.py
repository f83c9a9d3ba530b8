"""Tracks out, in the forms that annotation programs take: CVAT for video, MOT, COCO, CSV."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Sequence as Listing
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import numpy as np

from siamjax.data.readers import Choice, Reader, open_data
from siamjax.data.readers.prepared import originals_needed
from siamjax.data.sequences import Sequence
from siamjax.data.text import read_text
from siamjax.data.video import open_source
from siamjax.errors import DataError
from siamjax.outputs import folder_for, safe_name, write_text

Form = Literal["cvat", "mot", "coco", "csv"]
TABLE, NOTE = "tracks.csv", "source.txt"  # of `siamjax track`
LABEL = "object"  # of what has no category


@dataclasses.dataclass(frozen=True)
class Clip:
    """The tracks of one video.

    Attributes:
      name: of its files.
      size: `(height, width)` px.
      frames: names of its images, one a frame.
      boxes: of each track, `[T, 4]` `xywh`, frame pixels from 0; NaN where it is not seen.
      labels: of each track.
    """

    name: str
    size: tuple[int, int]
    frames: Listing[str]
    boxes: Listing[np.ndarray]
    labels: Listing[str]


def export(source: str | Path, output: str | Path, form: Form = "cvat", *, reader: Reader | Choice | None = None
           ) -> list[Path]:
    """Writes tracks for an annotator to correct, or for other programs.

    Frames in which a tracker has lost its target are written as such: outside in CVAT, left out elsewhere.

    Args:
      source: a folder that `siamjax track` wrote, or a data set.
      output: folder for the files: `NAME/annotations.xml` (cvat), `NAME/gt/gt.txt` and `labels.txt` (mot; frames and
        pixels from 1), `NAME.csv` (csv; frames from 0), or `annotations.json` (coco, with `videos`).
      reader: of a data set, see `open_data`.
    Returns:
      The files.
    Raises:
      DataError, SourceError: nothing that can be read.
      OutputError: a file that cannot be written.
    """
    source = Path(source)
    clips = [_tracked(source)] if (source / TABLE).is_file() else _annotated(source, reader)
    names = [clip.name for clip in clips]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DataError(f"two videos would have the name {twice}", str(source), "rename one")
    texts: dict[str, str] = {}
    for clip in clips:
        if form == "cvat":
            texts[f"{clip.name}/annotations.xml"] = _cvat(clip)
        elif form == "mot":
            texts |= {f"{clip.name}/gt/{name}": text for name, text in _mot(clip).items()}
        elif form == "csv":
            texts[f"{clip.name}.csv"] = _csv(clip)
    if form == "coco":
        texts["annotations.json"] = _coco(clips)
    with folder_for(output) as folder:
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_text(folder / name, text)
    return [Path(output) / name for name in texts]


def _tracked(folder: Path) -> Clip:
    """What `siamjax track` left in its folder."""
    path = folder / TABLE
    try:
        rows = list(csv.DictReader(io.StringIO(read_text(path))))
        count, targets = 1 + max(int(row["frame"]) for row in rows), 1 + max(int(row["target"]) for row in rows)
        boxes = np.full((targets, count, 4), np.nan, np.float32)
        for row in rows:
            if row["lost"] == "0" and row["valid"] == "1":
                boxes[int(row["target"]), int(row["frame"])] = [float(row[key]) for key in "xywh"]
    except (ValueError, KeyError, TypeError, IndexError, MemoryError) as error:
        raise DataError("the table is not as siamjax track writes it", str(path), "run siamjax track again") from error
    note = folder / NOTE
    if not note.is_file():
        raise DataError("nothing says which video the tracks are of", str(note), "write the path of the video into it")
    video = Path(read_text(note).strip())
    with open_source(video) as frames:
        size = frames.size
    images = sorted(path.name for path in video.iterdir()) if video.is_dir() else []
    names = images if len(images) == count else [f"{number:06d}.png" for number in range(count)]
    name = safe_name(folder.resolve().name, str(folder))
    return Clip(name, size, names, list(boxes), [LABEL] * targets)


def _annotated(folder: Path, reader: Reader | Choice | None) -> list[Clip]:
    groups: dict[str, list[Sequence]] = {}
    for track in open_data(folder, reader):
        if not isinstance(track, Sequence):
            raise originals_needed(folder)
        groups.setdefault(track.group, []).append(track)
    return [Clip(safe_name(group.replace("/", "_"), str(folder)), tracks[0].size,
                 [path.name for path in tracks[0].frames], [one.boxes for one in tracks],
                 [one.category or LABEL for one in tracks]) for group, tracks in groups.items()]


def _cvat(clip: Clip) -> str:
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    task = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    ElementTree.SubElement(task, "name").text = clip.name
    ElementTree.SubElement(task, "size").text = str(len(clip.frames))
    labels = ElementTree.SubElement(task, "labels")
    for label in dict.fromkeys(clip.labels):
        ElementTree.SubElement(ElementTree.SubElement(labels, "label"), "name").text = label
    size = ElementTree.SubElement(task, "original_size")
    for side, value in (("width", clip.size[1]), ("height", clip.size[0])):
        ElementTree.SubElement(size, side).text = str(value)
    for number, (boxes, label) in enumerate(zip(clip.boxes, clip.labels)):
        track = ElementTree.SubElement(root, "track", id=str(number), label=label, source="file")
        last = np.array([0.0, 0, 1, 1])
        for frame, box in enumerate(boxes):
            is_seen = bool(np.isfinite(box).all())
            last = box.astype(float) if is_seen else last
            corners = dict(zip(("xtl", "ytl", "xbr", "ybr"), (f"{one:.4f}" for one in (*last[:2], *last[:2] + last[2:])
                                                              )))
            ElementTree.SubElement(track, "box", frame=str(frame), outside=str(int(not is_seen)), occluded="0",
                                   keyframe="1", **corners, z_order="0")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _mot(clip: Clip) -> dict[str, str]:
    labels = list(dict.fromkeys(clip.labels))
    rows = [(frame, f"{frame + 1},{number + 1},{x + 1:.4f},{y + 1:.4f},{w:.4f},{h:.4f},1,{labels.index(label) + 1},1\n")
            for number, (boxes, label) in enumerate(zip(clip.boxes, clip.labels))
            for frame, (x, y, w, h) in enumerate(boxes.tolist()) if np.isfinite([x, y, w, h]).all()]
    return {"gt.txt": "".join(row for _, row in sorted(rows, key=lambda one: one[0])),
            "labels.txt": "".join(f"{label}\n" for label in labels)}


def _csv(clip: Clip) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["frame", "x", "y", "w", "h", "target", "category"])
    for number, (boxes, label) in enumerate(zip(clip.boxes, clip.labels)):
        writer.writerows([frame, *(f"{one:.4f}" for one in box), number, label]
                         for frame, box in enumerate(boxes.tolist()))
    return file.getvalue()


def _coco(clips: Listing[Clip]) -> str:
    labels = list(dict.fromkeys(label for clip in clips for label in clip.labels))
    found: dict[str, list[dict]] = {"videos": [], "images": [], "annotations": [],
                                    "categories": [{"id": 1 + place, "name": name} for place, name in
                                                   enumerate(labels)]}
    track = 0
    for video, clip in enumerate(clips, start=1):
        found["videos"].append({"id": video, "name": clip.name})
        first = len(found["images"]) + 1
        found["images"] += [{"id": first + frame, "video_id": video, "frame_id": frame, "height": clip.size[0],
                             "width": clip.size[1], "file_name": f"{clip.name}/{name}"}
                            for frame, name in enumerate(clip.frames)]
        for boxes, label in zip(clip.boxes, clip.labels):
            track += 1
            for frame, box in enumerate(boxes.astype(float).round(4).tolist()):
                if np.isfinite(box).all():
                    found["annotations"].append({
                        "id": len(found["annotations"]) + 1, "image_id": first + frame, "video_id": video,
                        "track_id": track, "category_id": labels.index(label) + 1, "bbox": box,
                        "area": round(box[2] * box[3], 4), "iscrowd": 0})
    return json.dumps(found) + "\n"
