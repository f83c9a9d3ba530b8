"""What the package's own masks are like where the shape of the target is known, and what the file promises."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import siamjax
from siamjax.data.textures import coloured_noise
from siamjax.evaluation.metrics import davis
from siamjax.ops import masks
from siamjax.weights import files, zoo

HEIGHT, WIDTH, FRAMES = 240, 320, 24


def noise(seed: int, low: float, high: float) -> np.ndarray:
    random = np.random.default_rng(seed)
    return coloured_noise(random, HEIGHT, WIDTH, 24, random.uniform(low, high, (4, 3))).astype(np.uint8)


def turning_bar(time: int) -> np.ndarray:
    """A bar of 90 by 26 px that turns and drifts, `[H, W]` bool."""
    angle = 0.5 + 0.02 * time
    x, y = np.arange(WIDTH)[None] - 120 - 2.0 * time, np.arange(HEIGHT)[:, None] - 110 - 0.5 * time
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return (np.abs(along) < 45) & (np.abs(across) < 13)


def box_of(mask: np.ndarray) -> np.ndarray:
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return np.float32([columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1])


BOXES = {"siammask_small": "siamrpn_small", "fear_mask": "fear_xs"}  # whose boxes they are drawn round


@pytest.mark.parametrize("name", BOXES)
def test_the_file_is_small_and_its_trunk_and_boxes_are_those_of_another(name):
    path, _ = zoo.locate(name)
    assert path.stat().st_size < 8e6
    ours, boxes = (files.load(zoo.locate(source)[0])[0] for source in (name, BOXES[name]))
    for kind, parts in boxes.items():
        for part, tree in parts.items():
            jax.tree.map(np.testing.assert_array_equal, ours[kind][part], tree)


@pytest.mark.slow
@pytest.mark.parametrize("name", BOXES)
def test_masks_follow_a_bar_that_turns(name):
    truths = [turning_bar(time) for time in range(FRAMES)]
    background, texture = noise(2, 90, 150), noise(1, 170, 250)
    frames = [np.where(truth[..., None], texture, background) for truth in truths]
    result = siamjax.track(siamjax.load(name), frames, box_of(truths[0]))
    drawn = [np.asarray(masks.render(mask, affine, (HEIGHT, WIDTH))) > 0.5
             for mask, affine in zip(result.masks, result.affines, strict=True)]
    ours = np.mean([davis.region_similarity(*pair) for pair in zip(drawn[1:], truths[1:], strict=True)])
    filled = np.mean([davis.region_similarity(davis.box_mask(box, (HEIGHT, WIDTH)), truth)
                      for box, truth in zip(result.boxes[1:], truths[1:], strict=True)])
    print(ours, filled)
    assert ours > filled + 0.1
