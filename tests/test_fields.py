"""One walker for the types and ranges of all settings."""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamjax import fields
from siamjax.errors import ConfigError
from siamjax.fields import Length, Share, Within

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(("value", "hint", "wanted"), [
    (3, int, 3), (np.int64(3), int, 3), (3, float, 3.0), (np.float32(0.5), float, 0.5), (True, bool, True),
    ("a", str, "a"), (None, int | None, None), (3, int | None, 3), ("x", Literal["x", "y"], "x"),
    ([1, 2], tuple[int, ...], (1, 2)), ([[1, 2], [3, 4]], tuple[tuple[int, int], ...], ((1, 2), (3, 4))),
    ([1, 2], tuple[float, float], (1.0, 2.0)), (1, Share, 1.0), (None, Share | None, None), ({"a": 1}, Any, {"a": 1}),
    ([0] * 200, Annotated[tuple[int, ...], Length(0, 200)], (0,) * 200)])
def test_what_fits_is_taken(value, hint, wanted):
    assert fields.conform(value, hint) == wanted


@pytest.mark.parametrize(("value", "hint", "said"), [
    (True, int, "True, not a whole number"), (1, bool, "1, not true or false"), (3.0, int, "3.0, not a whole number"),
    ("3", int, "'3', not a whole number"), (True, float, "True, not a number"), (None, int, "None, not a whole number"),
    (NAN, float, "nan, not a finite number"), (-INF, float, "-inf, not a finite number"),
    (np.float32(NAN), float, "not a finite number"), (INF, float | None, "inf, not a finite number"),
    (10**400, float, "not a number"), (2**31, int, "not a smaller number"),
    (3, str, "3, not text"), ("z", Literal["x", "y"], "'z', not one of x, y"), (1, Literal["1"], "1, not one of 1"),
    (True, Literal[1], "True, not one of 1"), (3, tuple[int, ...], "3, not values"),
    ("ab", tuple[str, ...], "'ab', not values"),
    ([1, True], tuple[int, ...], r"value\[1\]: True, not a whole number"), ([1], tuple[int, int], "not 2 values"),
    ([[1, "a"]], tuple[tuple[int, int], ...], r"value\[0\]\[1\]: 'a'"),
    ([0] * 65, tuple[int, ...], "of 65 values, not 64 values at most"),
    ([], Annotated[tuple[int, ...], Length(1, 3)], "of 0 values, not 1 to 3 values"),
    ([1, 9], Annotated[tuple[int, ...], Within(1, 8)], "not numbers from 1 to 8"),
    ([[1, 9]], Annotated[tuple[tuple[int, int], ...], Within(1, 8)], "not numbers from 1 to 8"),
    (NAN, Share, "nan, not a number from 0 to 1"), (1.5, Share | None, "1.5, not a number from 0 to 1"),
    ({"a": 1}, int, "not a whole number"), ("x", dict, "'x', not a dict"), ("x" * 999, int, r"\.\.\., not a whole")])
def test_what_does_not_fit_is_named(value, hint, said):
    with pytest.raises(fields.Unfit, match=said):
        fields.conform(value, hint)


def test_a_number_of_thousands_of_digits_is_not_spelled_out():
    with pytest.raises(fields.Unfit, match="a number of very many digits"):
        fields.conform(10**5000, int)


@dataclasses.dataclass(frozen=True)
class Settings:
    side: fields.Pixels = 127
    ratio: Annotated[float, Within(0, 2)] | None = None

    def __post_init__(self):
        fields.check(self)


def test_a_dataclass_checks_its_fields():
    assert Settings(ratio=1).ratio == 1
    with pytest.raises(ConfigError, match=r"side is 0 \(Settings.side\): use a number from 1 to 2048"):
        Settings(side=0)
    with pytest.raises(ConfigError, match=r"ratio is nan \(Settings.ratio\): use a number from 0 to 2"):
        Settings(ratio=NAN)


VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
                      lambda inner: st.lists(inner, max_size=3), max_leaves=6)
HINTS = st.sampled_from([int, float, bool, str, Share, fields.Pixels, int | None, Share | None, Literal["a", 1],
                         tuple[int, ...], tuple[float, int], Annotated[tuple[int, ...], Within(0, 3), Length(1, 2)]])


@given(VALUES, HINTS)
def test_a_value_fits_or_is_unfit_and_what_fits_stays(value, hint):
    try:
        fitted = fields.conform(value, hint)
    except fields.Unfit:
        return
    assert fields.conform(fitted, hint) == fitted
