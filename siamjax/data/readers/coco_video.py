"""COCO for videos: files with `videos`, as YouTube-VIS has them, and as tools write them that number frames."""

from __future__ import annotations

import functools
import mmap
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from siamjax.data.frame_list import FrameList
from siamjax.data.listing import files_named
from siamjax.data.readers.layouts import Entry, Layout, Splits
from siamjax.data.readers.objects import tracks_of
from siamjax.data.readers.rows import LIMIT
from siamjax.data.sequences import Sequence
from siamjax.data.text import head_of, read_json
from siamjax.errors import DataError

DO = "give COCO's annotations with `videos`, `images` with `video_id` and `frame_id`, and `annotations` with `track_id`"


def find(root: Path) -> Splits | None:
    """Videos of the files of a folder, or of `annotations/` in it."""
    if not root.is_dir():
        return None
    entries = []
    for folder in (root, root / "annotations"):
        for path in files_named(folder, "*.json"):
            if _has_videos(path):
                document = read_json(path, do=DO)
                entries += [Entry(str(video["name"]), functools.partial(_read, path, root, video), (path, root))
                            for video in _videos(document)]
    return {"": entries} if entries else None


def _has_videos(path: Path) -> bool:
    if not head_of(path):
        return False
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return all(content.find(key) >= 0 for key in (b'"videos"', b'"annotations"'))


def _videos(document: Any) -> list[dict]:
    """Videos with their files (`files`) and their annotations (`objects`), in one form."""
    lists = {key: [one for one in document.get(key) or () if isinstance(one, dict)] if isinstance(document, dict) and
             isinstance(document.get(key), list) else [] for key in ("videos", "images", "annotations", "categories")}
    names = {one.get("id"): one.get("name") for one in lists["categories"] if _is_id(one.get("id"))}
    videos = {one["id"]: {"files": one.get("file_names"), "objects": [], "fps": one.get("fps"), "names": names}
              for one in lists["videos"] if _is_id(one.get("id"))}
    for one in lists["videos"]:
        if _is_id(one.get("id")):
            files = one.get("file_names")
            first = files[0] if isinstance(files, list) and files and isinstance(files[0], str) else ""
            videos[one["id"]]["name"] = one.get("name") or PurePosixPath(first).parent.name or one["id"]
    places: dict[Any, tuple[Any, int]] = {}
    of_video: dict[Any, list[dict]] = {}
    for image in lists["images"]:
        if _is_id(image.get("video_id")) and image["video_id"] in videos:
            of_video.setdefault(image["video_id"], []).append(image)
    for video, images in of_video.items():
        images.sort(key=lambda one: one["frame_id"] if isinstance(one.get("frame_id"), int) else 0)
        videos[video]["files"] = [one.get("file_name") for one in images]
        places |= {one["id"]: (video, number) for number, one in enumerate(images) if _is_id(one.get("id"))}
    for one in lists["annotations"]:
        if _is_id(one.get("image_id")) and one["image_id"] in places:
            video, number = places[one["image_id"]]
            videos[video]["objects"].append((one, number))
        elif _is_id(one.get("video_id")) and one["video_id"] in videos:
            videos[one["video_id"]]["objects"].append((one, None))
    return list(videos.values())


def _read(path: Path, root: Path, video: dict) -> list[Sequence]:
    where = f"{path}, video {video['name']}"
    frames = _frames(root, video["files"], where)
    objects: dict[str, dict[int, np.ndarray]] = {}
    categories: dict[str, str] = {}
    for one, number in video["objects"]:
        target = next((str(one[key]) for key in ("track_id", "instance_id", "id") if _is_id(one.get(key))), "")
        boxes = {number: one.get("bbox")} if number is not None else dict(enumerate(one.get("bboxes") or ()))
        if len(boxes) > len(frames):
            raise DataError(f"{len(boxes)} boxes for {len(frames)} images", where, DO)
        found = {place: _box(box, where) for place, box in boxes.items() if box is not None}
        objects.setdefault(target, {}).update(found)
        kind = one.get("category_id")
        categories[target] = str(video["names"].get(kind) or "") if _is_id(kind) else ""
    rate = video["fps"]
    return tracks_of(str(video["name"]), frames, objects, categories,
                     fps=float(rate) if isinstance(rate, int | float) and not isinstance(rate, bool) else None)


def _frames(root: Path, files: Any, where: str) -> FrameList:
    paths = [PurePosixPath(name) for name in files or () if isinstance(name, str) and name]
    if not paths or len(paths) != len(files) or any(one.is_absolute() or ".." in one.parts for one in paths):
        raise DataError("the video has no list of its images inside the folder", where, DO)
    if len({one.parent for one in paths}) > 1:
        raise DataError("the images of the video are of several folders", where, "put them into one")
    for home in (root, root / "images", root / "JPEGImages"):
        if (home / paths[0]).is_file():
            return FrameList((home / paths[0]).parent, [one.name for one in paths])
    raise DataError(f"the image {paths[0]} is not there", where, "put it into the folder, or into images/")


def _box(box: Any, where: str) -> np.ndarray:
    numbers = box if isinstance(box, list) and len(box) == 4 else []
    good = [one for one in numbers if isinstance(one, int | float) and not isinstance(one, bool) and abs(one) <= LIMIT]
    if len(good) != 4 or min(good[2:]) < 0:
        raise DataError(f"bbox {str(box)[:60]} is not a box", where, "write four finite numbers x, y, w, h")
    return np.array(good if min(good[2:]) > 0 else [np.nan] * 4, np.float32)


def _is_id(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


LAYOUT = Layout("cocovideo", "COCO for videos", find, train=("",), validate=(), evaluate=("",),
                by_users=True)
