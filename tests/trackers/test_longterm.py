"""The long-term tracker: when it is lost, where it looks, and what the reference does."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from siamjax.errors import ConfigError
from siamjax.settings import replaced
from siamjax.trackers import loop
from siamjax.trackers.longterm import LongTerm, LongTermConfig
from siamjax.types import Frame
from siamjax.weights import zoo

STRIDE, ANCHORS = 8, 5


class Scripted(nn.Module):
    """Answers one proposal at a place and with a score that its parameters say; says which crop it was given."""

    def embed_exemplar(self, image):
        return image.mean(axis=(1, 2), keepdims=True)

    def detect(self, kernels, image):
        says = self.variables["params"]
        grid = (image.shape[1] - 127) // STRIDE + 1 + 8
        peak = (says["anchor"] * grid + grid // 2 + says["dy"]) * grid + grid // 2 + says["dx"]
        is_peak = jnp.arange(ANCHORS * grid * grid) == peak
        foreground = jnp.where(is_peak, jnp.log(says["score"] / (1 - says["score"])), -8.0)
        cls = jnp.stack([jnp.zeros_like(foreground), foreground], axis=-1)
        loc = is_peak[:, None] * jnp.float32([[0.1, -0.15, 0.08, -0.06]])
        return cls[None], loc[None]


init, step = (jax.jit(method, static_argnums=0) for method in (LongTerm.init, LongTerm.step))


def says(score, anchor=2, dy=0, dx=0):
    return {"params": {"score": jnp.float32(score), "anchor": jnp.int32(anchor), "dy": jnp.int32(dy),
                       "dx": jnp.int32(dx)}}


def test_scripted_frames_move_lose_and_find_as_the_reference_does(golden, golden_frame):
    post = golden("post")
    columns = [str(name) for name in post["longterm/columns"]]
    tracker = LongTerm(Scripted())
    frame = golden_frame("bag_00")
    state = init(tracker, says(0.9), frame, np.float32([235.5, 105.5, 85, 86]))  # the reference's half pixel
    compiled = set()
    for row in post["longterm/rows"]:
        wanted = dict(zip(columns, row))
        assert bool(state.lost) == bool(wanted["lost_before"])
        np.testing.assert_allclose(np.concatenate([state.inner.centre, state.inner.size]),
                                   [wanted[f"{k}_before"] for k in ("cx", "cy", "w", "h")], atol=1e-3)
        peak = (int(wanted[k]) for k in ("peak_anchor", "peak_dy", "peak_dx"))
        state, output = step(tracker, says(wanted["target_score"], *peak), state, frame)
        np.testing.assert_allclose(np.concatenate([state.inner.centre, state.inner.size]),
                                   [wanted[k] for k in ("cx", "cy", "w", "h")], atol=1e-3)
        np.testing.assert_allclose(output.box, [wanted[f"bbox_{k}"] for k in "xywh"], atol=1e-3)
        np.testing.assert_allclose(output.score, wanted["best_score"], atol=1e-6)
        assert bool(output.lost) == bool(wanted["lost_after"])
        compiled.add(step._cache_size())  # of the function, whoever else jitted it
    assert len(compiled) == 1  # lost or not, one compilation


@pytest.mark.slow
@pytest.mark.parametrize("run", ["pysot_r50_lt", "pysot_r50_lt_thresholds"])
def test_whole_runs_give_the_references_boxes(golden, golden_frame, filled, run):
    runs, entry = golden("runs"), zoo.ZOO["siamrpn_r50_lt"]
    config = replaced(entry.tracker.config, {"inner.resampling": "reference"})
    if run.endswith("thresholds"):
        config = dataclasses.replace(config, confidence_low=0.7, confidence_high=0.71)
    variables = filled(entry.tracker.net, entry.names, 127, 255)
    tracker = dataclasses.replace(entry.tracker, config=config)
    columns = [str(name) for name in runs["pysot_columns"]]
    state = init(tracker, variables, golden_frame("bag_00"), np.float32([235.5, 105.5, 85, 86]))
    for number, row in enumerate(runs[f"{run}/rows"], start=1):
        wanted = dict(zip(columns, row))
        assert bool(state.lost) == bool(wanted["lost_before"])
        state, output = step(tracker, variables, state, golden_frame(f"bag_{number:02d}"))
        np.testing.assert_allclose(output.box, [wanted[f"bbox_{k}"] for k in "xywh"], atol=1e-2)
        np.testing.assert_allclose(output.score, wanted["best_score"], atol=1e-4)
        assert bool(output.lost) == bool(wanted["lost_after"])


def test_a_new_target_never_starts_lost_and_a_bad_frame_changes_nothing():
    tracker, frame = LongTerm(Scripted()), np.zeros((120, 160, 3), np.uint8)
    state = init(tracker, says(0.1), frame, np.float32([60, 40, 30, 20]))
    assert not state.lost
    unreadable = Frame(frame, np.int32([120, 160]), np.bool_(False))
    held, output = step(tracker, says(0.1), state, unreadable)
    assert not held.lost
    assert not output.valid
    np.testing.assert_allclose(output.box, [60, 40, 30, 20], atol=1e-4)


def test_the_thresholds_are_data():
    tracker = LongTerm(Scripted(), LongTermConfig(lost_search_size=319))
    frame = np.zeros((120, 160, 3), np.uint8)
    state = init(tracker, says(0.9), frame, np.float32([60, 40, 30, 20]))
    low = jnp.float32([0.5, 0.95])
    states = jax.vmap(lambda low: state.replace(settings=state.settings.replace(confidence_low=low)))(low)
    _, outputs = jax.jit(jax.vmap(lambda state: tracker.step(says(0.9), state, frame)))(states)
    assert outputs.lost.tolist() == [False, True]


@pytest.mark.parametrize("change", [{"lost_search_size": 200}, {"confidence_low": 0.9, "confidence_high": 0.8}])
def test_settings_that_contradict_each_other_are_refused(change):
    with pytest.raises(ConfigError, match="LongTermConfig"):
        LongTermConfig(**change)


@pytest.mark.parametrize("shared", [True, False], ids=["targets", "videos"])
def test_a_target_by_itself_is_looked_for_in_one_crop_a_frame(shared):
    tracker = LongTerm(Scripted(), LongTermConfig(lost_search_size=511))

    def program(lanes):
        frame = Frame(jnp.zeros((120, 160, 3), jnp.uint8), jnp.array([120, 160]), jnp.array(True))
        state = jax.eval_shape(tracker.init, says(0.9), frame, jnp.float32([50, 40, 30, 20]))
        states = jax.tree.map(lambda leaf: jnp.zeros((lanes, *leaf.shape), leaf.dtype), state)
        frames = jax.tree.map(lambda leaf: jnp.stack([leaf] * 2), frame)
        if not shared:
            frames = jax.tree.map(lambda leaf: jnp.stack([leaf] * lanes, axis=1), frames)
        run = functools.partial(loop.advance, tracker, says(0.9), shared=shared)
        made = jax.eval_shape(run, states, frames)
        return jax.tree.map(jnp.shape, made), " cond[" in str(jax.make_jaxpr(run)(states, frames))

    (_, one), alone = program(1)
    (_, two), among = program(2)
    assert alone
    assert not among  # what `vmap` makes of the choice; where that changes, `_alone` may go
    assert (one.box, two.box) == ((2, 1, 4), (2, 2, 4))
