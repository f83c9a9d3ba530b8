import numpy as np
import pytest
from PIL import Image

from siamjax.data.pipeline import DataConfig, batches
from siamjax.data.readers import open_objects, open_split, read_albums
from siamjax.data.readers.albums import is_albums
from siamjax.errors import DataError, SourceError


@pytest.fixture
def albums(tmp_path):
    """Three objects, of three photos, two and one, each of a colour and of any size."""
    rng = np.random.default_rng(0)
    for colour, (name, count) in enumerate({"cup": 3, "key 2": 2, "key 10": 1}.items()):
        (tmp_path / name).mkdir()
        for number in range(count):
            height, width = rng.integers(30, 90, 2)
            pixels = np.zeros((height, width, 3), np.uint8)
            pixels[..., colour] = 200
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    return tmp_path


def test_one_folder_is_one_object(albums):
    found = read_albums(albums)
    assert [(album.name, album.group, len(album.boxes)) for album in found] == [
        ("cup", "cup", 3), ("key 2", "key 2", 2), ("key 10", "key 10", 1)]
    assert {album.read(0).shape[:2] for album in found} == {found[0].size}
    assert found[0].read(1)[..., 0].min() == 200


def test_a_split_names_objects(albums):
    (albums / "validation.txt").write_text("key*\n")
    train, validation = open_objects(albums)
    assert ([track.name for track in train], len(validation)) == (["cup"], 2)


def test_training_pairs_show_one_object_or_two(albums):
    config = DataConfig(patch_size=127, negative=0.5, threads=0)
    stream = batches(read_albums(albums), config, seed=0, batch_size=16)
    batch = next(stream)
    stream.close()
    for number in range(16):
        colours = [int(patch[number].mean((0, 1)).argmax()) for patch in (batch.exemplar, batch.search)]
        assert colours == batch.identity[number].tolist()
    assert 0 < batch.similar.sum() < 16


def test_trackers_do_not_take_a_video_without_boxes_for_albums(albums):
    with pytest.raises(DataError, match="holds no sequence"):
        open_split(albums)


def test_boxes_make_sequences_of_folders(albums):
    for number in range(3):  # as large as each other, unlike photos
        Image.fromarray(np.zeros((60, 80, 3), np.uint8)).save(albums / "cup" / f"{number}.png")
    (albums / "cup" / "groundtruth.txt").write_text("1,1,5,5\n" * 3)
    assert [track.name for track in open_objects(albums)[0]] == ["cup"]


def test_faults_are_named(albums, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(DataError, match="the folder is empty"):
        open_objects(empty)
    with pytest.raises(DataError, match="no such folder"):
        open_objects(empty / "missing")
    (albums / "cup" / "3.jpg").write_bytes(b"no image")
    with pytest.raises(SourceError, match=r"cup/3\.jpg"):
        open_objects(albums)


@pytest.mark.parametrize("other", ["videos", "annotations.json"])
def test_data_that_another_reader_knows_is_left_to_it(albums, other):
    assert is_albums(albums)
    (albums / other).mkdir() if other == "videos" else (albums / other).write_text("{}")
    assert not is_albums(albums)
