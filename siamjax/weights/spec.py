"""Nets and settings as JSON and back, so that a weight file alone rebuilds its tracker (DESIGN 4)."""

from __future__ import annotations

import dataclasses
import importlib
import json
from typing import Any

from siamjax.errors import SiamjaxError, WeightsError

# Only these places are looked in: a file from outside never names what else is imported.
PLACES = ("siamjax.nets.", "siamjax.trackers.", "siamjax.ops.anchors", "siamjax.ops.views", "siamjax.precision")


def encode(value: Any) -> Any:
    """`value` (dataclasses, linen modules, tuples, plain values) as what `json.dumps` takes."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        fields = {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)
                  if f.init and f.name not in ("parent", "name")}  # linen's own fields
        return {"kind": f"{kind.__module__}:{kind.__qualname__}", **fields}
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{type(value).__name__} cannot be written as a setting")


def decode(value: Any, *, where: str) -> Any:
    """What `encode` was given, from parsed JSON; lists become tuples.

    Raises:
      WeightsError: a class that is not the package's own, fields that do not fit it, or unknown text.
    """
    if isinstance(value, list):
        return tuple(decode(item, where=where) for item in value)
    if not isinstance(value, dict):
        return value
    fields = dict(value)
    kind = _kind(fields.pop("kind", None), where)
    try:
        return kind(**{name: decode(item, where=where) for name, item in fields.items()})
    except SiamjaxError:
        raise
    except (TypeError, ValueError) as error:
        raise WeightsError(f"settings of {kind.__name__} do not fit this version: {error}", where,
                           "convert or train the file again with this version") from error


def _kind(name: Any, where: str) -> type:
    module, _, qualname = name.partition(":") if isinstance(name, str) else ("", "", "")
    if module.startswith(PLACES) and qualname.isidentifier():
        try:
            kind = getattr(importlib.import_module(module), qualname, None)
        except ImportError:
            kind = None
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            return kind
    raise WeightsError(f"unknown kind {name!r} in the settings", where,
                       "use a file written by this version of siamjax; for a net of your own pass it yourself")


def dumps(value: Any) -> str:
    """`encode` as compact JSON text."""
    return json.dumps(encode(value), separators=(",", ":"))


def loads(text: str, *, where: str) -> Any:
    """`decode` of JSON text."""
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise WeightsError(f"settings are not JSON: {error}", where, "use a file written by siamjax") from error
    return decode(parsed, where=where)
