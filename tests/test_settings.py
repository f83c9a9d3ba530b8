import dataclasses
import functools
from pathlib import Path
from typing import Literal

import pytest

from siamjax.errors import ConfigError
from siamjax.nets.alexnet import AlexNet
from siamjax.nets.siamfc import SiamFC
from siamjax.ops import losses
from siamjax.settings import completed, describe, differences, replace_by_path
from siamjax.user_code import load_object


@dataclasses.dataclass(frozen=True)
class Inner:
    rate: float = 0.1
    limit: float | None = None
    layers: tuple[str, ...] = ()
    factors: tuple[tuple[str, float], ...] = ()


@dataclasses.dataclass(frozen=True)
class Outer:
    steps: int = 5
    mode: Literal["train", "eval"] = "train"
    flag: bool = False
    name: str | None = None
    folder: Path = Path(".")
    sides: tuple[int, int] = (1, 2)
    loss: object = losses.focal
    inner: Inner = Inner()
    net: object = SiamFC(AlexNet())

    def __post_init__(self):
        if self.steps < 1:
            raise ConfigError("too few steps", "Outer.steps", "use more")


@pytest.mark.parametrize(("path", "text", "value"), [
    ("steps", "7", 7), ("mode", "eval", "eval"), ("flag", "true", True), ("flag", "False", False),
    ("name", "a.b", "a.b"), ("name", "none", None), ("folder", "a/b", Path("a/b")), ("sides", "3,4", (3, 4)),
    ("inner.rate", "1e-3", 1e-3), ("inner.limit", "2", 2.0), ("inner.limit", "None", None),
    ("inner.layers", "a,b/c", ("a", "b/c")), ("inner.layers", "", ()),
    ("inner.factors", "(('a', 2), ('b', 0.5))", (("a", 2.0), ("b", 0.5))),
    ("net.response_scale", "0.5", 0.5), ("net.backbone.lowering", "lax", "lax")])
def test_a_path_sets_its_field_and_no_other(path, text, value):
    before = Outer()
    after = replace_by_path(before, path, text)
    assert functools.reduce(getattr, path.split("."), after) == value
    changed = differences(describe(before), describe(after))
    assert len(changed) <= 1
    assert all(line.startswith(path) for line in changed)


@pytest.mark.parametrize(("path", "text", "says"), [
    ("stepz", "7", "did you mean steps?"), ("inner.rat", "1", "inner.rate, inner.limit"),
    ("steps.more", "1", "'steps' has no settings"), ("steps", "1.5", "a whole number"),
    ("inner.rate", "fast", "a number"), ("mode", "test", "one of train, eval"),
    ("flag", "1", "true or false"), ("sides", "1,2,3", "2 values"),
    ("inner.factors", "(('a', 'b'),)", "values"),
    ("inner.factors", "(__import__('os'),)", "values"), ("inner", "x", "inner.rate"),
    ("loss", "focal", "experiment file"), ("steps", "0", "too few steps"), ("", "1", "no setting")])
def test_what_cannot_be_set_says_what_can(path, text, says):
    with pytest.raises(ConfigError, match=says.replace("?", r"\?")):
        replace_by_path(Outer(), path, text)


def test_description_is_plain_and_names_functions_and_modules():
    text = describe(Outer())
    assert text["loss"] == "siamjax.ops.losses.focal"
    assert text["net"]["class"] == "SiamFC"
    assert text["net"]["backbone"]["stages"][0]["features"] == 96
    assert text["sides"] == [1, 2]
    assert describe(functools.partial(losses.focal, gamma=3.0))["gamma"] == 3.0


def test_differences_name_the_path_and_both_values():
    other = dataclasses.replace(Outer(), inner=Inner(rate=0.2))
    assert differences(describe(Outer()), describe(other)) == ["inner.rate: 0.1, now 0.2"]


@dataclasses.dataclass(frozen=True)
class Grown:
    """Settings of today; an earlier version had `rate` and `parts` only."""

    rate: float = 0.1
    parts: tuple[Inner, ...] = (Inner(), Inner(rate=0.2))
    mode: str = "plain"
    sizes: tuple[int, ...] = (1, 2)
    needed: Inner = dataclasses.field(default_factory=Inner)


def formerly(settings):
    """What an earlier version wrote of them."""
    text = describe(settings)
    for name in ("mode", "sizes", "needed"):
        del text[name]
    for part in text["parts"]:
        del part["limit"]
    return text


def test_settings_that_there_were_none_of_count_as_they_are_by_default():
    old, added = completed({"it": formerly(Grown())}, {"it": Grown()})
    assert differences(old, {"it": describe(Grown())}) == []
    assert added == ["it.parts.0.limit", "it.parts.1.limit", "it.mode", "it.sizes", "it.needed"]
    assert completed(describe(Grown()), Grown()) == (describe(Grown()), [])


@pytest.mark.parametrize(("changes", "says"), [
    ({"mode": "bold"}, "mode: None, now 'bold'"), ({"needed": Inner(rate=0.3)}, "needed: None, now "),
    ({"rate": 0.2}, "rate: 0.1, now 0.2"),
    ({"parts": (Inner(), Inner(rate=0.5))}, "parts.1.rate: 0.2, now 0.5"),
    ({"parts": (Inner(), Inner(rate=0.2, limit=3.0))}, "parts.1.limit: None, now 3.0")])
def test_what_is_not_as_by_default_counts_as_another(changes, says):
    now = Grown(**changes)
    found = differences(completed(formerly(Grown()), now)[0], describe(now))
    assert len(found) == 1
    assert found[0].startswith(says)


@pytest.mark.parametrize("old", [None, [], {}, "text", 3, {"it": None}, {"it": [1]}, {"it": {"parts": [{}, 1, 2]}}])
def test_what_stands_in_a_file_instead_of_a_description_is_a_difference(old):
    assert differences(completed(old, {"it": Grown()})[0], {"it": describe(Grown())})


def test_functions_of_a_file_are_named_alike_wherever_it_lies(tmp_path):
    names = set()
    for folder in ("one", "other"):
        path = tmp_path / folder / "mine.py"
        path.parent.mkdir()
        path.write_text("def loss(x):\n    return x\n")
        names.add(describe(load_object(path, object, "loss", what="experiment")))
    assert names == {"experiment_mine.loss"}
