"""A tracker that draws masks round another's boxes: those boxes to the bit, masks where their pixels are."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from siamjax.errors import ConfigError
from siamjax.trackers.base import Output, as_frame, mask_rule_of
from siamjax.trackers.masked import Masked, MaskedConfig

HEIGHT, WIDTH, SLOPE = 90, 120, 32.0


@dataclasses.dataclass(frozen=True)
class Segment:
    margin: float = 0.25


class Brightness(nn.Module):
    """A net whose masks are what is bright."""

    segment: Segment = Segment()

    def remember(self, crop):
        return {"mean": crop.mean((1, 2), keepdims=True)}

    def mask(self, memory, crop):
        return (crop[:, ::2, ::2, 0] - 128.0) / SLOPE + 0 * memory["mean"][..., 0]


@dataclasses.dataclass(frozen=True)
class Boxes:
    """A tracker that moves its box by two pixels a frame."""

    net: nn.Module
    config: object = None

    def init(self, params, frame, box):
        return jnp.asarray(box)

    def step(self, params, state, frame):
        state = jnp.where(frame.valid, state + jnp.float32([2, 1, 0, 0]), state)
        return state, Output(state, jnp.float32(0.75), jnp.array(False), frame.valid)


@dataclasses.dataclass(frozen=True)
class BoxesConfig:
    exemplar_size: int = 127
    search_size: int = 255
    channel_order: str = "rgb"

    def build(self, net):
        return Boxes(net)


TRACKER = Masked(Brightness(), MaskedConfig(BoxesConfig(), rectangle="min_max"))  # the quickest to compile
INIT, STEP = (jax.jit(lambda tracker, *rest, method=method: getattr(tracker, method)({}, *rest), static_argnums=0)
              for method in ("init", "step"))
BOX = np.float32([30, 20, 40, 24])


def frame_with(x, y, w, h, valid=True):
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[y:y + h, x:x + w] = 255
    return dataclasses.replace(as_frame(pixels), valid=jnp.array(valid))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(("size", "box"), [(64, BOX), (64, np.float32([50.5, 30.25, 11.5, 52.5])),
                                           pytest.param(96, BOX, marks=pytest.mark.slow)])
def test_a_mask_lies_on_the_pixels_it_was_drawn_of(size, box, axis):
    tracker = dataclasses.replace(TRACKER, config=dataclasses.replace(TRACKER.config, crop_size=size))
    places = np.arange((WIDTH, HEIGHT)[axis])
    ramp = np.broadcast_to(2 * (places if axis == 0 else places[:, None]), (HEIGHT, WIDTH)).astype(np.uint8)
    frame = as_frame(np.repeat(ramp[..., None], 3, axis=2))
    mask, affine = run(tracker, frame, box)
    level = SLOPE * np.log(mask / (1 - mask)) + 128  # what the crop shows there
    pixel = np.arange(size // 2) * affine[axis, axis] + affine[axis, 2]
    level = np.median(level, axis=axis)  # some lines may lie beyond the frame
    inside = (pixel >= 0) & (pixel <= places[-1])
    inside[[0, 1, -2, -1]] = False  # a crop repeats its outermost pixels
    assert inside.sum() > size // 3
    np.testing.assert_allclose(level[inside], 2 * pixel[inside], atol=0.6)  # levels are whole


def run(tracker, frame, box):
    """Mask and affine of the second frame."""
    _, out = STEP(tracker, INIT(tracker, frame, box), frame)
    return np.asarray(out.mask, np.float64), np.asarray(out.affine, np.float64)


def test_the_boxes_are_those_of_the_tracker_within():
    inner, frame = Boxes(TRACKER.net), frame_with(34, 24, 30, 15)
    state, alone = INIT(TRACKER, frame, BOX), inner.init({}, frame, BOX)
    np.testing.assert_array_equal(state.polygon[0], BOX[:2])  # at first the given box
    for _ in range(3):
        state, out = STEP(TRACKER, state, frame)
        alone, found = inner.step({}, alone, frame)
        for name in ("box", "score", "lost", "valid"):
            np.testing.assert_array_equal(getattr(out, name), getattr(found, name))


def test_a_frame_that_is_not_valid_holds_the_mask():
    first = INIT(TRACKER, frame_with(34, 24, 30, 15), BOX)
    state, seen = STEP(TRACKER, first, frame_with(34, 24, 30, 15))
    _, held = STEP(TRACKER, state, frame_with(0, 0, 1, 1, valid=False))
    for name in ("mask", "affine", "polygon", "box"):
        np.testing.assert_array_equal(getattr(held, name), getattr(seen, name))
    assert not held.valid


def test_a_tiny_mask_has_the_box_for_its_rectangle():
    frame = frame_with(40, 30, 4, 4)
    _, out = STEP(TRACKER, INIT(TRACKER, frame, BOX), frame)
    np.testing.assert_allclose(out.polygon[0], [32, 21])


def test_its_masks_have_the_rule_of_its_settings():
    tracker = dataclasses.replace(TRACKER, config=MaskedConfig(mask_threshold=0.4, mask_border=-1.0))
    rule = mask_rule_of(tracker)
    assert (rule.threshold, rule.border) == (0.4, -1.0)


@pytest.mark.parametrize("changes", [{"mask_threshold": 1.5}, {"crop_size": 0}, {"mask_border": 0.5},
                                     {"rectangle": "round"}])
def test_settings_out_of_range_are_refused(changes):
    with pytest.raises(ConfigError, match=next(iter(changes))):
        MaskedConfig(**changes)
