"""What people give by mistake, to every command: one line that says what, where, what to do; exit 2; nothing left."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import struct
import zlib

import jax
import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from siamjax.cli.main import run
from siamjax.evaluation.files.video_writer import VideoWriter
from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.contrastive import EmbeddingHead, Siamese
from siamjax.nets.embedder import EmbedderConfig
from siamjax.nets.siamfc import SiamFC
from siamjax.ops.views import View
from siamjax.trackers.siamfc import SiamFCConfig, SiamFCTracker
from siamjax.weights import files, zoo

LINE = re.compile(r"error: \S.* \(.+\): \S.*\n")

TRACK = """
track nowhere.mp4 --box 40,30,32,32                                 # nowhere.mp4
track {w}/empty --box 40,30,32,32                                   # no images|no video
track {w}/text.mp4 --box 40,30,32,32                                # text.mp4
track {w}/nothing.mp4 --box 40,30,32,32                             # nothing.mp4
track {w}/cut.mp4 --box 40,30,32,32                                 # cut.mp4
track '{w}/none/*.jpg' --box 40,30,32,32                            # none
track {w}/torn --box 10,10,20,20                                    # torn
track {w}/bomb --box 10,10,20,20                                    # bomb
track {w}/text.txt --box 10,10,20,20                                # text.txt
track {w}/loop --box 10,10,20,20                                    # loop
track {w}/clip.mp4                                                  # --box 120,80,60,40
track {w}/clip.mp4 --box 1,2,3                                      # '1,2,3' is not a box
track {w}/clip.mp4 --box a,b,c,d                                    # is not a box
track {w}/clip.mp4 --box 1,2,3,4,5                                  # is not a box
track {w}/clip.mp4 --box ''                                         # is not a box
track {w}/clip.mp4 --box 10,10,0,20                                 # no area
track {w}/clip.mp4 --box=10,10,-5,20                                # no area
track {w}/clip.mp4 --box nan,10,5,20                                # not finite
track {w}/clip.mp4 --box 10,10,inf,20                               # not finite
track {w}/clip.mp4 --box 500,10,5,20                                # outside
track {w}/clip.mp4 --box 40,30,32,32 --box=-99,0,5,5                # outside
track {w}/badtruth                                                  # groundtruth.txt
track {w}/words                                                     # groundtruth.txt
track {w}/blank                                                     # groundtruth.txt
track {w}/clip.mp4 --init-mask {w}/none.png                         # none.png
track {w}/clip.mp4 --init-mask {w}/text.txt                         # text.txt
track {w}/clip.mp4 --init-mask {w}/black.png                        # black.png
track {w}/clip.mp4 --init-mask {w}/small.png                        # small.png
track {w}/clip.mp4 --init-mask {w}/mask.png --box 1,2,3,4           # give one of them
track {w}/clip.mp4 --box 40,30,32,32 --model no_such_model          # no_such_model
track {w}/clip.mp4 --box 40,30,32,32 --model siamrpn_r50            # no weights in the package
track {w}/clip.mp4 --box 40,30,32,32 --model {w}/none.safetensors   # none.safetensors
track {w}/clip.mp4 --box 40,30,32,32 --model {w}/junk.safetensors   # not a safetensors file
track {w}/clip.mp4 --box 40,30,32,32 --model {w}/half.safetensors   # not a safetensors file
track {w}/clip.mp4 --box 40,30,32,32 --model {w}/bare.safetensors   # metadata
track {w}/clip.mp4 --box 40,30,32,32 --model {w}/nan.safetensors    # not finite
track {w}/clip.mp4 --box 40,30,32,32 --model {w}/less.safetensors   # do not fit
track {w}/clip.mp4 --box 40,30,32,32 --model {w}/settings.safetensors  # settings
track {w}/clip.mp4 --box 40,30,32,32 --model {w}/kind.safetensors   # kind
track {w}/clip.mp4 --box 40,30,32,32 --model {w}/huge.safetensors   # search_size
track {w}/clip.mp4 --box 40,30,32,32 --model {w}/integers.safetensors  # holds no parameters
track {w}/clip.mp4 --box 40,30,32,32 --model {w}/embedder.safetensors  # not of a tracker
track {w}/clip.mp4 --box 40,30,32,32 --model {w}/empty              # weights.safetensors
track {w}/clip.mp4 --box 40,30,32,32 --model {w}/x.pth              # convert
track {w}/clip.mp4 --box 40,30,32,32 --set tracker.speed=3          # speed
track {w}/clip.mp4 --box 40,30,32,32 --set tracker.num_scales=2     # odd number
track {w}/clip.mp4 --box 40,30,32,32 --set tracker.num_scales=many  # num_scales
track {w}/clip.mp4 --box 40,30,32,32 --set scale_lr=2               # tracker.KEY=VALUE
track {w}/clip.mp4 --box 40,30,32,32 --set tracker.scale_lr         # tracker.KEY=VALUE
track {w}/clip.mp4 --box 40,30,32,32 --set tracker.scale_lr=nan     # scale_lr
track {w}/clip.mp4 --box 40,30,32,32 --output {w}/text.txt          # cannot be written
track {w}/clip.mp4 --box 40,30,32,32 --output {w}/text.txt/deep     # cannot be written
track {w}/clip.mp4 --box 40,30,32,32 --max-pixels 10                # pixels
"""
TRAIN = """
train {w}/none.py --output out                                      # no such experiment file
train {w}/text.txt --output out                                     # ends in .py
train {w}/syntax.py --output out                                    # SyntaxError
train {w}/raises.py --output out                                    # ZeroDivisionError
train {w}/imports.py --output out                                   # ModuleNotFoundError
train {w}/nothing.py --output out                                   # config = Experiment
train {w}/dict.py --output out                                      # config = Experiment
train {w}/small.py --output out --steps 0                           # 1 or more
train {w}/small.py --output out --set nothing                       # KEY=VALUE
train {w}/small.py --output out --set optim.peak_rl=1               # did you mean
train {w}/small.py --output out --set optim.peak_lr=fast            # is not a value
train {w}/small.py --output out --set batch_size=0                  # 1 or more
train {w}/small.py --output out --set batch_size=2.5                # is not a value
train {w}/small.py --output out --set ema=1.5                       # ema
train {w}/small.py --output out --set net=SiamFC                    # cannot be given as text
train {w}/small.py --output out --data {w}/none                     # none
train {w}/small.py --output out --data {w}/empty                    # empty
train {w}/small.py --output out --data {w}/text.txt                 # text.txt
train {w}/small.py --output out --data {w}/badtruths                # groundtruth.txt
train {w}/small.py --output out --data {w}/coco_list                # json
train {w}/small.py --output out --data {w}/coco_text                # json
train {w}/small.py --output out --data {w}/normalised               # normalised
train {w}/small.py --output out --data {w}/mixed                    # mixed
train {w}/small.py --output out --set epochs=-1                     # epochs
train {w}/small.py --output out --set optim.peak_lr=nan             # peak_lr
train {w}/small.py --output {w}/text.txt                            # cannot be written
"""
EVALUATE = """
evaluate --output out --data {w}/none                               # none
evaluate --output out --data {w}/empty                              # empty
evaluate --output out --data {w}/text.txt                           # text.txt
evaluate --output out --data {w}/badtruths                          # groundtruth.txt
evaluate --output out --data {w}/badwords                           # groundtruth.txt
evaluate --output out --data {w}/unframed                           # no images
evaluate --output out --data {w}/absent                             # absent from frame 1
evaluate --output out --data {w}/normalised                         # normalised
evaluate --output out --data {w}/set --model {w}/...safetensors     # name
evaluate --output out --data {w}/coco_list                          # no sequence
evaluate --output out --data {w}/set --protocol vot                 # unknown protocol
evaluate --output out --data {w}/set --convention mine              # unknown convention
evaluate --output out --data {w}/set --protocol davis --convention otb   # has its own rule
evaluate --output out --data {w}/set --protocol davis               # no sequence
evaluate --output out --data {w}/set --model no_such_model          # no_such_model
evaluate --output out --data {w}/set --model {w}/junk.safetensors   # not a safetensors file
evaluate --output out --data {w}/set --set tracker.speed=1          # speed
evaluate --output {w}/text.txt --data {w}/set                       # cannot be written
evaluate --output out --data {w}/set --model {w}/embedder.safetensors  # not of a tracker
"""
TUNE = """
tune --output out --data {w}/set                                    # nothing to tune
tune --output out --data {w}/set --grid window                      # not a setting
tune --output out --data {w}/set --grid window_influence=           # not a setting
tune --output out --data {w}/set --grid window_influence=a,b        # not a setting
tune --output out --data {w}/set --grid speed=1,2                   # no setting
tune --output out --data {w}/set --grid search_size=255,271         # shapes the program
tune --output out --data {w}/set --grid window_influence=0.1 --lanes 0   # lanes
tune --output out --data {w}/set --grid window_influence=0.1 --random=-1  # random
tune --output out --data {w}/set --grid window_influence=2,3        # window_influence
tune --output out --data {w}/none --grid window_influence=0.1       # none
tune --output out --data {w}/empty --grid window_influence=0.1      # holds no sequence
tune --output out --data {w}/allthere --grid window_influence=0.1   # validation
tune --output {w}/text.txt --data {w}/set --grid window_influence=0.1   # cannot be written
tune --output out --data {w}/set --grid window_influence=0.1 --model {w}/x.pth  # convert
"""
CONVERT = """
convert {w}/none.pth --output o.safetensors                         # none.pth
convert {w}/x.pth --output o.safetensors                            # x.pth
convert {w}/nothing.mp4 --output o.safetensors                      # nothing.mp4
convert {w}/empty --output o.safetensors                            # empty
convert {w}/x.pth --output o.pth                                    # end in .safetensors
convert {w}/x.pth --output o.safetensors --model siamfcc            # known: siamfc_alexnet
convert {w}/x.pth --output o.safetensors --backbone resnet          # backbone
convert {w}/x.pth --output o.safetensors --model siamfc_alexnet --backbone resnet50   # give one of them
convert {w}/tiny.safetensors --output o.safetensors                 # tiny.safetensors
"""
EMBED = """
embed {w}/none --output o.npz                                       # none
embed {w}/empty --output o.npz                                      # no images
embed {w}/photos --output o.txt                                     # end in .npz
embed {w}/photos --output {w}/text.txt/o.npz                        # cannot be written
embed {w}/photos --output o.npz --model no_such_model               # no_such_model
embed {w}/photos --output o.npz --model {w}/junk.safetensors        # not a safetensors file
embed {w}/photos --output o.npz --model {w}/half.safetensors        # not a safetensors file
embed {w}/torn --output o.npz --model {w}/embedder.safetensors      # torn
embed '{w}/none/*.png' --output o.npz                               # none
embed {w}/text.txt --output o.npz --model {w}/embedder.safetensors  # text.txt
match {w}/none.png {w}/photos/a/0.png --model {w}/embedder.safetensors    # none.png
match {w}/text.txt {w}/photos/a/0.png --model {w}/embedder.safetensors    # text.txt
match {w}/photos/a/0.png {w}/empty --model {w}/embedder.safetensors       # empty
match {w}/photos/a/0.png {w}/photos/a/1.png --nearest 0             # 1 or more
match {w}/photos/a/0.png {w}/none.npz                               # none.npz
match {w}/photos/a/0.png {w}/text.npz                               # no embeddings
match {w}/photos/a/0.png {w}/other.npz                              # no embeddings
match {w}/photos/a/0.png {w}/photos/a/1.png --model no_such_model   # no_such_model
match {w}/photos/a/0.png {w}/photos/a/1.png --model {w}/embedder.safetensors --box-a 1,2   # is not a box
match {w}/photos/a/0.png {w}/photos/a/1.png --model {w}/embedder.safetensors --box-b 900,2,3,4   # outside
verify --output out --pairs 1                                       # draw 100 or more
verify --output out --data {w}/none                                 # none
verify --output out --data {w}/empty                                # empty
verify --output out --data {w}/oneobject --model {w}/embedder.safetensors --pairs 100   # two|one object
verify --output out --model no_such_model                           # no_such_model
verify --output out --model {w}/half.safetensors                    # not a safetensors file
verify --output out --calibrated x.pth                              # end in .safetensors
verify --output {w}/text.txt --data {w}/photos --model {w}/embedder.safetensors   # cannot be written
models no_such_model                                                # no_such_model
models {w}/junk.safetensors                                         # not a safetensors file
models {w}/bare.safetensors                                         # metadata
models {w}/empty                                                    # weights.safetensors
"""
CASES = [tuple(part.strip() for part in line.rsplit("  # ", 1))
         for line in (TRACK + TRAIN + EVALUATE + TUNE + CONVERT + EMBED).splitlines() if line]

SMALL_MODELS = {"track": "tiny.safetensors", "evaluate": "tiny.safetensors", "tune": "tiny.safetensors",
                "embed": "embedder.safetensors", "match": "embedder.safetensors", "verify": "embedder.safetensors"}

SMALL = """
from siamjax.data.augment import AugmentConfig
from siamjax.data.config import DataConfig
from siamjax.data.synthetic import SyntheticConfig
from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.siamfc import SiamFC
from siamjax.trackers.siamfc import SiamFCConfig
from siamjax.training.experiment import Experiment
from siamjax.training.objectives import LogisticObjective
config = Experiment(
    name="small", batch_size=4, epochs=1, steps_per_epoch=1, objective=LogisticObjective(), tracker=SiamFCConfig(),
    net=SiamFC(AlexNet((Stage(4, 11, 8, norm=False, relu=False),), lowering="lax")),
    data=DataConfig(patch_size=255, threads=0), augment=AugmentConfig(),
    synthetic=SyntheticConfig(videos=2, frames=3, height=96, width=128, objects=1))
"""


def picture(number: int, size=(96, 128)) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)


def sequence(folder, boxes: str, frames: int = 3) -> None:
    (folder / "img").mkdir(parents=True)
    for number in range(frames):
        Image.fromarray(picture(number)).save(folder / f"img/{number:04d}.png")
    (folder / "groundtruth.txt").write_text(boxes)


def bomb(side: int) -> bytes:
    """A PNG of 100 bytes that says it is `side` px high and wide."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b""))


def weights(folder) -> None:
    """A tracker, an embedding net, and files that once were such."""
    backbone = AlexNet((Stage(4, 11, 8, norm=False, relu=False),), lowering="lax")
    tracker = SiamFCTracker(SiamFC(backbone), SiamFCConfig(num_scales=1))
    params = tracker.net.init(jax.random.key(0), np.zeros((1, 127, 127, 3), np.float32),
                              np.zeros((1, 255, 255, 3), np.float32))
    zoo.save(folder / "tiny.safetensors", tracker, params, card="tiny", licence="none")
    embedder = EmbedderConfig(View(size=31), View(size=31), exemplar_size=31).build(Siamese(backbone, EmbeddingHead(4)))
    views = [np.zeros(view.inputs().shape, view.inputs().dtype) for view in (View(size=31), View(size=31))]
    files.save(folder / "embedder.safetensors", embedder.net.init(jax.random.key(0), *views),
               zoo.metadata_for(embedder, card="tiny", licence="none"))
    whole = (folder / "tiny.safetensors").read_bytes()
    (folder / "half.safetensors").write_bytes(whole[:len(whole) // 2])
    (folder / "junk.safetensors").write_bytes(b"junk" * 100)
    with safetensors.safe_open(folder / "tiny.safetensors", "numpy") as file:
        said, arrays = file.metadata(), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    first = next(iter(arrays))
    config = json.loads(said["config"])

    def written(name: str, arrays: dict, said: dict | None) -> None:
        safetensors.numpy.save_file(arrays, folder / f"{name}.safetensors", said)

    written("bare", arrays, None)
    written("nan", arrays | {first: np.full_like(arrays[first], np.nan)}, said)
    written("less", {key: value for key, value in arrays.items() if key != first}, said)
    written("settings", arrays, said | {"config": "{"})
    written("huge", arrays, said | {"config": re.sub('("search_size": ?)255', r"\g<1>100001", said["config"])})
    written("integers", {key: value.astype(np.int8) for key, value in arrays.items()}, said)
    shutil.copy(folder / "tiny.safetensors", folder / "...safetensors")
    written("kind", arrays, said | {"config": json.dumps({**config, "kind": "os.system"}
                                                         if isinstance(config, dict) else ["os.system"])})
    (folder / "x.pth").write_bytes(b"no pickle")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder of what people give by mistake, and of what is right beside it."""
    w = tmp_path_factory.mktemp("world")
    (w / "empty").mkdir()
    with VideoWriter(w / "clip.mp4", 25) as writer:
        for number in range(6):
            writer.write(picture(number))
    (w / "cut.mp4").write_bytes((w / "clip.mp4").read_bytes()[:400])
    for name in ("text.mp4", "text.txt", "text.npz"):
        (w / name).write_text("some words\n")
    for name in ("nothing.mp4", "nothing.py"):
        (w / name).touch()
    for name, broken in (("torn", b"\x89PNG broken"), ("bomb", bomb(60_000))):
        (w / name).mkdir()
        (w / name / "0.png").write_bytes(broken)
    (w / "loop").symlink_to("loop")
    for name, labels in (("black", np.zeros((96, 128))), ("mask", np.eye(96, 128)), ("small", np.eye(20))):
        Image.fromarray(labels.astype(np.uint8)).save(w / f"{name}.png")
    sequence(w / "badtruth", "1,2,3\n" * 3)
    sequence(w / "words", "here\nthere\nnowhere\n")
    sequence(w / "blank", "")
    for name, boxes in (("set", "40,30,32,32\n" * 3), ("badtruths", "1,2,3\n" * 3), ("badwords", "x\ny\nz\n"),
                        ("normalised", "0.3,0.3,0.25,0.3\n" * 3), ("allthere", "40,30,32,32\n" * 3),
                        ("absent", "nan,nan,nan,nan\n40,30,32,32\n40,30,32,32\n")):
        sequence(w / name / "one", boxes)
    sequence(w / "mixed/one", "40,30,32,32\n40,30,32\n40,30\n")
    sequence(w / "set/two", "40,30,32,32\n" * 3)
    (w / "set/validation.txt").write_text("one\n")
    (w / "unframed/one").mkdir(parents=True)
    (w / "unframed/one/groundtruth.txt").write_text("1,2,3,4\n")
    for name, text in (("coco_list", "[1, 2]"), ("coco_text", "{")):
        (w / name / "images").mkdir(parents=True)
        Image.fromarray(picture(0)).save(w / name / "images/0.jpg")
        (w / name / "annotations.json").write_text(text)
    for name, objects in (("photos", "ab"), ("oneobject", "a")):
        for one in objects:
            (w / name / one).mkdir(parents=True)
            for number in range(2):
                Image.fromarray(picture(number, (40, 40))).save(w / name / one / f"{number}.png")
    np.savez(w / "other.npz", boxes=np.zeros(3))
    for name, text in (("syntax", "config = ("), ("raises", "config = 1 / 0"), ("imports", "import not_there"),
                       ("dict", "config = {}"), ("small", SMALL)):
        (w / f"{name}.py").write_text(text)
    weights(w)
    return w


def listing(folder) -> dict[str, float | None]:
    return {str(path): None if path.is_dir() else path.lstat().st_mtime_ns
            for path in folder.rglob("*") if "__pycache__" not in path.parts}


def test_there_are_a_hundred_of_them_and_all_commands_that_take_anything():
    assert len(set(CASES)) >= 100
    assert {case[0].split()[0] for case in CASES} == {
        "track", "train", "evaluate", "tune", "convert", "embed", "match", "verify", "models"}


@pytest.mark.parametrize(("command", "says"), CASES, ids=[case[0] for case in CASES])
def test_wrong_input_is_one_line_exit_2_and_nothing_left(command, says, world, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    before = listing(world)
    name, *_ = arguments = [part.format(w=world) for part in shlex.split(command)]
    if name in SMALL_MODELS and "--model" not in arguments:  # the default ones cost seconds
        arguments += ["--model", str(world / SMALL_MODELS[name])]
    status = run(arguments)
    printed = capfd.readouterr()
    lines = [line for line in printed.err.splitlines(keepends=True) if not line.startswith("warning: ")]
    assert status == 2, printed
    assert len(lines) == 1, printed.err
    assert LINE.fullmatch(lines[0])
    assert any(part in lines[0].replace(str(world), "") for part in says.split("|")), lines[0]
    assert listing(tmp_path) == {}
    assert listing(world) == before
