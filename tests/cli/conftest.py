"""Narrow random nets in weight files: SiamFC, SiamMask, embedding nets; and photos of objects."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from PIL import Image

from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.contrastive import EmbeddingHead, PseudoSiamese, Siamese, Tower
from siamjax.nets.embedder import EmbedderConfig
from siamjax.nets.necks import Adjust
from siamjax.nets.rpn_heads import DepthwiseBranch, DepthwiseRPN
from siamjax.nets.siamfc import SiamFC
from siamjax.nets.siammask import SiamMask
from siamjax.nets.text import TextBackbone
from siamjax.ops.views import View
from siamjax.trackers.siamfc import SiamFCConfig, SiamFCTracker
from siamjax.trackers.siammask import SiamMaskConfig
from siamjax.weights import files, zoo

# Loading the package takes longer than a tiny command: it is loaded once, and every command is a fork of it.
LOADED = """
import json, os, sys, warnings
from siamjax.cli import main
main.load_commands([])
warnings.filterwarnings("ignore", "os.fork")
for line in sys.stdin:
    arguments, environment, before, out, err = json.loads(line)
    child = os.fork()
    if not child:
        status = 1
        try:
            for number, path in ((1, out), (2, err)):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), number)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.environ.update(environment)
            sys.argv[1:] = arguments
            exec(before)
            main.main()
            status = 0
        except SystemExit as stop:
            status = stop.code or 0
        except BaseException:
            import traceback
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(status)
    print(child, flush=True)
    sys.stdin.readline()  # until then its number is nobody else's
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="session")
def run_forked(tmp_path_factory):
    """`run_forked(arguments, environment={}, before="", after=None, number=SIGKILL)`: status, stdout and stderr of the
    command line in a process of its own, which runs the Python code `before` first and gets a signal after so long."""
    process = subprocess.Popen([sys.executable, "-c", LOADED], text=True, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    folder = tmp_path_factory.mktemp("said")
    paths = folder / "out", folder / "err"

    def run(arguments, *, environment=None, before="", after=None, number=signal.SIGKILL):
        for path in paths:
            path.unlink(missing_ok=True)
        job = [[*map(str, arguments)], environment or {}, before, *map(str, paths)]
        print(json.dumps(job), file=process.stdin, flush=True)
        child = int(process.stdout.readline())
        if after is not None:
            time.sleep(after)
            os.kill(child, number)
        print(file=process.stdin, flush=True)
        status = int(process.stdout.readline())
        return status, *(path.read_text(errors="surrogateescape") if path.exists() else "" for path in paths)

    yield run
    process.stdin.close()
    process.wait()
    process.stdout.close()


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A weight file of a net small enough to compile at once."""
    tracker = SiamFCTracker(SiamFC(AlexNet((Stage(4, 11, 8, norm=False, relu=False),), lowering="lax")),
                            SiamFCConfig(num_scales=1))
    variables = tracker.net.init(jax.random.key(0), np.zeros((1, 127, 127, 3), np.float32),
                                 np.zeros((1, 255, 255, 3), np.float32))
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    zoo.save(path, tracker, variables, card="tiny", licence="Apache-2.0")
    return str(path)


@pytest.fixture(scope="session")
def mask_model(tmp_path_factory):
    """A weight file of a SiamMask with coarse masks, small enough to compile at once; its masks mean nothing."""
    lax = {"lowering": "lax"}
    trunk = AlexNet((Stage(4, 11, 8, norm=False, relu=False),), lowering="lax")
    net = SiamMask(trunk, Adjust((4,), **lax), DepthwiseRPN(4, **lax), DepthwiseBranch(4, 63 * 63, **lax))
    tracker = SiamMaskConfig(mask_size=63).build(net)
    variables = jax.jit(net.init)(jax.random.key(0), np.zeros((1, 127, 127, 3), np.float32),
                                  np.zeros((1, 255, 255, 3), np.float32))
    path = tmp_path_factory.mktemp("masks") / "tinymask.safetensors"
    zoo.save(path, tracker, variables, card="tiny", licence="Apache-2.0")
    return str(path)


@pytest.fixture(scope="session")
def embedder_files(tmp_path_factory):
    """Weight files of embedding nets: `whole` of images, with a threshold, and `words` beside them, without one."""
    folder, words = tmp_path_factory.mktemp("embedders"), ("red", "green", "blue")
    backbone = AlexNet((Stage(6, 7, 4, norm=False, relu=False),), lowering="lax")
    view, text = View(size=31), View("words", 2, words)
    nets = {
        "whole": EmbedderConfig(view, view, threshold=0.0125, exemplar_size=31).build(
            Siamese(backbone, EmbeddingHead(4))),
        "words": EmbedderConfig(view, text, distance="cosine", exemplar_size=31).build(
            PseudoSiamese(Tower(backbone, EmbeddingHead(5)), Tower(TextBackbone(len(words), 4), EmbeddingHead(5))))}
    for name, embedder in nets.items():
        inputs = [np.zeros(one.inputs().shape, one.inputs().dtype) for one in (embedder.config.first,
                                                                                embedder.config.second)]
        variables = jax.jit(embedder.net.init)(jax.random.key(0), *inputs)
        metadata = zoo.metadata_for(embedder, card=name, licence="Apache-2.0")
        files.save(folder / f"{name}.safetensors", variables, metadata)
    return folder


@pytest.fixture
def photos(tmp_path):
    """`photos/OBJECT/N.png`: four objects, each of a pattern of its own, in four photos that differ a little."""
    rng = np.random.default_rng(3)
    for name in ("ball", "cup", "key", "pen"):
        pattern = rng.integers(0, 255, (4, 4, 3))
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(4):
            pixels = np.clip(pattern + rng.integers(-4, 5, pattern.shape), 0, 255).astype(np.uint8)
            size = tuple(rng.integers(40, 70, 2).tolist())
            Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR).save(
                tmp_path / "photos" / name / f"{number}.png")
    return tmp_path / "photos"
