import collections
import copy
import pickle

import numpy as np
import pytest

from siamjax.data.config import DataConfig
from siamjax.data.mixing import Epochs, united
from siamjax.data.pairs import make_table
from siamjax.data.parts import Part, check_parts, pysot_parts
from siamjax.errors import ConfigError, DataError


class Fake:
    def __init__(self, group, count):
        self.name = self.group = group
        self.category, self.size = "", (60, 80)
        self.boxes = np.tile(np.float32([20, 15, 24, 30]), (count, 1))

    def key(self, number):
        return self.group, number


def sets():
    return {"vid": [Fake(f"v{n}", 50) for n in range(4)], "coco": [Fake(f"images/{n}", 1) for n in range(7)],
            "unused": [Fake("u", 9)]}


def drawn(parts, count, **settings):
    tracks = united(sets())
    table = make_table(tracks, DataConfig(max_fraction=0.6, parts=parts, **settings))
    return tracks, [table.draw(1, index) for index in range(count)]


def test_an_epoch_has_each_videos_uses_exactly_and_ends_where_it_ends():
    parts = Part("vid", uses=10), Part("coco", uses=-1)
    tracks, pairs = drawn(parts, 3 * 34, epoch_pairs=34)
    epochs = [collections.Counter(tracks[pair.exemplar.track].group for pair in pairs[start:start + 34])
              for start in range(0, 102, 34)]
    for epoch in epochs:  # 17 picks, twice
        assert all(epoch[f"coco/images/{n}"] == 2 for n in range(7))
        assert all(4 <= epoch[f"vid/v{n}"] <= 6 for n in range(4))  # 10 of 4: two or three times
        assert sum(epoch.values()) == 34
    orders = [[pair.exemplar.track for pair in pairs[start:start + 34]] for start in range(0, 102, 34)]
    assert orders[0] != orders[1] != orders[2]


def test_weights_are_shares_of_the_pairs():
    tracks, pairs = drawn((Part("vid", weight=1), Part("coco", weight=3)), 2000)
    share = np.mean([tracks[pair.exemplar.track].group.startswith("coco/") for pair in pairs])
    assert abs(share - 0.75) < 0.04


@pytest.mark.parametrize("parts", [(Part("vid", uses=3, max_gap=2), Part("coco", uses=-1)),
                                   (Part("vid", weight=1, max_gap=2), Part("coco", weight=1))])
def test_frame_ranges_and_negatives_across_sets(parts):
    tracks, pairs = drawn(parts, 800, negative=0.5, max_gap=40, epoch_pairs=10)
    gaps = [pair.search.frame - pair.exemplar.frame for pair in pairs if pair.similar]
    assert 0 < max(gaps) <= 2
    across = {tuple(tracks[shot.track].group.split("/")[0] for shot in (pair.exemplar, pair.search))
              for pair in pairs if not pair.similar}
    assert across == {(one, other) for one in ("vid", "coco") for other in ("vid", "coco")}


def test_a_pick_depends_on_seed_and_index_alone():
    epochs = Epochs([3, 5], [7, -1], 12)
    picks = [epochs.pick(4, index) for index in range(60)]
    assert [pickle.loads(pickle.dumps(epochs)).pick(4, index) for index in reversed(range(60))] == picks[::-1]
    assert [epochs.pick(5, index) for index in range(60)] != picks
    assert {part for part, _ in picks} == {0, 1}
    assert {number for part, number in picks if part == 1} == set(range(5))


def test_folders_of_one_data_set_are_parts_too():
    tracks = [Fake("videos/a", 5), Fake("images/b", 1), Fake("imagesets", 5)]
    table = make_table(tracks, DataConfig(max_fraction=0.6, parts=(Part("images", weight=1),)))
    assert {table.draw(0, index).exemplar.track for index in range(20)} == {1}


def test_a_named_track_is_the_track():
    track = united(sets())[0]
    assert (track.name, track.group, len(track.boxes), track.key(3)) == ("vid/v0", "vid/v0", 50, ("v0", 3))
    assert copy.copy(track).name == pickle.loads(pickle.dumps(track)).name == "vid/v0"
    assert not hasattr(track, "mask")


@pytest.mark.parametrize(("make", "message"), [
    (lambda: Part("a"), "neither"), (lambda: Part("a", weight=1, uses=1), "both"),
    (lambda: Part("a", weight=0), "above 0"),
    (lambda: Part("a", uses=0), "-1 for each once"), (lambda: Part("a", uses=1, max_gap=-1), "max_gap"),
    (lambda: check_parts((Part("a", uses=1), Part("a", uses=2))), "name each once"),
    (lambda: DataConfig(parts=(Part("a", uses=1), Part("b", weight=1))), "give all of them the same"),
    (lambda: DataConfig(epoch_pairs=0), "epoch_pairs"),
])
def test_settings_that_contradict_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_a_part_without_data_is_named():
    with pytest.raises(DataError, match=r"no track of the data is of 'yb'.*--data yb=DIR.*coco, unused, vid"):
        drawn(pysot_parts(), 1)
    with pytest.raises(DataError, match="of the 2 parts of the mix only 1 have usable frames"):
        make_table([Fake("a/v", 3), Tiny("b/x", 3)], DataConfig(max_fraction=0.6, parts=(
            Part("a", uses=1), Part("b", uses=1))))


class Tiny(Fake):
    def __init__(self, group, count):
        super().__init__(group, count)
        self.boxes = self.boxes * np.float32([1, 1, 0.1, 0.1])
