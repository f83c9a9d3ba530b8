import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax.data.config import DataConfig, wide
from siamjax.data.pipeline import make_sample
from siamjax.data.synthetic import COLOURS, VOCABULARY, SyntheticConfig, colour_name, make_tracks, render
from siamjax.data.views import as_seen, token_table
from siamjax.errors import ConfigError, DataError
from siamjax.ops.views import View, edge_sketch
from siamjax.types import PairBatch, TrainPair

SMALL = SyntheticConfig(videos=4, frames=4, height=64, width=80, objects=2, min_size=20, max_size=30)
WORDS = View("words", 6, VOCABULARY)
DATA = wide(DataConfig(patch_size=31, exemplar_size=31, negative=0.5, min_fraction=0.0, threads=0))


def cut(key, batch):
    return TrainPair(batch.exemplar, batch.search, None, None, batch.similar, batch.index, None,
                     identity=batch.identity)


def pair(identity=((0, 0), (3, 1))):
    rng = np.random.default_rng(0)
    first, second = rng.uniform(0, 255, (2, 2, 31, 31, 3)).astype(np.float32)
    return PairBatch(first, second, None, None, np.array([True, False]), np.arange(2), identity=np.array(identity))


def test_each_side_gets_its_view():
    tracks, batch = make_tracks(SMALL), pair()
    image, sketch = View(size=31), View("sketch", 31)
    both = as_seen(cut, image, image)(None, batch)
    np.testing.assert_array_equal(both.exemplar, batch.exemplar)
    np.testing.assert_array_equal(both.search, batch.search)
    drawn = as_seen(cut, image, sketch, channel_order="bgr")(None, batch)
    np.testing.assert_array_equal(drawn.exemplar, batch.exemplar[..., ::-1])
    np.testing.assert_allclose(drawn.search, edge_sketch(batch.search))
    words = jax.jit(as_seen(cut, image, WORDS, channel_order="bgr", tracks=tracks))(jax.random.key(0), batch)
    np.testing.assert_array_equal(words.search, [WORDS.tokens(tracks[n].description) for n in (0, 1)])
    assert words.search.dtype == jnp.int32


def test_crops_of_another_size_are_an_error():
    with pytest.raises(ConfigError, match="crops of 31 px for a side that takes 63"):
        as_seen(cut, View(size=31), View("sketch", 63))(None, pair())


def test_words_are_those_of_the_object_in_the_search():
    tracks = make_tracks(SMALL)
    sample = make_sample(tracks, DATA, seed=2)
    seen = as_seen(cut, View(size=31), WORDS, tracks=tracks)
    for index in range(6):
        one = sample(index)
        batch = jax.tree.map(lambda leaf: np.asarray(leaf)[None], one)
        assert bool(one.similar) == (one.identity[0] == one.identity[1])
        want = WORDS.tokens(tracks[one.identity[1]].description)
        np.testing.assert_array_equal(seen(None, batch).search[0], want)


def test_identities_of_drawn_objects_are_not_those_of_the_data():
    tracks = make_tracks(SMALL)
    config = wide(DataConfig(patch_size=31, exemplar_size=31, negative=0.5, synthetic_share=0.5, min_fraction=0.0))
    sample = make_sample(tracks, config, seed=0)
    pairs = [sample(index) for index in range(24)]
    assert {bool(one.identity[0] < 0) for one in pairs} == {True, False}
    for one in pairs:
        assert bool(one.similar) == (one.identity[0] == one.identity[1])
        assert (one.identity[0] < 0) == (one.identity[1] < 0)
        assert one.identity.dtype == np.int32


def test_descriptions_say_what_is_drawn():
    tracks = make_tracks(SyntheticConfig(videos=12, frames=1))
    for track in tracks:
        attributes = track.scene.items[track.number].attributes
        ground, shape, *_ = track.description.split()
        assert ground == colour_name(attributes.ground)
        assert shape == attributes.shape
    assert len({track.description for track in tracks}) > 25
    table = token_table(tracks, WORDS)
    assert table.shape == (36, 6)
    assert {VOCABULARY[token - 1] for token in table.flat if token} <= set(VOCABULARY)
    assert all(colour_name(rgb) == name for name, rgb in COLOURS.items())


def test_ground_is_the_colour_of_most_of_an_object():
    """Its pixels lie nearer to `ground` than to `colour`, in the median, for nearly all objects."""
    right = []
    for video in range(8):
        result = render(SyntheticConfig(objects=1), 0, 1, video=video)
        pixels = result.images[0][result.masks[0, 0]].astype(float)
        colours = [np.median(np.abs(pixels - c).sum(1)) for c in (result.attributes[0].ground,
                                                                  result.attributes[0].colour)]
        right.append(colours[0] < colours[1])
    assert sum(right) >= 6


def test_a_track_without_words_is_named():
    tracks = make_tracks(SMALL)
    with pytest.raises(DataError, match="synthetic/0/0"):
        token_table([type("Mute", (), {"name": tracks[0].name})()], WORDS)
