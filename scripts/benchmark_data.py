"""Pairs a second that training gets from images on this machine's CPU, beside a plain OpenCV loader of PySOT's kind.

    python scripts/benchmark_data.py PHOTOS [--opencv-python PYTHON] [--seconds 8] [--rounds 3]

PHOTOS is any folder of pictures. Two sets are made of them in a temporary folder: crops of 511 px as PySOT prepares
them, and whole frames of 1280 x 720. Read in batches of 16 pairs, of 467 px patches as SiamRPN's training cuts them;
what the host leaves to the device (the two crops, colours, blur, labels) the OpenCV loader does itself. Each run is
a process of its own, held to one core or two; the runs take turns. "cold" decodes every image, "warm" has decoded all
of them before. The second table is one thread's time a pair by stage.
Prints Markdown.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from siamjax import tune_cpu
from siamjax.data import DataConfig, batches, open_data

LOADER = Path(__file__).with_name("benchmark_loader.py")
VIDEOS, FRAMES, BATCH = 40, 10, 16
SETS = {"crops of 511 px": (511, 511), "frames of 1280x720 px": (1280, 720)}
SIDES = {511: (50, 75), 1280: (60, 300)}  # px of the objects; those in crops are then scaled to theirs
QUALITY, PAIRS = 85, 200


def make_set(folder: Path, photos: list[Path], size: tuple[int, int]) -> None:
    """Videos of an object in the middle of frames, in the package's own layout."""
    random = np.random.default_rng(0)
    for video in range(VIDEOS):
        images, rows = folder / f"v{video:03}" / "img", []
        images.mkdir(parents=True)
        for frame in range(FRAMES):
            with Image.open(photos[(video * FRAMES + frame) % len(photos)]) as photo:
                photo.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(images / f"{frame:05}.jpg",
                                                                                quality=QUALITY)
            sides = random.uniform(*SIDES[size[0]], 2)
            if size[0] == 511:
                sides *= 127 / np.sqrt((sides + sides.sum() / 2).prod())
            rows.append([*(np.array(size) / 2 - sides / 2), *sides])
        np.savetxt(folder / f"v{video:03}" / "groundtruth.txt", rows, fmt="%.5f", delimiter=",")


def ours(folder: Path, threads: int, is_warm: bool, seconds: float) -> float:
    """Pairs a second."""
    config = DataConfig(patch_size=467, cache_mb=2048 if is_warm else 0, threads=threads)
    with contextlib.closing(batches(open_data(folder), config, seed=0, batch_size=BATCH)) as stream:
        for _ in range(3 * VIDEOS * FRAMES // BATCH if is_warm else 4):
            next(stream)
        began, count = time.monotonic(), 0
        while time.monotonic() < began + seconds:
            next(stream)
            count += BATCH
        return count / (time.monotonic() - began)


def stages(folder: Path) -> dict[str, float]:
    """Milliseconds a pair on one thread."""
    from siamjax.data import pairs, patches

    config = DataConfig(patch_size=467)
    table = pairs.make_table(open_data(folder), config)
    spent: dict[str, float] = dict.fromkeys(("draw", "decode", "cut"), 0.0)
    for index in range(PAIRS):
        began = time.perf_counter()
        pair = table.draw(0, index)
        drawn = time.perf_counter()
        shots = [(table.tracks[shot.track], shot.frame) for shot in (pair.exemplar, pair.search)]
        images = [track.read(frame) for track, frame in shots]
        decoded = time.perf_counter()
        for image, (track, frame) in zip(images, shots):
            patches.context_patch(image, track.boxes[frame], size=config.patch_size)
        done = time.perf_counter()
        for stage, seconds in zip(spent, (drawn - began, decoded - drawn, done - decoded)):
            spent[stage] += 1e3 * seconds / PAIRS
    return spent


def measured(folder: Path, cores: int, kind: str, options: argparse.Namespace) -> float:
    """Pairs a second of a process of its own that has `cores` cores."""
    if kind == "OpenCV":
        command = [options.opencv_python, str(LOADER), str(folder), str(cores), str(options.seconds)]
    else:
        command = [sys.executable, __file__, str(folder), "--run", str(cores), kind, "--seconds", str(options.seconds)]
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    run = subprocess.run(command, capture_output=True, text=True, check=True,
                         preexec_fn=lambda: os.sched_setaffinity(0, allowed))
    return float(run.stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--opencv-python", help="a Python with NumPy and OpenCV; without it ours is timed alone")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    tune_cpu()  # as `siamjax train` does
    if options.run:
        print(ours(options.photos, int(options.run[0]), options.run[1] == "warm", options.seconds))
        return
    photos = sorted(options.photos.rglob("*.jpg"))
    if not photos:
        parser.error(f"{options.photos} holds no .jpg")
    kinds = ["cold", "warm", *(["OpenCV"] if options.opencv_python else [])]
    with tempfile.TemporaryDirectory() as place:
        folders = {name: Path(place) / str(size[0]) for name, size in SETS.items()}
        for name, folder in folders.items():
            make_set(folder, photos, SETS[name])
        runs = [(name, cores, kind) for name in SETS for cores in (1, 2) for kind in kinds]
        rates: dict[tuple, list[float]] = {run: [] for run in runs}
        for _ in range(options.rounds):
            for run in runs:
                rates[run].append(measured(folders[run[0]], *run[1:], options))
        print(f"| set | cores | {' | '.join(kinds)} |\n|{'---|' * (2 + len(kinds))}")
        for name in SETS:
            for cores in (1, 2):
                row = " | ".join(f"{statistics.median(rates[name, cores, kind]):.0f}" for kind in kinds)
                print(f"| {name} | {cores} | {row} |")
        print("\n| set | draw | decode | cut | together |\n|---|---|---|---|---|")
        for name, folder in folders.items():
            spent = stages(folder)
            row = " | ".join(f"{value:.2f} ({value / sum(spent.values()):.0%})" for value in spent.values())
            print(f"| {name} | {row} | {sum(spent.values()):.2f} ms |")


if __name__ == "__main__":
    main()
