"""`siamjax doctor`: what this machine can do, and what is wrong with it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
import time

import av
import jax
import jax.numpy as jnp
import numpy as np

from siamjax.cpu import tune_cpu
from siamjax.data.sample import sample_clip
from siamjax.errors import SiamjaxError
from siamjax.trackers.loop import track_frames
from siamjax.weights import zoo

PACKAGES = ("siamjax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "tensorflow-datasets",
            "array-record", "av", "pillow", "safetensors", "numpy")
FRAMES = 10


def doctor() -> None:
    """Checks packages, devices, video codecs, the default model and free space, and times a short track."""
    faults: list[str] = []
    print(f"python {platform.python_version()} on {platform.platform()}, {os.cpu_count()} cores")
    for name in PACKAGES:
        try:
            print(f"  {name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            faults.append(f"{name} is not installed: `pip install {name}`")
    devices = jax.devices()
    print(f"devices: {', '.join(f'{d.platform}:{d.device_kind}' for d in devices)}")
    if not np.allclose(jnp.arange(4.0) @ jnp.arange(4.0), 14):
        faults.append(f"{devices[0]} computes wrongly")
    print(f"memory settings for the CPU: {'applied' if tune_cpu() else 'not on this system'}")
    print(f"H.264: {'reads and writes' if _codec('h264', 'r') and _codec('libx264', 'w') else 'missing'}")
    if not _codec("libx264", "w"):
        faults.append("PyAV cannot write H.264: overlay videos will fail; reinstall `av` from its wheel")
    free = shutil.disk_usage(tempfile.gettempdir()).free >> 20
    print(f"free space for temporary files: {free} MB")
    if free < 200:
        faults.append(f"only {free} MB free for temporary files")
    try:
        print(f"tracking with the default model: {_rate():.1f} frames a second")
    except SiamjaxError as error:
        faults.append(f"the default model does not track: {error}")
    for fault in faults:
        print(f"fault: {fault}")
    print("all well" if not faults else f"{len(faults)} fault{'s' if len(faults) > 1 else ''}")
    if faults:
        sys.exit(2)


def _codec(name: str, mode: str) -> bool:
    try:
        av.Codec(name, mode)  # type: ignore[arg-type]
    except ValueError:  # PyAV's UnknownCodecError
        return False
    return True


def _rate() -> float:
    """Frames a second over a few frames of the bundled sample, compilation left out."""
    from siamjax.data.video import open_source

    path, boxes = sample_clip()
    loaded = zoo.load(zoo.DEFAULT)
    with open_source(path) as frames:
        images = [image for image, _ in zip(frames, range(2 * FRAMES + 1))]
    track_frames(loaded.tracker, loaded.params, images[:FRAMES + 1], boxes[0], chunk=FRAMES)
    begin = time.perf_counter()
    track_frames(loaded.tracker, loaded.params, images[:FRAMES + 1], boxes[0], chunk=FRAMES)
    return FRAMES / (time.perf_counter() - begin)
