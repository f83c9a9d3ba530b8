import collections
import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamjax.data.config import DataConfig, wide
from siamjax.data.pairs import make_table
from siamjax.data.pools import usable_frames
from siamjax.errors import ConfigError, DataError


@dataclasses.dataclass
class Fake:
    name: str
    group: str
    boxes: np.ndarray
    size: tuple[int, int] = (240, 320)
    category: str = ""

    def key(self, number):
        return self.group, number

    def read(self, number):
        return np.zeros((*self.size, 3), np.uint8)


def track(group, count, box=(100, 80, 40, 50), name=None):
    return Fake(name or group, group, np.tile(np.float32(box), (count, 1)))


TRACKS = [track("v/a", 30), track("v/b", 3), track("i/1", 1), track("i/2", 1), track("i/2", 1, name="i/2/b")]


@given(st.integers(0, 2**32), st.integers(0, 2**31 - 1), st.integers(0, 40))
def test_positive_pairs_keep_the_rules(seed, index, gap):
    table = make_table(TRACKS, DataConfig(max_gap=gap))
    pair = table.draw(seed, index)
    assert pair == table.draw(seed, index)
    assert pair.similar
    assert pair.exemplar.track == pair.search.track
    distance = pair.search.frame - pair.exemplar.frame
    assert 0 <= distance <= gap
    if len(TRACKS[pair.exemplar.track].boxes) > 1 and gap > 0:
        assert distance > 0


@given(st.integers(0, 10**6))
def test_negative_pairs_show_another_group(index):
    pair = make_table(TRACKS, DataConfig(negative=1.0)).draw(0, index)
    assert not pair.similar
    assert TRACKS[pair.exemplar.track].group != TRACKS[pair.search.track].group


def boxed(name, group, *boxes, category=""):
    return Fake(name, group, np.float32(boxes), category=category)


@given(st.integers(0, 10**6))
def test_a_hard_negative_pair_shows_another_object_of_the_image_apart_from_the_target(index):
    tracks = [
        boxed("a/1", "a", (20, 20, 40, 50)),
        boxed("a/2", "a", (40, 30, 40, 50)),  # overlaps the first
        boxed("a/3", "a", (200, 100, 40, 50)),
        boxed("b", "b", (20, 20, 40, 50)),
    ]
    pair = make_table(tracks, DataConfig(negative=1.0, hard_negative=1.0)).draw(0, index)
    assert not pair.similar
    shown = {0: {2}, 1: {2}, 2: {0, 1}, 3: {0, 1, 2}}  # alone in its image, the last gets any other image
    assert pair.search.track in shown[pair.exemplar.track]


@given(st.integers(0, 10**6))
def test_a_hard_negative_pair_of_a_video_leaves_out_frames_where_the_two_touch(index):
    here, there, absent = (20, 20, 40, 50), (200, 100, 40, 50), (np.nan,) * 4
    tracks = [
        boxed("v/1", "v", here, here, here, absent),
        boxed("v/2", "v", there, here, absent, here),
        track("w", 5),
    ]
    pair = make_table(tracks, DataConfig(negative=1.0, hard_negative=1.0)).draw(0, index)
    if pair.exemplar.track == 0:
        assert pair.search in {(1, 0), (1, 3)}
    if pair.exemplar.track == 1:
        assert pair.search in {(0, 0), (0, 2)}


def test_a_hard_negative_pair_without_rivals_shows_the_same_category():
    box = (100, 80, 40, 50)
    tracks = [boxed(name, name, box, category=name[0]) for name in ("cat", "cow", "dog", "duck")]
    tracks.append(boxed("x", "x", box))
    table = make_table(tracks, DataConfig(negative=1.0, hard_negative=1.0))
    found = {(pair.exemplar.track, pair.search.track) for pair in (table.draw(1, i) for i in range(300))}
    assert {pair for pair in found if pair[0] < 4} == {(0, 1), (1, 0), (2, 3), (3, 2)}
    assert {search for exemplar, search in found if exemplar == 4} == {0, 1, 2, 3}


def test_the_share_of_hard_negatives_is_that_of_the_settings():
    tracks = [boxed("a/1", "a", (20, 20, 40, 50)), boxed("a/2", "a", (200, 100, 40, 50)), track("i", 1)]
    table = make_table(tracks, DataConfig(negative=1.0, hard_negative=0.3))
    pairs = [table.draw(2, index) for index in range(3000)]
    inside = [p.search.track < 2 for p in pairs if p.exemplar.track < 2]
    assert np.mean(inside) == pytest.approx(0.3, abs=0.04)


def test_wide_filters_keep_small_large_and_slim_objects():
    boxes = [(100, 80, 11, 50), (30, 20, 270, 200), (100, 80, 20, 110), (100, 80, 8, 20)]
    np.testing.assert_array_equal(usable_frames(boxed("v", "v", *boxes), wide(DataConfig())), [0, 1, 2])


def test_shares_are_those_of_the_settings():
    table = make_table(TRACKS, DataConfig(negative=0.25, image_share=0.4))
    pairs = [table.draw(7, index) for index in range(4000)]
    assert np.mean([not pair.similar for pair in pairs]) == pytest.approx(0.25, abs=0.03)
    counts = collections.Counter(pair.exemplar.track for pair in pairs)
    shares = [counts[number] / 4000 for number in range(5)]
    # kinds by share, groups evenly, objects of a group evenly
    np.testing.assert_allclose(shares, [0.3, 0.3, 0.2, 0.1, 0.1], atol=0.03)


def test_every_frame_within_the_gap_is_drawn():
    table = make_table([track("v", 6)], DataConfig(max_gap=2))
    pairs = {(p.exemplar.frame, p.search.frame) for p in (table.draw(0, i) for i in range(2000))}
    assert pairs == {(a, b) for a in range(6) for b in range(6) if 0 < b - a <= 2}


def test_absent_and_unfit_boxes_are_not_drawn():
    config = DataConfig()
    boxes = np.float32([
        [100, 80, 40, 50],
        [np.nan] * 4,
        [100, 80, 19, 50],  # narrow
        [100, 80, 170, 100],  # over half the width
        [100, 80, 20, 81],  # slim
        [-30, 80, 40, 50],  # its centre is outside
        [10, 8, 40, 50],
    ])
    fake = Fake("v", "v", boxes)
    np.testing.assert_array_equal(usable_frames(fake, config), [0, 6])
    wide = DataConfig(min_side=5, max_fraction=1.0, max_aspect=10)
    np.testing.assert_array_equal(usable_frames(fake, wide), [0, 2, 3, 4, 6])


def test_a_share_of_zero_leaves_a_kind_out():
    table = make_table(TRACKS, DataConfig(image_share=0.0))
    assert {table.draw(0, i).exemplar.track for i in range(200)} == {0, 1}
    only = make_table(TRACKS[2:], DataConfig(image_share=0.0))
    assert only.draw(0, 0).exemplar.track in (0, 1, 2)


def test_what_cannot_be_drawn_from():
    with pytest.raises(DataError, match="none of 1 tracks"):
        make_table([track("v", 5, box=(0, 0, 5, 5))], DataConfig())
    with pytest.raises(DataError, match="second video"):
        make_table(TRACKS[:1], DataConfig(negative=0.1))


@pytest.mark.parametrize(
    "settings",
    [{"patch_size": 100}, {"negative": 1.5}, {"max_side": 5.0}, {"max_gap": -1}, {"image_share": np.nan}],
)
def test_settings_out_of_range(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        DataConfig(**settings)
