"""Verification of a net by its pairs, and what the report says and shows of it."""

from __future__ import annotations

import html.parser
import io
import json
from importlib import resources

import jax
import numpy as np
import pytest
from PIL import Image

from siamjax.data.pipeline import make_sample
from siamjax.data.readers import open_objects
from siamjax.data.synthetic import SyntheticConfig, make_tracks
from siamjax.errors import DataError
from siamjax.evaluation.held_out import settings_for
from siamjax.evaluation.protocols import pairs
from siamjax.evaluation.reports import embedding_plot
from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.contrastive import EmbeddingHead, PseudoSiamese, Tower
from siamjax.nets.embedder import EmbedderConfig
from siamjax.ops.views import View
from siamjax.weights import embedders
from siamjax.weights.embedders import LoadedEmbedder


@pytest.fixture(scope="module")
def loaded():
    tower = Tower(AlexNet((Stage(8, 7, 4, relu=False),), lowering="lax"), EmbeddingHead(8))
    config = EmbedderConfig(View(size=31), View("sketch", 31), threshold=0.4, exemplar_size=31)
    net = PseudoSiamese(tower, tower)
    params = jax.jit(net.init)(jax.random.key(0), *(np.zeros(view.inputs().shape, np.float32)
                                                    for view in (config.first, config.second)))
    return LoadedEmbedder(config.build(net), params, "a <card>", "tiny", "f" * 8)


@pytest.fixture(scope="module")
def tracks():
    size = {"height": 64, "width": 80, "min_size": 20, "max_size": 30}
    return make_tracks(SyntheticConfig(videos=6, frames=3, objects=2, **size), seed=2)


@pytest.fixture(scope="module")
def scores(loaded, tracks):
    return pairs.score(loaded, tracks, pairs=100, seed=4)


def test_figures_are_those_of_the_drawn_pairs(scores, tracks):
    [score] = scores
    assert (score.kind, len(score.distance)) == ("frames", 128)
    embedded = score.embedded
    wanted = np.linalg.norm(embedded.first.astype(np.float64) - embedded.second, axis=1)
    np.testing.assert_allclose(score.distance, wanted, atol=1e-6)
    near, far = score.distance[score.similar][:, None], score.distance[~score.similar][None]
    assert score.figures["area"] == pytest.approx(((near < far) + 0.5 * (near == far)).mean())
    errors = score.errors_at(score.figures["threshold"])
    assert (errors["false_accept"] + errors["false_refuse"]) / 2 == pytest.approx(score.figures["equal_error"])


def test_most_wrong_pairs_are_of_different_objects_each(scores):
    [score] = scores
    far, near = score.most_wrong(5)
    assert score.similar[far].all()
    assert not score.similar[near].any()
    assert score.distance[far[0]] == score.distance[score.similar].max()
    assert score.distance[near[0]] == score.distance[~score.similar].min()
    for rows in (far, near):
        assert len({frozenset(pair) for pair in score.embedded.identity[rows].tolist()}) == len(rows) == 5


def test_a_pair_can_be_drawn_again_by_its_number(scores, tracks):
    """The pictures of the page are of the pairs that were scored."""
    [score] = scores
    sample = make_sample(score.tracks, score.data, seed=score.seed)
    for row in range(0, len(score.distance), 9):
        np.testing.assert_array_equal(sample(row).identity, score.embedded.identity[row])


def test_single_images_are_moved_and_both_kinds_are_scored(loaded, tracks):
    singles = [Single(track) for track in tracks]
    kinds = pairs.score(loaded, [*tracks, *singles], pairs=32)
    assert [score.kind for score in kinds] == ["frames", "images"]
    still, moved = (settings_for(loaded.embedder.config, moved=moved) for moved in (False, True))
    assert moved[0].patch_size > still[0].patch_size == 31
    # A similar pair is one image twice, and yet at a distance: chance moved them.
    assert kinds[1].distance[kinds[1].similar].min() > 0
    with pytest.raises(DataError, match="one object only"):
        pairs.score(loaded, singles[:1], pairs=32)


class Single:
    """The first frame of a track."""

    def __init__(self, track):
        self.name, self.group, self.category = track.name, f"{track.group} still", track.category
        self.boxes, self.size, self.key, self.read = track.boxes[:1], track.size, track.key, track.read


@pytest.fixture(scope="module")
def written(loaded, scores, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    pairs.report(loaded, scores, data_name="<shapes>", split="all", seed=4).write(folder)
    return folder


def test_the_json_has_every_figure_and_no_infinity(written, scores):
    report = json.loads((written / "report.json").read_text(), parse_constant=pytest.fail)
    [kind] = report["pairs"]
    assert kind["area"] == scores[0].curve.area
    assert len(kind["curve"]["threshold"]) == len(kind["curve"]["true_accept"]) == len(scores[0].curve.threshold) - 1
    assert kind["at_model_threshold"]["threshold"] == 0.4
    assert report["model"]["embedder"]["config"]["second"]["modality"] == "sketch"


class Tags(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    handle_startendtag = handle_starttag

    def handle_data(self, data):
        self.text += data


def test_the_page_needs_nothing_from_outside_and_can_be_read_aloud(written, scores):
    text = (written / "report.html").read_text()
    page = Tags(text)
    assert "http:" not in text
    assert "https:" not in text
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "shapes", "card")]
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(pictures) == 1 + sum(map(len, scores[0].most_wrong(pairs.WRONG)))
    assert all(one["src"].startswith("data:image/") and one["alt"] for one in pictures)
    assert all(one.get("role") == "img" and one["aria-label"] for tag, one in page.tags
               if tag == "svg" and one.get("aria-hidden") != "true")
    assert all("scope" in one for tag, one in page.tags if tag == "th")
    for said in (f"{scores[0].curve.area:.3f}", "At the model's own threshold, 0.400", "triangles of the second"):
        assert said in page.text
    style = (resources.files("siamjax") / "assets/report.css").read_text()
    used = {name for _, attributes in page.tags for name in attributes.get("class", "").split()}
    assert {name for name in used if f".{name}" not in style} == set()


def test_the_plot_stands_beside_the_page(written):
    with Image.open(written / "embeddings.png") as plot:
        assert plot.size == (924, 572)
        assert len(np.unique(np.asarray(plot.convert("RGB")).reshape(-1, 3), axis=0)) > 20


def test_equal_data_gives_an_equal_plot():
    rng = np.random.default_rng(0)
    sides, objects = rng.normal(size=(2, 30, 5)), rng.integers(0, 20, (30, 2))
    names = [f"_{n} $x$ $" for n in range(20)]  # which mean something to matplotlib
    one, again = (embedding_plot.draw((sides[0], sides[1]), objects, names, apart=False) for _ in range(2))
    assert one == again
    assert Image.open(io.BytesIO(one)).format == "PNG"


def test_the_plane_is_that_of_the_largest_variance():
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    parts = rng.normal(size=(500, 6)) * [9, 3, 0.1, 0.1, 0.1, 0.1]
    places, shares = embedding_plot.principal_plane(parts @ axes.T + 7)
    for axis in (0, 1):
        assert abs(np.corrcoef(places[:, axis], parts[:, axis])[0, 1]) > 0.999
    np.testing.assert_allclose(shares, [0.9, 0.1], atol=0.02)
    flat, share = embedding_plot.principal_plane(np.ones((4, 1)))
    np.testing.assert_array_equal(flat, np.zeros((4, 2)))
    assert share.tolist() == [0, 0]


def test_the_histogram_holds_all_pairs(scores):
    edges, similar, different = pairs.histogram(scores[0])
    assert edges[0] == 0
    assert edges[-1] >= scores[0].distance.max()
    assert max(similar.max(), different.max()) == 1
    assert similar.sum() == pytest.approx(different.sum())  # both of the same whole


@pytest.mark.slow
def test_the_default_tells_objects_of_unseen_videos_apart_at_its_threshold(shared):
    videos = [track for track in open_objects(shared / "training")[1] if len(track.boxes) > 1]
    [score] = pairs.score(embedders.load(prepare=True), videos, pairs=1000)
    assert score.figures["area"] > 0.95
    errors = score.errors_at(embedders.THRESHOLD)
    assert abs(errors["false_accept"] - errors["false_refuse"]) < 0.04
