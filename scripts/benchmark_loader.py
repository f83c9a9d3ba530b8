"""A plain OpenCV loader that does the work of PySOT's for SiamRPN; scripts/benchmark_data.py starts it.

It needs NumPy and OpenCV alone. Per pair: two JPEGs, PySOT's shift, scale, colour and blur by one warp each to 127 and
255 px, channels first as float32, and the labels of 5 anchors at 25 x 25 places.
"""

import multiprocessing
import sys
import time
from pathlib import Path

import cv2
import numpy as np

COLOUR = np.array([[-0.56, 0.72, 0.41], [-0.58, -0.81, 0.09], [-0.58, 0.40, -0.70]], np.float32)  # directions of noise
RATIOS = np.array([1 / 3, 1 / 2, 1, 2, 3])
PLACES = (np.arange(25) - 12) * 8 + 127.0


def anchors():
    sides = np.stack([64 / np.sqrt(RATIOS), 64 * np.sqrt(RATIOS)], 1)
    x, y = np.meshgrid(PLACES, PLACES)
    centres = np.stack([x, y], -1).reshape(1, -1, 2)
    return np.concatenate([centres - sides[:, None] / 2, centres + sides[:, None] / 2], -1).reshape(-1, 4)


ANCHORS = anchors()


def view(image, sides, size, random, *, shift, scale, blur):
    """A crop `[3, size, size]` float32 and the object's corners in it, of an object in the middle of an image."""
    zoom = 1 + random.uniform(-scale, scale, 2)
    centre = np.array(image.shape[1::-1]) / 2 + random.uniform(-shift, shift, 2)
    matrix = np.array([[zoom[0], 0, size / 2 - zoom[0] * centre[0]], [0, zoom[1], size / 2 - zoom[1] * centre[1]]])
    crop = cv2.warpAffine(image, matrix, (size, size), borderValue=(104, 117, 124))
    crop = crop + COLOUR @ random.standard_normal(3).astype(np.float32)
    if random.random() < blur:
        width = int(random.integers(2, 23)) * 2 + 1
        kernel = np.zeros((width, width), np.float32)
        kernel[width // 2] = 1 / width
        crop = cv2.filter2D(crop, -1, kernel)
    middle = size / 2 + zoom * (np.array(image.shape[1::-1]) / 2 - centre)
    return crop.transpose(2, 0, 1).astype(np.float32), np.concatenate([middle - zoom * sides / 2,
                                                                       middle + zoom * sides / 2])


def labels(box, random):
    """Class -1, 0, 1 of each anchor and its offsets, with 16 of one and 48 of none as PySOT picks them."""
    low, high = np.maximum(ANCHORS[:, :2], box[:2]), np.minimum(ANCHORS[:, 2:], box[2:])
    common = np.maximum(0, high - low).prod(1)
    overlap = common / ((ANCHORS[:, 2:] - ANCHORS[:, :2]).prod(1) + (box[2:] - box[:2]).prod() - common)
    sides = ANCHORS[:, 2:] - ANCHORS[:, :2]
    offsets = np.concatenate([((box[:2] + box[2:]) - (ANCHORS[:, :2] + ANCHORS[:, 2:])) / 2 / sides,
                              np.log((box[2:] - box[:2]) / sides)], 1)
    cls = -np.ones(len(ANCHORS), np.int64)
    for value, chosen, most in ((1, np.flatnonzero(overlap > 0.6), 16), (0, np.flatnonzero(overlap < 0.3), 48)):
        cls[random.permutation(chosen)[:most]] = value
    return cls, offsets.astype(np.float32)


def cut(image, sides):
    """The 511 px crop that PySOT would have made of a frame beforehand, and the object's sides in it."""
    scale = 127 / np.sqrt((sides + sides.sum() / 2).prod())
    if image.shape[:2] == (511, 511):
        return image, sides
    centre = np.array(image.shape[1::-1]) / 2
    matrix = np.array([[scale, 0, 255.5 - scale * centre[0]], [0, scale, 255.5 - scale * centre[1]]])
    return cv2.warpAffine(image, matrix, (511, 511), borderValue=image.mean((0, 1))), sides * scale


def work(folder, seed, seconds, counts):
    cv2.setNumThreads(0)
    random = np.random.default_rng(seed)
    videos = [(sorted((video / "img").iterdir()), np.loadtxt(video / "groundtruth.txt", delimiter=","))
              for video in sorted(Path(folder).iterdir()) if video.is_dir()]
    end, count, batch = time.monotonic() + seconds, 0, []
    while time.monotonic() < end:
        files, boxes = videos[random.integers(len(videos))]
        one, other = random.integers(len(files), size=2)
        exemplar, _ = view(*cut(cv2.imread(str(files[one])), boxes[one, 2:]), 127, random, shift=4, scale=0.05, blur=0)
        search, box = view(*cut(cv2.imread(str(files[other])), boxes[other, 2:]), 255, random, shift=64, scale=0.18,
                           blur=0.2)
        batch.append((exemplar, search, *labels(box, random)))
        count += 1
        if len(batch) == 16:
            [np.stack(parts) for parts in zip(*batch)]
            batch = []
    counts.put(count)


if __name__ == "__main__":
    place, processes, duration = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    counted = multiprocessing.Queue()
    running = [multiprocessing.Process(target=work, args=(place, number, duration, counted))
               for number in range(processes)]
    for process in running:
        process.start()
    total = sum(counted.get() for _ in running)
    print(total / duration)
