"""Pasted objects: boxes true to the masks, distractors beside the target, the same bits for the same sample."""

import dataclasses
import itertools

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from siamjax.data import paste
from siamjax.data.config import DataConfig
from siamjax.data.pairs import make_table
from siamjax.data.pipeline import batches, make_sample
from siamjax.data.sequences import MaskedTrack, Sequence, fill
from siamjax.data.synthetic import make_tracks
from siamjax.errors import ConfigError, DataError
from siamjax.ops.crops import context_side

SIZE = 311  # px, of the patches
RED, GREY = np.uint8([200, 20, 20]), 128


def generator(seed):
    return np.random.default_rng(seed)


def ellipse(width, height, margin=20):
    """`[h, w]` bool, an ellipse of `width` x `height` px with `margin` around it."""
    y, x = np.mgrid[: height + 2 * margin, : width + 2 * margin] + 0.5
    return np.hypot((x - margin - width / 2) / width, (y - margin - height / 2) / height) < 0.5


def red_cutout(width, height):
    """Red all over, so that redness in a patch is how opaque the object is there."""
    mask = ellipse(width, height)
    return paste.cut_out(np.broadcast_to(RED, (*mask.shape, 3)), mask)


def redness(patch):
    """How far each pixel is from grey to red, 0..1, whatever the change of light."""
    return np.clip((patch[..., 0].astype(float) - patch[..., 1]) / 180, 0, None)


def extent(mask):
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([xs[0], ys[0], xs[-1] - xs[0] + 1, ys[-1] - ys[0] + 1])


shapes = st.tuples(st.integers(14, 120), st.integers(14, 120))


@settings(deadline=None, max_examples=60)
@given(shapes, st.integers(0, 2**32))
def test_the_box_is_the_extent_of_what_was_pasted(shape, seed):
    sprite = paste.make_sprite(red_cutout(*shape), generator(seed), exemplar_size=127, context=0.5)
    patch, box = paste.paste_target(np.full((SIZE, SIZE, 3), GREY, np.uint8), sprite, [], generator(seed))
    seen = redness(patch)
    np.testing.assert_allclose(extent(seen > 0.5 * seen.max()), box, atol=1.01)
    np.testing.assert_allclose(box[:2] + box[2:] / 2, SIZE / 2, atol=1)
    assert context_side(*box[2:].tolist()) == pytest.approx(127, rel=0.05)  # whole pixels, and the soft edge


@settings(deadline=None, max_examples=40)
@given(shapes, st.integers(0, 2**32))
def test_an_edge_is_soft_and_brings_none_of_the_old_background(shape, seed):
    cutout = red_cutout(*shape)
    green = paste.Cutout(np.where(cutout.mask[..., None], cutout.pixels, np.uint8([0, 255, 0])), cutout.mask)
    sprite = paste.make_sprite(green, generator(seed), exemplar_size=127, context=0.5)
    assert set(np.unique(sprite.alpha)) - {0, 1}
    opaque = sprite.alpha > 0.9
    assert (sprite.pixels[opaque][:, 1] < 130).mean() > 0.97


@settings(deadline=None, max_examples=60)
@given(shapes, shapes, st.integers(0, 2**32))
def test_a_distractor_leaves_the_box_of_a_target_that_is_there_alone(shape, other, seed):
    random = generator(seed)
    patch = random.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    scale = 127 / context_side(*shape)
    side = np.float32(shape) * scale
    box = np.concatenate([SIZE / 2 - side / 2, side]).astype(np.float32)
    sprites = [paste.make_sprite(red_cutout(*other), random, exemplar_size=127, context=0.5) for _ in range(2)]
    before = patch.copy()
    pasted, _ = paste.paste_distractors(patch, box, sprites, random, room=np.array([0, 0, SIZE, SIZE]))
    np.testing.assert_array_equal(patch, before)  # it may be the exemplar's too
    changed = (pasted != patch).any(axis=-1)
    assert changed.sum() > 100
    x, y = np.ceil(box[:2]).astype(int)
    right, bottom = np.floor(box[:2] + box[2:]).astype(int)
    assert not changed[y:bottom, x:right].any()


@settings(deadline=None, max_examples=30)
@given(shapes, shapes, st.integers(0, 2**32))
def test_a_pasted_target_lies_over_its_distractors(shape, other, seed):
    sprite = paste.make_sprite(red_cutout(*shape), generator(seed), exemplar_size=127, context=0.5)
    others = [paste.make_sprite(red_cutout(*other), generator(seed + 1), exemplar_size=150, context=0.5)]
    patch = np.full((SIZE, SIZE, 3), GREY, np.uint8)
    alone, box = paste.paste_target(patch, sprite, [], generator(seed))
    among, same_box = paste.paste_target(patch, sprite, others, generator(seed))
    np.testing.assert_array_equal(box, same_box)
    middle = (SIZE // 2 - 3, SIZE // 2 + 3)
    assert redness(among[slice(*middle), slice(*middle)]).min() > 0.8 * redness(alone[slice(*middle)]).max()
    assert (redness(among) > 0.5).sum() > 1.2 * (redness(alone) > 0.5).sum()


@pytest.mark.parametrize("shape", [(30, 90), (120, 40)])
def test_a_squeezed_object_is_a_square(shape):
    sprite = paste.make_sprite(red_cutout(*shape), generator(1), exemplar_size=128, context=0.2, squeezed=True)
    np.testing.assert_allclose(sprite.box[2:], 128 / 1.4, rtol=0.08)


def test_squeezed_pairs_show_all_that_others_do():
    """Every object is 51.2 px wide and high in the search, pasted or not, and its mask lies where its box is."""
    config = DataConfig(patch_size=160, exemplar_size=128, context=0.2, squeezed=True, search_scale=0.56, paste=0.5,
                        distractors=0.5, masks=True)
    sample = make_sample(make_tracks(seed=2), config, seed=0)
    pairs = [sample(index) for index in range(24)]
    for pair in pairs:
        np.testing.assert_allclose(pair.exemplar_box[2:], 128 / 1.4, rtol=1e-5)
        np.testing.assert_allclose(pair.search_box[2:], 51.2, atol=6)  # a pasted one loses its soft edge
        if pair.masked and not pair.search_mask[0].any():
            seen = extent(pair.search_mask > 127)
            assert (seen[:2] >= pair.search_box[:2] - 3).all()
            assert (seen[:2] + seen[2:] <= pair.search_box[:2] + pair.search_box[2:] + 3).all()
    assert len({tuple(pair.search_box) for pair in pairs}) > 5  # pasted ones differ by their whole pixels


def test_distractors_keep_to_the_frame_where_they_can():
    box, room = np.float32([140, 140, 30, 30]), np.array([130, 130, 181, 50])  # padding left, above and below
    sprite = paste.make_sprite(red_cutout(30, 30), generator(0), exemplar_size=60, context=0.5)
    patch = np.full((SIZE, SIZE, 3), GREY, np.uint8)
    inside = []
    for seed in range(60):
        seen = redness(paste.paste_distractors(patch, box, [sprite], generator(seed), room=room)[0]) > 0.3
        x, y, w, h = extent(seen)
        inside.append(130 <= x + w / 2 <= 311 and 130 <= y + h / 2 <= 180)
    assert np.mean(inside) > 0.6


def test_what_is_thin_or_empty_gives_no_sprite():
    mask = np.zeros((60, 60), bool)
    assert paste.cut_out(np.zeros((60, 60, 3), np.uint8), mask) is None
    mask[30, 5:55] = True
    thin = paste.cut_out(np.zeros((60, 60, 3), np.uint8), mask)
    assert paste.make_sprite(thin, generator(0), exemplar_size=20, context=0.5) is None


@given(st.integers(0, 2**32), st.floats(0.1, 5))
def test_a_background_shows_the_frame_and_little_beside_it(seed, zoom):
    image = generator(seed).integers(0, 200, (90, 140, 3), dtype=np.uint8)
    image[..., 2] = 255
    patch = paste.empty_patch(image, generator(seed), size=101, zoom=zoom)
    assert patch.shape == (101, 101, 3)
    assert (patch[..., 2] > 250).mean() > 0.8


# From files to samples.


def write_image(folder, name, shape, seed, colour):
    pixels = np.random.default_rng(seed).integers(90, 140, (120, 160, 3), dtype=np.uint8)
    y, x = np.mgrid[:120, :160] + 0.5
    cx, cy, w, h = shape
    mask = np.hypot((x - cx) / w, (y - cy) / h) < 0.5
    pixels[mask] = colour
    Image.fromarray(pixels).save(folder / f"{name}.png")
    Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{name}_mask.png")
    return folder / f"{name}.png", folder / f"{name}_mask.png", np.float32([cx - w / 2, cy - h / 2, w, h])


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    """A video of a red object with masks; of blue ones two images with outlines and one with a box alone."""
    folder = tmp_path_factory.mktemp("tracks")
    frames = [write_image(folder, f"v{n}", (60 + 8 * n, 60, 30, 40), n, RED) for n in range(4)]
    paths, masks, boxes = zip(*frames)
    result = [Sequence("v", "v", paths, np.stack(boxes), (120, 160), masks=(*masks[:3], None))]
    for number in range(3):
        path, _, box = write_image(folder, f"i{number}", (90, 50, 44, 30), 10 + number, RED[::-1])
        turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        outline = np.stack([90 + 22 * np.cos(turn), 50 + 15 * np.sin(turn)], axis=1).astype(np.float32)
        polygons = ((outline,),) if number < 2 else None
        result.append(Sequence(f"i{number}", f"i{number}", (path,), box[None], (120, 160), polygons=polygons,
                               category="disc"))
    return result


CONFIG = DataConfig(patch_size=SIZE, paste=1.0, distractors=1.0, max_fraction=0.6)


def test_masks_of_files_and_of_outlines(tracks):
    video, image, plain = tracks[0], tracks[1], tracks[3]
    assert all(isinstance(track, MaskedTrack) for track in (video, image, plain))
    assert video.masked.tolist() == [True, True, True, False]
    assert image.masked.tolist() == [True]
    assert plain.masked.tolist() == [False]
    for track in (video, image):
        np.testing.assert_allclose(extent(track.mask(0)), track.boxes[0], atol=1.01)
    corners = ((np.float32([[1, 1], [9, 1], [9, 9], [1, 9]]),),)
    assert dataclasses.replace(image, polygons=corners).masked.tolist() == [True]
    assert dataclasses.replace(image, polygons=corners, turned_boxes=True).masked.tolist() == [False]
    with pytest.raises(DataError, match="160x120 px and its annotations are for 160x100"):
        dataclasses.replace(video, size=(100, 160)).mask(0)


def test_an_outline_is_filled_where_it_says():
    square = np.float32([[2, 3], [7, 3], [7, 9], [2, 9]])
    np.testing.assert_allclose(extent(fill((square,), (20, 30))), [2, 3, 5, 6], atol=1)


def test_a_pasted_pair_shows_the_target_elsewhere(tracks):
    table = make_table(tracks, CONFIG)
    for index in range(200):
        pair = table.draw(0, index)
        target = tracks[pair.search.track]
        assert pair.similar
        assert pair.exemplar.track == pair.search.track
        assert target.masked[pair.search.frame]
        assert tracks[pair.background.track].group != target.group
        assert 1 <= len(pair.distractors) <= 2
        for shot in pair.distractors:
            assert tracks[shot.track].group != target.group
            assert tracks[shot.track].masked[shot.frame]


def test_shares_of_what_is_pasted(tracks):
    table = make_table(tracks, dataclasses.replace(CONFIG, paste=0.4, distractors=0.3, negative=0.5))
    pairs = [table.draw(1, index) for index in range(3000)]
    positive = [pair for pair in pairs if pair.similar]
    assert np.mean([pair.background is not None for pair in positive]) == pytest.approx(0.4, abs=0.04)
    assert np.mean([len(pair.distractors) > 0 for pair in positive]) == pytest.approx(0.3, abs=0.04)
    assert all(pair.background is None and not pair.distractors for pair in pairs if not pair.similar)


def test_objects_at_the_border_are_not_cut_out(tracks):
    mask = tracks[0]
    boxes = mask.boxes.copy()
    boxes[0, 0] = 1.0  # an object that the frame cuts off has a straight edge
    table = make_table([dataclasses.replace(mask, boxes=boxes), *tracks[1:]], CONFIG)
    pairs = [pair for pair in (table.draw(0, i) for i in range(200)) if pair.search.track == 0]
    assert {frame for pair in pairs for frame in (pair.exemplar.frame, pair.search.frame)} == {1, 2}


def test_samples_have_true_boxes_and_repeat(tracks):
    config = dataclasses.replace(CONFIG, distractors=0.0)
    sample = make_sample(tracks, config, seed=2)
    again = make_sample(tracks, dataclasses.replace(config, cache_mb=0), seed=2)
    table, checked = make_table(tracks, config), 0
    for index in range(16):
        pair = sample(index)
        jax.tree.map(np.testing.assert_array_equal, pair, again(index))
        if table.draw(2, index).search.track == 0:
            seen = redness(pair.search)
            np.testing.assert_allclose(extent(seen > 0.5 * seen.max()), pair.search_box, atol=2)
            checked += 1
    assert checked > 3


def test_batches_with_everything_resume(tracks):
    config = dataclasses.replace(CONFIG, paste=0.5, distractors=0.5, negative=0.3, hard_negative=0.5,
                                 synthetic_share=0.3)

    def first(count, start=0):
        return list(itertools.islice(batches(tracks, config, seed=1, batch_size=4, start_step=start), count))

    whole = first(4)
    jax.tree.map(np.testing.assert_array_equal, first(2, start=2), whole[2:])


def test_the_share_of_drawn_shapes(tracks):
    config = dataclasses.replace(CONFIG, patch_size=151, paste=0.0, distractors=0.0, synthetic_share=0.5)
    mixed, real = (make_sample(tracks, c, seed=4) for c in (config, dataclasses.replace(config, synthetic_share=0)))
    same = [np.array_equal(mixed(index).search, real(index).search) for index in range(60)]
    assert 0.3 < np.mean(same) < 0.7
    # The choice is of a stream of its own: what is left of the data has its images and its videos.
    table = make_table(tracks, config)
    videos = [table.draw(4, index).exemplar.track == 0 for index in np.flatnonzero(same).tolist()]
    assert 0.2 < np.mean(videos) < 0.8
    drawn = make_sample(make_tracks(seed=4), dataclasses.replace(config, synthetic_share=1.0), seed=4)
    index = same.index(False)
    np.testing.assert_array_equal(mixed(index).search, drawn(index).search)


def test_pasting_without_masks_is_an_error(tracks):
    for share in ("paste", "distractors"):
        with pytest.raises(DataError, match="masked objects in two"):
            make_table(tracks[2:], DataConfig(**{share: 0.5}))
        with pytest.raises(ConfigError, match=share):
            DataConfig(**{share: 1.5})
