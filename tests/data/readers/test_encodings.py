"""Every text and JSON file of every reader, in the encodings that people's programs write."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from siamjax.data.readers import open_split, open_videos

NAME = "café"  # a letter that encodings write differently


@pytest.fixture
def files(tmp_path):
    """`{path: text}` of all text files beside a video, images and a video in the layout of DAVIS."""
    frame, labels = np.full((24, 32, 3), 90, np.uint8), np.zeros((24, 32), np.uint8)
    labels[4:9, 5:15] = 1
    folders = ("videos/walk/img", f"videos/{NAME}/img", "images", f"JPEGImages/{NAME}", f"Annotations/{NAME}")
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
        Image.fromarray(labels if "Annotations" in folder else frame).save(tmp_path / folder / "0.png")
    image = {"id": 1, "file_name": "0.png", "width": 32, "height": 24}
    boxes = [{"id": 1, "image_id": 1, "bbox": [5, 4, 10, 5], "category_id": 1}]
    return {f"videos/{NAME}/groundtruth.txt": "5,4,10,5\n", "videos/walk/groundtruth.txt": "5,4,10,5\n",
            f"videos/{NAME}/polygon.txt": "5,4,15,4,9,9\n",
            f"videos/{NAME}/meta.json": json.dumps({"attributes": [NAME]}, ensure_ascii=False),
            "annotations.json": json.dumps({"images": [image], "annotations": boxes, "categories": [
                {"id": 1, "name": NAME}]}, ensure_ascii=False),
            "meta.json": json.dumps({"videos": {NAME: {"objects": {"1": {"category": NAME}}}}}, ensure_ascii=False),
            "validation.txt": f"videos/{NAME}\r\n# {NAME}\r\n"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1"])
def test_all_are_read(tmp_path, files, encoding):
    for path, text in files.items():
        (tmp_path / path).write_bytes(text.encode(encoding))
    train, [validation] = open_split(tmp_path)
    assert validation.name == f"videos/{NAME}"
    assert validation.attributes == (NAME,)
    assert validation.masked.all()
    assert {track.name: track.category for track in train} == {"videos/walk": "", NAME: NAME, "images/0/1": NAME}
    assert [track.category for track in open_videos(tmp_path)] == [NAME]
