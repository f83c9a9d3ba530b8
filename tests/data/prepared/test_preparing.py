"""What is prepared is what it was prepared from, whatever happens in between."""

from __future__ import annotations

import dataclasses
import pickle
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest

from siamjax.data.config import DataConfig, wide
from siamjax.data.pipeline import make_sample
from siamjax.data.prepared.checking import verify_prepared
from siamjax.data.prepared.settings import Preparation
from siamjax.data.preparing import prepare
from siamjax.data.readers import open_data, open_objects, open_split, open_videos
from siamjax.errors import ConfigError, DataError, OutputError, SourceError
from siamjax.training.fingerprint import data_digest

SMALL = Preparation(records=4)
CROPS = Preparation("crops", records=4)
ALL = wide(DataConfig(patch_size=239, negative=0.3, hard_negative=0.5, masks=True, paste=0.3, distractors=0.3,
                      max_aspect=10.0))


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("whole")
    assert prepare(folder, output, SMALL).whole
    return output


@pytest.fixture(scope="module")
def crops(folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("crops")
    assert prepare(folder, output, CROPS).whole
    return output


def test_whole_images_give_the_pairs_and_the_pixels_of_the_folder(folder, whole):
    found, wanted = open_split(whole), open_split(folder)
    assert [[track.name for track in split] for split in found] == [[track.name for track in split] for split in wanted]
    assert [track.category for track in found[0]] == [track.category for track in wanted[0]]
    assert data_digest(found[0]) == data_digest(wanted[0])  # a training may go on from either
    ours, theirs = (make_sample(split[0], ALL, seed=1) for split in (found, wanted))
    for index in range(40):
        jax.tree.map(np.testing.assert_array_equal, ours(index), theirs(index))


def test_whole_images_are_the_files_untouched(folder, whole):
    files = {path.read_bytes() for path in (folder / "videos/single/img").iterdir()}
    stored = b"".join(path.read_bytes() for path in whole.rglob("*images*/*/*.array_record-*"))
    assert all(one[:5000] in stored for one in files)


def test_crops_give_the_pairs_and_nearly_the_pixels_of_the_folder(folder, crops):
    config = dataclasses.replace(ALL, paste=0.0, distractors=0.0)
    ours, theirs = (make_sample(open_split(root)[0], config, seed=1) for root in (crops, folder))
    for index in range(40):
        found, wanted = ours(index), theirs(index)
        np.testing.assert_array_equal(found.identity, wanted.identity)
        np.testing.assert_array_equal(found.similar, wanted.similar)
        np.testing.assert_allclose(found.search_box, wanted.search_box, atol=1e-3)
        for image in ("exemplar", "search"):
            apart = np.abs(getattr(found, image).astype(float) - getattr(wanted, image))
            assert apart.mean() < 3
        assert np.mean((found.search_mask > 127) == (wanted.search_mask > 127)) > 0.99


def test_shares_merged_equal_one_run(folder, whole, content, tmp_path):
    parts = [prepare(folder, tmp_path / str(number), SMALL, share=(number, 3)) for number in (1, 2, 3)]
    assert not any(part.whole for part in parts)
    assert sum(part.records for part in parts) == sum(len(one) for one in _frames(whole).values())
    with pytest.raises(DataError, match="not prepared to its end"):
        open_data(tmp_path / "1")
    for number in "23":
        shutil.copytree(tmp_path / number, tmp_path / "1", dirs_exist_ok=True)
    done = prepare(folder, tmp_path / "1", SMALL)
    assert (done.written, done.whole) == (0, True)
    assert content(tmp_path / "1") == content(whole)


def _frames(root):
    from siamjax.data.readers.prepared import read_manifest
    return read_manifest(root).frames


@pytest.mark.parametrize("threads", [1, 4])
def test_shares_in_one_folder_in_any_order_equal_one_run(folder, crops, content, tmp_path, threads):
    for number in (2, 1):
        done = prepare(folder, tmp_path / "out", CROPS, share=(number, 2), threads=threads)
    assert done.whole
    assert content(tmp_path / "out") == content(crops)


def test_a_second_call_writes_nothing(folder, whole, content):
    before = content(whole)
    assert prepare(folder, whole, SMALL).written == 0
    assert content(whole) == before


@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
@pytest.mark.parametrize("which", ["images", "tracks"])
def test_verify_names_a_file_that_has_changed(folder, whole, content, tmp_path, harm, which):
    shutil.copytree(whole, tmp_path / "out")
    said = []
    verify_prepared(tmp_path / "out", say=said.append)
    assert said == ["all 8 files are as they were written: 19 records, 5 tracks"]
    file = sorted((tmp_path / f"out/my_data/{which}/1.0.0").glob("*array_record*"))[0]
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 1
    if harm == "remove":
        file.unlink()
    else:
        file.write_bytes(data if harm == "flip" else data[: len(data) // 2])
    with pytest.raises(DataError, match=f"1 of 8 files are not as they were written.*{file.name}"):
        verify_prepared(tmp_path / "out", say=said.append)
    assert file.name in said[-1]
    file.unlink(missing_ok=True)
    prepare(folder, tmp_path / "out", SMALL)
    assert content(tmp_path / "out") == content(whole)


def test_a_damaged_record_costs_its_sample(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "out")
    for file in (tmp_path / "out/my_data/images/1.0.0").glob("*array_record*"):
        file.write_bytes(file.read_bytes()[:100])
    track = open_split(tmp_path / "out")[0][0]
    with pytest.raises(SourceError, match=r"record \d+ cannot be read.*array_record-\d+-of-\d+"):
        track.read(0)


def test_frames_that_cannot_be_read_are_left_out_and_named(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "data")
    images = tmp_path / "data/videos"
    (images / "kinds/img/1.jpg").write_bytes((images / "kinds/img/1.jpg").read_bytes()[:900])
    (images / "several/img/002.png").write_bytes(b"nothing")
    for form in (SMALL, CROPS):
        done = prepare(tmp_path / "data", tmp_path / form.form, form)
        assert {one["where"].rpartition("/")[2] for one in done.left_out} == {"1.jpg", "002.png"}
        tracks = {track.name: track for track in open_data(tmp_path / form.form)}
        kinds, several = tracks["videos/kinds"], tracks["videos/several/2"]
        assert np.isnan(kinds.boxes).all(1).tolist() == [False, True, False, False, False, False]
        assert np.isnan(several.boxes).all(1).tolist() == [False, False, True, False, False, False]
        assert several.masked.tolist() == [True, True, False, True, True, True]
        for number in (3, 4, 5):
            assert several.mask(number).shape == several.size
            assert several.read(number).shape[:2] == several.size


def test_tracks_travel_to_other_processes(whole):
    track = open_split(whole)[0][0]
    track.read(0)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(track)).read(0), track.read(0))


def test_photos_of_objects_are_prepared_too(tmp_path, folder):
    for name in "ab":
        shutil.copytree(folder / "images", tmp_path / f"photos/{name}")
    prepare(tmp_path / "photos", tmp_path / "out")
    found, wanted = open_objects(tmp_path / "out")[0], open_objects(tmp_path / "photos")[0]
    np.testing.assert_array_equal(found[0].read(0), wanted[0].read(0))
    np.testing.assert_array_equal(found[0].boxes, wanted[0].boxes)


CODE = """
import sys
import tensorflow_datasets as tfds
for source in (tfds.data_source("my_data", data_dir=sys.argv[1]),
               tfds.builder_from_directory(sys.argv[1] + "/my_data/images/1.0.0").as_data_source()):
    assert {name: len(split) for name, split in source.items()} == {"train": 13, "validation": 6}, source
    first = source["train"][6]
    assert first["image"].shape == (120, 160, 3) and first["boxes"].shape == (2, 4) and len(first["masks"]) == 2
tracks = tfds.data_source("my_data/tracks", data_dir=sys.argv[1])
one = tracks["validation"][0]
assert one["name"] == b"videos/single" and one["boxes"].shape == (6, 4) and one["records"] == [0, 1, 2, 3, 4, 5]
assert not {"siamjax", "tensorflow"} & set(sys.modules)
"""


def test_tensorflow_datasets_reads_it_without_this_package_and_without_tensorflow(whole):
    subprocess.run([sys.executable, "-c", CODE, str(whole)], check=True, cwd="/")


@pytest.mark.parametrize(("settings", "how", "said"), [
    ({"side": 100}, {}, "side is 100"), ({"quality": 0}, {}, "quality is 0"), ({"context": -1}, {}, "context is -1"),
    ({"records": 0}, {}, "records is 0"), ({}, {"share": (3, 2)}, "share 3 of 2"), ({}, {"threads": 0}, "0 threads"),
    ({}, {"name": "My Data"}, "'My Data' cannot be the name")])
def test_settings_out_of_range(folder, tmp_path, settings, how, said):
    with pytest.raises(ConfigError, match=said):
        prepare(folder, tmp_path / "out", Preparation(**settings), **how)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_else(folder, whole, tmp_path):
    with pytest.raises(OutputError, match=r"prepared with form images \("):
        prepare(folder, whole, dataclasses.replace(SMALL, form="crops"))
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds other files, such as notes\.txt"):
        prepare(folder, tmp_path, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_other_boxes_are_another_preparation(folder, whole, tmp_path):
    shutil.copytree(folder, tmp_path / "My Data")
    (tmp_path / "My Data/validation.txt").unlink()
    with pytest.raises(OutputError, match="prepared from other tracks or boxes"):
        prepare(tmp_path / "My Data", whole, SMALL)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 2}'])
def test_a_damaged_manifest(whole, tmp_path, text):
    (tmp_path / "prepared.json").write_text(text)
    with pytest.raises(DataError, match=r"prepared.json"):
        open_data(tmp_path)


def test_trackers_need_the_original_frames(whole, crops):
    for root in (whole, crops):
        with pytest.raises(DataError, match="trackers are run over the original frames"):
            open_videos(root)
