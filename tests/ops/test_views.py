import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax.errors import ConfigError, DataError
from siamjax.ops.views import View, edge_sketch

WORDS = View("words", 4, ("red", "green", "star", "with", "spots"))


def test_a_sketch_shows_edges_and_neither_colour_nor_light():
    image = np.full((1, 24, 24, 3), 60, np.float32)
    image[:, :, 12:] = 180
    sketch = np.asarray(edge_sketch(image))
    assert sketch.shape == (1, 24, 24, 1)
    assert sketch[0, :, 11:13].min() > 150
    assert sketch[0, :, :8].max() == sketch[0, :, 16:].max() == 0
    np.testing.assert_allclose(edge_sketch(255 - image), sketch, atol=1e-3)
    np.testing.assert_allclose(edge_sketch(image + 40), sketch, atol=1e-3)
    turned = edge_sketch(image.swapaxes(1, 2))
    np.testing.assert_allclose(turned.swapaxes(1, 2), sketch, atol=1e-3)


def test_a_sketch_of_one_colour_is_empty_and_values_stay_in_range():
    assert not edge_sketch(jnp.full((8, 8, 3), 93.0)).any()
    noise = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3))
    sketch = edge_sketch(noise)
    assert float(sketch.min()) >= 0
    assert float(sketch.max()) <= 255
    gradient = jax.jit(jax.grad(lambda image: edge_sketch(image).sum()))(jnp.full((8, 8, 3), 93.0))
    assert jnp.isfinite(gradient).all()


def test_tokens_are_places_in_the_vocabulary_from_1_on():
    np.testing.assert_array_equal(WORDS.tokens("Green star, red"), [2, 3, 1, 0])
    assert WORDS.tokens("star").dtype == np.int32


@pytest.mark.parametrize(("text", "says"), [
    ("a star", "unknown word 'a'.*green, red, spots"), ("", "0 words"), ("red red red red red", "5 words.*1 to 4")])
def test_texts_that_cannot_be_read_say_why(text, says):
    with pytest.raises(DataError, match=says):
        WORDS.tokens(text)


@pytest.mark.parametrize("settings", [
    {"modality": "sound"}, {"size": 0}, {"modality": "words"}, {"vocabulary": ("red",)},
    {"modality": "words", "vocabulary": ("red", "red")}])
def test_views_that_cannot_be_are_errors(settings):
    with pytest.raises(ConfigError, match="View"):
        View(**settings)
