import itertools
import time

import jax
import numpy as np
import pytest

from siamjax.data.config import DataConfig
from siamjax.data.pipeline import batches
from siamjax.data.shapes import SHAPES, make_radius
from siamjax.data.synthetic import Scene, SyntheticConfig, make_tracks, render
from siamjax.data.textures import sample_wrapped, value_noise
from siamjax.errors import ConfigError

SMALL = SyntheticConfig(videos=3, frames=8, height=96, width=128, objects=3, min_size=20, max_size=40)


@pytest.fixture(scope="module")
def rendered():
    return render(SMALL, 5, video=1)


def test_frames_are_a_pure_function_of_their_number(rendered):
    again = Scene(SMALL, 5, 1)
    for number in (7, 0, 3):
        np.testing.assert_array_equal(again.image(number), rendered.images[number])
        np.testing.assert_array_equal(again.layout(number).boxes, rendered.boxes[number])
    assert rendered.images.shape == (8, 96, 128, 3)
    assert rendered.images.dtype == np.uint8
    other = render(SMALL, 6, 1, video=1)
    assert not np.array_equal(other.images[0], rendered.images[0])
    assert not np.array_equal(render(SMALL, 5, 1, video=2).images[0], rendered.images[0])


def test_boxes_are_tight_round_the_masks_where_an_object_is_whole():
    checked = 0
    for video in range(6):
        result = render(SMALL, 0, video=video)
        for t, k in itertools.product(range(8), range(3)):
            box, mask = result.boxes[t, k], result.masks[t, k]
            if np.isnan(box[0]) or not mask.any():
                continue
            ys, xs = np.nonzero(mask)
            tight = [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1]
            if result.visible[t, k] == 1:
                np.testing.assert_array_equal(box, tight)
                checked += 1
            else:  # hidden parts only make the box larger than what is seen
                assert (box[:2] <= tight[:2]).all()
                assert (box[:2] + box[2:] >= np.array(tight[:2]) + tight[2:]).all()
    assert checked > 40


def test_masks_do_not_overlap_and_hidden_objects_are_absent():
    crowded = SyntheticConfig(videos=1, frames=4, height=64, width=64, objects=8, min_size=24, max_size=40)
    results = [render(crowded, seed) for seed in range(6)]
    for result in results:
        assert result.masks.sum(axis=1).max() <= 1
        np.testing.assert_array_equal(np.isnan(result.boxes[..., 0]), result.visible < 0.25)
    visible = np.concatenate([result.visible.ravel() for result in results])
    assert (visible < 0.25).any()
    assert ((visible > 0.25) & (visible < 0.9)).any()


def test_objects_look_different_from_what_they_cover(rendered):
    # Without the objects the frames would be the background alone.
    scene = Scene(SMALL, 5, 1)
    texture, drift = scene.background
    for number in (0, 5):
        plain = sample_wrapped(texture, *(drift * number), 96, 128)
        changed = np.abs(rendered.images[number] - plain).max(axis=-1) > 2
        covered = rendered.masks[number].any(axis=0)
        assert changed[covered].mean() > 0.9
        assert changed[~covered].mean() < 0.05  # the soft rim of the objects


def test_objects_and_background_move():
    moving = [render(SyntheticConfig(videos=1, frames=12, objects=4), seed) for seed in range(5)]
    centres = np.stack([r.boxes[..., :2] + r.boxes[..., 2:] / 2 for r in moving])
    step = np.linalg.norm(np.diff(centres, axis=1), axis=-1)
    assert np.nanmax(step) < 8
    assert np.nanmedian(step) > 0.3
    assert {a.motion for r in moving for a in r.attributes} == {"still", "straight", "circle", "wave"}
    assert {a.shape for r in moving for a in r.attributes} == set(SHAPES)


def test_tracks_feed_the_pipeline():
    tracks = make_tracks(SMALL, seed=1)
    assert len(tracks) == 9
    assert len({track.name for track in tracks}) == 9
    assert len({track.group for track in tracks}) == 3
    config = DataConfig(patch_size=63, exemplar_size=31, min_side=8, negative=0.2)
    batch = next(batches(tracks, config, seed=0, batch_size=6))
    again = next(batches(make_tracks(SMALL, seed=1), config, seed=0, batch_size=6))
    jax.tree.map(np.testing.assert_array_equal, batch, again)
    assert batch.exemplar.shape == (6, 63, 63, 3)


def test_outlines_have_radius_one_at_most():
    for shape in SHAPES:
        radius = make_radius(shape, np.random.default_rng(0))
        assert radius.max() == pytest.approx(1)
        assert radius.min() > 0.1
        assert np.abs(np.diff(radius, append=radius[:1])).max() < 0.05  # no jumps, at the seam neither


def test_noise_repeats_without_a_seam():
    noise = value_noise(np.random.default_rng(0), 64, 96, 16)
    assert (noise.min(), noise.max()) == (0, 1)
    inner = np.abs(np.diff(noise, axis=0)).max()
    assert np.abs(noise[0] - noise[-1]).max() <= 1.5 * inner
    texture = np.stack([noise] * 3, axis=-1)
    np.testing.assert_allclose(sample_wrapped(texture, 64.0, -96.0, 64, 96), texture, atol=1e-6)
    shifted = sample_wrapped(texture, 0.5, 2.0, 10, 10)
    np.testing.assert_allclose(shifted, (texture[:10, 2:12] + texture[1:11, 2:12]) / 2, atol=1e-6)


@pytest.mark.slow
def test_a_frame_takes_less_than_20_ms():
    scene = Scene(SyntheticConfig(), 0, 0)
    scene.image(0)
    start = time.perf_counter()
    for number in range(20):
        scene.image(number)
    assert (time.perf_counter() - start) / 20 < 0.02


@pytest.mark.parametrize(
    "settings", [{"videos": 0}, {"max_size": 500.0}, {"min_size": 2.0}, {"growth": 0.5}, {"min_visible": 2.0}]
)
def test_settings_out_of_range(settings):
    with pytest.raises(ConfigError, match="SyntheticConfig"):
        SyntheticConfig(**settings)
