import copy
import json

import numpy as np
import pytest
from PIL import Image

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
        (("annotations", 0, "segmentation"), [[1, 2, 3]], "no polygon.*annotation 1"),
        (("images", 0, "file_name"), "../a.png", "image 3"),
        (("images", 0, "file_name"), "/etc/a.png", "image 3"),
        (("images", 0, "file_name"), "gone.png", "missing.*image 3"),
        (("images", 0, "width"), 10**7, "image 3"),
        (("images", 0, "width"), "80", "image 3"),
        (("images", 0, "id"), 7, "share one id"),
        (("images", 0, "id"), None, "no id"),
        (("images",), {}, "'images' is not a list"),
        (("annotations",), [], "no object"),
    ],
)
def test_faults_are_named(write, where, value, says):
    document = copy.deepcopy(GOOD)
    entry = document
    for step in where[:-1]:
        entry = entry[step]
    entry[where[-1]] = value
    with pytest.raises(DataError, match=says):
        read_coco(*write(document))


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
