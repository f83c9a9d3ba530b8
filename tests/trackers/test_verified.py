"""The verified long-term tracker: what it makes of a proposal that does, or does not, look like the target."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from siamjax.errors import ConfigError
from siamjax.settings import replaced
from siamjax.trackers import riding
from siamjax.trackers.longterm import LongTerm, LongTermConfig
from siamjax.trackers.siamrpn import SiamRPNConfig
from siamjax.trackers.verified import VerifiedConfig
from siamjax.types import Frame
from siamjax.weights import files, spec, zoo

BOX = np.float32([60, 40, 30, 30])
SHORT = SiamRPNConfig(penalty_k=0.05, window_influence=0.28, lr=0.0)
CONFIG = LongTermConfig(VerifiedConfig(SHORT, sure=0.8, distance_scale=20.0), lost_search_size=319,
                        confidence_low=0.5, confidence_high=0.8)


class Colours(nn.Module):
    """Features that are the colours of the crop."""

    @nn.compact
    def __call__(self, image):
        self.sow("intermediates", "stage3", image - 100.0)
        return image


class Scripted(nn.Module):
    """Proposes the middle of the search with the score of its parameters."""

    def setup(self):
        self.backbone = Colours()

    def features(self, image):
        return self.backbone(image)

    def embed_exemplar(self, image):
        return image.mean(axis=(1, 2), keepdims=True)

    def detect(self, kernels, image):
        score = self.variables["params"]["score"]
        grid = (image.shape[1] - 127) // 8 + 9
        middle = jnp.arange(5 * grid * grid) == (2 * grid + grid // 2) * grid + grid // 2
        foreground = jnp.where(middle, jnp.log(score / (1 - score)), -8.0)
        return jnp.stack([jnp.zeros_like(foreground), foreground], -1)[None], jnp.zeros((1, len(middle), 4))


init, step = (jax.jit(method, static_argnums=0) for method in (LongTerm.init, LongTerm.step))


def says(score: float):
    return {"params": {"score": jnp.float32(score)}}


def scene(colour) -> np.ndarray:
    """A grey frame with an object of that colour in the box's exemplar square."""
    frame = np.full((120, 160, 3), 100, np.uint8)
    frame[20:90, 40:110] = colour
    return frame


RED, BLUE = scene((200, 100, 100)), scene((100, 100, 200))


def follow(config: LongTermConfig, frames, scores):
    tracker = config.build(Scripted())
    kind = type(tracker)
    state, outputs = jax.jit(kind.init, static_argnums=0)(tracker, says(0.9), frames[0], BOX), []
    step = jax.jit(kind.step, static_argnums=0)
    for frame, score in zip(frames[1:], scores):
        state, output = step(tracker, says(score), state, frame)
        outputs.append(output)
    return state, outputs


def test_another_object_is_not_taken_for_the_target_however_sure_the_proposal():
    _, (same, other) = follow(CONFIG, [RED, RED, BLUE], [0.9, 0.9])
    np.testing.assert_allclose(same.score, 0.9, atol=1e-3)
    assert not same.lost
    assert other.lost
    assert other.score < 0.01


def test_it_is_found_again_by_proposal_and_embedding_together():
    _, outputs = follow(CONFIG, [RED, BLUE, BLUE, RED, RED], [0.99, 0.99, 0.7, 0.9])
    assert [bool(output.lost) for output in outputs] == [True, True, True, False]


def test_without_weight_on_the_distance_it_is_the_long_term_tracker():
    scores, frames = [0.9, 0.3, 0.6, 0.95], [RED, RED, BLUE, BLUE, RED]
    _, plain = follow(dataclasses.replace(CONFIG, inner=SHORT), frames, scores)
    _, verified = follow(replaced(CONFIG, {"inner.distance_scale": 0.0}), frames, scores)
    for one, other in zip(plain, verified):
        np.testing.assert_array_equal(one.box, other.box)
        np.testing.assert_allclose(one.score, other.score, atol=1e-6)
        assert bool(one.lost) == bool(other.lost)


def test_the_score_is_the_calibrated_one():
    config = replaced(CONFIG, {"inner.inner.score_scale": 0.5, "inner.inner.score_offset": -1.0})
    _, (same,) = follow(config, [RED, RED], [0.9])
    np.testing.assert_allclose(same.score, 1 / (1 + np.exp(1 - 0.5 * np.log(9))), atol=1e-3)


def test_slow_changes_are_learned_and_the_given_target_is_not_forgotten():
    fading = [RED, *[scene((200 - 6 * t, 100, 100 + 6 * t)) for t in range(17)], BLUE, BLUE]
    scores = [0.9] * (len(fading) - 1)
    lenient = replaced(CONFIG, {"inner.distance_scale": 5.0, "confidence_high": 0.5, "inner.sure": 0.5})
    _, still = follow(replaced(lenient, {"inner.identity_rate": 0.0}), fading, scores)
    state, learned = follow(replaced(lenient, {"inner.identity_rate": 0.5}), fading, scores)
    lost = [sum(bool(output.lost) for output in outputs) for outputs in (still, learned)]
    assert 0 < lost[1] < lost[0]  # later, but a slow change is a change
    assert state.inner.identity[0] @ state.inner.identity[1] < 0.95
    np.testing.assert_allclose(jnp.linalg.norm(state.inner.identity, axis=1), 1, rtol=1e-5)


def test_what_is_not_the_target_teaches_nothing():
    state, _ = follow(CONFIG, [RED, BLUE, BLUE], [0.9, 0.9])
    np.testing.assert_allclose(state.inner.identity[1], state.inner.identity[0], atol=1e-6)


def test_a_bad_frame_changes_nothing_and_nothing_compiles_twice():
    tracker = CONFIG.build(Scripted())
    state = init(tracker, says(0.9), RED, BOX)
    extent = np.int32([120, 160])
    state, _ = step(tracker, says(0.9), state, Frame(BLUE, extent, np.bool_(True)))
    compiled = step._cache_size()
    held, output = step(tracker, says(0.9), state, Frame(RED, extent, np.bool_(False)))
    assert output.lost
    assert not output.valid
    jax.tree.map(np.testing.assert_array_equal, held, state)
    _, output = step(tracker, says(0.9), held, Frame(RED, extent, np.bool_(True)))
    assert not output.lost
    assert step._cache_size() == compiled


def test_the_weight_on_the_distance_is_data():
    tracker = CONFIG.build(Scripted())
    state = init(tracker, says(0.9), RED, BOX)
    scales = [replaced(CONFIG, {"inner.distance_scale": scale}) for scale in (0.0, 20.0)]
    states = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(riding.with_numbers(state, one) for one in scales))
    _, outputs = jax.jit(jax.vmap(lambda state: tracker.step(says(0.9), state, BLUE)))(states)
    assert outputs.lost.tolist() == [False, True]


@pytest.mark.parametrize("change", [{"distance_scale": -1.0}, {"identity_rate": 1.5}])
def test_settings_out_of_range_are_refused(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        VerifiedConfig(**change)


def test_by_itself_it_is_a_tracker_whose_score_says_when_the_target_is_lost():
    _, (same, other, back) = follow(CONFIG.inner, [RED, RED, BLUE, RED], [0.9, 0.9, 0.9])
    assert [bool(output.lost) for output in (same, other, back)] == [False, True, False]
    np.testing.assert_allclose(same.score, 0.9, atol=1e-3)


def test_the_zoos_settings_are_those_of_the_file_it_takes_its_weights_from():
    metadata = files.load(zoo.locate("siamrpn_small")[0])[1]
    short, long = spec.loads(metadata["config"], where="siamrpn_small"), zoo.ZOO["siamrpn_small_lt"].tracker
    assert long.net == short.net
    assert zoo.locate("siamrpn_small_lt") == (zoo.locate("siamrpn_small")[0], "siamrpn_small_lt")
    for field in dataclasses.fields(SiamRPNConfig):
        if field.name not in ("score_scale", "score_offset", "lost_threshold"):  # fitted for each
            assert getattr(long.config.inner.inner, field.name) == getattr(short.config, field.name)
