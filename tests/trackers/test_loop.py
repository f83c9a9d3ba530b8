"""Clips, streams and their errors, with a tracker that needs no weights."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

import siamjax
from siamjax.errors import BoxError, ConfigError, SourceError
from siamjax.trackers import loop
from siamjax.trackers.base import LoadedTracker, Output, as_frame, hold


@struct.dataclass
class Count:
    box: Any
    steps: Any


@dataclasses.dataclass(frozen=True)
class Counter:
    """Moves its box right by the red value of the frame's first pixel: outputs are known by hand."""

    net: Any = None
    config: Any = None

    def init(self, params, frame, box):
        return Count(jnp.asarray(box, jnp.float32), jnp.int32(0))

    def step(self, params, state, frame):
        frame = as_frame(frame)
        moved = Count(state.box.at[0].add(frame.pixels[0, 0, 0].astype(jnp.float32)), state.steps + 1)
        state = hold(frame.valid, moved, state)
        return state, Output(state.box, jnp.float32(0.5), state.steps > 5, frame.valid)


BOX = (1.0, 2.0, 10.0, 10.0)


def video(values, size=(40, 60)):
    return [np.full((*size, 3), value, np.uint8) for value in values]


def run(frames, boxes=BOX, **settings):
    return loop.track_frames(Counter(), {}, frames, boxes, **settings)


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 16])
def test_every_frame_counts_once_whatever_the_chunk(chunk):
    values = [9, 1, 2, 3, 4, 5, 6, 7]
    result = run(video(values), chunk=chunk)[0]
    np.testing.assert_array_equal(result.boxes[:, 0], 1 + np.cumsum([0, *values[1:]]))
    assert result.lost.tolist() == [False] * 6 + [True] * 2
    assert result.scores[0] == 1
    assert len(result.seconds) == 8


def test_unreadable_frames_hold_and_are_marked():
    frames = video([0, 3, 3, 3])
    frames[2] = None
    result = run(frames)[0]
    assert result.boxes[:, 0].tolist() == [1, 4, 4, 7]
    assert result.valid.tolist() == [True, True, False, True]


def test_on_frame_sees_all_frames_in_order():
    seen = []
    run(iter(video(range(20))), np.array([BOX, BOX]), on_frame=lambda n, image, out: seen.append(
        (n, int(image[0, 0, 0]), out.box.shape)), chunk=8)
    assert seen == [(n, n, (2, 4)) for n in range(20)]


def test_frames_are_taken_as_they_are_needed():
    taken = []

    def endless():
        for n in range(1000):
            taken.append(n)
            yield video([0])[0]

    class Stop(Exception):
        pass

    def stop(number, image, out):
        if number == 3:
            raise Stop

    with pytest.raises(Stop):
        run(endless(), chunk=4, on_frame=stop)
    assert len(taken) < 20  # a chunk or two ahead, never the whole video


def test_large_frames_take_shorter_chunks():
    assert loop.chunk_length((128, 128)) == 16
    assert loop.chunk_length((2176, 3840)) == 1
    assert [loop.padded_count(n) for n in (1, 2, 3, 4, 5, 8, 9)] == [1, 2, 4, 4, 8, 8, 16]


def test_videos_of_different_length_and_size_end_where_they_end():
    clips = [video([0, 1, 1, 1, 1]), video([0, 2], (30, 50)), video([0, 3, 3])]
    results = loop.track_videos(Counter(), {}, clips, np.array([BOX] * 3), chunk=2)
    assert [r.boxes[:, 0].tolist() for r in results] == [[1, 2, 3, 4, 5], [1, 3], [1, 4, 7]]


@pytest.mark.parametrize(("box", "said"), [
    ((0, 0, 0, 5), "no area"), ((0, 0, -3, 5), "no area"), ((np.nan, 0, 3, 5), "not finite"),
    ((0, 0, np.inf, 5), "not finite"), ((70, 0, 5, 5), "outside the 60x40 frame"), ((-9, 0, 5, 5), "outside"),
    ((0, 0, 5), "shape"), (("a", 0, 1, 2), "not numbers"), ((0, 0, 9000, 5), "far larger")])
def test_boxes_that_are_no_targets(box, said):
    with pytest.raises(BoxError, match=said):
        run(video([0, 1]), box)


def test_a_box_that_sticks_out_is_a_target():
    assert len(run(video([0, 1]), (-5, -5, 20, 20))) == 1


@pytest.mark.parametrize(("frames", "said"), [([], "no frame"), ([None], "first frame cannot be decoded")])
def test_sources_without_a_first_frame(frames, said):
    with pytest.raises(SourceError, match=said):
        run(frames)


def test_videos_and_boxes_must_agree():
    with pytest.raises(ConfigError, match="2 videos"):
        loop.track_videos(Counter(), {}, [video([0]), video([0])], np.array([BOX]))
    with pytest.raises(BoxError, match="box of video 1"):
        loop.track_videos(Counter(), {}, [video([0]), video([0])], np.array([BOX, (0, 0, 0, 0)]))


def stream(boxes=BOX):
    return siamjax.Stream(LoadedTracker(Counter(), {}, "", "counter"), video([7])[0], boxes)


def test_stream_answers_frame_by_frame():
    online = stream()
    assert online(video([3])[0]).box.tolist() == [4, 2, 10, 10]
    held = online(None)
    assert held.box[0] == 4
    assert not held.valid
    grey16 = np.full((40, 60), 257 * 5, np.uint16)
    assert online(grey16).box[0] == 9
    larger = online(np.full((400, 600, 4), 1, np.uint8))
    assert larger.box[0] == 10


def test_stream_of_several_targets_adds_and_removes():
    online = stream([BOX, (5, 5, 5, 5)])
    first = online.add(video([0])[0], (20, 2, 5, 5))
    assert online(video([1])[0]).box[:, 0].tolist() == [2, 6, 21]
    online.remove(0)
    assert online.targets == [1, first]
    assert online(video([1])[0]).box[:, 0].tolist() == [7, 22]
    online.remove(1)
    with pytest.raises(ConfigError, match="cannot remove"):
        online.remove(first)
    with pytest.raises(ConfigError, match="cannot remove"):
        online.remove(99)
    with pytest.raises(BoxError):
        online.add(video([0])[0], (0, 0, 0, 0))


def test_the_same_box_for_any_order_of_lanes():
    boxes = np.array([BOX, (3, 3, 9, 9), (8, 1, 4, 4)])
    one, two = run(video([0, 4, 4]), boxes), run(video([0, 4, 4]), boxes[::-1])
    for a, b in zip(one, two[::-1]):
        np.testing.assert_array_equal(a.boxes, b.boxes)


class Clock:
    """A clock that goes on only when told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Late:
    """An array that is there `seconds` after it is waited for, the first time."""

    def __init__(self, array, clock, seconds):
        self.array, self.clock, self.seconds = array, clock, [seconds]

    def is_ready(self):
        return not self.seconds or not self.seconds[0]

    def __array__(self, dtype=None, copy=None):
        self.clock.now += self.seconds.pop() if self.seconds else 0
        return np.asarray(self.array, dtype)


class Device:
    """`advance` on a device that takes 0.1 s a step, padded or not, and 5 s to compile each length of chunk.

    Args:
      waits: whether the call comes back when all is done, as under JAX_DEBUG_NANS.
    """

    def __init__(self, clock, waits):
        self.clock, self.waits, self.lengths = clock, waits, set()

    def _cache_size(self):
        return len(self.lengths)

    def __call__(self, tracker, params, states, frames, *, shared):
        steps = len(frames.pixels)
        self.clock.now += 0 if steps in self.lengths else 5
        self.lengths.add(steps)
        self.clock.now += 0.1 * steps * self.waits
        states, outputs = REAL_ADVANCE(tracker, params, states, frames, shared=shared)
        first = Late(outputs.box, self.clock, 0 if self.waits else 0.1 * steps)
        rest = {name: Late(getattr(outputs, name), self.clock, 0) for name in ("score", "lost", "valid")}
        return states, Output(box=first, **rest)


REAL_ADVANCE = loop.advance


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("count", [2, 5, 16, 17, 18, 33, 40])
def test_a_frame_takes_as_long_in_a_full_chunk_as_in_one_that_is_filled_up(monkeypatch, waits, count):
    clock = Clock()
    monkeypatch.setattr("time.perf_counter", clock)
    monkeypatch.setattr(loop, "advance", Device(clock, waits))
    seconds = run(video(range(count)), on_frame=lambda *_: setattr(clock, "now", clock.now + 7))[0].seconds
    np.testing.assert_allclose(seconds, [0, *[0.1] * (count - 1)])


@pytest.mark.parametrize("waits", [False, True])
def test_frames_of_several_videos_take_as_long_whatever_the_chunk(monkeypatch, waits):
    clock = Clock()
    monkeypatch.setattr("time.perf_counter", clock)
    monkeypatch.setattr(loop, "advance", Device(clock, waits))
    results = loop.track_videos(Counter(), {}, [video(range(18)), video(range(3))], np.array([BOX, BOX]))
    for result in results:
        np.testing.assert_allclose(result.seconds[1:], 0.1)


def test_boxes_are_the_same_when_a_chunk_is_run_twice_to_time_it(monkeypatch):
    plain = run(video(range(20)))[0].boxes
    monkeypatch.setattr(loop, "advance", Device(Clock(), True))
    np.testing.assert_array_equal(run(video(range(20)))[0].boxes, plain)
