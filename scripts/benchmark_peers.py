"""The other side of `benchmark.py --what light`: one step of a published light tracker as its users run it on a CPU.

    PYTHON scripts/benchmark_peers.py MODEL PEERS FRAME THREADS

`PYTHON` has OpenCV with contrib, and ONNX Runtime; nothing of this project is imported. `PEERS` is the folder of the
published ONNX files, `FRAME` a `.npy` file of an RGB image. For each line read one step is made from the same state,
crop and choice included, and answered with its milliseconds of wall and of processor time.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import cv2
import numpy as np

BOX = (270, 200, 100, 80)  # xywh, frame pixels; that of benchmark_worker.py
WARM_UP = 3


def main(model: str, folder: str, frame: str, threads: str) -> None:
    cv2.setNumThreads(int(threads))
    step = {"fear_xs": fear, "nanotrack_v2": nanotrack_v2, "nanotrack_v3": nanotrack_v3}[model](
        Path(folder), np.load(frame), int(threads))
    for _ in range(WARM_UP):
        step()
    print("ready", flush=True)
    for _ in sys.stdin:
        wall, processor = time.perf_counter(), time.process_time()
        step()
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        print(f"{wall * 1e3:.4f} {processor * 1e3:.4f}", flush=True)


def session(file: Path, threads: int):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def fear(folder: Path, frame: np.ndarray, threads: int):
    """FEAR-XS by ONNX Runtime, smoothed."""
    embed, detect = (session(folder / f"fear_xs_{part}.onnx", threads) for part in ("init", "track"))
    mean, points = frame.mean((0, 1)), (np.arange(16) - 8.0) * 16 + 128
    grid_x, grid_y = np.meshgrid(points, points)
    x, y, width, height = BOX

    def look(margin, size):
        window = (int(x - margin * width), int(y - margin * height), int((1 + 2 * margin) * width),
                  int((1 + 2 * margin) * height))
        return cut(frame, window, size, mean), window

    z = embed.run(None, {"image": look(0.2, 128)[0]})[0]

    def step():
        crop, (left, top, wide, high) = look(2, 256)
        sides, logits = detect.run(["bbox", "cls"], {"image": crop, "template_features": z})
        scale = wide / 256, high / 256
        size = width / scale[0], height / scale[1]
        found, score, rate = choose(sides[0], 1 / (1 + np.exp(-logits[0, 0])), size, 0.062, 0.38, 0.765)
        before_x, before_y, after_x, after_y = sides[0][:, *found]
        moved = [old * (1 - rate**2) + rate**2 * new for old, new in zip(
            size, (before_x + after_x, before_y + after_y))]
        return ((grid_x[found] - before_x) * scale[0] + left, (grid_y[found] - before_y) * scale[1] + top,
                moved[0] * scale[0], moved[1] * scale[1], score)

    return step


def nanotrack_v3(folder: Path, frame: np.ndarray, threads: int):
    """NanoTrackV3 by ONNX Runtime."""
    backbone, head = (session(folder / f"nanotrackv3_{part}.onnx", threads) for part in ("backbone", "head"))
    frame = np.ascontiguousarray(frame[..., ::-1])
    mean, points = frame.mean((0, 1)), (np.arange(15) - 7.0) * 16
    grid_x, grid_y = np.meshgrid(points, points)
    x, y, width, height = BOX
    centre = x + (width - 1) / 2, y + (height - 1) / 2
    margin = (width + height) / 2
    exemplar_side = np.sqrt((width + margin) * (height + margin))
    side = round(exemplar_side * 255 / 127)
    scale = 127 / exemplar_side
    window = (*(int(np.floor(c - (side + 1) / 2 + 0.5)) for c in centre), side, side)

    def look():
        return backbone.run(None, {"input": cut(frame, window, 255, mean)})[0]

    z = np.ascontiguousarray(look()[:, :, 4:12, 4:12])  # the file takes images of 255 px alone; the time is the same

    def step():
        logits, sides = head.run(None, {"input1": z, "input2": look()})
        odds = np.exp(logits[0] - logits[0].max(0))
        found, score, rate = choose(sides[0], odds[1] / odds.sum(0), (width * scale, height * scale), 0.138, 0.455,
                                    0.348)
        left, top, right, bottom = sides[0][:, *found]
        moved = [old * (1 - rate) + rate * new / scale for old, new in ((width, left + right), (height, top + bottom))]
        middle = grid_x[found] + (right - left) / 2, grid_y[found] + (bottom - top) / 2
        return (centre[0] + middle[0] / scale, centre[1] + middle[1] / scale, *moved, score)

    return step


def nanotrack_v2(folder: Path, frame: np.ndarray, threads: int):
    """NanoTrackV2 by OpenCV's TrackerNano, which goes on from where it is."""
    settings = cv2.TrackerNano_Params()
    settings.backbone, settings.neckhead = (str(folder / f"nanotrackv2_{part}.onnx") for part in ("backbone", "head"))
    tracker, frame = cv2.TrackerNano_create(settings), np.ascontiguousarray(frame[..., ::-1])
    tracker.init(frame, BOX)
    return lambda: tracker.update(frame)


def cut(frame: np.ndarray, window: tuple[int, ...], size: int, colour: np.ndarray) -> np.ndarray:
    """A window `xywh` of the frame as an image `[1, 3, size, size]` float32."""
    left, top, width, height = window
    before_x, before_y = max(-left, 0), max(-top, 0)
    after_x, after_y = max(left + width - frame.shape[1], 0), max(top + height - frame.shape[0], 0)
    patch = frame[top + before_y:top + height - after_y, left + before_x:left + width - after_x]
    if before_x or before_y or after_x or after_y:
        patch = cv2.copyMakeBorder(patch, before_y, after_y, before_x, after_x, cv2.BORDER_CONSTANT,
                                   value=colour.tolist())
    return np.ascontiguousarray(cv2.resize(patch, (size, size)).transpose(2, 0, 1)[None]).astype(np.float32)


def choose(sides: np.ndarray, score: np.ndarray, size: tuple[float, float], penalty_k: float, influence: float,
           rate: float) -> tuple[tuple, float, float]:
    """The cell of the best point, its score, and the share of its size to take over."""
    width, height = sides[0] + sides[2], sides[1] + sides[3]

    def change(ratio):
        return np.maximum(ratio, 1 / ratio)

    def padded(w, h):
        return np.sqrt((w + (w + h) / 2) * (h + (w + h) / 2))

    penalty = np.exp(-(change(size[0] / size[1] / (width / height)) * change(padded(width, height) / padded(*size)) - 1)
                     * penalty_k)
    window = np.outer(np.hanning(len(score)), np.hanning(len(score)))
    found = np.unravel_index(np.argmax((1 - influence) * penalty * score + influence * window), score.shape)
    return found, score[found], penalty[found] * score[found] * rate


if __name__ == "__main__":
    main(*sys.argv[1:])
