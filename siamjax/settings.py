"""Nested frozen settings: changed by a dotted path, written down as JSON, compared."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import enum
import functools
import types
import typing
from pathlib import Path
from typing import Any

from flax import linen as nn

from siamjax import fields
from siamjax.errors import ConfigError
from siamjax.user_code import plain_module

T = typing.TypeVar("T")


def field_names(settings: Any) -> list[str]:
    """Names of the settings of a dataclass or of a linen module."""
    return fields.names(settings)


def replace_by_path(settings: T, path: str, text: str) -> T:
    """`settings` with the field at `path` (`"optim.peak_lr"`) set from `text`, read as the field's type.

    Raises:
      ConfigError: no such field (the message lists those there are), or `text` is not of its type or out of range.
    """
    return _replace(settings, path.split("."), text, path)


def _replace(settings: Any, names: list[str], text: str, path: str) -> Any:
    name, rest = names[0], names[1:]
    prefix = path.split(".")[: len(path.split(".")) - len(names)]
    own = field_names(settings) if dataclasses.is_dataclass(settings) else []
    valid = [".".join([*prefix, n]) for n in own]
    wanted = ".".join([*prefix, name])
    if wanted not in valid:
        near = difflib.get_close_matches(wanted, valid, n=1)
        raise ConfigError(
            f"there is no setting '{path}'", where="--set",
            do=(f"did you mean {near[0]}? " if near else "")
            + (f"valid: {', '.join(valid)}" if valid else f"'{'.'.join(prefix)}' has no settings of its own"))
    if rest:
        value = _replace(getattr(settings, name), rest, text, path)
    else:
        value = _parse(text, fields.annotation(type(settings), name), path, getattr(settings, name))
    if isinstance(settings, nn.Module):
        return settings.clone(**{name: value})  # type: ignore[arg-type]
    return dataclasses.replace(settings, **{name: value})  # type: ignore[type-var]


def _parse(text: str, hint: Any, path: str, old: Any):
    try:
        return fields.conform(_read(text, hint), hint, path)
    except fields.Unfit as error:
        raise ConfigError(f"{path} is {error.found}", where=f"--set {path}={text}", do=f"use {error.wanted}") from None
    except (ValueError, SyntaxError, TypeError):
        pass
    if dataclasses.is_dataclass(old) or callable(old):
        names = field_names(old) if dataclasses.is_dataclass(old) else []
        raise ConfigError(f"{path} cannot be given as text", where=f"--set {path}={text}",
                          do=f"set its fields: {', '.join(f'{path}.{n}' for n in names)}" if names
                          else "set it in the experiment file")
    raise ConfigError(f"'{text}' is not a value of {path}", where=f"--set {path}={text}",
                      do=f"give {fields.words(hint)}, like the present {old!r}")


def _read(text: str, hint: Any):
    """Value of type `hint` that `text` spells; ValueError where it spells none."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _read(text, args[0])
    if origin in (typing.Union, types.UnionType):
        if type(None) in args and text.lower() == "none":
            return None
        return _first(text, [a for a in args if a is not type(None)])
    if origin is typing.Literal:
        return next(a for a in args if str(a) == text) if text in map(str, args) else _refuse(text)
    if origin is tuple:
        if text.startswith("("):
            return _checked(ast.literal_eval(text), hint)
        parts = [p for p in text.split(",") if p]
        kinds = [args[0]] * len(parts) if args[-1:] == (...,) else list(args)
        return tuple(_read(p, k) for p, k in zip(parts, kinds, strict=True))
    if hint is bool:
        return text.lower() == "true" if text.lower() in ("true", "false") else _refuse(text)
    if hint in (int, float, str, Path):
        return hint(text)
    return _refuse(text)


def _first(text: str, hints: list):
    for hint in hints:
        try:
            return _read(text, hint)
        except (ValueError, SyntaxError, TypeError):
            continue
    return _refuse(text)


def _checked(value: Any, hint: Any):
    """`value` of a literal, if it is of the (nested tuple) type `hint`."""
    hint = typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and isinstance(value, tuple):
        kinds = [args[0]] * len(value) if args[-1:] == (...,) else list(args)
        return tuple(_checked(v, k) for v, k in zip(value, kinds, strict=True))
    if hint is float and type(value) is int:
        return float(value)
    return value if isinstance(hint, type) and type(value) is hint else _refuse(repr(value))


def _refuse(text: str):
    raise ValueError(text)


def describe(value: Any) -> Any:
    """`value` as what JSON can hold: dataclasses and modules by their class and fields, functions by name."""
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return f"{plain_module(value.__module__)}.{value.__qualname__}"
    if isinstance(value, functools.partial):
        return {"function": describe(value.func), "args": describe(value.args), **describe(value.keywords)}
    if dataclasses.is_dataclass(value):
        return {"class": type(value).__name__, **{n: describe(getattr(value, n)) for n in field_names(value)}}
    if isinstance(value, dict):
        return {str(k): describe(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [describe(v) for v in value]
    if isinstance(value, enum.Enum):
        return value.name
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def completed(old: Any, new: Any) -> tuple[Any, list[str]]:
    """A description that an earlier version wrote, with the settings that there were none of then.

    Args:
      old: description, or what stands in a file instead of one.
      new: settings, or dicts and tuples of them, that `old` is to be held against.
    Returns:
      `old` with what it lacks of `new`, as far as that stands at its default; and the paths of what was added.
    """
    added: list[str] = []
    return _complete(old, new, "", added), added


def _complete(old: Any, new: Any, path: str, added: list[str]) -> Any:
    def inner(item: Any, value: Any, name: Any) -> Any:
        return _complete(item, value, f"{path}.{name}" if path else str(name), added)

    if isinstance(old, list) and isinstance(new, tuple | list) and len(old) == len(new):
        return [inner(item, value, place) for place, (item, value) in enumerate(zip(old, new, strict=True))]
    if not isinstance(old, dict):
        return old
    if isinstance(new, dict):
        return {name: inner(item, new[name], name) if name in new else item for name, item in old.items()}
    if not dataclasses.is_dataclass(new):
        return old
    result = dict(old)
    for name in field_names(new):
        value = getattr(new, name)
        if name in old:
            result[name] = inner(old[name], value, name)
        elif _is_default(new, name):
            result[name] = describe(value)
            added.append(f"{path}.{name}" if path else name)
    return result


def _is_default(settings: Any, name: str) -> bool:
    field = next(field for field in dataclasses.fields(settings) if field.name == name)
    if field.default_factory is not dataclasses.MISSING:
        return describe(getattr(settings, name)) == describe(field.default_factory())
    return field.default is not dataclasses.MISSING and describe(getattr(settings, name)) == describe(field.default)


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Where two descriptions differ, one `path: old, now new` each."""
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new) and any(
            isinstance(item, dict) for item in new):  # settings, not values
        old, new = dict(enumerate(old)), dict(enumerate(new))
    if isinstance(old, dict) and isinstance(new, dict):
        return [line for key in sorted(old.keys() | new.keys())
                for line in differences(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))]
    return [] if old == new else [f"{path}: {old!r}, now {new!r}"]


def at(settings: Any, path: str) -> Any:
    """The setting at a dotted path."""
    return functools.reduce(getattr, path.split("."), settings)


def replaced(settings: T, changes: typing.Mapping[str, Any]) -> T:
    """`settings` with other values at dotted paths."""
    own = {name: value for name, value in changes.items() if "." not in name}
    within: dict[str, dict[str, Any]] = {}
    for path, value in changes.items():
        name, _, rest = path.partition(".")
        if rest:
            within.setdefault(name, {})[rest] = value
    own |= {name: replaced(getattr(settings, name), inner) for name, inner in within.items()}
    if isinstance(settings, nn.Module):
        return settings.clone(**own)  # type: ignore[arg-type]
    return dataclasses.replace(settings, **own)  # type: ignore[type-var]
