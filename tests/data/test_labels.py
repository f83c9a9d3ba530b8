"""Label images in and out."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from siamjax.data.labels import box_of, read_labels, read_objects, write_labels
from siamjax.errors import DataError, OutputError

LABELS = np.zeros((6, 8), np.uint8)
LABELS[1:3, 2:7] = 1
LABELS[4, 5] = 2


def test_what_is_written_is_read_again_and_shown_in_davis_colours(tmp_path):
    write_labels(tmp_path / "a.png", LABELS)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), LABELS)
    shown = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    assert shown[0, 0].tolist() == [0, 0, 0]
    assert shown[1, 2].tolist() == [128, 0, 0]
    assert shown[4, 5].tolist() == [0, 128, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    with pytest.raises(OutputError, match="cannot be written"):
        write_labels(tmp_path / "none" / "a.png", LABELS)


@pytest.mark.parametrize("values", [np.arange(256), np.zeros(4)], ids=["all", "none"])
def test_every_number_survives(tmp_path, values):
    labels = np.uint8(values).reshape(1, -1)
    write_labels(tmp_path / "a.png", labels)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), labels)


def test_16_bit_black_and_white_is_one_object(tmp_path):
    Image.fromarray((LABELS == 1).astype(np.uint16) * 65535).save(tmp_path / "a.png")
    objects = read_objects(tmp_path / "a.png")
    assert objects.ids == (255,)
    np.testing.assert_array_equal(objects.labels, LABELS == 1)


@pytest.mark.parametrize("kind", ["indexed", "grey", "bits", "rgb", "rgba", "16 bit"])
def test_objects_of_every_kind_of_file(tmp_path, kind):
    labels = LABELS if kind != "bits" else np.minimum(LABELS, 1)
    path = tmp_path / "a.png"
    if kind == "indexed":
        write_labels(path, labels)
    elif kind == "16 bit":
        Image.fromarray(labels.astype(np.uint16)).save(path)
    else:
        Image.fromarray(labels * np.uint8(255 if kind == "bits" else 1)).convert(
            {"grey": "L", "bits": "1", "rgb": "RGB", "rgba": "RGBA"}[kind]).save(path)
    objects = read_objects(path)
    np.testing.assert_array_equal(objects.labels, labels)
    assert objects.ids == ((1,) if kind == "bits" else (1, 2))
    np.testing.assert_array_equal(objects.boxes[-1], [2, 1, 5, 4] if kind == "bits" else [5, 4, 1, 1])


def test_255_is_void_beside_others_in_an_indexed_file_and_beside_dark_ones_in_a_grey_one(tmp_path):
    for labels, is_indexed, ids in ((LABELS * np.uint8(100), False, (100, 200)),
                                    (np.where(LABELS == 2, 255, LABELS), True, (1,)),
                                    (np.where(LABELS == 2, 255, LABELS), False, (1,)),
                                    (np.where(LABELS == 2, 255, LABELS * 100), False, (100, 255)),
                                    (np.where(LABELS == 2, 255, 0), True, (255,))):
        if is_indexed:
            write_labels(tmp_path / "a.png", np.uint8(labels))
        else:
            Image.fromarray(np.uint8(labels)).save(tmp_path / "a.png")
        objects = read_objects(tmp_path / "a.png")
        assert objects.ids == ids
        assert objects.labels.max() == len(objects.boxes) == len(ids)


def test_the_box_of_a_mask_is_the_least_of_whole_pixels():
    np.testing.assert_array_equal(box_of(LABELS == 1), [2, 1, 5, 2])
    np.testing.assert_array_equal(box_of(LABELS >= 0), [0, 0, 8, 6])


def test_a_file_without_an_object_is_refused(tmp_path):
    write_labels(tmp_path / "a.png", np.zeros_like(LABELS))
    with pytest.raises(DataError, match="all of its pixels are 0"):
        read_objects(tmp_path / "a.png")
