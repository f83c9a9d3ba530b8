"""The readers on the material beside the project."""

from pathlib import Path

import numpy as np
import pytest

from siamjax.data.readers import open_data, open_split

SHARED = Path(__file__).parents[4] / "shared"


def folder(name):
    if not (SHARED / name).is_dir():
        pytest.skip(f"../shared/{name} is missing")
    return SHARED / name


def test_training_material_and_its_split():
    train, validation = open_split(folder("training"))
    tracks = train + validation
    assert len({t.group for t in tracks if t.group.startswith("videos/")}) == 68
    assert len({t.group for t in tracks if t.group.startswith("images/")}) == 1085
    assert sum(t.group.startswith("images/") for t in tracks) == 4028
    assert len({t.name for t in tracks}) == len(tracks)
    videos = {t.group for t in validation if t.group.startswith("videos/")}
    assert len(videos) == 14
    assert [t.name for t in validation if t.group == "videos/otb_Jogging"] == [
        "videos/otb_Jogging/1",
        "videos/otb_Jogging/2",
    ]
    assert not {t.group for t in train} & {t.group for t in validation}


def test_reference_sequences():
    by_name = {t.name: t for t in open_data(folder("sequences"))}
    assert len(by_name) == 9
    assert sum(len(t.frames) for t in by_name.values()) == 1041
    assert np.isnan(by_name["pedestrian3"].boxes).all(axis=1).sum() == 28
    assert by_name["bag"].polygons[0][0].shape == (4, 2)
    assert all(by_name["dog"].masks)
    assert by_name["david"].read(0).shape == (240, 320, 3)
