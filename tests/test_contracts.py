"""What is promised of a tracker is tested of every tracker in the zoo."""

from __future__ import annotations

import dataclasses
import functools

import chex
import jax
import numpy as np
import optax
import pytest
from flax import linen as nn

import siamjax
from siamjax.nets.crop_mask import MaskedRPN
from siamjax.ops import frames as frame_ops
from siamjax.ops.point_targets import InsideRule
from siamjax.precision import at_precision
from siamjax.trackers import loop
from siamjax.trackers.anchor_free import AnchorFreeConfig
from siamjax.trackers.base import LoadedTracker
from siamjax.trackers.longterm import LongTermConfig
from siamjax.trackers.siamfc import SiamFCConfig
from siamjax.trackers.siammask import SiamMaskConfig
from siamjax.trackers.siamrpn import SiamRPNConfig
from siamjax.training.crop_mask_objective import CropMaskObjective
from siamjax.training.freezing import Phase
from siamjax.training.mask_objective import MaskObjective
from siamjax.training.objectives import LogisticObjective
from siamjax.training.point_objective import PointObjective
from siamjax.training.rpn_objective import RPNObjective
from siamjax.training.state import new_state
from siamjax.training.step import AXIS, make_train_step
from siamjax.types import Frame, TrainPair
from siamjax.weights import zoo
from siamjax.weights.prepare import prepare

FRAMES, SIDE = 9, 144
EXACT = 1e-3  # px, the bar for equal tracks on the CPU


def few(blocks):
    """Of the inverted residuals of a trunk those that stride, and the first of each other kind: the same geometry."""
    kinds = [(block.expansion is None, block.squeeze) for block in blocks]
    return tuple(dataclasses.replace(block, features=4) for i, block in enumerate(blocks)
                 if block.stride > 1 or kinds[i] not in kinds[:i])


NARROW = {  # a few channels wherever a net has many, and one block where a stage repeats them
    "stages": lambda stages: tuple(dataclasses.replace(stage, features=4 * stage.groups) for stage in stages),
    "hidden": lambda hidden: 4 * (hidden > 0) if isinstance(hidden, int) else (4,) * len(hidden),
    "widths": lambda widths: (4,) * len(widths),
    "width": lambda width: 4 if isinstance(width, int) else 0.125,
    "blocks": lambda blocks: (1, 1, 2, 1) if isinstance(blocks[0], int) else few(blocks),
    "depth": lambda _: 1,
    "cls_sizes": lambda sizes: sizes[-1:],
    "loc_sizes": lambda sizes: sizes[-1:],
    "stem": lambda _: 4,
    "projection": lambda width: 4 if width else 0,
    "cls_width": lambda _: 4,
    "loc_width": lambda _: 4,
    "lowering": lambda _: "lax",  # quick to compile
}


def changed(net: nn.Module, changes) -> nn.Module:
    """`net` with `changes[name](value)` for every field of these names, in it and in its parts."""
    fields = {f.name: getattr(net, f.name) for f in dataclasses.fields(net) if f.name not in ("parent", "name")}
    parts = {name: changed(value, changes) for name, value in fields.items() if isinstance(value, nn.Module)}
    return net.clone(**parts, **{name: change(fields[name]) for name, change in changes.items() if name in fields})


def narrow(tracker):
    """The same tracker with a few channels; a long-term one with a smaller region while it is lost."""
    net = changed(tracker.net, NARROW)
    if isinstance(net, MaskedRPN):
        net = net.clone(used_stages=(2, 3, 4))  # the few blocks at strides 4, 8 and 16
    tracker = dataclasses.replace(tracker, net=net)
    if isinstance(tracker.config, LongTermConfig):
        return dataclasses.replace(tracker, config=dataclasses.replace(tracker.config, lost_search_size=319))
    return tracker


def innermost(config):
    """Settings of the tracker within all others."""
    return innermost(config.inner) if hasattr(config, "inner") else config


@functools.cache
def tiny_case(name: str):
    """A narrow tracker of that name, parameters, a small video and a target's box."""
    tracker = narrow(zoo.ZOO[name].tracker)
    config = tracker.config
    params = jax.jit(tracker.net.init)(jax.random.key(0), *crops(config))
    if isinstance(innermost(config), SiamRPNConfig):  # grey levels to 255 through random kernels: boxes would be huge
        params = jax.tree.map(lambda leaf: leaf / 64 if leaf.ndim == 4 and leaf.shape[2] == 3 else leaf, params)
    return tracker, params, *clip()


def crops(config):
    return [np.zeros((1, size, size, 3), np.float32) for size in (config.exemplar_size, config.search_size)]


@functools.cache
def clip():
    """A small video of a moving texture, and its box in the first frame."""
    rng = np.random.default_rng(3)
    texture = rng.integers(0, 256, (5, 5, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    background = rng.integers(60, 120, (SIDE // 8, SIDE // 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    video = np.stack([background] * FRAMES)
    for t in range(FRAMES):
        video[t, 40 + 2 * t:80 + 2 * t, 50 + t:90 + t] = texture
    return video, np.float32([50, 40, 40, 40])


@functools.cache
def shapes(name: str):
    """A narrow tracker of that name, and the shapes of its parameters: nothing is compiled."""
    tracker = narrow(zoo.ZOO[name].tracker)
    return tracker, jax.eval_shape(tracker.net.init, jax.random.key(0), *crops(tracker.config))


@functools.cache
def reference(name: str) -> np.ndarray:
    """Boxes of the plain loop: `init` and `step`, each jitted."""
    tracker, params, video, box = tiny_case(name)
    kind = type(tracker)
    init, step = jax.jit(kind.init, static_argnums=0), jax.jit(kind.step, static_argnums=0)
    state, boxes = init(tracker, params, video[0], box), [box]
    for frame in video[1:]:
        state, out = step(tracker, params, state, frame)
        boxes.append(np.asarray(out.box))
    assert np.isfinite(boxes).all()
    return np.stack(boxes)


def objective_of(tracker):
    """The objective that trains a tracker's net."""
    config = innermost(tracker.config)
    if isinstance(tracker.net, MaskedRPN):
        return CropMaskObjective()
    if isinstance(config, AnchorFreeConfig) and config.squeezed:
        return PointObjective(assign=InsideRule(), box_loss="iou")  # FEAR's
    kinds = {SiamFCConfig: LogisticObjective(centre="box"), SiamMaskConfig: MaskObjective(),
             AnchorFreeConfig: PointObjective(), SiamRPNConfig: RPNObjective()}
    return next(objective for kind, objective in kinds.items() if isinstance(config, kind))


def a_pair(tracker, video, box) -> TrainPair:
    """The target of the video in a crop of its middle, and in the whole of its second frame, where it is a square."""
    rows = [np.float32(np.kron(video[t], np.ones((2, 2, 1))))[None] for t in (0, 1)]
    search, size = rows[1][:, :255, :255], tracker.config.exemplar_size
    mask = np.zeros(search.shape[:3], np.float32)
    x, y, w, h = (np.int32(box) + (1, 2, 0, 0)) * 2
    mask[:, y:y + h, x:x + w] = 1
    return TrainPair(rows[0][:, 60:60 + size, 80:80 + size], search, box[None] * 2 - [[80, 60, 0, 0]],
                     (box[None] + [[1, 2, 0, 0]]) * 2, np.array([True]), np.arange(1), None,
                     mask, np.array([True]))


def same_draw(_, pair: TrainPair) -> TrainPair:
    """No augmentation, and the same anchors in every step: only the parameters change."""
    return pair.replace(key=jax.random.key(4)[None])


def loaded(name: str) -> LoadedTracker:
    tracker, params, _, _ = tiny_case(name)
    return LoadedTracker(tracker, params, "tiny", name)


# What holds for a kind of trackers by default holds for the quickest of it to compile; all other names are slow.
# Masks over a scan and a stream are those of tests/trackers/test_siammask.py.
FAMILIES = ("siamfc", "siamrpn_alex", "siamrpn_small_lt", "fear_xs")
NETS = (*FAMILIES, "siamrpn_r50_lt", "siammask_small", "fear_mask", "nanotrack_v1")  # one of each kind of net
TWO = ("siamrpn_alex", "siamrpn_small_lt")  # short-term and long-term
ONE = ("siamrpn_alex",)  # of what the loop does, whatever the tracker


def by_default(names):
    return [name if name in names else pytest.param(name, marks=pytest.mark.slow) for name in sorted(zoo.ZOO)]


MANY_TARGETS = [pytest.param(name, 1, marks=pytest.mark.slow) for name in sorted(zoo.ZOO)]


@pytest.mark.parametrize(("name", "every"), [("siamrpn_alex", 16), *MANY_TARGETS])
def test_thirty_two_targets_equal_thirty_two_runs(name, every):
    """By default every sixteenth of them is run by itself."""
    tracker, params, video, box = tiny_case(name)
    follow = functools.partial(loop.track_frames, tracker, params, video[:4], chunk=4)
    boxes = box + np.float32(np.random.default_rng(6).uniform(-8, 8, (32, 4)))
    many = follow(boxes)
    compiled = loop.advance._cache_size()
    for target, result in list(zip(boxes, many, strict=True))[::every]:
        np.testing.assert_allclose(result.boxes, follow(target)[0].boxes, atol=EXACT)
    assert loop.advance._cache_size() <= compiled + 1  # that of one target
    compiled = loop.advance._cache_size()
    for count in (31, 17):  # as many lanes as 32
        follow(boxes[:count])
    assert loop.advance._cache_size() == compiled


# Names whose narrow tracker has the net and the tracker of another name but for a number.
SIBLINGS = {"siamfc_alexnet": "siamfc", "siammask_r50": "siammask_sharp", "siamrpn_alex_otb": "siamrpn_alex",
            "siamrpn_r50_otb": "siamrpn_r50"}


@pytest.mark.parametrize("name", SIBLINGS)
def test_a_sibling_is_of_the_same_parts(name):
    """So that what holds for the one holds for the other: the same modules, the same tracker."""
    def parts(module):
        return type(module), [parts(getattr(module, f.name)) for f in dataclasses.fields(module)
                              if f.name != "parent" and isinstance(getattr(module, f.name), nn.Module)]

    tracker, sibling = zoo.ZOO[name].tracker, zoo.ZOO[SIBLINGS[name]].tracker
    assert type(tracker) is type(sibling)
    assert type(tracker.config) is type(sibling.config)
    assert parts(tracker.net) == parts(sibling.net)


@pytest.mark.parametrize("name", by_default(NETS))
class TestTrackerContractOfShapes:
    """Of a name of each kind of net: nothing is compiled."""

    def test_state_keeps_its_shape(self, name):
        tracker, params = shapes(name)
        video, box = clip()
        before = jax.eval_shape(tracker.init, params, video[0], box)
        after, _ = jax.eval_shape(tracker.step, params, before, video[1])
        chex.assert_trees_all_equal_shapes_and_dtypes(before, after)

    def test_a_weight_file_brings_the_tracker_back(self, name, tmp_path):
        tracker, wanted = shapes(name)
        rng = np.random.default_rng(5)
        params = jax.tree.map(lambda leaf: rng.uniform(0.5, 1, leaf.shape).astype(leaf.dtype), wanted)
        zoo.save(tmp_path / "tiny.safetensors", tracker, params, card="tiny", licence="none")
        back = siamjax.load(tmp_path / "tiny.safetensors", prepare=False)
        assert back.tracker == tracker
        chex.assert_trees_all_equal(jax.tree.map(np.asarray, back.params), params)


@pytest.mark.parametrize("name", by_default(FAMILIES))
class TestTrackerContract:
    """Of a name of each kind; of all others where the slow tests run."""

    def test_scan_equals_loop(self, name):
        tracker, params, video, box = tiny_case(name)
        whole = loop.track_frames(tracker, params, video, box)[0].boxes  # one chunk
        np.testing.assert_allclose(whole, reference(name), atol=EXACT)

    def test_prepared_parameters_track_alike(self, name):
        tracker, params, video, box = tiny_case(name)
        net, prepared = prepare(tracker.net, params)
        fast = dataclasses.replace(tracker, net=net)
        boxes = loop.track_frames(fast, prepared, video, box)[0].boxes
        np.testing.assert_allclose(boxes, reference(name), atol=0.05)  # another rounding of the same response


@pytest.mark.parametrize("name", by_default(TWO))
class TestTrackerContractAtLength:
    """Of two names; of all others where the slow tests run."""

    def test_stream_equals_loop(self, name):
        _, _, video, box = tiny_case(name)
        stream = siamjax.Stream(loaded(name), video[0], box)
        boxes = np.stack([box, *(stream(frame).box for frame in video[1:])])
        np.testing.assert_allclose(boxes, reference(name), atol=EXACT)

    def test_targets_by_vmap_equal_one_by_one(self, name):
        _, _, video, box = tiny_case(name)
        boxes = box + np.float32([[0, 0, 0, 0], [6, -4, 0, 0], [-8, 5, 4, 2]])
        many = siamjax.track_many(loaded(name), video, boxes)
        for target, result in zip(boxes, many):
            alone = siamjax.track(loaded(name), video, target)
            np.testing.assert_allclose(result.boxes, alone.boxes, atol=EXACT)

    def test_equal_trackers_share_a_compilation(self, name):
        tracker, params, video, box = tiny_case(name)
        init, step = (jax.jit(method, static_argnums=0) for method in (type(tracker).init, type(tracker).step))
        state = init(tracker, params, video[0], box)
        step(tracker, params, state, video[1])
        before = step._cache_size()  # of the function, whoever else jitted it
        step(dataclasses.replace(tracker), params, state, video[2])
        assert step._cache_size() == before

    def test_a_frame_that_does_not_decode_holds_the_box(self, name):
        tracker, params, video, box = tiny_case(name)
        images = [*video[:3], None, *video[4:]]
        result = loop.track_frames(tracker, params, images, box)[0]
        np.testing.assert_array_equal(result.boxes[3], result.boxes[2])
        assert result.valid.tolist() == [True, True, True, False, *[True] * (FRAMES - 4)]
        assert not np.array_equal(result.boxes[4], result.boxes[3])

    def test_padding_changes_nothing(self, name):
        tracker, params, video, box = tiny_case(name)
        noise = np.random.default_rng(0).integers(0, 256, (*frame_ops.bucket(SIDE, SIDE), 3), np.uint8)

        def padded(image):
            pixels = noise.copy()
            pixels[:SIDE, :SIDE] = image
            return Frame(pixels, np.array(image.shape[:2], np.int32), np.bool_(True))

        states = loop.start(tracker, params, padded(video[0]), box[None], shared=True)
        frames = [padded(image) for image in (*video[1:], *video[1:])][:loop.CHUNK]  # as `track_frames` has compiled
        _, out = loop.advance(tracker, params, states, jax.tree.map(lambda *rows: np.stack(rows), *frames), shared=True)
        np.testing.assert_allclose(out.box[:FRAMES - 1, 0], reference(name)[1:], atol=EXACT)

    def test_flat_frames_give_finite_output(self, name):
        tracker, params, video, box = tiny_case(name)
        result = loop.track_frames(tracker, params, [np.zeros_like(video[0])] * 4, box)[0]
        assert np.isfinite(result.boxes).all()
        assert ((result.scores >= 0) & (result.scores <= 1)).all()


@pytest.mark.parametrize("name", by_default(ONE))
class TestTrackerContractAtGreatLength:
    """Of one name; of all others where the slow tests run."""

    def test_videos_together_equal_one_by_one(self, name):
        _, _, video, box = tiny_case(name)
        sources, boxes = [video, video[:5, :120], video[2:]], np.stack([box, box, box + np.float32([2, 4, 0, 0])])
        together = siamjax.track_videos(loaded(name), sources, boxes)
        for source, target, result in zip(sources, boxes, together):
            alone = siamjax.track(loaded(name), source, target)
            assert len(result.boxes) == len(source)
            np.testing.assert_allclose(result.boxes, alone.boxes, atol=EXACT)

    def test_adding_a_target_within_the_padded_count_compiles_nothing(self, name):
        _, _, video, box = tiny_case(name)
        stream = siamjax.Stream(loaded(name), video[0], np.stack([box, box + 4, box - 4]))
        stream(video[1])
        before = loop.start._cache_size(), loop.advance._cache_size()
        added = stream.add(video[1], box)
        assert len(stream(video[2]).box) == 4
        stream.remove(added)
        assert len(stream(video[3]).box) == 3
        assert (loop.start._cache_size(), loop.advance._cache_size()) == before
        many = [loop.track_frames(*tiny_case(name)[:2], video, np.stack([box] * n)) for n in (3, 4)]
        assert [len(results) for results in many] == [3, 4]

    def test_a_size_that_changes_mid_stream_tracks_on(self, name):
        tracker, params, video, box = tiny_case(name)
        grown = [*video[:4], *(np.pad(image, ((0, 90), (0, 60), (0, 0))) for image in video[4:])]
        result = loop.track_frames(tracker, params, grown, box)[0]
        np.testing.assert_array_equal(result.boxes[:4], loop.track_frames(tracker, params, video[:4], box)[0].boxes)
        assert np.isfinite(result.boxes).all()

    def test_bfloat16_stays_near(self, name):
        tracker, params, video, box = tiny_case(name)
        fast = dataclasses.replace(tracker, net=at_precision(tracker.net, "bfloat16"))
        state = jax.jit(fast.init)(params, video[0], box)
        assert {leaf.dtype for leaf in jax.tree.leaves(state)} <= {np.dtype("float32"), np.dtype(bool)}  # geometry too
        _, out = jax.jit(fast.step)(params, state, video[1])
        # One cell of the up-sampled response is about half a pixel here; rounding of 8 bits moves few.
        np.testing.assert_allclose(out.box, reference(name)[1], atol=3.0)

    def test_chunks_equal_scan_to_the_bit(self, name):
        tracker, params, video, box = tiny_case(name)
        whole = loop.track_frames(tracker, params, video, box)[0].boxes
        for chunk in (4, 3):  # the last one whole, and of two frames
            parts = loop.track_frames(tracker, params, video, box, chunk=chunk)[0].boxes
            np.testing.assert_array_equal(parts, whole)

    def test_one_compile_for_a_long_video_and_for_several_of_a_bucket(self, name):
        tracker, params, video, box = tiny_case(name)
        long = np.concatenate([video] * 5)[:40]  # in three chunks
        before = loop.start._cache_size(), loop.advance._cache_size()
        assert len(loop.track_frames(tracker, params, long, box)[0].boxes) == 40
        loop.track_frames(tracker, params, video[:4, :130, :140], box)  # another size of the same bucket
        assert loop.start._cache_size() <= before[0] + 1  # none where another test has compiled it
        assert loop.advance._cache_size() <= before[1] + 1

    def test_videos_by_pmap_equal_one_device(self, name):
        tracker, params, video, box = tiny_case(name)
        devices = jax.local_device_count()
        states = jax.pmap(lambda p, f, b: tracker.init(p, f, b), in_axes=(None, None, 0))(
            params, video[0], np.stack([box] * devices))
        _, out = jax.pmap(lambda p, s, f: tracker.step(p, s, f), in_axes=(None, 0, None))(params, states, video[1])
        for row in np.asarray(out.box):
            np.testing.assert_allclose(row, reference(name)[1], atol=EXACT)


@pytest.mark.parametrize("name", by_default(ONE))
def test_eager_equals_jit(name):
    tracker, params, video, box = tiny_case(name)
    state = tracker.init(params, video[0], box)
    _, out = tracker.step(params, state, video[1])
    np.testing.assert_allclose(out.box, reference(name)[1], atol=EXACT)


@pytest.mark.parametrize("name", by_default(("fear_xs",)))  # tests/training has steps of the other objectives
def test_two_training_steps_lower_the_loss(name):
    tracker, params, video, box = tiny_case(name)
    # Steps of a known length; NanoTrack's deep narrow BatchNorms bend the loss within a longer one.
    length = 2e-5 if name.startswith("nanotrack") else 2e-4
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(length))
    step = make_train_step(tracker.net, objective_of(tracker), tx, same_draw, Phase())
    step = jax.jit(jax.vmap(step, axis_name=AXIS))
    state = jax.tree.map(lambda leaf: leaf[None], new_state(params, tx, jax.random.key(5), ema=False))
    batch, losses = jax.tree.map(lambda leaf: leaf[None], a_pair(tracker, video, box)), []
    for _ in range(3):
        state, metrics = step(state, batch)
        losses.append(float(metrics["loss"][0]))
    assert losses[2] < losses[1] < losses[0]


def test_bucket_frames_are_what_the_loop_pads_to():
    assert frame_ops.bucket(130, 140) == frame_ops.bucket(SIDE, SIDE)
