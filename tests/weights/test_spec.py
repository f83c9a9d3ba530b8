"""Settings of weight files: only the package's own classes, every field of its type and range."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siamjax.errors import SiamjaxError, WeightsError
from siamjax.weights import spec, zoo

WHOLE = {name: spec.encode(entry.tracker) for name, entry in zoo.ZOO.items()}


@pytest.mark.parametrize("name", zoo.ZOO)
def test_every_tracker_comes_back_from_its_settings(name):
    assert spec.loads(spec.dumps(zoo.ZOO[name].tracker), where="x") == zoo.ZOO[name].tracker


@pytest.mark.parametrize("kind", [
    "os:system", "builtins:eval", "subprocess:Popen", "siamjax.weights.files:digest", "siamjax.weights.files:Header",
    "alexnet.AlexNet", "AlexNet", "siamjax.nets.layers:ConvNorm",
    "siamjax.nets.alexnet:dataclasses", "siamjax.nets.alexnet:nn.Module", "siamjax.nets.alexnet:Precision",
    "siamjax.nets.alexnet:jax", "siamjax.nets.alexnet:AlexNet.__init__", "siamjax.nets.alexnet:V1", "siamjax.nets:nn",
    "siamjax.nets.:x", "siamjax.nets..alexnet:AlexNet", "siamjax.nets.none:X", "siamjax.nets.\x00:X", "siamjax:track",
    "siamjax.trackers.loop:track_frames", "siamjax.ops.anchors_evil:X", "siamjax.precision_evil:X", "x" * 9999,
    "", ":", "alexnet:AlexNet", "SIAMJAX.NETS.ALEXNET:AlexNet", None, 3, [], {"kind": "os:system"}, True])
def test_no_other_class_is_reached_and_nothing_imported(kind):
    before = set(sys.modules)
    with pytest.raises(WeightsError, match="unknown kind"):
        spec.decode({"kind": kind, "stages": []}, where="x")
    assert all(module.startswith("siamjax.") for module in set(sys.modules) - before)


def leaves(value, path=()):
    """Path of every plain value in settings."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, (*path, key))
    elif path[-1] != "kind":
        yield path


def changed(name: str, path: tuple, value):
    """The settings of a tracker with one value changed."""
    tree = json.loads(json.dumps(WHOLE[name]))
    place = tree
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return tree


@pytest.mark.parametrize("name", ["siamfc", "siamrpn_r50_lt", "siamrpn_small_lt", "fear_xs_lt", "siammask_sharp",
                                  "siammask_small"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e308, 10**12, -10**12, [[]], {}, "\x1b[31m\n"])
def test_no_field_takes_a_value_of_another_kind(name, value):
    for path in leaves(WHOLE[name]):
        if path[-1] == "axis_name" and isinstance(value, str):
            continue  # any text
        with pytest.raises(WeightsError) as raised:
            spec.decode(changed(name, path, value), where="x")
        assert str(raised.value).isprintable()
        assert len(str(raised.value)) < 1000


@pytest.mark.parametrize("name", ["siamfc", "siamrpn_r50_lt", "siamrpn_small_lt", "fear_xs_lt", "siammask_sharp",
                                  "siammask_small"])
def test_true_is_no_number_and_a_number_not_true(name):
    for path in leaves(WHOLE[name]):
        value = WHOLE[name]
        for key in path:
            value = value[key]
        other = 1 if isinstance(value, bool) else True
        with pytest.raises(WeightsError):
            spec.decode(changed(name, path, other), where="x")


@pytest.mark.parametrize(("setting", "value"), [
    ("search_size", 100_000), ("num_scales", 10**9), ("num_scales", 1e9), ("upsampling", 4096), ("stride", 0),
    ("context", 1e30), ("scale_step", 10**6), ("exemplar_size", -127), ("search_size", None), ("search_size", "255")])
def test_settings_that_would_take_all_memory_are_refused(setting, value):
    tree = json.loads(json.dumps(WHOLE["siamfc"]))
    tree["config"][setting] = value
    with pytest.raises(WeightsError, match=f"setting SiamFCConfig.{setting} is .*it has to be"):
        spec.decode(tree, where="x")


def test_unknown_and_missing_fields_are_named():
    tree = json.loads(json.dumps(WHOLE["siamfc"]))
    tree["net"] |= {"colour": 3}
    with pytest.raises(WeightsError, match="settings of SiamFC do not fit this version: unknown colour"):
        spec.decode(tree, where="x")
    del tree["net"]
    with pytest.raises(WeightsError, match="settings of SiamFCTracker do not fit this version: missing net"):
        spec.decode(tree, where="x")


def checked(tree) -> None:
    """As a file's settings are."""
    tracker = spec.decode(tree, where="a file")
    zoo.check_step(tracker, zoo.wanted_variables(tracker, where="a file"), where="a file")


@pytest.mark.parametrize("part", ["net", "config"])
def test_a_part_of_another_class_is_refused(part):
    for other in (WHOLE["siamrpn_alex"][part], None, 3, []):
        with pytest.raises(WeightsError):
            checked({**WHOLE["siamfc"], part: other})


@pytest.mark.parametrize("net", [
    {"backbone": {"kind": "pooled_head"}}, {"head": {"kind": "adjust"}},
    {"neck": {"kind": "adjust", "widths": [256] * 9}}, {"head": {"kind": "depthwise_rpn", "num_anchors": 4}}])
def test_parts_that_do_not_fit_each_other_are_one_line(net):
    tree = json.loads(json.dumps(WHOLE["siamrpn_alex"]))
    tree["net"] |= net
    with pytest.raises(WeightsError) as raised:
        checked(tree)
    assert "(a file" in str(raised.value)
    assert len(str(raised.value)) < 500


def test_settings_within_their_ranges_may_still_be_too_large_together():
    config = dataclasses.replace(zoo.ZOO["siamfc"].tracker.config, search_size=2047, num_scales=33, upsampling=64)
    tracker = dataclasses.replace(zoo.ZOO["siamfc"].tracker, config=config)
    with pytest.raises(WeightsError, match=r"one array would take|a response of \d+"):
        zoo.check_step(tracker, zoo.wanted_variables(tracker), where="x")


@pytest.mark.parametrize(("text", "said"), [
    ("{", "not JSON"), ("", "not JSON"), ('{"a": NaN}', "NaN is no number"), ('{"a": -Infinity}', "is no number"),
    ('{"kind": "a", "kind": "b"}', "'kind' is there twice"), ("[" * 100_000, "not JSON|too often"),
    ("9" * 9999, "not JSON"),
    ("[" * 40 + "]" * 40, "within each other"), (" " * (2 << 20), "2097152 characters")])
def test_text_that_is_no_settings(text, said):
    with pytest.raises(WeightsError, match=said):
        spec.loads(text, where="x")


KINDS = sorted({part["kind"] for tree in WHOLE.values() for part in [tree, *tree.values()] if isinstance(part, dict)})
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(KINDS)
TREES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.sampled_from(["kind", "net", "config", "backbone", "stages", "search_size", "anchors"]), inner, max_size=4))
PLACES = sorted((name, path) for name in ("siamfc", "siammask_small") for path in leaves(WHOLE[name]))[::3]


def decoded_or_refused(tree) -> None:
    with contextlib.suppress(SiamjaxError):
        spec.loads(json.dumps(tree), where="x")


@given(TREES | st.builds(lambda place, value: changed(*place, value), st.sampled_from(PLACES), TREES))
def test_any_settings_are_decoded_or_refused(tree):
    decoded_or_refused(tree)


@pytest.mark.slow
@settings(max_examples=100_000)
@given(TREES | st.builds(lambda place, value: changed(*place, value), st.sampled_from(PLACES), TREES))
def test_any_of_many_settings_are_decoded_or_refused(tree):
    decoded_or_refused(tree)
