"""Masks beside the pixels: through patches, pasting and augmentation they stay on the object that is seen."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from siamjax.data import paste
from siamjax.data.augment import AugmentConfig, make_augment, sample_window
from siamjax.data.config import DataConfig, Jitter
from siamjax.data.patches import context_mask, context_patch
from siamjax.data.pipeline import batches, make_sample
from siamjax.data.sequences import MaskedTrack, Sequence, fill
from siamjax.data.synthetic import SyntheticConfig, make_tracks
from siamjax.errors import DataError
from siamjax.types import PairBatch

RED, BLUE = np.uint8([200, 20, 20]), np.uint8([20, 20, 200])
SIZE = 223  # px, of the patches
CONFIG = DataConfig(patch_size=SIZE, masks=True, max_fraction=0.7, image_share=0.4)


def disc(cx, cy, w, h, size=(120, 160)):
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    return np.hypot((x - cx) / w, (y - cy) / h) < 0.5


def redness(pixels):
    """How far each pixel is from grey to red, 0..1."""
    return np.clip((pixels[..., 0].astype(float) - np.maximum(pixels[..., 1], pixels[..., 2])) / 180, 0, 1)


def overlap(a, b):
    return (a & b).sum() / max((a | b).sum(), 1)


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    """Red discs on grey noise: a video with masks of all frames but the last, images with outlines, one with a box."""
    folder, result = tmp_path_factory.mktemp("masks"), []

    def write(name, shape, seed):
        pixels = np.random.default_rng(seed).integers(110, 140, (120, 160, 1), dtype=np.uint8).repeat(3, axis=2)
        pixels[disc(*shape)] = RED
        Image.fromarray(pixels).save(folder / f"{name}.png")
        Image.fromarray(disc(*shape)).save(folder / f"{name}_mask.png")
        cx, cy, w, h = shape
        return folder / f"{name}.png", folder / f"{name}_mask.png", np.float32([cx - w / 2, cy - h / 2, w, h])

    paths, masks, boxes = zip(*(write(f"v{n}", (60 + 8 * n, 60, 30, 40), n) for n in range(5)))
    result.append(Sequence("v", "v", paths, np.stack(boxes), (120, 160), masks=(*masks[:4], None)))
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    for n in range(3):
        path, _, box = write(f"i{n}", (90, 50, 44, 30), 10 + n)
        outline = np.stack([90 + 22 * np.cos(turn), 50 + 15 * np.sin(turn)], axis=1).astype(np.float32)
        result.append(Sequence(f"i{n}", f"i{n}", (path,), box[None], (120, 160),
                               polygons=((outline,),) if n < 2 else None))
    return result


boxes = st.tuples(st.floats(-20, 280), st.floats(-20, 180), st.floats(5, 200), st.floats(5, 200))


@settings(max_examples=60)
@given(boxes, st.integers(0, 2**32))
def test_a_mask_is_cut_as_its_image(box, seed):
    mask = np.random.default_rng(seed).random((25, 40)) < 0.5
    mask = np.kron(mask, np.ones((8, 8), bool))
    image = np.where(mask[..., None], 255, 0).astype(np.uint8).repeat(3, axis=2)
    patch, _ = context_patch(image, np.float32(box), size=191, colour=np.zeros(3, np.uint8))
    np.testing.assert_array_equal(context_mask(mask, np.float32(box), size=191), patch[..., 0])


def test_outlines_are_whole_whatever_their_bytes_hold():
    """Pillow's arrays of bools hold 255, which a view would take for more than there is."""
    mask = fill((np.float32([[20, 20], [80, 20], [80, 60], [20, 60]]),), (100, 100))
    assert context_mask(mask, np.float32([20, 20, 60, 40]), size=127).max() == 255


def generator(seed):
    return np.random.default_rng(seed)


def sprite(seed, w=40, h=60, size=127):
    mask = disc(w / 2 + 20, h / 2 + 20, w, h, (h + 40, w + 40))
    cutout = paste.cut_out(np.broadcast_to(RED, (*mask.shape, 3)), mask)
    return paste.make_sprite(cutout, generator(seed), exemplar_size=size, context=0.5)


@given(st.integers(0, 2**32))
def test_the_mask_of_a_pasted_target_is_its_cover(seed):
    grey, target = np.full((SIZE, SIZE, 3), 128, np.uint8), sprite(seed)
    patch, box = paste.paste_target(grey, target, [], generator(seed))
    seen = redness(patch) / redness(patch).max()
    mask = paste.target_mask(target, SIZE)
    np.testing.assert_allclose(mask / 255, seen, atol=0.05)
    ys, xs = np.nonzero(mask >= 128)
    np.testing.assert_allclose([xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1], box, atol=1.01)


@given(st.integers(0, 2**32))
def test_what_is_covered_is_no_longer_the_targets(seed):
    """A mask may reach beyond a box; what is pasted beside the box may lie on it then."""
    patch, mask = np.full((SIZE, SIZE, 3), 128, np.uint8), np.full((SIZE, SIZE), 255, np.uint8)
    box = np.float32([SIZE / 2 - 10, SIZE / 2 - 10, 20, 20])
    others = [sprite(seed, size=60), sprite(seed + 1, size=50)]
    pasted, left = paste.paste_distractors(patch, box, others, generator(seed), room=np.array([0, 0, SIZE, SIZE]),
                                           mask=mask)
    assert mask.min() == 255
    assert overlap(left < 128, redness(pasted) > 0.5 * redness(pasted).max()) > 0.9
    assert left[SIZE // 2 - 8 : SIZE // 2 + 8, SIZE // 2 - 8 : SIZE // 2 + 8].min() == 255


@pytest.mark.parametrize("changes", [{}, {"paste": 1.0}, {"distractors": 1.0}, {"paste": 0.5, "distractors": 0.5}])
def test_the_mask_lies_on_the_target_and_only_there(tracks, changes):
    config = dataclasses.replace(CONFIG, **changes)
    sample, known = make_sample(tracks, config, seed=1), 0
    for index in range(24):
        pair = sample(index)
        assert pair.search_mask.shape == (SIZE, SIZE)
        if not pair.masked:
            assert not pair.search_mask.any()
            continue
        x, y, w, h = pair.search_box
        inside = np.zeros((SIZE, SIZE), bool)  # a distractor is red too, but outside
        inside[max(0, round(y) - 2) : round(y + h) + 2, max(0, round(x) - 2) : round(x + w) + 2] = True
        if "paste" not in changes:
            assert overlap(pair.search_mask > 127, (redness(pair.search) > 0.4) & inside) > 0.93
        assert not (pair.search_mask[~inside] > 127).any()
        assert (pair.search_mask > 127).sum() > 0.6 * w * h
        known += 1
    assert known > 12


def test_negative_pairs_and_objects_without_a_mask_have_none(tracks):
    def shares(config):
        return [(bool(p.similar), bool(p.masked)) for p in map(make_sample(tracks, config, seed=3), range(80))]

    assert not any(masked for similar, masked in shares(dataclasses.replace(CONFIG, negative=1.0)) if not similar)
    by_box = dataclasses.replace(CONFIG, image_share=0.0, max_gap=4)
    known = [masked for _, masked in shares(by_box)]
    assert 0 < sum(known) < len(known)  # the video's last frame has no mask


def test_without_masks_asked_for_there_are_none_and_the_pixels_are_the_same(tracks):
    plain = dataclasses.replace(CONFIG, masks=False, paste=0.3, distractors=0.3, negative=0.2)
    with_masks, without = (make_sample(tracks, c, seed=5) for c in (dataclasses.replace(plain, masks=True), plain))
    for index in range(10):
        full, bare = with_masks(index), without(index)
        assert bare.search_mask is None
        assert bare.masked is None
        jax.tree.map(np.testing.assert_array_equal, full.replace(search_mask=None, masked=None), bare)


def test_batches_stack_and_resume(tracks):
    config = dataclasses.replace(CONFIG, paste=0.3, distractors=0.5, negative=0.3, synthetic_share=0.3)

    def first(count, start=0):
        return list(itertools.islice(batches(tracks, config, seed=1, batch_size=4, start_step=start), count))

    whole = first(3)
    assert whole[0].search_mask.shape == (4, SIZE, SIZE)
    assert whole[0].search_mask.dtype == np.uint8
    assert whole[0].masked.dtype == np.bool_
    jax.tree.map(np.testing.assert_array_equal, first(1, start=2), whole[2:])


def test_masks_without_any_mask_are_an_error(tracks):
    with pytest.raises(DataError, match="none of the usable frames has a mask"):
        make_sample(tracks[3:], CONFIG, seed=0)
    make_sample(tracks[3:], dataclasses.replace(CONFIG, synthetic_share=0.5), seed=0)


def test_drawn_objects_know_what_is_seen_of_them():
    drawn = make_tracks(SyntheticConfig(videos=2, frames=4, height=96, width=128, min_size=24, max_size=48), seed=2)
    for track in drawn[:3]:
        assert isinstance(track, MaskedTrack)
        assert track.masked.all()
    masks = np.stack([track.mask(1) for track in drawn[:3]])
    assert masks.shape == (3, 96, 128)
    assert masks.sum(axis=0).max() == 1
    sample = make_sample(drawn, dataclasses.replace(CONFIG, min_side=10), seed=0)
    assert np.mean([sample(index).masked for index in range(20)]) > 0.9


# On the device.


def test_warp_is_the_references(golden, golden_frame):
    """Its window is given by the centres of its corner pixels, ours by its middle and its px."""
    g, mask = golden("resample"), (golden_frame("tennis_00")[..., 2] > 128).astype(np.float32)
    side = max(mask.shape)
    square = np.zeros((side, side, 1), np.float32)
    square[: mask.shape[0], : mask.shape[1], 0] = mask
    for case in range(5):
        size = int(g[f"crophwc/{case}/size"])
        x1, y1, x2, y2 = g[f"crophwc/{case}/box_x1y1x2y2"]
        scale = np.array([x2 - x1, y2 - y1]) / (size - 1)
        shift = (np.array([x1, y1]) + 0.5 - side / 2) / scale + size / 2 - 0.5
        crop = sample_window(square, jnp.float32(shift), jnp.float32(scale), size, border=jnp.zeros(1))[..., 0]
        np.testing.assert_allclose(crop[::2, ::2], g[f"crophwc/{case}/mask_f32_sub2"], atol=1e-4, err_msg=str(case))


def warped(config, seed=0, count=6, side=131):
    """Red ellipses on black, and what augmentation makes of them."""
    masks = np.stack([disc(side / 2 + 3, side / 2 - 2, 30 + 4 * n, 50 - 3 * n, (side, side)) for n in range(count)])
    pixels = masks[..., None] * np.float32([255, 0, 0])
    box = np.zeros((count, 4), np.float32)
    batch = PairBatch(pixels, pixels, box, box, np.ones(count, bool), np.arange(count, dtype=np.int32),
                      (masks * 255).astype(np.uint8), np.arange(count) % 2 == 0)
    return batch, jax.jit(make_augment(config))(jax.random.key(seed), batch)


@pytest.mark.parametrize("flip", [0.0, 0.5, 1.0])
def test_the_mask_moves_with_the_pixels(flip):
    jitter = Jitter(shift=20, stretch=0.3, per_axis=True)
    batch, pair = warped(AugmentConfig(exemplar_size=31, search_size=95, search=jitter, flip=flip))
    assert pair.mask.shape == (6, 95, 95)
    assert pair.mask.dtype == jnp.float32
    # Within the patch both are samples of the same disc; the mask alone is black outside.
    red = np.asarray(pair.search[..., 0]) / 255
    np.testing.assert_allclose(pair.mask, red, atol=0.12)
    assert np.abs(pair.mask - red)[red > 0.3].max() < 1e-5
    np.testing.assert_array_equal(pair.masked, batch.masked)


def test_beyond_the_patch_is_no_object_and_colour_changes_no_mask():
    jitter = Jitter(shift=0, stretch=0, colour=1, contrast=0.5, brightness=50, blur=1)
    batch, pair = warped(AugmentConfig(exemplar_size=31, search_size=191, search=jitter))
    np.testing.assert_allclose(pair.mask[:, 30:161, 30:161], batch.search_mask / 255, atol=1e-6)
    outside = np.ones((191, 191), bool)
    outside[30:161, 30:161] = False
    assert (np.asarray(pair.mask)[:, outside] == 0).all()


def test_pairs_without_masks_stay_without():
    batch, _ = warped(AugmentConfig(exemplar_size=31, search_size=61))
    bare = batch.replace(search_mask=None, masked=None)
    pair = jax.eval_shape(make_augment(AugmentConfig(exemplar_size=31, search_size=61)), jax.random.key(0), bare)
    assert pair.mask is None
    assert pair.masked is None
