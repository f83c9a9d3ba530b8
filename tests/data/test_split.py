"""Which videos a line of validation.txt names."""

from __future__ import annotations

import types
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamjax.data.split import named_groups, split
from siamjax.errors import DataError

GROUPS = ["walk", "walk [1]", "[ab]", "a", "b", "clip #3", "# odd", "#tag", "what?", "star*", "videos/a_1",
          "videos/a_2", "é", "two  words", "x # y", "clip"]


@pytest.mark.parametrize("name", GROUPS)
def test_a_name_names_its_group_alone_whatever_is_in_it(name):
    assert named_groups(name, GROUPS) == {name}
    assert named_groups(f"  {name}/ \t", GROUPS) == {name}
    assert named_groups(f"{name}   # held out, # see notes", GROUPS) == {name}
    assert named_groups(unicodedata.normalize("NFD", name), GROUPS) == {name}


@pytest.mark.parametrize(("line", "named"), [
    ("videos/a_*", {"videos/a_1", "videos/a_2"}), ("videos/a_?", {"videos/a_1", "videos/a_2"}),
    ("walk [?]", {"walk [1]"}), ("?", {"a", "b", "é"}), ("*[*", {"walk [1]", "[ab]"}), ("*", set(GROUPS)),
    *((comment, set()) for comment in ("# a comment", "#", "", "   ", "# walk", "#walk", "  # a"))])
def test_patterns_and_comments(line, named):
    assert named_groups(line, GROUPS) == named


@pytest.mark.parametrize("line", ["[a-z]", "wal", "clip #4", "Walk", "a#b", "clip#3", "a\\*", "nothing # of the kind"])
def test_what_names_nothing_is_an_error(line):
    with pytest.raises(DataError, match="names no video and no image"):
        named_groups(line, GROUPS)
    with pytest.raises(DataError, match=r"did you mean 'walk'\?"):
        named_groups("wakl", GROUPS)


NAMES = st.text(st.characters(exclude_characters="\n\r/", exclude_categories=["Cs"]), min_size=1, max_size=8)


@given(st.sets(NAMES.filter(str.strip), min_size=1, max_size=8), st.data())
def test_names_of_all_sorts_hold_out_themselves_and_no_other(names, data):
    chosen = data.draw(st.sets(st.sampled_from(sorted(names))))
    tracks = [types.SimpleNamespace(group=name) for name in sorted(names)]
    train, validation = split(tracks, sorted(chosen))
    assert {track.group for track in validation} == chosen
    assert {track.group for track in train} == names - chosen
