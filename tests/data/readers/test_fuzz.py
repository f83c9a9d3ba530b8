"""Hostile files for every reader of data: whatever is in them, only the package's own errors come out.

The quick tier runs with the suite; the slow one (`-m slow`) tries a hundred thousand cases a reader, new ones each
time.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import shutil
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from siamjax.data.config import DataConfig
from siamjax.data.labels import read_annotation, read_objects
from siamjax.data.listing import image_files
from siamjax.data.pools import cutout_frames, usable_frames
from siamjax.data.readers import open_data, open_objects, open_split, open_videos, read_albums, read_coco, read_davis
from siamjax.data.readers.rows import read_boxes
from siamjax.data.sequences import MaskedTrack
from siamjax.errors import SiamjaxError

SIZE = 24, 32
TIERS = [pytest.param(40, id="quick"), pytest.param(100_000, marks=[pytest.mark.slow, pytest.mark.timeout(7200)])]
pytestmark = [pytest.mark.filterwarnings("ignore::RuntimeWarning"), pytest.mark.parametrize("count", TIERS)]

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 40), st.floats(), st.integers(), st.just(10**400), st.just(-(2**63)),
    st.text(max_size=6),
    st.sampled_from(["a.png", "../a.png", "", ".", "a.png/", "\0", "\ud800", "x" * 300, "1", "nan"]))
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(
    st.sampled_from(["id", "videos", "objects", "1", "category", "attributes"]) | st.text(max_size=3), inner,
    max_size=4), max_leaves=8)
BYTES = st.binary(max_size=80) | st.sampled_from(
    [b"[" * 50_000, b'{"a":' * 50_000, b"\xff\xfe", b"\xff\xfe\x00", b"\xef\xbb\xbf", b"1" * 5000, b"\0" * 50])
NUMBERS = st.sampled_from(["0", "1", "-1", "nan", "inf", "-inf", "1e9", "1e400", "0.5", "12", "1_0", "٣", "x", "",
                           "0x1", "\x1b[31m"])
ROWS = st.lists(st.lists(NUMBERS, max_size=10).map(",".join), max_size=4).map("\n".join)
TEXTS = st.one_of(ROWS.map(str.encode), ROWS.map(lambda text: text.encode("utf-16")), BYTES)


def fuzz(count, check, **strategies):
    """Runs a check over `count` cases; of its errors those of the package are expected."""
    @settings(max_examples=count, derandomize=count < 1000, database=None,
              suppress_health_check=list(HealthCheck), deadline=None)
    @given(**strategies)
    def run(**case):
        said = ""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                check(**case)
        except SiamjaxError as error:
            said = str(error)
        assert said.isprintable()  # on one line, and no codes that colour a terminal

    run()


def use(tracks):
    """What training asks of tracks."""
    names = set()
    for track in list(tracks)[:4]:
        names.add(track.name)
        usable = usable_frames(track, DataConfig())
        cutout_frames(track, usable)
        track.read(0)
        if isinstance(track, MaskedTrack) and track.masked[0]:
            assert track.mask(0).shape == track.size
    assert len(names) == len(list(tracks)[:4])


@pytest.fixture
def root(tmp_path):
    """A folder with one of everything, small and right."""
    frame, labels = np.full((*SIZE, 3), 90, np.uint8), np.zeros(SIZE, np.uint8)
    labels[4:9, 5:15] = 1
    for folder in ("coco/images", "video/walk/img", "video/walk/masks", "davis/JPEGImages/walk",
                   "davis/Annotations/walk", "albums/cup"):
        (tmp_path / folder).mkdir(parents=True)
    Image.fromarray(frame).save(tmp_path / "coco/images/a.png")
    Image.fromarray(frame).save(tmp_path / "albums/cup/a.png")
    for number in range(2):
        Image.fromarray(frame).save(tmp_path / f"video/walk/img/{number}.png")
        Image.fromarray(labels).save(tmp_path / f"video/walk/masks/{number}.png")
        Image.fromarray(frame).save(tmp_path / f"davis/JPEGImages/walk/{number}.jpg")
        Image.fromarray(labels).save(tmp_path / f"davis/Annotations/walk/{number}.png")
    (tmp_path / "video/walk/groundtruth.txt").write_text("5,4,10,5\n" * 2)
    (tmp_path / "coco/annotations.json").write_text(json.dumps(COCO))
    return tmp_path


COCO = {
    "images": [{"id": 1, "file_name": "a.png", "width": 32, "height": 24}],
    "annotations": [{"id": 1, "image_id": 1, "bbox": [5, 4, 10, 5], "category_id": 1, "iscrowd": 0,
                     "segmentation": [[5, 4, 15, 4, 15, 9, 5, 9]]},
                    {"id": 2, "image_id": 1, "bbox": [2, 3, 10, 5]}],
    "categories": [{"id": 1, "name": "cup"}],
}
PLACES = st.lists(st.tuples(st.lists(st.sampled_from(
    ["images", "annotations", "categories", 0, 1, "id", "image_id", "bbox", "segmentation", "file_name", "width",
     "height", "iscrowd", "category_id", "name", 2, 3]), min_size=1, max_size=5), JSON), min_size=1, max_size=4)


def put(document, path, value):
    """Sets what a path leads to, as far as it leads."""
    for number, step in enumerate(path):
        is_there = (isinstance(document, dict) and isinstance(step, str)) or (
            isinstance(document, list) and isinstance(step, int) and step < len(document))
        if not is_there:
            return
        inner = document.get(step) if isinstance(document, dict) else document[step]
        if number == len(path) - 1 or not isinstance(inner, dict | list):
            document[step] = value
            return
        document = inner


def test_coco(root, count):
    def check(changes):
        document = copy.deepcopy(COCO)
        for path, value in changes:
            put(document, path, value)
        (root / "coco/annotations.json").write_text(json.dumps(document))
        use(read_coco(root / "coco/annotations.json", root / "coco/images"))
        use(open_split(root / "coco")[0])

    fuzz(count, check, changes=PLACES)


def test_text_files_of_a_folder(root, count):
    def check(name, data):
        (root / "video" / name).write_bytes(data)
        try:
            use(open_videos(root / "video"))
            use(open_split(root / "video")[0])
            read_boxes(root / "video" / name)
        finally:
            (root / "video" / name).unlink()
            (root / "video/walk/groundtruth.txt").write_text("5,4,10,5\n" * 2)

    fuzz(count, check, name=st.sampled_from(["walk/groundtruth.txt", "walk/polygon.txt", "walk/meta.json",
                                             "validation.txt"]), data=TEXTS | JSON.map(json.dumps).map(str.encode))


def test_meta_of_youtube_vos(root, count):
    def check(data):
        (root / "davis/meta.json").write_bytes(data)
        use(read_davis(root / "davis"))

    fuzz(count, check, data=BYTES | JSON.map(json.dumps).map(str.encode) | st.dictionaries(
        st.just("videos"), st.dictionaries(st.just("walk"), st.dictionaries(st.just("objects"), JSON))
    ).map(json.dumps).map(str.encode))


@st.composite
def pictures(draw):
    """Bytes of an image file of any kind, with some of them changed, cut or added."""
    mode = draw(st.sampled_from(["1", "L", "P", "LA", "RGB", "RGBA", "I;16", "I", "F", "CMYK"]))
    kind = draw(st.sampled_from(["PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", "PPM"]))
    values = draw(st.sampled_from([[0], [0, 1], [0, 255], [0, 1, 2, 255], [0, 85, 170, 255], list(range(256))]))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    side = draw(st.sampled_from([SIZE, SIZE, SIZE[::-1], (1, 1)]))
    pixels = random.choice(np.uint8(values), side)
    file = io.BytesIO()
    try:
        image = Image.fromarray(pixels.astype(np.uint16)) if mode == "I;16" else Image.fromarray(pixels).convert(mode)
        image.save(file, kind)
    except (OSError, ValueError, KeyError):
        Image.fromarray(pixels).save(file, "PNG")
    data = bytearray(file.getvalue())
    for place, byte in draw(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6)):
        data[place % len(data)] = byte
    return bytes(data[:len(data) - draw(st.sampled_from([0, 0, 0, 5, 60, 200]))]) + draw(st.binary(max_size=4))


def test_label_images(root, count):
    def check(data, name):
        (root / name).write_bytes(data)
        for read in (read_annotation, read_objects):
            with contextlib.suppress(SiamjaxError):
                read(root / name)
        with contextlib.suppress(SiamjaxError):
            use(read_davis(root / "davis"))
        use(open_videos(root / "video"))

    fuzz(count, check, data=pictures(),
         name=st.sampled_from(["davis/Annotations/walk/0.png", "video/walk/masks/1.png"]))


def test_photos_and_frames(root, count):
    def check(data, name):
        (root / name).write_bytes(data)
        with contextlib.suppress(SiamjaxError):
            use(read_albums(root / "albums"))
        with contextlib.suppress(SiamjaxError):
            use(open_videos(root / "video"))
        use(read_coco(root / "coco/annotations.json", root / "coco/images"))

    fuzz(count, check, data=pictures(), name=st.sampled_from(["albums/cup/a.png", "video/walk/img/0.png",
                                                              "coco/images/a.png", "albums/cup/b.jpg"]))


NAMES = st.sampled_from(["img", "masks", "objects", "1", "2", "0.png", "1.png", "01.png", "1.jpg", "0.5.png",
                         "0.50.png", "groundtruth.txt", "polygon.txt", "meta.json", "validation.txt",
                         "annotations.json", "images", "videos", "JPEGImages", "Annotations", "480p", "@eaDir",
                         ".hidden", "walk", "-1.png", "1e-5.png"])


def test_trees_of_known_names(root, count):
    """Which reader is asked, and what it then finds, is up to the names."""
    photo = (root / "coco/images/a.png").read_bytes()

    def check(entries):
        tree = root / "tree"
        tree.mkdir()
        try:
            for path, data in entries:
                file = tree.joinpath(*path)
                if not file.exists() and not any(parent.is_file() for parent in file.parents):
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.mkdir() if data is None else file.write_bytes(photo if data == b"photo" else data)
            for door in (open_data, open_videos, open_split, open_objects, image_files):
                try:
                    found = door(tree)
                except SiamjaxError:
                    continue
                if door in (open_data, open_videos):
                    use(found)
        finally:
            shutil.rmtree(tree)

    rows = st.just(b"5,4,10,5\n5,4,10,5\n") | st.just(b"photo") | st.none() | st.just(json.dumps(COCO).encode())
    fuzz(count, check, entries=st.lists(st.tuples(st.lists(NAMES, min_size=1, max_size=4), rows | TEXTS), max_size=10))
