"""`siamjax doctor`: what this machine can do, found out by doing it, and what to do about what does not work."""

from __future__ import annotations

import contextlib
import io
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path

import av
import jax
import jax.numpy as jnp

from siamjax.cli.versions import check_version, requirements
from siamjax.cpu import tune_cpu
from siamjax.data.augment import AugmentConfig
from siamjax.data.pipeline import DataConfig
from siamjax.data.sample import sample_clip
from siamjax.data.synthetic import SyntheticConfig, make_tracks
from siamjax.data.video import open_source
from siamjax.errors import ConfigError, OutputError, SiamjaxError, SourceError
from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.siamfc import SiamFC
from siamjax.trackers.loop import track_frames
from siamjax.trackers.siamfc import SiamFCConfig
from siamjax.training import loop
from siamjax.training.experiment import Experiment
from siamjax.training.objectives import LogisticObjective
from siamjax.weights import zoo

FRAMES = 6
SPACE = 200  # MB that tests of a machine, overlay videos and checkpoints of small nets need
NEWEST = "install the newest releases: pip install --upgrade --upgrade-strategy eager siamjax"


def doctor() -> None:
    """Checks versions, devices, disk, video, tracking and training by using each; exit status 2 if one fails."""
    print(f"python {platform.python_version()} on {platform.platform()}, {os.cpu_count()} cores")
    checks = [*((name, lambda wanted=wanted: check_version(wanted)) for name, wanted in requirements()),
              *CHECKS.items()]
    bad = sum(not _works(name, check) for name, check in checks)
    print("all well" if not bad else f"{bad} of {len(checks)} checks failed; what to do stands at the end of each line")
    if bad:
        sys.exit(2)


def _works(name: str, check) -> bool:
    """Does `check` and prints one line: what it returns, or what is wrong and what to do."""
    try:
        print(f"ok   {name}: {check()}", flush=True)
    except SiamjaxError as error:
        print(f"bad  {name}: {error}", flush=True)
    except Exception as error:  # a library that is not as we know it may raise anything
        first = (str(error).strip() or "no reason given").splitlines()[0]
        print(f"bad  {name}: {type(error).__name__}: {first}: {NEWEST}", flush=True)
    else:
        return True
    return False


def _devices() -> str:
    try:
        devices = jax.devices()
    except RuntimeError as error:
        chosen = os.environ.get("JAX_PLATFORMS", "")
        raise ConfigError(str(error).splitlines()[0], f"JAX_PLATFORMS={chosen}", "unset JAX_PLATFORMS, or install JAX "
                          "for that device, e.g. pip install 'siamjax[cuda]'") from None
    if float(jnp.arange(4.0) @ jnp.arange(4.0)) != 14:
        raise ConfigError("it computes wrongly", str(devices[0]), "see whether another program on it does, too")
    tuned = ", memory settings for the CPU applied" if tune_cpu() else ""
    return ", ".join(f"{d.platform}:{d.device_kind}" for d in devices) + tuned


def _disk() -> str:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free >> 20
    if free < SPACE:
        raise OutputError(f"{free} MB free for temporary files", folder,
                          f"make room, {SPACE} MB or more, or set TMPDIR")
    return f"{free} MB free for temporary files"


def _codecs() -> str:
    for name, mode, what in (("h264", "r", "read"), ("libx264", "w", "write")):
        try:
            av.Codec(name, mode)  # type: ignore[arg-type]
        except ValueError:  # PyAV's UnknownCodecError
            raise SourceError(f"PyAV cannot {what} H.264", f"av {av.__version__}",
                              "reinstall its wheel: pip install --force-reinstall --only-binary av av") from None
    return "H.264 is read and written"


def _video() -> str:
    path, _ = sample_clip()
    with open_source(path) as frames:
        first = next(iter(frames))
    if first is None:
        raise SourceError("its first frame does not decode", str(path), NEWEST)
    return f"a frame of {first.shape[1]} x {first.shape[0]} px was read"


def _tracking() -> str:
    """Frames a second over a few frames of the bundled sample, compilation left out."""
    path, boxes = sample_clip()
    loaded = zoo.load(zoo.DEFAULT)
    with open_source(path) as frames:
        images = [image for image, _ in zip(frames, range(FRAMES + 1))]
    track_frames(loaded.tracker, loaded.params, images, boxes[0], chunk=FRAMES)
    begin = time.perf_counter()
    track_frames(loaded.tracker, loaded.params, images, boxes[0], chunk=FRAMES)
    return f"{FRAMES / (time.perf_counter() - begin):.1f} frames a second with the default model"


def _training() -> str:
    """A step of a tiny net on drawn shapes, with all that a training uses: data, devices, checkpoint, weights."""
    devices = jax.local_device_count()
    net = SiamFC(AlexNet((Stage(4, 11, 8, norm=False, relu=False),), lowering="lax"), response_scale=1e-6)
    config = Experiment(
        name="doctor", batch_size=devices, epochs=1, steps_per_epoch=1, net=net, objective=LogisticObjective(),
        tracker=SiamFCConfig(exemplar_size=63, search_size=95),  # type: ignore[arg-type]
        data=DataConfig(patch_size=127, exemplar_size=63),
        augment=AugmentConfig(exemplar_size=63, search_size=95))
    tracks = make_tracks(SyntheticConfig(videos=2, frames=4, height=96, width=128, objects=1))
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):  # its own progress
        zoo.load(loop.train(config, tracks, Path(folder), data="drawn shapes"))
        loss = json.loads((Path(folder) / "metrics.jsonl").read_text().splitlines()[-1])["loss"]
    return f"a step of a small net on {devices} device{'s' * (devices > 1)}, loss {loss:.2f}"


CHECKS = {"devices": _devices, "disk": _disk, "codecs": _codecs, "video": _video, "tracking": _tracking,
          "training": _training}
