"""Label Studio's JSON: rectangles of videos and of images, in percent of the frame."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from siamjax.data.frame_list import FrameList
from siamjax.data.images import image_size
from siamjax.data.listing import files_named
from siamjax.data.readers.layouts import Entry, Layout, Splits, frames_of
from siamjax.data.readers.objects import between_keys, has_images, tracks_of
from siamjax.data.sequences import WHEN_ASKED, Sequence
from siamjax.data.text import head_of, read_json
from siamjax.errors import DataError

DO = "export the project as JSON (not JSON-MIN)"
LARGEST = 1 << 28  # bytes


def find(root: Path) -> Splits | None:
    """Tasks of the files of a folder, by the names of their videos."""
    if not root.is_dir():
        return None
    entries = []
    for path in files_named(root, "*.json"):
        if _begins_as_list(path):
            entries += [Entry(_name(source), functools.partial(_read, path, task, source), (path, root))
                        for task, source in _tasks(read_json(path, do=DO))]
    return {"": entries} if entries else None


def _begins_as_list(path: Path) -> bool:
    return head_of(path).lstrip(b"\xef\xbb\xbf\xff\xfe \r\n\t\0").startswith(b"[") and path.stat().st_size <= LARGEST


def _tasks(document: Any) -> Iterator[tuple[dict, str]]:
    """Tasks with results, and the address of the video or image of each."""
    for task in document if isinstance(document, list) else ():
        data = task.get("data") if isinstance(task, dict) else None
        source = next((value for key in ("video", "video_url", "image", "img") for value in [data.get(key)]
                       if isinstance(value, str)), None) if isinstance(data, dict) else None
        if source and isinstance(task.get("annotations"), list):
            yield task, source


def _name(source: str) -> str:
    return Path(unquote(source.rsplit("?d=", 1)[-1].split("?", 1)[0])).stem or "video"


def _read(path: Path, task: dict, source: str) -> list[Sequence]:
    where = f"{path}, task {task.get('id')}"
    results = [one for answer in task["annotations"] if isinstance(answer, dict) and not answer.get("was_cancelled")
               for one in answer.get("result") or () if isinstance(one, dict)]
    pictures = [one for one in results if one.get("type") == "rectanglelabels"]
    name = _name(source)
    if pictures:
        return _image(path.parent, source, name, pictures, where)
    frames = frames_of(_folder(path.parent, name, where))
    height, width = image_size(frames[0])
    objects, categories, known = {}, {}, {}
    for number, one in enumerate(result for result in results if result.get("type") == "videorectangle"):
        value = _value(one)
        keys = _keys(value.get("sequence"), (width, height), len(frames), where)
        target = str(number + 1)
        objects[target], said = between_keys(keys, len(frames))
        categories[target] = _label(value)
        if not said.all():
            known[target] = said
    tracks = tracks_of(name, frames, objects, categories, known=known)
    if not tracks:
        raise DataError("the task has no rectangle", where, DO)
    return tracks


def _keys(sequence: Any, size: tuple[int, int], count: int, where: str) -> dict[int, np.ndarray | None]:
    """Boxes that are written, by the number of the frame from 0; what ends a span of life is followed by an absence."""
    found: dict[int, np.ndarray | None] = {}
    if not isinstance(sequence, list):
        raise DataError("a video rectangle without its sequence", where, DO)
    for key in sequence:
        frame = key.get("frame") if isinstance(key, dict) else None
        if not isinstance(frame, int) or isinstance(frame, bool) or not 1 <= frame <= count:
            raise DataError(f"frame {str(frame)[:20]} of a video with {count} images", where, "give all images")
        found[frame - 1] = _box(key, size, f"{where}, frame {frame}")
        if key.get("enabled") is False and frame < count:
            found.setdefault(frame, None)
    return found


def _box(value: dict, size: tuple[int, int], where: str) -> np.ndarray:
    numbers = [value.get(key) for key in ("x", "y", "width", "height")]
    if not all(isinstance(one, int | float) and abs(one) <= 1000 for one in numbers):
        raise DataError("a rectangle without x, y, width and height in percent", where, DO)
    x, y, w, h = (float(one) / 100 for one in numbers if one is not None)
    box = np.array([x * size[0], y * size[1], w * size[0], h * size[1]], np.float32)
    return box if box[2:].min() > 0 else np.full(4, math.nan, np.float32)


def _value(result: dict) -> dict:
    value = result.get("value")
    return value if isinstance(value, dict) else {}


def _label(value: dict) -> str:
    labels = next((value[key] for key in ("labels", "rectanglelabels") if isinstance(value.get(key), list)), [])
    return str(labels[0]) if labels else ""


def _folder(home: Path, name: str, where: str) -> Path:
    # An upload is called `d3adb33f-name`.
    for folder in (home / name, home / name.partition("-")[2], home / "images", home / "img", home):
        for inside in (folder / "img", folder):
            if inside.is_dir() and has_images(inside):
                return inside
    raise DataError(f"the images of the video {name} are not there", where, f"put them into {name}/ beside the file: "
                    "ffmpeg -i VIDEO -start_number 0 FOLDER/%06d.png")


def _image(home: Path, source: str, name: str, results: list[dict], where: str) -> list[Sequence]:
    """The rectangles of one image, each a track of one frame."""
    file = Path(unquote(source.rsplit("?d=", 1)[-1].split("?", 1)[0])).name
    image = next((one for one in (home / file, home / "images" / file, home / file.partition("-")[2],
                                  home / "images" / file.partition("-")[2]) if one.is_file()), None)
    if image is None:
        raise DataError(f"the image {file} is not there", where, "put it beside the file, or into images/")
    height, width = image_size(image)
    frames, tracks = FrameList(image.parent, [image.name]), []
    for number, one in enumerate(results, start=1):
        value = _value(one)
        box = _box(value, (width, height), where)
        if np.isfinite(box).all():
            tracks.append(Sequence(f"{name}/{number}", name, frames, box[None], WHEN_ASKED, category=_label(value)))
    return tracks


LAYOUT = Layout("labelstudio", "Label Studio", find, train=("",), validate=(), evaluate=("",),
                by_users=True)
