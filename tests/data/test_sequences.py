"""Masks of sequences, from files of every kind that data sets have."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from siamjax.data.sequences import MaskedTrack, Sequence
from siamjax.errors import DataError, SourceError

LABELS = np.zeros((60, 80), np.uint8)
LABELS[10:30, 20:50] = 1
LABELS[35:50, 5:25] = 2
LABELS[30:34, :] = 255
ONE = (LABELS == 1).astype(np.uint8)


def sequence(path, label=None):
    Image.fromarray(np.zeros((*LABELS.shape, 3), np.uint8)).save(path.with_name("frame.png"))
    return Sequence("a", "a", (path.with_name("frame.png"),), np.float32([[20, 10, 30, 20]]), LABELS.shape,
                    masks=(path,), label=label)


def indexed(labels):
    """As DAVIS 2017 has them: the first two objects red and green."""
    image = Image.fromarray(labels, "P")
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, *[77] * 759])
    return image


@pytest.mark.parametrize("image", [
    Image.fromarray(ONE), Image.fromarray(ONE * 255), Image.fromarray(ONE == 1), indexed(ONE), indexed(ONE * 2),
    Image.fromarray(ONE.astype(np.uint16)), Image.fromarray(ONE.astype(np.uint16) * 255),
    Image.fromarray(ONE.astype(np.uint16) * 65535), Image.fromarray(np.dstack([ONE * 255] * 3)),
    Image.fromarray(ONE * 7), indexed(np.where(LABELS == 2, 0, LABELS))],
    ids=["0 1", "0 255", "1 bit", "palette", "palette 2", "16 bit 0 1", "16 bit 0 255", "16 bit 0 65535", "rgb",
         "0 7", "palette and void"])
def test_a_mask_is_understood_whatever_it_is_written_with(tmp_path, image):
    image.save(tmp_path / "1.png")
    track = sequence(tmp_path / "1.png")
    assert isinstance(track, MaskedTrack)
    np.testing.assert_array_equal(track.mask(0), LABELS == 1)


@pytest.mark.parametrize(("suffix", "values"), [("png", (0, 255)), ("jpg", (3, 200)), ("bmp", (0, 255)),
                                                ("tif", (0, 1))])
def test_other_kinds_of_files_and_smoothed_rims(tmp_path, suffix, values):
    image = Image.fromarray(np.where(ONE, *map(np.uint8, values[::-1])))
    if suffix == "png":
        image = image.resize((800, 600), Image.Resampling.BILINEAR).resize((80, 60), Image.Resampling.BILINEAR)
        assert len(np.unique(np.asarray(image))) > 3
    image.save(tmp_path / f"1.{suffix}")
    np.testing.assert_array_equal(sequence(tmp_path / f"1.{suffix}").mask(0), LABELS == 1)


@pytest.mark.parametrize("kind", ["palette", "grey", "16 bit"])
def test_of_several_objects_each_has_its_number_and_without_one_all_are_taken(tmp_path, kind):
    labels = LABELS if kind == "palette" else np.where(LABELS == 255, 0, LABELS).astype(np.uint8)
    image = {"palette": indexed, "grey": Image.fromarray,
             "16 bit": lambda a: Image.fromarray(a.astype(np.uint16))}[kind](labels)
    image.save(tmp_path / "1.png")
    for label in (1, 2):
        np.testing.assert_array_equal(sequence(tmp_path / "1.png", label).mask(0), label == LABELS)
    assert not sequence(tmp_path / "1.png", 3).mask(0).any()
    np.testing.assert_array_equal(sequence(tmp_path / "1.png").mask(0), (LABELS == 1) | (LABELS == 2))  # no void


def test_an_empty_mask_is_one_without_the_object(tmp_path):
    for image in (Image.fromarray(0 * LABELS), indexed(0 * LABELS), Image.fromarray(LABELS > 255)):
        image.save(tmp_path / "1.png")
        assert not sequence(tmp_path / "1.png").mask(0).any()


@pytest.mark.parametrize(("pixels", "error", "says"), [
    (np.dstack([ONE * 200, ONE * 30, ONE]), DataError, "colour picture"),
    (np.tile(np.arange(80, dtype=np.uint8), (60, 1)), DataError, "80|79 different numbers"),
    (ONE.astype(np.uint16) * 300, DataError, "up to 300"),
    (ONE[:50], DataError, "80x50 px and its annotations are for 80x60"),
    (None, SourceError, "cannot be read")], ids=["colours", "smooth", "deep", "smaller", "damaged"])
def test_what_is_no_mask_is_named(tmp_path, pixels, error, says):
    (tmp_path / "1.png").write_bytes(b"\x89PNG broken")
    if pixels is not None:
        Image.fromarray(pixels).save(tmp_path / "1.png")
    with pytest.raises(error, match=says) as caught:
        sequence(tmp_path / "1.png").mask(0)
    assert caught.value.where.endswith("1.png")


VOID = np.where(LABELS == 255, 255, LABELS).astype(np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_255_beside_dark_numbers_of_a_grey_file_is_void(tmp_path, dtype):
    white = 255 if dtype == np.uint8 else 65535
    Image.fromarray(np.where(LABELS == 255, white, LABELS.astype(dtype))).save(tmp_path / "1.png")
    for label in (1, 2):
        np.testing.assert_array_equal(sequence(tmp_path / "1.png", label).mask(0), label == LABELS)
    np.testing.assert_array_equal(sequence(tmp_path / "1.png").mask(0), (LABELS == 1) | (LABELS == 2))


def test_greys_that_may_be_objects_or_a_rim_are_refused_and_rims_are_not(tmp_path):
    levels = np.where(LABELS == 255, 255, LABELS * np.uint8(85))
    Image.fromarray(levels).save(tmp_path / "1.png")
    with pytest.raises(DataError, match="grey levels 85, 170, 255 may be objects"):
        sequence(tmp_path / "1.png").mask(0)
    rim = ONE * np.uint8(255)
    rim[9] = rim[30] = 128  # of a mask of twice the size
    Image.fromarray(rim).save(tmp_path / "1.png")
    assert sequence(tmp_path / "1.png").mask(0).sum() > ONE.sum()
