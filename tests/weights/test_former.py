"""Weight files of earlier versions load: their settings name classes by modules as they were then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from siamjax.weights import former, kinds, spec, zoo

# The settings of every name of the zoo, as the commit in the file's name wrote them.
FORMER = {f"{path.stem}/{name}": tree for path in sorted((Path(__file__).parent / "former").glob("settings_*.json"))
          for name, tree in json.loads(path.read_text()).items()}
CHANGED = {"settings_4bb5760/siamfc"}  # published weights since, without a bias of the response


@pytest.mark.parametrize("case", FORMER)
def test_settings_of_earlier_files_are_read(case):
    tracker = spec.decode(FORMER[case], where=case)
    if case not in CHANGED:
        assert tracker.net == zoo.ZOO[case.rpartition("/")[2]].tracker.net


@pytest.mark.parametrize("name", ["siamrpn_r50_lt", "siamrpn_small_lt"])
def test_trackers_round_another_are_read_from_one_list_of_settings(name):
    for case in (case for case in FORMER if case.endswith(f"/{name}")):
        tracker, now = spec.decode(FORMER[case], where=case), zoo.ZOO[name].tracker
        assert tracker == now


def test_each_name_is_of_one_class_and_each_former_name_of_one_of_them():
    assert len(kinds.NAMES) == len(kinds.KINDS)
    assert set(former.MODULES.values()) <= set(kinds.KINDS) | set(former.FLAT)
    assert not any(":" in name for name in kinds.KINDS)


@pytest.mark.parametrize("name", zoo.ZOO)
def test_files_name_no_module(name):
    assert "siamjax." not in spec.dumps(zoo.ZOO[name].tracker)
