"""Files of several pictures are videos."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from siamjax.data.video import open_source
from siamjax.errors import SourceError


def frames(count=6, side=40):
    grid = np.arange(side)[:, None] + np.arange(side)[None]
    return [np.stack([(grid * 2 + 25 * n) % 256] * 3, -1).astype(np.uint8) for n in range(count)]


def save(path, kind, pictures, **options):
    first, *rest = map(Image.fromarray, pictures)
    if kind == "WEBP":
        options["lossless"] = True
    first.save(path, kind, save_all=True, append_images=rest, **options)
    return path


@pytest.mark.parametrize("name", ["clip", "clip.mp4", "clip.tif", "clip.png"])
@pytest.mark.parametrize("kind", ["TIFF", "PNG", "WEBP", "GIF"])
def test_all_pictures_of_a_file_are_frames(tmp_path, kind, name):
    wanted = frames()
    timed = {} if kind == "TIFF" else {"duration": 40}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        source = open_source(save(tmp_path / name, kind, wanted, **timed))
        got = list(source)
    assert (source.count, source.fps) == (6, None if kind == "TIFF" else 25)
    assert np.abs(np.array(got).astype(int) - wanted).max() <= (3 if kind == "GIF" else 0)


def test_a_picture_before_the_animation_is_no_frame(tmp_path):
    wanted = frames()
    source = open_source(save(tmp_path / "a.png", "PNG", [wanted[5] // 2, *wanted], default_image=True))
    np.testing.assert_array_equal(list(source), wanted)
    assert source.count == 6


def test_thumbnails_and_masks_in_a_tiff_are_no_frames(tmp_path):
    small = frames(1)[0][::2, ::2]
    pages = [(frame, 0) for frame in frames(3)] + [(small, 1), (small, 4)]
    with TiffImagePlugin.AppendingTiffWriter(str(tmp_path / "a.tif"), True) as file:
        for pixels, kind in pages:
            Image.fromarray(pixels).save(file, "TIFF", tiffinfo={254: kind})
            file.newFrame()
    got = list(open_source(tmp_path / "a.tif"))
    assert [frame.shape for frame in got] == [(40, 40, 3)] * 3


def test_a_phone_photo_of_two_pictures_is_one(tmp_path):
    save(tmp_path / "a.jpg", "MPO", frames(2))
    assert len(list(open_source(tmp_path / "a.jpg"))) == 1


def test_a_stack_of_14_bits_is_visible_by_levels_of_its_own(tmp_path):
    pages = [(7000 + 50 * n + 2 * frame[..., 0].astype(int)).astype(np.uint16) for n, frame in enumerate(frames(20))]
    save(tmp_path / "a.tif", "TIFF", pages)
    with pytest.warns(RuntimeWarning, match="16-bit values") as said:
        got = np.array(list(open_source(tmp_path / "a.tif")))
    assert len(said) == 1
    assert got.max() - got.min() > 180
    assert got[0].mean() < got[10].mean() < got[19].mean()


def test_in_a_folder_each_file_is_one_frame_with_a_word(tmp_path):
    for name in "ab":
        save(tmp_path / f"{name}.tif", "TIFF", frames(3))
    with pytest.warns(RuntimeWarning, match="holds 3 pictures") as said:
        assert len(list(open_source(tmp_path))) == 2
    assert len(said) == 1


@pytest.mark.parametrize("kind", ["TIFF", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_file_cut_off_ends_where_it_ends_or_is_refused(tmp_path, kind, share):
    path = save(tmp_path / "a", kind, frames(20))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            source = open_source(path)
        except SourceError:
            return
        got = list(source)
    assert len(got) < 20 or source.unreadable or source.truncated


def test_pages_beyond_the_limit_are_lost_not_read(tmp_path):
    save(tmp_path / "a.tif", "TIFF", [*frames(2), frames(1, side=400)[0], *frames(1)])
    source = open_source(tmp_path / "a.tif", max_pixels=100_000)
    list(source)
    assert source.unreadable == [2]
