import copy
import json

import numpy as np
import pytest
from PIL import Image, ImageOps

from siamjax.data.readers import open_data, read_coco
from siamjax.errors import DataError

GOOD = {
    "images": [
        {"id": 3, "file_name": "a.png", "width": 80, "height": 60},
        {"id": 7, "file_name": "sub/b.png", "width": 40, "height": 30},
    ],
    "annotations": [
        {"id": 1, "image_id": 3, "category_id": 4, "bbox": [1, 2, 30, 20.5], "segmentation": [[1, 2, 3, 4, 5, 6]]},
        {"id": 2, "image_id": 7, "category_id": 9, "bbox": [0, 0, 10, 10]},
        {"id": 5, "image_id": 3, "bbox": [4, 4, 8, 8], "iscrowd": 1, "segmentation": {"counts": []}},
        {"id": 6, "image_id": 3, "bbox": [4, 4, 0, 8]},
        {"id": 8, "image_id": 3, "bbox": [9, 9, 8, 8]},
    ],
    "categories": [{"id": 4, "name": "cat"}],
}


@pytest.fixture
def write(tmp_path):
    (tmp_path / "images" / "sub").mkdir(parents=True)
    Image.fromarray(np.zeros((60, 80, 3), np.uint8)).save(tmp_path / "images" / "a.png")
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(tmp_path / "images" / "sub" / "b.png")

    def write(document):
        text = document if isinstance(document, str) else json.dumps(document)
        (tmp_path / "annotations.json").write_text(text)
        return tmp_path / "annotations.json", tmp_path / "images"

    return write


def test_every_object_is_a_track_of_one_frame(write):
    tracks = read_coco(*write(GOOD))
    assert [(track.name, track.group, track.size) for track in tracks] == [
        ("images/a/1", "images/a", (60, 80)),
        ("images/sub/b/2", "images/sub/b", (30, 40)),
        ("images/a/8", "images/a", (60, 80)),
    ]
    np.testing.assert_array_equal(tracks[0].boxes, [[1, 2, 30, 20.5]])
    np.testing.assert_array_equal(tracks[0].polygons[0][0], [[1, 2], [3, 4], [5, 6]])
    assert tracks[1].polygons is None
    assert [track.category for track in tracks] == ["cat", "", ""]  # 9 is no category of the file, 8 has none
    assert tracks[0].key(0) == tracks[2].key(0)
    assert tracks[1].read(0).shape == (30, 40, 3)


@pytest.mark.parametrize(
    ("where", "value", "says"),
    [
        (("annotations", 1, "bbox"), [0, 0, 10], "annotation 2"),
        (("annotations", 1, "bbox"), [0, 0, 10, float("nan")], "annotation 2"),
        (("annotations", 1, "bbox"), [0, 0, -10, 5], "annotation 2"),
        (("annotations", 1, "bbox"), [0, 0, True, 5], "annotation 2"),
        (("annotations", 1, "image_id"), 99, "image 99 is unknown"),
        (("images", 0, "file_name"), "../a.png", "image 3"),
        (("images", 0, "file_name"), "/etc/a.png", "image 3"),
        (("images", 0, "file_name"), "gone.png", "missing.*image 3"),
        (("images", 0, "width"), 10**7, "image 3"),
        (("images", 0, "width"), "80", "image 3"),
        (("annotations", 1, "bbox"), [0, 0, 10**400, 5], "annotation 2"),
        (("annotations", 1, "bbox"), {"x": 1}, "annotation 2"),
        (("annotations", 1, "bbox"), [0, 0, 1e300, 5], "annotation 2"),
        (("annotations", 1, "image_id"), [3], "unknown"),
        (("annotations", 1, "image_id"), True, "unknown"),
        (("annotations", 1, "id"), None, "no id"),
        (("annotations", 1), [1, 2], r"entry \d of 'annotations' has no id"),
        (("images", 0, "file_name"), "a\0.png", "image 3"),
        (("images", 0, "file_name"), "\ud800.png", "image 3"),
        (("images", 0, "file_name"), "a" * 5000, "image 3"),
        (("images", 0, "file_name"), 3, "image 3"),
        (("images", 0, "height"), 60.5, "image 3"),
        (("images", 0, "height"), True, "image 3"),
        (("images", 0, "id"), None, "no id"),
    ],
)
def test_a_bad_entry_is_left_out_with_a_word_and_named_where_most_are_bad(write, where, value, says):
    document = copy.deepcopy(GOOD)
    # Six good images and annotations beside, and then none.
    more = [{"id": 100 + n, "file_name": "sub/b.png", "width": 40, "height": 30} for n in range(6)]
    boxes = [{"id": 100 + n, "image_id": 100 + n, "bbox": [4 + n, 4, 9, 8]} for n in range(6)]
    entry = document
    for step in where[:-1]:
        entry = entry[step]
    entry[where[-1]] = value
    kind = where[0]
    whole = {**document, "images": document["images"] + more, "annotations": document["annotations"] + boxes}
    with pytest.warns(RuntimeWarning, match=f"left out 1 of .* {kind} .first: .*{says}"):
        tracks = read_coco(*write(whole))
    assert {f"images/sub/b/{100 + n}" for n in range(6)} <= {track.name for track in tracks}
    lonely = {**document, kind: [document[kind][where[1]]]}
    with pytest.raises(DataError, match=f"1 of 1 {kind} .*{says}"):
        read_coco(*write(lonely))


@pytest.mark.parametrize(("key", "value", "says"), [
    ("images", {}, "'images' is not a list"), ("annotations", None, "'annotations' is not a list"),
    ("categories", 3, "'categories' is not a list"), ("annotations", [], "no object"), ("images", [], "unknown")])
def test_a_file_without_its_lists_is_refused(write, key, value, says):
    with pytest.raises(DataError, match=says):
        read_coco(*write({**GOOD, key: value}))


def test_an_object_keeps_its_box_where_its_outline_is_bad(write):
    for segmentation in ([[1, 2, 3]], [[]], [1, 2, 3, 4, 5, 6], [[1, 2, 3, 4, 5, None]]):
        document = copy.deepcopy(GOOD)
        document["annotations"][0]["segmentation"] = segmentation
        with pytest.warns(RuntimeWarning, match=r"left out 1 of 3 outlines .first: .*no polygon, annotation 1"):
            assert [track.polygons for track in read_coco(*write(document))] == [None] * 3


def test_images_that_share_an_id_are_left_out_unless_they_are_one(write):
    document = copy.deepcopy(GOOD)
    document["images"].append(dict(document["images"][0]))
    assert len(read_coco(*write(document))) == 3
    document["images"][2]["file_name"] = "sub/b.png"
    with pytest.warns(RuntimeWarning, match="1 of 2 ids of images .first: two images share the id 3"):
        assert [track.name for track in read_coco(*write(document))] == ["images/sub/b/2"]


def test_names_are_unique_whatever_the_ids_are(write):
    document = copy.deepcopy(GOOD)
    for annotation, one in zip(document["annotations"], (1, 1, 1, "1", "1")):
        annotation.update(id=one, image_id=3)
    names = [track.name for track in read_coco(*write(document))]
    assert len(set(names)) == len(names) == 3


@pytest.mark.parametrize("corners", [3, 4, 5])
def test_outlines_are_masks_however_many_corners_they_have(write, corners):
    document = copy.deepcopy(GOOD)
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    outline = np.stack([20 + 9 * np.cos(turn), 15 + 9 * np.sin(turn)], 1).ravel().tolist()
    document["annotations"][0]["segmentation"] = [outline]
    track = read_coco(*write(document))[0]
    assert track.masked.tolist() == [True]
    assert track.mask(0)[15, 20]


def test_boxes_of_another_format_are_refused(write):
    document = copy.deepcopy(GOOD)
    for annotation in document["annotations"]:
        annotation["bbox"] = [0.1, 0.2, 0.3, 0.25]
    with pytest.raises(DataError, match="as if normalised") as caught:
        read_coco(*write(document))
    assert caught.value.where.endswith("annotations.json")


def tagged(path, orientation):
    """A photo of 80x60 px as stored, whose left half is bright, with an EXIF orientation."""
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[:, :40] = 200
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(path, exif=exif)
    return pixels


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_the_size_in_the_file_tells_whether_boxes_are_of_a_turned_photo_as_stored_or_as_shown(write, orientation):
    document = copy.deepcopy(GOOD)
    document["annotations"] = document["annotations"][:1]
    annotations, images = write(document)
    stored = tagged(images / "a.png", orientation)
    pixels = read_coco(annotations, images)[0].read(0)
    np.testing.assert_array_equal(pixels, stored)  # 80x60 in the file
    document["images"][0].update(width=60, height=80)
    shown = read_coco(*write(document))[0].read(0)
    assert shown.shape == (80, 60, 3)
    np.testing.assert_array_equal(shown, np.asarray(ImageOps.exif_transpose(Image.open(images / "a.png"))))
    document["images"][0].update(width=61, height=80)
    with pytest.raises(DataError, match=r"60x80 px .*for 61x80") as caught:
        read_coco(*write(document))[0].read(0)
    assert "EXIF" in caught.value.do


def test_what_is_no_json(write):
    with pytest.raises(DataError, match="not JSON"):
        read_coco(*write("{"))
    with pytest.raises(DataError, match="not a JSON object"):
        read_coco(*write("[]"))
    with pytest.raises(DataError, match="cannot be read"):
        read_coco("missing.json", ".")


def test_a_pair_is_recognised_in_a_folder(write):
    annotations, _ = write(GOOD)
    assert len(open_data(annotations.parent)) == 3
