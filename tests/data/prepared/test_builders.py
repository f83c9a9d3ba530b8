"""The builders of tensorflow-datasets write the records that `prepare` writes, without TensorFlow."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from siamjax.data.prepared import places
from siamjax.data.prepared.settings import Preparation
from siamjax.data.preparing import prepare
from siamjax.data.readers.catalogue import LAYOUTS

tfds = pytest.importorskip("tensorflow_datasets")
builders = pytest.importorskip("siamjax.data.builders")


def test_every_published_layout_has_one():
    known = {one.layout for one in builders.TracksBuilder.__subclasses__()}
    assert known == {name for name, layout in LAYOUTS.items() if not layout.by_users} | {"folder"}
    names = {one.layout: one.name for one in builders.TracksBuilder.__subclasses__()}
    for layout in known - {"folder"}:
        assert names[layout] == places.name_of(None, None, layout)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("config", ["images", "tracks"])
def test_a_builder_writes_what_prepare_writes(folder, tmp_path, config):
    prepare(folder, tmp_path / "ours", Preparation(records=4), name="folder_tracks")
    builder = tfds.builder(f"folder_tracks/{config}", data_dir=tmp_path / "theirs", file_format="array_record")
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=folder))
    ours = tfds.data_source(f"folder_tracks/{config}", data_dir=tmp_path / "ours")
    theirs = builder.as_data_source()
    assert {split: len(ours[split]) for split in ours} == {split: len(theirs[split]) for split in theirs}
    for split in ours:
        for one, other in zip(ours[split], theirs[split]):
            assert one.keys() == other.keys()
            for name in one:
                np.testing.assert_array_equal(one[name], other[name])
    assert "tensorflow" not in sys.modules
