"""A miniature of every data set, written as its publisher lays it out with its odd cases, and what is read of it."""

from __future__ import annotations

import dataclasses
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from siamjax.data.labels import write_labels
from siamjax.data.readers import Choice, catalogue, open_data, open_split, open_validation, open_videos
from siamjax.errors import ConfigError, DataError

SIZE = 60, 80
NAN = (np.nan,) * 4


def draw(folder: Path, names, size=SIZE) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(np.full((*size, 3), 90, np.uint8)).save(folder / name)


def numbered(count, digits=8, first=1, suffix=".jpg"):
    return [f"{number:0{digits}d}{suffix}" for number in range(first, first + count)]


def write(path: Path, text: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


@dataclasses.dataclass(frozen=True)
class Expected:
    """Of one track: its boxes, and more where it matters."""

    boxes: tuple
    frames: tuple[str, ...]
    split: str = ""
    category: str = ""
    known: tuple[bool, ...] | None = None
    listed: tuple[bool, ...] | None = None
    origin: int = 0
    fps: float | None = None


def got10k(root):
    for split, count in (("train", 4), ("val", 4), ("test", 3)):
        name = f"GOT-10k_{split.capitalize()}_000001"
        folder = root / split / name
        draw(folder, numbered(count))
        rows = ["10.0000,12.5000,20.0000,30.0000"] * (1 if split == "test" else count)
        if split != "test":
            rows[2] = "0.0000,0.0000,0.0000,0.0000"
            write(folder / "absence.label", "0\n0\n1\n0\n")
            write(folder / "cover.label", "8\n7\n0\n8\n")
            write(folder / "cut_by_image.label", "0\n0\n0\n1\n")
            write(folder / "meta_info.ini", "[METAINFO]\nurl: https://a.b/c?v=%d\nbegin: 00:00:01\nanno_fps: 10Hz\n"
                                            "object_class: brown bear\nmotion_class: walking\nresolution: (80, 60)\n")
        write(folder / "groundtruth.txt", "\n".join(rows) + "\n")
        write(root / split / "list.txt", b"\xef\xbb\xbf" + name.encode() + b"\r\n")
    seen, names = (10, 12.5, 20, 30), tuple(numbered(4))
    labelled = {"category": "brown bear", "listed": (False, False, True, False), "fps": 10}
    return {"GOT-10k_Train_000001": Expected((seen, seen, NAN, seen), names, "train", **labelled),
            "GOT-10k_Val_000001": Expected((seen, seen, NAN, seen), names, "val", **labelled),
            "GOT-10k_Test_000001": Expected((seen, NAN, NAN), names[:3], "test", known=(True, False, False))}


def lasot(root):
    for name in ("airplane-1", "airplane-2", "airplane-10"):
        folder = root / "airplane" / name
        draw(folder / "img", numbered(5))
        write(folder / "groundtruth.txt", "10,12,20,30\n11,12,20,30\n0,0,0,0\n13,12,0,30\n14,12,20,30")
        write(folder / "full_occlusion.txt", "0,1,0,0,0")
        write(folder / "out_of_view.txt", "0,0,1,0,0\n")
        write(folder / "nlp.txt", "a white airplane")
    listed = (False, True, True, False, False)
    return {name: Expected(((10, 12, 20, 30), NAN, NAN, NAN, (14, 12, 20, 30)), tuple(numbered(5)), split, "airplane",
                           listed=listed)
            for name, split in (("airplane-1", "test"), ("airplane-2", "train"), ("airplane-10", "train"))}


def trackingnet(root):
    for chunk, name, rows in (("TRAIN_0", "a-_0", 11), ("TRAIN_11", "b_1", 11), ("TEST", "c_0", 1)):
        draw(root / chunk / "frames" / name, [f"{number}.jpg" for number in range(11)])
        write(root / chunk / "anno" / f"{name}.txt", "".join(f"{9 + row}.5,12.0,20.0,30.25\n" for row in range(rows)))
    names = tuple(f"{number}.jpg" for number in range(11))
    boxes = tuple((9.5 + row, 12, 20, 30.25) for row in range(11))
    return {"a-_0": Expected(boxes, names, "train", fps=30), "b_1": Expected(boxes, names, "train", fps=30),
            "c_0": Expected((boxes[0], *[NAN] * 10), names, "test", known=(True,) + (False,) * 10, fps=30)}


def otb(root):
    rows = ["11,13,20,30", "12\t13\t20\t30", "13 13 20 30"]
    text = "\n".join(rows) + "\n"
    for name, count, digits, first, target in (
            ("Basketball", 3, 4, 1, ""), ("BlurCar1", 3, 4, 247, ""), ("Board", 3, 5, 1, ""),
            ("Jogging", 3, 4, 1, ".1"), ("Human4", 3, 4, 1, ".2")):
        draw(root / name / "img", numbered(count, digits, first))
        write(root / name / f"groundtruth_rect{target}.txt", text)
    write(root / "Jogging/groundtruth_rect.2.txt", text.replace("30\n", "31\n"))
    write(root / "Human4/groundtruth_rect.1.txt", "")
    draw(root / "Freeman4/img", numbered(3, 4, 282))  # of which the boxes end with image 283
    write(root / "Freeman4/groundtruth_rect.txt", "11,13,20,30\n12,13,20,30\n")
    Image.fromarray(np.full(SIZE, 9, np.uint8)).save(root / "Board/img/00002.jpg")
    boxes = tuple((10 + row, 12, 20, 30) for row in range(3))
    taller = tuple((10 + row, 12, 20, 31) for row in range(3))
    return {"Basketball": Expected(boxes, tuple(numbered(3, 4)), origin=1),
            "BlurCar1": Expected(boxes, tuple(numbered(3, 4, 247)), origin=1),
            "Board": Expected(boxes, tuple(numbered(3, 5)), origin=1),
            "Freeman4": Expected(boxes[:2], tuple(numbered(2, 4, 282)), origin=1),
            "Human4/2": Expected(boxes, tuple(numbered(3, 4)), origin=1),
            "Jogging/1": Expected(boxes, tuple(numbered(3, 4)), origin=1),
            "Jogging/2": Expected(taller, tuple(numbered(3, 4)), origin=1)}


def uav(root):
    draw(root / "data_seq/UAV123/uav1", numbered(3, 6) + numbered(3, 6, 2473))
    draw(root / "data_seq/UAV123/boat1", numbered(3, 6))
    write(root / "anno/UAV123/boat1.txt", "11,13,20,30\nNaN,NaN,NaN,NaN\n12,13,20,30\n")
    write(root / "anno/UAV123/uav1_3.txt", "11,13,20,30\n12,13,20,30\n13,13,20,30\n")
    write(root / "anno/UAV20L/boat1.txt", "11,13,20,30\n" * 3)
    one, two, three = ((10 + n, 12, 20, 30) for n in range(3))
    return {"boat1": Expected((one, NAN, two), tuple(numbered(3, 6)), origin=1, fps=30),
            "uav1_3": Expected((one, two, three), tuple(numbered(3, 6, 2473)), origin=1, fps=30)}


def nfs(root):
    def row(frame, lost=0):
        return f'0 10 12 {30 + frame} 42 {frame} {lost} 0 1 "a ball"\n'
    for name, rows in (("ball", range(17)), ("cup", range(4)), ("zebra", range(2))):
        draw(root / name / "30" / name, numbered(3, 5))
        write(root / name / "30" / f"{name}.txt", "".join(row(frame, int(frame == 8)) for frame in rows))
    return {"ball": Expected(((10, 12, 20, 30), NAN, (10, 12, 36, 30)), tuple(numbered(3, 5)), "30", fps=30),
            "cup": Expected(tuple((10, 12, 20 + n, 30) for n in range(3)), tuple(numbered(3, 5)), "30", fps=30),
            "zebra": Expected(tuple((10, 12, 20 + n, 30) for n in range(2)), tuple(numbered(2, 5)), "30", fps=30)}


def templecolor(root):
    draw(root / "Ball_ce1/img", numbered(6, 4))
    write(root / "Ball_ce1/Ball_ce1_gt.txt", "10,12,20,30\n11,12,20,30\n12,12,20,30\n")
    write(root / "Ball_ce1/Ball_ce1_frames.txt", "3,5\n")
    return {"Ball_ce1": Expected(tuple((10 + n, 12, 20, 30) for n in range(3)), tuple(numbered(3, 4, 3)))}


def tnl2k(root):
    draw(root / "advSamp_1/imgs", ["f1.jpg", "f2.png", "f10.jpg"])
    write(root / "advSamp_1/groundtruth.txt", "10,12,20,30\n0,0,0,0\n12,12,20,30\n")
    write(root / "advSamp_1/language.txt", "a car")
    return {"advSamp_1": Expected(((10, 12, 20, 30), NAN, (12, 12, 20, 30)), ("f1.jpg", "f2.png", "f10.jpg"))}


def vot(root):
    for name in ("rect", "poly", "mask", "two"):
        draw(root / name / "color", numbered(3))
        write(root / name / "sequence", "channels.color=color/%08d.jpg\nfps=24\nformat=default\nheight=60\nwidth=80\n")
        write(root / name / "occlusion.tag", "0\n1\n")
    write(root / "rect/groundtruth.txt", "10,12,20,30\nnan,nan,nan,nan\n11,12,20,30\n")
    write(root / "poly/groundtruth.txt", "10,12,30,12,30,42,10,42\n11.5,12,30,20,28,42,10,40\n10,12,30,12,30,42,10,42")
    write(root / "mask/groundtruth.txt", "m5,6,3,2,1,2,2,1\nm0,0,0,0\nm5,6,3,2,0,1,2,3\n")
    write(root / "two/groundtruth_cat.txt", "10,12,20,30\n" * 3)
    write(root / "two/groundtruth_dog.txt", "nan,nan,nan,nan\n12,12,20,30\n12,12,20,30\n")
    write(root / "list.txt", "rect\npoly\nmask\ntwo\n")
    names, box = tuple(numbered(3)), (10, 12, 20, 30)
    return {"rect": Expected((box, NAN, (11, 12, 20, 30)), names, fps=24),
            "poly": Expected((box, (10, 12, 20, 30), box), names, fps=24),
            "mask": Expected(((6, 6, 2, 2), NAN, (5, 6, 3, 2)), names, fps=24),
            "two/cat": Expected((box,) * 3, names, fps=24),
            "two/dog": Expected(((12, 12, 20, 30),) * 2, names[1:], fps=24)}


def voc(*objects, size=(80, 60)):
    inside = "".join(f"<object>{f'<trackid>{track}</trackid>' if track is not None else ''}<name>{name}</name><bndbox>"
                     f"<xmax>{right}</xmax><xmin>{left}</xmin><ymax>{bottom}</ymax><ymin>{top}</ymin></bndbox>"
                     "<occluded>0</occluded><generated>1</generated></object>"
                     for track, name, left, top, right, bottom in objects)
    return f"<annotation><size><width>{size[0]}</width><height>{size[1]}</height></size>{inside}</annotation>"


def vid(root):
    for inside in ("train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000", "val/ILSVRC2015_val_00000000"):
        draw(root / "Data/VID" / inside, numbered(4, 6, 0, ".JPEG"))
        bird, car = ("0", "n01503061", 10, 12, 29, 41), ("1", "n02958343", 5, 5, 14, 24)
        for number, objects in enumerate(((bird,), (bird, car), (), (bird, car))):
            write(root / "Annotations/VID" / inside / f"{number:06d}.xml", voc(*objects))
    names, box = tuple(numbered(4, 6, 0, ".JPEG")), (10, 12, 20, 30)
    found = {}
    for split in ("train", "val"):
        name = f"ILSVRC2015_{split}_00000000"
        found[f"{name}/0"] = Expected((box, box, NAN, box), names, split, "n01503061")
        found[f"{name}/1"] = Expected(((5, 5, 10, 20), NAN, (5, 5, 10, 20)), names[1:], split, "n02958343")
    return found


def det(root):
    for folder in ("ILSVRC2013_train/n01440764", "ILSVRC2014_train_0000"):
        draw(root / "Data/DET/train" / folder, ["a_1.JPEG", "a_2.JPEG"])
        write(root / "Annotations/DET/train" / folder / "a_1.xml",
              voc((None, "n01440764", 10, 12, 29, 41), (None, "n01440764", 0, 0, 9, 9), size=(500, 300)))
        write(root / "Annotations/DET/train" / folder / "a_2.xml", voc())
    return {f"{folder}/a_1/{number}": Expected((box,), ("a_1.JPEG",), "train", "n01440764")
            for folder in ("n01440764", "ILSVRC2014_train_0000")
            for number, box in ((1, (10, 12, 20, 30)), (2, (0, 0, 10, 10)))}


def coco(root):
    draw(root / "train2017", ["000000000009.jpg", "000000000010.jpg"])
    draw(root / "images/val2017", ["000000000011.jpg"])
    square = [[10, 12, 30, 12, 30, 42, 10, 42]]
    plain = {"size": [60, 80], "counts": [60 * 10 + 12, 30] + [30, 30] * 19 + [60 * 50 + 18]}
    packed = {"size": [60, 80], "counts": "Xd01P2O000000000000"}

    def annotation(number, image, **more):
        return {"id": number, "image_id": image, "bbox": [10, 12, 20, 30], "category_id": 18, "iscrowd": 0,
                "area": 600.0, **more}
    for split, images in (("train", (9, 10)), ("val", (11,))):
        files = [{"id": one, "file_name": f"{one:012d}.jpg", "width": 80, "height": 60} for one in images]
        document = {"images": files,
                    "categories": [{"id": 18, "name": "dog"}],
                    "annotations": [annotation(1, images[0], segmentation=square),
                                    annotation(2, images[0], segmentation=plain),
                                    annotation(3, images[0], segmentation=packed, iscrowd=1),
                                    annotation(4, images[0], bbox=[3, 3, 0, 5])]}
        write(root / f"annotations/instances_{split}2017.json", json.dumps(document))
        write(root / f"annotations/captions_{split}2017.json", "{}")
    return {f"{split}2017/{image}/{number}": Expected(((10, 12, 20, 30),), (f"{image}.jpg",), split, "dog")
            for split, image in (("train", "000000000009"), ("val", "000000000011")) for number in (1, 2)}


def mot(root):
    draw(root / "train/MOT17-02-FRCNN/img1", numbered(3, 6))
    write(root / "train/MOT17-02-FRCNN/gt/gt.txt",
          "1,1,11,13,20,30,1,1,1\n2,1,12,13,20,30,1,1,0\n3,1,13,13,20,30,1,1,.5\n"
          "2,7,31,13,20,30,1,3,1\n1,9,1,1,5,5,0,12,1\n3,7,31,13,21,30,1,3,1\n")
    write(root / "train/MOT17-02-FRCNN/seqinfo.ini", "[Sequence]\nname=MOT17-02-FRCNN\nimDir=img1\nframeRate=30\n")
    names = tuple(numbered(3, 6))
    return {"MOT17-02-FRCNN/1": Expected(((10, 12, 20, 30), NAN, (12, 12, 20, 30)), names, category="pedestrian",
                                         origin=1, fps=30),
            "MOT17-02-FRCNN/7": Expected(((30, 12, 20, 30), (30, 12, 21, 30)), names[1:], category="car", origin=1,
                                         fps=30)}


def cvat(root):
    draw(root / "walk/images", [f"frame_{number:06d}.PNG" for number in range(5)])

    def box(frame, left, outside=0, key=1):
        return (f'<box frame="{frame}" xtl="{left}" ytl="12" xbr="{left + 20}" ybr="42" outside="{outside}" '
                f'occluded="0" keyframe="{key}" z_order="0"></box>')
    write(root / "walk/annotations.xml", '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>'
          '<meta><task><id>1</id><start_frame>0</start_frame></task></meta>'
          f'<track id="0" label="dog" source="manual">{box(0, 10)}{box(2, 14)}{box(3, 14, 1)}</track>'
          f'<track id="1" label="cat">{box(1, 10)}{box(3, 30)}</track></annotations>')
    names = tuple(f"frame_{number:06d}.PNG" for number in range(5))
    return {"walk/0": Expected(((10, 12, 20, 30), (12, 12, 20, 30), (14, 12, 20, 30), NAN, NAN), names, category="dog"),
            "walk/1": Expected(((10, 12, 20, 30), (20, 12, 20, 30), (30, 12, 20, 30), NAN), names[1:], category="cat",
                               known=(True, True, True, False))}


def plain_csv(root):
    draw(root / "walk", numbered(3, 6, 0, ".png"))
    write(root / "walk.csv", "frame,x,y,w,h\n0,10,12,20,30\n1,,,,\n2,11,12,20,30\n")
    draw(root / "run", numbered(3, 6, 1, ".png"))
    write(root / "run/boxes.csv", "frame;target;x;y;w;h\n1;a;10;12;20;30\n3;a;11;12;20;30\n2;b;10;12;20;30\n")
    one, names = (10, 12, 20, 30), tuple(numbered(3, 6, 1, ".png"))
    return {"walk": Expected((one, NAN, (11, 12, 20, 30)), tuple(numbered(3, 6, 0, ".png"))),
            "run/a": Expected((one, NAN, (11, 12, 20, 30)), names, known=(True, False, True)),
            "run/b": Expected((one, NAN), names[1:], known=(True, False))}


def label_studio(root):
    draw(root / "walk", numbered(5, 6, 0, ".png"))

    def key(frame, x, enabled=True):
        return {"frame": frame, "x": x, "y": 20, "width": 25, "height": 50, "enabled": enabled, "rotation": 0,
                "time": frame / 25}
    result = {"id": "q", "type": "videorectangle", "from_name": "box", "to_name": "video", "origin": "manual",
              "value": {"framesCount": 5, "duration": 0.2, "labels": ["dog"],
                        "sequence": [key(1, 12.5), key(3, 17.5, False)]}}
    write(root / "project-1.json", json.dumps([{"id": 3, "data": {"video": "/data/upload/1/1f2e3d4c-walk.mp4"},
                                                "annotations": [{"id": 1, "result": [result]}]}]))
    boxes = ((10, 12, 20, 30), (12, 12, 20, 30), (14, 12, 20, 30), NAN, NAN)
    return {"1f2e3d4c-walk": Expected(boxes, tuple(numbered(5, 6, 0, ".png")), category="dog")}


def coco_video(root):
    draw(root / "train/a1", numbered(3, 5, 0))
    write(root / "instances.json", json.dumps({
        "videos": [{"id": 1, "file_names": [f"train/a1/{name}" for name in numbered(3, 5, 0)], "width": 80,
                    "height": 60, "length": 3}], "categories": [{"id": 2, "name": "cat"}],
        "annotations": [{"id": 7, "video_id": 1, "category_id": 2, "bboxes": [None, [10, 12, 20, 30], [1, 2, 5, 5]],
                         "segmentations": [None, None, None], "areas": [None, 1, 1]}]}))
    return {"a1": Expected(((10, 12, 20, 30), (1, 2, 5, 5)), tuple(numbered(2, 5, 1)), category="cat")}


def davis(root):
    for name in ("bear", "walk"):
        draw(root / "JPEGImages/480p" / name, numbered(2, 5, 0))
        for number in range(2):
            write_objects(root / "Annotations/480p" / name / f"{number:05d}.png", 1 + number)
    write(root / "ImageSets/2017/train.txt", "bear\n")
    write(root / "ImageSets/2017/val.txt", "walk\n")
    names = tuple(numbered(2, 5, 0))
    splits = (("bear", "train"), ("walk", "val"))
    return {f"{name}/1": Expected(((10, 12, 20, 30),) * 2, names, split) for name, split in splits} | {
        f"{name}/2": Expected((NAN, (50, 12, 20, 30)), names, split) for name, split in splits}


def youtube_vos(root):
    found = {}
    for split, name in (("train", "003234408d"), ("valid", "0062f687f1")):
        draw(root / split / "JPEGImages" / name, numbered(2, 5, 0) + numbered(1, 5, 5))
        write_objects(root / split / "Annotations" / name / "00000.png", 1)
        if split == "train":
            write_objects(root / split / "Annotations" / name / "00005.png", 1)
        write(root / split / "meta.json", json.dumps({"videos": {name: {"objects": {"1": {
            "category": "penguin", "frames": ["00000", "00005"]}}}}}))
        box = (10, 12, 20, 30)
        found[name] = Expected((box, NAN, box if split == "train" else NAN), ("00000.jpg", "00001.jpg", "00005.jpg"),
                               split, "penguin", known=(True, False, split == "train"))
    return found


def write_objects(path, count):
    labels = np.zeros(SIZE, np.uint8)
    for number in range(count):
        labels[12:42, 10 + 40 * number:30 + 40 * number] = number + 1
    path.parent.mkdir(parents=True, exist_ok=True)
    write_labels(path, labels)


TREES = {"got10k": got10k, "lasot": lasot, "trackingnet": trackingnet, "otb": otb, "uav": uav, "nfs": nfs,
         "templecolor": templecolor, "tnl2k": tnl2k, "vot": vot, "vid": vid, "det": det, "coco": coco, "mot": mot,
         "davis": davis, "youtubevos": youtube_vos,
         "cvat": cvat, "csv": plain_csv, "labelstudio": label_studio, "cocovideo": coco_video}


def test_every_layout_has_its_tree():
    assert TREES.keys() == catalogue.LAYOUTS.keys()


@pytest.mark.parametrize("name", TREES)
def test_a_tree_is_found_and_read(tmp_path, name):
    expected = TREES[name](tmp_path)
    asked = {"uav": "uav123", "otb": "otb100"}.get(name)
    for choice in (Choice(split=asked), Choice(layout=name, split=asked, strict=True)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tracks = open_data(tmp_path, choice)
        assert (tracks.layout, tracks.faults) == (name, ())
        assert {track.name for track in tracks} == expected.keys()
        for track in tracks:
            wanted = expected[track.name]
            np.testing.assert_allclose(track.boxes, np.array(wanted.boxes, np.float32), atol=1e-4, err_msg=track.name)
            assert (track.boxes.dtype, track.size) == (np.float32, SIZE)
            assert tuple(frame.name for frame in track.frames) == wanted.frames
            assert (track.split, track.category, track.origin, track.fps) == (
                wanted.split, wanted.category, wanted.origin, wanted.fps)
            for said, of in ((track.annotated, wanted.known), (track.listed, wanted.listed)):
                assert (None if said is None else tuple(said)) == of, track.name
            assert track.read(len(track.frames) - 1).shape == (*SIZE, 3)


@pytest.mark.parametrize(("name", "split", "count"), [
    ("got10k", "val", 1), ("got10k", "test", 1), ("got10k", "all", 3), ("lasot", "test", 1), ("lasot", "train", 2),
    ("trackingnet", "train", 2), ("otb", "otb2013", 4), ("otb", "otb50", 3), ("uav", "uav20l", 1), ("nfs", "30", 3),
    ("vid", "val", 2), ("coco", "val2017", 2)])
def test_published_splits_have_names(tmp_path, name, split, count):
    TREES[name](tmp_path)
    assert len(open_data(tmp_path, Choice(split=split))) == count
    assert len(open_validation(tmp_path, Choice(split=split))) == count
    with pytest.raises(ConfigError, match="choose one of") as caught:
        open_data(tmp_path, Choice(split="nothing"))
    assert split in str(caught.value)


def test_a_file_of_names_is_a_split(tmp_path):
    lasot(tmp_path / "data")
    write(tmp_path / "mine.txt", b"\xff\xfe" + "airplane-1\r\nairplane-10\n".encode("utf-16-le"))
    chosen = Choice(split=str(tmp_path / "mine.txt"))
    assert {one.name for one in open_data(tmp_path / "data", chosen)} == {"airplane-1", "airplane-10"}
    write(tmp_path / "mine.txt", "airplane-1\nairplane-3\n")
    with pytest.raises(DataError, match="airplane-3"):
        open_data(tmp_path / "data", chosen)


@pytest.mark.parametrize(("name", "train", "validation", "evaluation"), [
    ("got10k", "train", "val", "val"), ("lasot", "train", None, "test"), ("trackingnet", "train", None, "test"),
    ("vid", "train", "val", "val"), ("davis", "train", "val", None), ("youtubevos", "train", None, "valid"),
    ("coco", "train", "val", "val")])
def test_each_use_has_its_split(tmp_path, name, train, validation, evaluation):
    TREES[name](tmp_path)
    found = open_split(tmp_path)
    assert {one.split for one in found[0]} == {train}
    assert {one.split for one in found[1]} == ({validation} if validation else set())
    if evaluation:
        assert {one.split for one in open_videos(tmp_path)} == {evaluation}


def test_evaluations_take_boxes_as_toolkits_do(tmp_path):
    otb(tmp_path)
    for choice, first in ((None, 11), (Choice(origin="zero"), 10), (Choice(origin="written"), 11)):
        tracks = open_videos(tmp_path, choice)
        assert tracks[0].boxes[0].tolist() == [first, first + 2, 20, 30]
        assert tracks[0].as_written == (first == 11)
    assert open_split(tmp_path)[0][0].boxes[0, 0] == 10
    with pytest.raises(ConfigError, match="no origin"):
        Choice(origin="one")


def test_two_layouts_in_one_folder_need_a_name(tmp_path):
    vid(tmp_path), det(tmp_path)
    with pytest.raises(DataError, match=r"fits the layouts vid and det.*--layout"):
        open_data(tmp_path)
    assert {one.category for one in open_data(tmp_path, Choice("det"))} == {"n01440764"}
    with pytest.raises(DataError, match="not laid out as LaSOT"):
        open_data(tmp_path, Choice("lasot"))
    with pytest.raises(ConfigError, match=r"no layout 'x'.*got10k"):
        Choice("x")


def test_masks_of_run_lengths_are_read(tmp_path):
    vot(tmp_path / "vot"), coco(tmp_path / "coco")
    by_name = {one.name: one for one in open_data(tmp_path / "vot")}
    mask = by_name["mask"].mask(0)
    assert mask.shape == SIZE
    assert mask[6:8, 5:8].tolist() == [[False, True, True], [False, False, True]]
    assert by_name["mask"].masked.tolist() == [True, False, True]
    assert by_name["poly"].turned_boxes
    assert not by_name["poly"].masked.any()
    outline, plain, *_ = open_data(tmp_path / "coco", Choice(split="train"))
    inside = np.zeros(SIZE, bool)
    inside[12:42, 10:30] = True
    np.testing.assert_array_equal(plain.mask(0), inside)
    assert outline.masked.all()  # four corners, and yet an outline
    assert (outline.mask(0) ^ inside).mean() < 0.02


def test_own_layouts_are_found_still(tmp_path):
    draw(tmp_path / "walk/img", numbered(3))
    write(tmp_path / "walk/groundtruth.txt", "10,12,20,30\n" * 3)
    draw(tmp_path / "davis/JPEGImages/a", numbered(2))
    (tmp_path / "davis/Annotations/a").mkdir(parents=True)
    labels = np.zeros(SIZE, np.uint8)
    labels[3:9, 4:20] = 1
    write_labels(tmp_path / "davis/Annotations/a/00000001.png", labels)
    for folder in (tmp_path, tmp_path / "davis"):
        assert open_data(folder).layout == "folder"
