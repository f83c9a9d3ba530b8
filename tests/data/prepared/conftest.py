"""A small data set with all that a preparation meets: videos, several objects, masks, images, files of many kinds."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from siamjax.data.labels import write_labels

FRAMES = 6


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Two videos of one object, one of two with masks (held out: none; `single` is), and a COCO pair."""
    root = tmp_path_factory.mktemp("Set 1") / "My Data"
    rng = np.random.default_rng(0)
    for name in ("single", "kinds", "several"):
        (root / "videos" / name / "img").mkdir(parents=True)
    for number in range(FRAMES):
        soft = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8)).resize((160, 120), Image.Resampling.BICUBIC)
        soft.save(root / f"videos/single/img/{number:03d}.jpg")
        soft.save(root / f"videos/several/img/{number:03d}.png")
        labels = np.zeros((120, 160), np.uint8)
        labels[30 + number : 70, 40:80], labels[60:100, 90 + number : 140] = 1, 2
        (root / "videos/several/masks").mkdir(exist_ok=True)
        write_labels(root / f"videos/several/masks/{number:03d}.png", labels)
    kinds = root / "videos/kinds/img"
    exif = Image.Exif()
    exif[0x0112] = 6  # a photo that is shown turned
    soft.rotate(90, expand=True).save(kinds / "0.jpg", exif=exif)
    soft.convert("L").save(kinds / "1.jpg")
    soft.convert("CMYK").save(kinds / "2.jpg")
    Image.fromarray(np.asarray(soft.convert("L"), np.uint16) * 200).save(kinds / "3.png")
    soft.quantize(256, dither=Image.Dither.NONE).save(kinds / "4.png")
    soft.save(kinds / "5.webp", lossless=True)
    boxes = [f"{40 + number},30,40,40" for number in range(FRAMES)]
    (root / "videos/kinds/groundtruth.txt").write_text("\n".join(boxes))
    boxes[2], boxes[3] = "nan,nan,nan,nan", "300,200,40,40"  # absent; and out of the frame
    (root / "videos/single/groundtruth.txt").write_text("\n".join(boxes))
    for name, box in (("1", "40,30,40,40"), ("2", "90,60,50,40")):
        (root / "videos/several/objects" / name).mkdir(parents=True)
        (root / "videos/several/objects" / name / "groundtruth.txt").write_text("\n".join([box] * FRAMES))
    (root / "images").mkdir()
    soft.save(root / "images/photo.jpg")
    (root / "annotations.json").write_text(json.dumps({
        "images": [{"id": 1, "file_name": "photo.jpg", "height": 120, "width": 160}],
        "categories": [{"id": 1, "name": "Käfer"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [30, 30, 60, 50],
                         "segmentation": [[30, 30, 90, 30, 90, 80, 30, 80]]}]}))
    (root / "validation.txt").write_text("videos/single\n")
    return root


@pytest.fixture
def content():
    """`content(folder)`: the bytes of every file below it, by name."""
    return lambda folder: {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*")
                           if path.is_file()}
