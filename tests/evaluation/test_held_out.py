"""Held-out pairs come from the given tracks, as drawn, and the net is the loaded one."""

import jax
import numpy as np

from siamjax.data.augment import AugmentConfig, Jitter
from siamjax.data.config import DataConfig, wide
from siamjax.data.synthetic import SyntheticConfig, make_tracks
from siamjax.evaluation.held_out import embed_pairs
from siamjax.evaluation.metrics import verification
from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.contrastive import EmbeddingHead, Siamese
from siamjax.nets.embedder import EmbedderConfig
from siamjax.ops.views import View
from siamjax.weights.embedders import LoadedEmbedder

STILL = Jitter(shift=0.0, stretch=0.0)
AUGMENT = AugmentConfig(exemplar_size=31, search_size=31, exemplar=STILL, search=STILL)
DATA = wide(DataConfig(patch_size=31, exemplar_size=31, min_fraction=0.0))


def test_pairs_are_half_similar_repeat_and_even_a_random_net_tells_some_apart():
    net = Siamese(AlexNet((Stage(8, 7, 4, relu=False),), lowering="lax"), EmbeddingHead(16))
    image = np.zeros((1, 31, 31, 3), np.float32)
    params = jax.jit(net.init)(jax.random.key(0), image, image)
    embedder = EmbedderConfig(View(size=31), View(size=31)).build(net)
    loaded = LoadedEmbedder(embedder, params, "random", "random")
    tracks = make_tracks(SyntheticConfig(videos=6, frames=4, height=64, width=80, objects=2, min_size=20, max_size=30))
    one, again = (embed_pairs(loaded, tracks, DATA, AUGMENT, pairs=60, seed=5) for _ in range(2))
    assert one.first.shape == one.second.shape == (64, 16)
    assert 16 < one.similar.sum() < 48
    np.testing.assert_array_equal(one.similar, one.identity[:, 0] == one.identity[:, 1])
    assert set(one.identity.flat) <= set(range(len(tracks)))
    for mine, theirs in zip(one, again):
        np.testing.assert_array_equal(mine, theirs)
    assert verification.roc(embedder.distance(one.first, one.second), one.similar).area > 0.7
