"""The anchor-free tracker: the recorded steps of FEAR-XS and NanoTrackV3, its state, and what its settings do."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax.errors import ConfigError
from siamjax.ops import boxes, crops
from siamjax.trackers import anchor_free, longterm, riding, siamrpn
from siamjax.trackers.anchor_free import AnchorFreeTracker, whole_box
from siamjax.trackers.base import LoadedTracker, as_frame
from siamjax.trackers.longterm import LongTermConfig
from siamjax.trackers.siamrpn import Proposal
from siamjax.trackers.verified import VerifiedConfig
from siamjax.weights import conversion, sources, zoo

FEAR, NANO = zoo.ZOO["fear_xs"].tracker, zoo.ZOO["nanotrack_v3"].tracker


def with_settings(tracker, **changes):
    return dataclasses.replace(tracker, config=dataclasses.replace(tracker.config, **changes))


def crossing(shared, number):
    from PIL import Image

    return np.asarray(Image.open(shared / "sequences" / "Crossing" / "img" / f"{number:08d}.jpg").convert("RGB"))


def published(shared, tracker, file, name):
    variables = conversion.convert(sources.read(shared / "weights" / file), zoo.ZOO[name].names,
                                zoo.wanted_variables(tracker), where=file)
    net = tracker.net
    plain = net.clone(backbone=net.backbone.clone(lowering="lax"), head=net.head.clone(lowering="lax"))
    return dataclasses.replace(tracker, net=plain), variables


@pytest.mark.parametrize(("changes", "wanted"), [
    ({}, "box_frame2_smooth"),
    pytest.param({"smoothing": "none", "penalty_k": 0.0, "window_influence": 0.0}, "box_frame2_plain",
                 marks=pytest.mark.slow)])
def test_a_recorded_step_of_fear(golden, shared, changes, wanted):
    recorded = golden("fear_xs")
    tracker = with_settings(FEAR, resampling="reference", **changes)
    tracker, variables = published(shared, tracker, "fear_xs_2022.npz", "fear_xs")
    first, second = crossing(shared, 1), crossing(shared, 2)
    state = jax.jit(type(tracker).init, static_argnums=0)(tracker, variables, first, recorded["init_box"])
    np.testing.assert_array_equal(tracker.exemplar(state, as_frame(first)), recorded["template_crop"])
    np.testing.assert_array_equal(tracker.cut(state, as_frame(second), 2.0, 256)[0], recorded["search_crop"])
    _, out = jax.jit(type(tracker).step, static_argnums=0)(tracker, variables, state, second)
    np.testing.assert_array_equal(out.box, recorded[wanted])
    if wanted == "box_frame2_smooth":  # whose score was recorded
        assert abs(out.score - recorded["score_frame2"]) < 1e-5


def test_a_recorded_step_of_nanotrack(golden, shared):
    pytest.importorskip("torch")
    recorded = golden("nanotrackv3")
    tracker = with_settings(NANO, resampling="reference")
    tracker, variables = published(shared, tracker, "nanotrackv3.pth", "nanotrack_v3")
    first, second = crossing(shared, 1), crossing(shared, 2)
    state = jax.jit(type(tracker).init, static_argnums=0)(tracker, variables, first, recorded["init_box"])
    np.testing.assert_array_equal(tracker.exemplar(state, as_frame(first)), recorded["z_crop"][0].transpose(1, 2, 0))
    _, out = jax.jit(type(tracker).step, static_argnums=0)(tracker, variables, state, second)
    np.testing.assert_allclose(out.box, recorded["box_frame2"], atol=1e-3)
    assert abs(out.score - recorded["score_frame2"]) < 1e-5


FRAME = as_frame(np.zeros((100, 200, 3), np.uint8))


def state_of(config, box):
    centre, size = boxes.centre_and_size(jnp.float32(box), half_pixel=config.half_pixel)
    return siamrpn.State(kernels=(), centre=centre, size=size, mean=jnp.zeros(3), score=jnp.float32(1),
                         correction=jnp.float32([0, 0, 1, 1]), settings=riding.numbers(config))


def proposal(offset, size, rate):
    return Proposal(offset=jnp.float32(offset), size=jnp.float32(size), score=jnp.float32(0.9), rate=jnp.float32(rate),
                    index=jnp.int32(0))


@pytest.mark.parametrize(("smoothing", "share"), [("linear", 0.6), ("squared", 0.36), ("none", 1.0)])
def test_smoothing_takes_a_share_of_the_new_size(smoothing, share):
    tracker = with_settings(FEAR, smoothing=smoothing)
    moved = tracker.follow(state_of(tracker.config, (50, 30, 20, 40)), proposal((3, -2), (30, 20), 0.6))
    np.testing.assert_allclose(moved.size, (20 + share * 10, 40 - share * 20), rtol=1e-6)
    np.testing.assert_allclose(moved.centre, (63, 48), rtol=1e-6)  # it stays round the centre of the box found


def test_the_original_hangs_the_smoothed_size_at_the_corner_and_rounds_to_even():
    tracker = with_settings(FEAR, resampling="reference")
    state = state_of(tracker.config, (50, 30, 20, 40))
    moved = tracker.follow(state, proposal((3, -2), (30, 20), 0.5))
    corner = np.float32([60 + 3 - 15, 50 - 2 - 10])
    np.testing.assert_allclose(moved.centre - moved.size / 2, corner, rtol=1e-6)
    clipped = tracker.box(tracker.clip(moved, FRAME))
    np.testing.assert_array_equal(clipped, [48, 38, 22, 35])  # sizes 22.5 and 35: half to even


@pytest.mark.parametrize(("box", "kept"), [
    ((10.9, 20.9, 30.9, 40.9), (10, 20, 30, 40)), ((-5, -7, 30, 40), (0, 0, 30, 40)),
    ((190, 90, 30, 40), (190, 90, 10, 10)), ((199, 99, 30, 40), (197, 97, 3, 3)), ((50, 50, 1, 2), (50, 50, 3, 3))])
def test_whole_boxes_lie_in_the_frame(box, kept):
    np.testing.assert_array_equal(whole_box(jnp.float32(box), FRAME), kept)


def test_a_float_state_moves_by_less_than_a_pixel():
    tracker = with_settings(FEAR, smoothing="none")
    moved = tracker.follow(state_of(tracker.config, (50, 30, 20, 40)), proposal((0.25, 0), (20, 40), 1))
    moved = tracker.clip(moved, FRAME)
    np.testing.assert_allclose(tracker.box(moved), (50.25, 30, 20, 40), rtol=1e-6)


class Fixed:
    """A net that always finds the same distances at one cell."""

    def __init__(self, grid, cell, distances):
        self.grid, self.cell, self.distances = grid, cell, distances

    def apply(self, params, kernels, image, method):
        number = self.grid**2
        cls = jnp.full((1, number, 2), -9.0).at[0, self.cell[0] * self.grid + self.cell[1], 1].set(9.0)
        return cls, jnp.broadcast_to(jnp.log(jnp.float32(self.distances)), (1, number, 4))


@pytest.mark.parametrize("size", [256, 512])
def test_a_squeezed_search_reads_boxes_in_the_frame(size):
    """Distances of 20 px in a crop of 5 widths in 256 px, and of 10 widths in 512, are 20 / 51.2 of the target's."""
    grid = size // 16
    net = Fixed(grid, (grid // 2, grid // 2 + 1), (20, 20, 20, 20))
    tracker = AnchorFreeTracker(net, FEAR.config)  # type: ignore[arg-type]
    state = state_of(FEAR.config, (80, 30, 20, 40))
    found = jax.jit(lambda state: tracker.search({}, state, FRAME, size, jnp.float32(0.0)))(state)
    np.testing.assert_allclose(found.offset, (16 / 51.2 * 20, 0), atol=1e-4)
    np.testing.assert_allclose(found.size, (40 / 51.2 * 20, 40 / 51.2 * 40), rtol=1e-5)


def test_nanotrack_gives_its_answer_half_a_pixel_off_its_centre_in_reference_only():
    for resampling, off in (("float", 0), ("reference", 0.5)):
        tracker = with_settings(NANO, resampling=resampling)
        np.testing.assert_allclose(tracker.box(state_of(tracker.config, (50, 30, 20, 40))),
                                   np.float32((50, 30, 20, 40)) - [off, off, 0, 0], rtol=1e-6)


def test_long_term_keeps_the_crop_and_smoothing_of_the_short_term_form():
    loaded = LoadedTracker(FEAR, {}, "", "fear_xs")
    long = longterm.long_term(loaded, confidence_low=0.3, lost_search_size=512).tracker
    assert isinstance(long.inner, AnchorFreeTracker)
    assert long.inner == FEAR
    assert (long.config.confidence_low, long.config.lost_search_size) == (0.3, 512)


@pytest.mark.parametrize(("field", "value"), [
    ("smoothing", "cubic"), ("min_side", 0), ("context", -1), ("search_context", float("nan")), ("lr", 1.5)])
def test_wrong_settings_are_refused(field, value):
    with pytest.raises(ConfigError, match=field):
        dataclasses.replace(FEAR.config, **{field: value})


def test_crops_are_of_the_boxes_aspect_only_where_they_are_squeezed():
    state = state_of(FEAR.config, (80, 30, 20, 40))
    _, middle, scale = FEAR.cut(state, FRAME, 2.0, 256)
    np.testing.assert_allclose(scale, (256 / 100, 256 / 200))
    np.testing.assert_allclose(middle, (90, 50))
    assert not NANO.config.squeezed
    assert crops.context_side(20, 40) == pytest.approx((50 * 70) ** 0.5)
    assert anchor_free.WHOLE_MIN_SIDE == FEAR.config.min_side == 3


class TooWide(Fixed):
    """A net that finds the target in the middle, and takes it for half as wide again as it is given."""

    def __init__(self, tracker):
        self.tracker = tracker

    def apply(self, params, *images, method):
        if method == "embed_exemplar":
            return images[0].mean((1, 2), keepdims=True)
        config, grid = self.tracker.config, images[-1].shape[1] // 16
        side = config.search_size / 5 if config.squeezed else config.exemplar_size / 2  # of a square target in the crop
        super().__init__(grid, (grid // 2, grid // 2), (side * 0.75, side / 2, side * 0.75, side / 2))
        return super().apply(params, *images, method=method)


@pytest.mark.parametrize("tracker", [FEAR, NANO], ids=["squeezed", "square"])
@pytest.mark.parametrize(("settings", "stretch"), [
    ({"self_correction": True}, 2 / 3), ({"self_correction": False}, 1),
    ({"self_correction": True, "resampling": "reference"}, 1)])  # as in the originals
def test_what_the_first_frame_shows_the_net_to_be_wrong_by_is_taken_off(tracker, settings, stretch):
    tracker = with_settings(tracker, smoothing="none", **settings)
    tracker = dataclasses.replace(tracker, net=TooWide(tracker))
    state = jax.jit(tracker.init)({}, FRAME, np.float32((80, 30, 40, 40)))
    np.testing.assert_allclose(state.correction, (0, 0, stretch, 1), atol=0.02)
    _, out = jax.jit(tracker.step)({}, state, FRAME)
    np.testing.assert_allclose(out.box[2:], (60 * stretch, 40), atol=1.5)


class Bright:
    """A net that finds what is bright, and takes it for a fifth of the search crop wide."""

    def apply(self, params, *images, method):
        if method == "embed_exemplar":
            return images[0].mean((1, 2), keepdims=True)
        size = images[-1].shape[1] // 16 * 16
        grid = size // 16
        light = images[-1][:, :size, :size].reshape(-1, grid, 16, grid, 16, 3).mean((2, 4, 5)).reshape(-1, grid**2)
        sides = jnp.full((*light.shape, 4), jnp.log(size / 10))
        return jnp.stack([jnp.zeros_like(light), light / 8 - 10], axis=-1), sides


def lit(x):
    """A dark frame with a bright target 40 px wide from `x` on."""
    pixels = np.zeros((240, 480, 3), np.uint8)
    pixels[100:140, x:x + 40] = 255
    return as_frame(pixels)


@pytest.mark.parametrize(("tracker", "leap"), [
    (FEAR, 115), pytest.param(NANO, 105, marks=pytest.mark.slow)], ids=["squeezed", "square"])
@pytest.mark.parametrize(("settings", "found"), [
    ({"unsure_below": 0.5}, True), ({"unsure_below": 0.0}, False), ({"unsure_below": 0.5, "wider": 1.0}, False),
    ({"unsure_below": 0.5, "resampling": "reference"}, False)])  # as in the originals
def test_what_leaps_out_of_the_search_is_found_by_a_wider_look(tracker, leap, settings, found):
    tracker = dataclasses.replace(with_settings(tracker, self_correction=False, **settings), net=Bright())
    init, step = (jax.jit(function, static_argnums=0) for function in (type(tracker).init, type(tracker).step))
    state = init(tracker, {}, lit(100), np.float32((100, 100, 40, 40)))
    state, out = step(tracker, {}, state, lit(100))
    np.testing.assert_allclose(out.box, (100, 100, 40, 40), atol=13)  # a cell of the grid is 12.5 px
    state, out = step(tracker, {}, state, lit(100 + leap))
    assert bool(np.allclose(out.box[:2], (100 + leap, 100), atol=30)) == found
    assert bool(out.score > 0.5) == found


def test_targets_that_look_again_track_as_they_do_alone():
    tracker = dataclasses.replace(with_settings(FEAR, self_correction=False, unsure_below=0.5), net=Bright())
    init, step = (jax.jit(function, static_argnums=0) for function in (type(tracker).init, type(tracker).step))
    boxes_given = np.float32([(100, 100, 40, 40), (330, 10, 40, 40), (150, 120, 30, 30)])
    first, second = lit(100), lit(230)
    alone = [step(tracker, {}, init(tracker, {}, first, box), second)[1] for box in boxes_given]
    states = jax.vmap(lambda box: init(tracker, {}, first, box))(boxes_given)
    _, together = jax.vmap(lambda state: step(tracker, {}, state, second))(states)
    assert [bool(one.score > 0.5) for one in alone] == [True, True, True]
    for number, one in enumerate(alone):
        np.testing.assert_allclose(together.box[number], one.box, atol=1e-3)
        np.testing.assert_allclose(together.score[number], one.score, atol=1e-5)


@pytest.mark.parametrize("tracker", [FEAR, NANO], ids=["squeezed", "square"])
def test_a_fitted_score_moves_no_box_and_the_originals_have_none(tracker):
    fitted, plain = {"score_scale": 0.5, "score_offset": -1.0}, {"score_scale": None, "score_offset": None}

    def second(**settings):
        one = dataclasses.replace(with_settings(tracker, self_correction=False, unsure_below=0.0, **settings),
                                  net=Bright())
        return jax.jit(lambda first, second: one.step(
            {}, one.init({}, first, np.float32((100, 100, 40, 40))), second))(lit(100), lit(102))[1]

    for resampling, scores in (("float", (1 / (1 + np.exp(1 - 0.5 * np.log(1e6))), 1)), ("reference", (1, 1))):
        found = [second(resampling=resampling, **settings) for settings in (fitted, plain)]
        np.testing.assert_allclose([one.score for one in found], scores, atol=1e-3)
        np.testing.assert_array_equal(found[0].box, found[1].box)


def test_the_zoos_long_term_form_is_the_default_with_a_larger_search():
    short, long = zoo.ZOO["fear_xs"].tracker, zoo.ZOO["fear_xs_lt"].tracker
    assert zoo.locate("fear_xs_lt") == (zoo.locate("fear_xs")[0], "fear_xs_lt")
    made = longterm.long_term(LoadedTracker(short, {}, "", "fear_xs"), lost_search_size=512).tracker
    assert made == long


class Seen(Bright):
    """The same with a trunk whose third stage is the image, as far as a verified tracker asks."""

    def apply(self, params, *images, method, mutable=None):
        if method == "features":
            return None, {"intermediates": {"backbone": {"stage3": (images[0] + 1.0,)}}}
        return Bright.apply(self, params, *images, method=method)


@pytest.mark.parametrize("around", [lambda config: config, VerifiedConfig], ids=["alone", "verified"])
def test_long_term_forms_lose_a_target_and_find_it_again_far_off(around):
    own = dataclasses.replace(FEAR.config, self_correction=False)
    config = LongTermConfig(around(own), lost_search_size=512, confidence_low=0.4, confidence_high=0.8)
    tracker = config.build(Seen())
    init, step = (jax.jit(function, static_argnums=0) for function in (type(tracker).init, type(tracker).step))
    dark, state = lit(480), init(tracker, {}, lit(100), np.float32((100, 100, 40, 40)))
    answers = []
    for frame in (lit(100), dark, dark, lit(260), lit(260)):  # 160 px off: outside the usual search of 200 px
        state, out = step(tracker, {}, state, frame)
        answers.append(out)
    assert [bool(out.lost) for out in answers] == [False, True, True, False, False]
    np.testing.assert_array_equal(answers[1].box, answers[0].box)  # the last box is kept
    np.testing.assert_allclose(answers[-1].box[:2], (260, 100), atol=36)  # a cell of that crop is 12 px
