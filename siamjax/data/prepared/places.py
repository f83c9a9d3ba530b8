"""Where prepared data lies, and how its files are called: as tensorflow-datasets has it, so that it reads them.

    DIR/prepared.json                      what it is, counts, checksums; written last
    DIR/parts/                             what each shard holds, until and after all are there
    DIR/NAME/images/1.0.0/                 (or crops) a record a frame (or a crop)
    DIR/NAME/tracks/1.0.0/                 a record a track: its boxes, and which records are its frames
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from siamjax.data.prepared.settings import Preparation
from siamjax.errors import ConfigError
from siamjax.outputs import write_text

VERSION = "1.0.0"  # of the records
MANIFEST, PARTS, TRACKS = "prepared.json", "parts", "tracks"
NAME = re.compile(r"[a-z][a-z0-9_]*")
# Layouts whose names tensorflow-datasets has for data sets of its own, in another form.
TITLES = {"davis": "davis_tracks", "coco": "coco_tracks", "mot": "mot_tracks"}
TEMPLATE = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"

_PACKAGE = "tensorflow_datasets.core.features"
# Names of the features of a record; the kinds are those of tensorflow-datasets.
FRAME_FEATURES = {"image": "image", "video": "text", "frame": "int64", "tracks": ["int64"], "boxes": "boxes",
                  "masks": ["text"]}
TRACK_FEATURES = {"name": "text", "video": "text", "category": "text", "number": "int64", "height": "int64",
                  "width": "int64", "boxes": "boxes", "records": ["int64"], "masked": ["bool"]}


def config_folder(root: Path, name: str, config: str) -> Path:
    """The folder of one of the two kinds of records."""
    return root / name / config / VERSION


def shard_name(name: str, split: str, shard: int, count: int) -> str:
    return f"{name}-{split}.array_record-{shard:05d}-of-{count:05d}"


def name_of(data: Path, given: str | None, layout: str | None = None) -> str:
    """What a prepared data set is called: as the user says, as its publisher's layout, or as its folder.

    Raises:
      ConfigError: a name that tensorflow-datasets does not take.
    """
    if given is not None:
        if not NAME.fullmatch(given):
            raise ConfigError(f"'{given}' cannot be the name of a data set", "--name",
                              "use small letters, digits and underscores, a letter first")
        return given
    if layout is not None:
        return TITLES.get(layout, layout)
    plain = re.sub(r"[^a-z0-9]+", "_", data.resolve().name.lower()).strip("_")[:60]
    return plain if NAME.fullmatch(plain) else f"data_{plain}".rstrip("_")


def describe(root: Path, name: str, config: str, features: dict[str, Any],
             splits: dict[str, tuple[list[int], int]], about: str) -> None:
    """Writes what tensorflow-datasets wants beside the shards of a folder.

    Args:
      features: of a record.
      splits: numbers of records of the shards of each, and the bytes of all.
      about: a sentence.
    """
    folder = config_folder(root, name, config)
    info = {"configName": config, "description": about, "disableShuffling": True, "fileFormat": "array_record",
            "moduleName": "siamjax.data.builders", "name": name, "version": VERSION,
            "splits": [{"filepathTemplate": TEMPLATE, "name": split, "numBytes": str(size),
                        "shardLengths": list(map(str, lengths))} for split, (lengths, size) in splits.items()]}
    tree = {"pythonClassName": f"{_PACKAGE}.features_dict.FeaturesDict",
            "featuresDict": {"features": {key: _feature(kind) for key, kind in features.items()}}}
    write_text(folder / "features.json", json.dumps(tree, indent=2) + "\n")
    write_text(folder / "dataset_info.json", json.dumps(info, indent=2) + "\n")


def _feature(kind: str | list[str]) -> dict[str, Any]:
    if isinstance(kind, list):
        return {"pythonClassName": f"{_PACKAGE}.sequence_feature.Sequence",
                "sequence": {"feature": _feature(kind[0]), "length": "-1"}}
    if kind == "text":
        return {"pythonClassName": f"{_PACKAGE}.text_feature.Text", "text": {}}
    if kind == "image":
        return {"pythonClassName": f"{_PACKAGE}.image_feature.Image",
                "image": {"dtype": "uint8", "shape": {"dimensions": ["-1", "-1", "3"]}}}
    shape = {"dimensions": ["-1", "4"]} if kind == "boxes" else {}
    dtype = "float32" if kind == "boxes" else np.dtype(kind).name
    return {"pythonClassName": f"{_PACKAGE}.tensor_feature.Tensor",
            "tensor": {"dtype": dtype, "encoding": "none", "shape": shape}}


def about(settings: Preparation) -> str:
    """A sentence on the records of frames."""
    if settings.form == "images":
        return "Whole frames with the boxes of the tracks in them (x, y, w, h; pixels, 0-based)."
    return (f"Crops of {settings.side} px round one object each, whose box with a margin of {settings.context:g} is "
            "127 px in it, and its box (x, y, w, h; pixels of the crop).")
