import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from siamjax.data.config import DataConfig, wide
from siamjax.data.photos import CANVAS, Album, as_frame, box_in_frame, find_images, object_crop
from siamjax.data.pools import usable_frames
from siamjax.errors import SourceError


def photo(height, width, seed=0):
    """Smooth, so that resizing it twice or once is nearly the same."""
    corners = np.random.default_rng(seed).integers(0, 255, (3, 3, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(corners).resize((width, height), Image.Resampling.BICUBIC))


@given(height=st.integers(1, 900), width=st.integers(1, 900))
def test_a_photo_keeps_its_shape_in_the_middle_of_its_frame(height, width):
    box = box_in_frame(height, width)
    assert box[2:].max() == CANVAS / 2
    short, long = sorted([height, width])
    assert abs(box[2:].min() - max(1, short / long * CANVAS / 2)) <= 0.5
    assert (np.abs(box[:2] + box[2:] / 2 - CANVAS / 2) <= 0.5).all()


def test_the_margin_is_the_rim_repeated():
    image = np.zeros((40, 80, 3), np.uint8)
    image[:, :40] = 200
    frame, box = as_frame(image)
    assert frame.shape == (CANVAS, CANVAS, 3)
    np.testing.assert_array_equal(box, [80, 120, 160, 80])
    assert (frame[:, :100] == 200).all()
    assert (frame[:, 220:] == 0).all()
    np.testing.assert_array_equal(frame[0], frame[120])


def test_photos_pass_the_filters_of_training():
    for shape in ((50, 50), (300, 100), (100, 380)):
        album = Album("a", (), box_in_frame(*shape)[None])
        assert len(usable_frames(album, DataConfig())) == 1
        assert len(usable_frames(album, wide(DataConfig()))) == 1


def test_a_whole_photo_is_cut_as_its_frame_and_a_box_from_the_image():
    image = photo(200, 300)
    frame, box = as_frame(image)
    np.testing.assert_array_equal(object_crop(image, None, size=64), object_crop(frame, box, size=64))
    # The object takes 63 of 127 px of the exemplar square: a crop of half that size at that scale is nearly it alone.
    inner = object_crop(photo(200, 200), None, size=64, exemplar_size=127)
    whole = np.asarray(Image.fromarray(photo(200, 200)).resize((64, 64), Image.Resampling.BILINEAR))
    assert np.abs(inner.astype(int) - whole).mean() < 2
    assert (object_crop(image, np.array([10, 10, 30, 30]), size=64) != object_crop(image, None, size=64)).any()


@pytest.fixture
def folder(tmp_path):
    for name in ("b/img10.png", "b/img9.png", "a/x.png", "c.png", ".hidden/y.png", "a/.z.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(photo(8, 8)).save(tmp_path / name)
    (tmp_path / "notes.txt").touch()
    return tmp_path


def test_images_of_all_folders_in_natural_order(folder):
    names = [path.relative_to(folder).as_posix() for path in find_images(folder)]
    assert names == ["a/x.png", "b/img9.png", "b/img10.png", "c.png"]


def test_a_pattern_and_a_single_image(folder):
    assert [path.name for path in find_images(f"{folder}/b/*.png")] == ["img9.png", "img10.png"]
    assert [path.name for path in find_images(f"{folder}/**/x.png")] == ["x.png"]
    assert find_images(folder / "c.png") == [folder / "c.png"]


@pytest.mark.parametrize(("name", "says"), [
    ("empty", "holds no images"), ("notes.txt", "not an image by its name"), ("*.gif", "no image by that pattern"),
    ("missing", "no such file or folder")])
def test_nothing_to_read_is_an_error(folder, name, says):
    (folder / "empty").mkdir()
    with pytest.raises(SourceError, match=says):
        find_images(folder / name)
