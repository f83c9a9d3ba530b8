"""Nets and settings as JSON and back, so that a weight file alone rebuilds its tracker."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from siamjax import fields
from siamjax.errors import SiamjaxError, WeightsError
from siamjax.weights import former
from siamjax.weights.kinds import KINDS, NAMES

MAX_TEXT = 1 << 20  # characters of settings
MAX_NESTED = 32  # settings within each other
DO = "convert or train the file again with this version"


def encode(value: Any) -> Any:
    """`value` (dataclasses, linen modules, tuples, plain values) as what `json.dumps` takes."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = {name: encode(getattr(value, name)) for name in fields.names(value)}
        return {"kind": _name(type(value)), **found}
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{type(value).__name__} cannot be written as a setting")


def decode(value: Any, *, where: str) -> Any:
    """What `encode` was given, from parsed JSON; lists become tuples.

    Every field of every class is held to its annotation (`fields.conform`): type, range, and number of values.

    Raises:
      WeightsError: a class that is not the package's own, fields that do not fit it, or unknown text.
    """
    return _decode(value, where, "settings", 0)


def _decode(value: Any, where: str, path: str, depth: int) -> Any:
    if depth > MAX_NESTED:
        raise WeightsError(f"settings within each other {depth} times", where, "use a file written by siamjax")
    if isinstance(value, list):
        return tuple(_decode(item, where, f"{path}[{i}]", depth + 1) for i, item in enumerate(value))
    if not isinstance(value, dict):
        return value
    found = dict(former.current(value))
    kind = _kind(found.pop("kind", None), where)
    known = fields.names(kind)
    unknown = [name for name in found if name not in known]
    missing = [f.name for f in dataclasses.fields(kind) if f.name in known and f.name not in found
               and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING]
    if unknown or missing:
        raise WeightsError(f"settings of {kind.__name__} do not fit this version: "
                           + "; ".join(f"{what} {', '.join(listed[:6])}" for what, listed in
                                       (("unknown", unknown), ("missing", missing)) if listed), where, DO)
    checked = {}
    for name, item in found.items():
        inner = _decode(item, where, f"{kind.__name__}.{name}", depth + 1)
        try:
            checked[name] = fields.conform(inner, fields.annotation(kind, name), f"{kind.__name__}.{name}")
        except fields.Unfit as error:
            raise WeightsError(f"setting {error.path} is {error.found}", where,
                               f"it has to be {error.wanted}; use a file written by siamjax") from None
    try:
        return kind(**checked)
    except SiamjaxError as error:
        raise WeightsError(f"{error.what} in the settings, {error.where}", where, error.do) from error
    except (TypeError, ValueError) as error:
        raise WeightsError(f"settings of {kind.__name__} do not fit this version: {error}", where, DO) from error


def _name(kind: type) -> str:
    """What a file calls a class; one that is not of the package, which no file brings back, by where it is."""
    return NAMES.get(kind) or f"{kind.__module__}:{kind.__qualname__}"


def _kind(name: Any, where: str) -> Any:
    """The class that a file calls `name`."""
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise WeightsError(f"unknown kind {fields.shown(name)} in the settings", where,
                           "use a file written by this version of siamjax; for a net of your own say which with "
                           "--experiment (in Python: tracker=...)")
    return kind


def dumps(value: Any) -> str:
    """`encode` as compact JSON text."""
    return json.dumps(encode(value), separators=(",", ":"))


def loads(text: str, *, where: str) -> Any:
    """`decode` of JSON text; raises as it does and as `parse`."""
    return decode(parse(text, where=where), where=where)


def parse(text: str, *, where: str) -> Any:
    """Settings as JSON has them.

    Raises:
      WeightsError: it is not JSON, has a name twice or a number that is none, or is too long or too deep.
    """
    if len(text) > MAX_TEXT:
        raise WeightsError(f"settings of {len(text)} characters", where, "use a file written by siamjax")
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refuse)
    except RecursionError as error:
        raise WeightsError("settings within each other too often", where, "use a file written by siamjax") from error
    except ValueError as error:
        raise WeightsError(f"settings are not JSON: {error}", where, "use a file written by siamjax") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"'{next(name for name in names if names.count(name) > 1)}' is there twice")
    return found


def _refuse(text: str) -> None:
    raise ValueError(f"{text} is no number")
