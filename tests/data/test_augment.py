import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax.data.augment import make_augment, sample_window, window_box
from siamjax.data.config import AugmentConfig, Jitter, pysot
from siamjax.errors import ConfigError
from siamjax.types import PairBatch

STILL = Jitter(shift=0.0, stretch=0.0)
cut = jax.jit(sample_window, static_argnums=3)
SMALL = AugmentConfig(exemplar_size=31, search_size=61)


def make_batch(count=4, side=71, seed=0):
    random = np.random.default_rng(seed)
    noise = random.integers(0, 256, (2, count, side, side, 3), dtype=np.uint8)
    box = np.tile(np.float32([side / 2 - 8, side / 2 - 10, 16, 20]), (count, 1))
    index = np.arange(10, 10 + count, dtype=np.int32)
    return PairBatch(noise[0], noise[1], box, box, np.ones(count, bool), index)


def ramp(side):
    """A patch whose colours are positions, so a crop tells where it was taken from."""
    y, x = np.mgrid[:side, :side] + 0.5
    return np.stack([x, y, 0 * x], axis=-1).astype(np.float32)


def test_without_jitter_the_crops_are_the_middle_of_the_patches():
    config = dataclasses.replace(SMALL, exemplar=STILL, search=STILL)
    batch = make_batch()
    pair = jax.jit(make_augment(config))(jax.random.key(0), batch)
    np.testing.assert_allclose(pair.exemplar, batch.exemplar[:, 20:51, 20:51], atol=1e-3)
    np.testing.assert_allclose(pair.search, batch.search[:, 5:66, 5:66], atol=1e-3)
    np.testing.assert_allclose(pair.exemplar_box[0], [7.5, 5.5, 16, 20], atol=1e-4)
    np.testing.assert_allclose(pair.search_box[0], [22.5, 20.5, 16, 20], atol=1e-4)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (3.5, -2.25)])
@pytest.mark.parametrize("scale", [(1.0, 1.0), (0.95, 1.2)])
def test_box_moves_with_the_pixels(shift, scale):
    side, size = 71, 41
    crop = np.asarray(cut(ramp(side), jnp.array(shift), jnp.array(scale), size))
    box = np.array([30.0, 25.0, 12.0, 18.0], np.float32)
    moved = np.asarray(window_box(jnp.array(box), side, jnp.array(shift), jnp.array(scale), size))
    # Where the crop says a patch coordinate is, the box must have put it.
    centres = np.arange(size) + 0.5
    for axis in (0, 1):
        seen = crop[size // 2, :, 0] if axis == 0 else crop[:, size // 2, 1]
        corners = np.interp(np.array([moved[axis], moved[axis] + moved[axis + 2]]), centres, seen)
        np.testing.assert_allclose(corners, [box[axis], box[axis] + box[axis + 2]], atol=1e-3)


def test_beyond_the_patch_is_its_mean():
    patch = np.random.default_rng(0).integers(0, 256, (21, 21, 3), dtype=np.uint8)
    crop = np.asarray(cut(patch, jnp.zeros(2), jnp.ones(2), 41))
    np.testing.assert_allclose(crop[10:31, 10:31], patch, atol=1e-3)
    border = crop[:9].reshape(-1, 3)
    np.testing.assert_allclose(border, np.broadcast_to(patch.mean(axis=(0, 1)), border.shape), rtol=1e-5)


def test_siamfc_recipe_stays_within_its_bounds():
    batch = make_batch(200)
    pair = jax.jit(make_augment(SMALL))(jax.random.key(1), batch)
    for box, size in ((pair.exemplar_box, 31), (pair.search_box, 61)):
        box = np.asarray(box)
        stretch = box[:, 2:] / [16, 20]
        np.testing.assert_allclose(stretch[:, 0], stretch[:, 1], rtol=1e-4)  # one factor for both axes
        assert 0.95 <= stretch.min() < 0.955
        assert 1.045 < stretch.max() <= 1.05 + 1e-5
        moved = box[:, :2] + box[:, 2:] / 2 - size / 2
        assert 3.8 < np.abs(moved).max() <= 4 + 1e-3
    assert not np.allclose(pair.exemplar_box[:, 0] - 31 / 2, pair.search_box[:, 0] - 61 / 2)


def plain_key(pair):
    """The pair with the numbers of its typed keys, which numpy can compare."""
    return pair.replace(key=jax.random.key_data(pair.key))


def test_a_sample_does_not_depend_on_its_batch():
    batch = make_batch(6)
    augment = jax.jit(make_augment(dataclasses.replace(pysot(61), exemplar_size=31)))
    whole = augment(jax.random.key(2), batch)
    half = augment(jax.random.key(2), jax.tree.map(lambda leaf: leaf[3:], batch))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a[3:], b, atol=1e-3), plain_key(whole), plain_key(half)
    )
    other = augment(jax.random.key(3), batch)
    assert not np.allclose(whole.search, other.search)


def test_it_traces_once_under_jit():
    traces = []
    augment = make_augment(SMALL)

    @jax.jit
    def run(key, batch):
        traces.append(None)
        return augment(key, batch)

    first = run(jax.random.key(0), make_batch())
    second = run(jax.random.key(0), make_batch())
    jax.tree.map(np.testing.assert_array_equal, plain_key(first), plain_key(second))
    run(jax.random.key(1), make_batch(seed=1))
    assert len(traces) == 1


def test_flip_mirrors_both_crops_and_boxes():
    still = dataclasses.replace(SMALL, exemplar=STILL, search=STILL)
    batch = make_batch()
    batch = batch.replace(search_box=batch.search_box + np.float32([5, 3, 0, 0]))
    plain = jax.jit(make_augment(still))(jax.random.key(0), batch)
    flipped = jax.jit(make_augment(dataclasses.replace(still, flip=1.0)))(jax.random.key(0), batch)
    np.testing.assert_allclose(flipped.search, plain.search[:, :, ::-1], atol=1e-4)
    np.testing.assert_allclose(flipped.exemplar, plain.exemplar[:, :, ::-1], atol=1e-4)
    box = np.asarray(plain.search_box)
    np.testing.assert_allclose(flipped.search_box[:, 0], 61 - box[:, 0] - box[:, 2], atol=1e-4)
    np.testing.assert_allclose(flipped.search_box[:, 1:], box[:, 1:], atol=1e-4)


def test_grey_takes_both_images_of_a_pair():
    batch = make_batch(64)
    pair = jax.jit(make_augment(dataclasses.replace(SMALL, grey=0.5)))(jax.random.key(0), batch)
    spreads = (np.ptp(np.asarray(crop), axis=-1).max(axis=(1, 2)) for crop in (pair.exemplar, pair.search))
    grey_z, grey_x = (spread < 1e-3 for spread in spreads)
    np.testing.assert_array_equal(grey_z, grey_x)
    assert 16 < grey_z.sum() < 48


def test_colour_noise_has_the_covariance_of_its_matrix():
    jitter = dataclasses.replace(STILL, colour=1.0)
    config = AugmentConfig(exemplar_size=3, search_size=3, exemplar=jitter, search=STILL)
    batch = make_batch(20000, side=5)
    pair = jax.jit(make_augment(config))(jax.random.key(0), batch)
    moved = np.asarray(pair.exemplar) - batch.exemplar[:, 1:4, 1:4]
    np.testing.assert_allclose(moved, np.broadcast_to(moved[:, :1, :1], moved.shape), atol=1e-3)
    matrix = np.array([  # the rows of PySOT's colour matrix, RGB
        [-0.55919361, 0.98062831, -0.41940627],
        [1.72091413, 0.19879334, -1.82968581],
        [4.64467907, 4.73710203, 4.88324118],
    ])
    np.testing.assert_allclose(np.cov(moved[:, 0, 0].T), matrix @ matrix.T, atol=2.0)


def test_light_changes_level_and_contrast():
    jitter = dataclasses.replace(STILL, brightness=30.0, contrast=0.3)
    config = dataclasses.replace(SMALL, exemplar=STILL, search=jitter)
    batch = make_batch(100)
    crop = np.asarray(jax.jit(make_augment(config))(jax.random.key(0), batch).search)
    plain = batch.search[:, 5:66, 5:66].astype(np.float32)
    level = crop.mean(axis=(1, 2)) - plain.mean(axis=(1, 2))
    contrast = crop.std(axis=(1, 2)) / plain.std(axis=(1, 2))
    assert 25 < np.abs(level).max() <= 30.01
    assert 0.7 - 1e-3 <= contrast.min() < 0.75
    assert 1.25 < contrast.max() <= 1.3 + 1e-3


def test_blur_is_the_cross_kernel_of_pysot():
    from siamjax.data import augment

    crop = np.random.default_rng(0).uniform(0, 255, (50, 50, 3)).astype(np.float32)
    for radius in (2, 22):
        padded = np.pad(crop, ((22, 22), (0, 0), (0, 0)), mode="reflect")
        expected = np.stack([padded[22 + y - radius : 23 + y + radius].mean(axis=0) for y in range(50)])
        np.testing.assert_allclose(jax.jit(augment._box_filter)(crop, radius), expected, atol=1e-2)
    config = dataclasses.replace(SMALL, exemplar=STILL, search=dataclasses.replace(STILL, blur=1.0))
    pair = jax.jit(make_augment(config))(jax.random.key(0), make_batch())
    assert np.asarray(pair.search).std() < 0.8 * make_batch().search.std()
    assert np.asarray(pair.exemplar).std() > 0.9 * make_batch().exemplar.std()


def test_reach_holds_every_crop():
    assert AugmentConfig().reach == 260  # (239 + 8) / 0.95
    assert pysot(255).reach == 468
    batch = make_batch(50, side=SMALL.reach + 6)
    white = batch.replace(exemplar=np.full_like(batch.exemplar, 255), search=np.full_like(batch.search, 255))
    white.search[:, :3] = white.search[:, -3:] = white.search[:, :, :3] = white.search[:, :, -3:] = 0
    pair = jax.jit(make_augment(SMALL))(jax.random.key(0), white)
    assert np.asarray(pair.search).min() > 254.9  # the dark rim beyond the reach is never seen


@pytest.mark.parametrize(
    "make",
    [
        lambda: Jitter(shift=-1),
        lambda: Jitter(stretch=1.0),
        lambda: Jitter(blur=1.5),
        lambda: AugmentConfig(grey=float("nan")),
        lambda: AugmentConfig(search_size=0),
    ],
)
def test_settings_out_of_range(make):
    with pytest.raises(ConfigError):
        make()
