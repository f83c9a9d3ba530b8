import collections
import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamjax.data.config import DataConfig
from siamjax.data.pairs import make_table, usable_frames
from siamjax.errors import ConfigError, DataError


@dataclasses.dataclass
class Fake:
    name: str
    group: str
    boxes: np.ndarray
    size: tuple[int, int] = (240, 320)

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
