"""Types and ranges of settings: one walker that holds every value to what its field declares.

A range stands in the annotation: `search_size: Annotated[int, Within(1, 2048)]`. `conform` is asked wherever a
setting comes from outside, from a file (`weights.spec`), a command line (`settings`) or a caller (`check`).
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import numbers
import sys
import types
import typing
from typing import Annotated, Any, Literal

from siamjax.errors import ConfigError

HIDDEN = ("parent", "name")  # fields that linen adds to every module
MOST_VALUES = 64  # of a tuple without a `Length`
LARGEST = 2**31 - 1  # of a whole number without a `Within`


@dataclasses.dataclass(frozen=True)
class Within:
    """Range of a number, both ends included; of a tuple, that of each of its numbers."""

    least: float
    most: float


@dataclasses.dataclass(frozen=True)
class Length:
    """Least and most values of a tuple or characters of a text."""

    least: int
    most: int


# A number that only scales something: it rides in a tracker's state and may change without a compilation.
RIDES = "rides"

# What many layers speak of; the ends are far outside of what any published system has.
Pixels = Annotated[int, Within(1, 2048)]  # side of an image that a net sees
Share = Annotated[float, Within(0, 1)]
Channels = Annotated[int, Within(1, 16384)]
Kernel = Annotated[int, Within(1, 127)]
Stride = Annotated[int, Within(1, 64)]
Depth = Annotated[int, Within(0, 64)]  # layers or blocks one after the other
Factor = Annotated[float, Within(0, 1e6)]
Margin = Annotated[float, Within(0, 8)]  # round a target, as a share of its mean side
Lowering = Literal["auto", "lax", "fast"]  # see `ops.conv`


class Unfit(ValueError):
    """A value that is not what its field declares: `path` within the value, `found`, and `wanted` in words."""

    def __init__(self, path: str, found: str, wanted: str):
        super().__init__(f"{path}: {found}, not {wanted}")
        self.path, self.found, self.wanted = path, found, wanted


def names(settings: Any) -> list[str]:
    """Names of the settings of a dataclass or of a linen module, or of an instance of one."""
    declared = {f.name: f for f in dataclasses.fields(settings) if f.init}
    hidden = HIDDEN if "parent" in declared else ()  # of linen's modules
    return [name for name in declared if name not in hidden]


@functools.cache
def annotation(cls: type, name: str) -> Any:
    """What a class declares of its field `name`, with ranges."""
    owner = next(c for c in cls.__mro__ if name in inspect.get_annotations(c))
    hint = inspect.get_annotations(owner)[name]
    # Only this one field: linen's own annotations do not all resolve.
    one_field = types.SimpleNamespace(__annotations__={name: hint})
    return typing.get_type_hints(one_field, vars(sys.modules[owner.__module__]), include_extras=True)[name]


def limits(cls: type, name: str) -> tuple[Any, ...]:
    """What a class says of its field `name` beside its type: ranges, and `RIDES`."""
    hint = annotation(cls, name)
    return typing.get_args(hint)[1:] if typing.get_origin(hint) is Annotated else ()


def check(settings: Any) -> None:
    """Holds every field of a dataclass to its annotation: for its `__post_init__`.

    Raises:
      ConfigError: of the first that does not fit.
    """
    kind = type(settings)
    for name in names(settings):
        try:
            conform(getattr(settings, name), annotation(kind, name), name)
        except Unfit as error:
            raise ConfigError(f"{error.path} is {error.found}", f"{kind.__name__}.{name}",
                              f"use {error.wanted}") from None


def conform(value: Any, hint: Any, path: str = "value") -> Any:
    """`value` as `hint` declares it: whole numbers as floats where those are wanted, lists as tuples.

    Raises:
      Unfit: it is of another type, not finite or out of range.
    """
    if typing.get_origin(hint) is Annotated:
        kind, *limits = typing.get_args(hint)
        value = _typed(value, kind, path)
        for limit in limits:
            _limit(value, limit, path)
        return _bounded(value, limits, path)
    return _bounded(_typed(value, hint, path), (), path)


def _typed(value: Any, hint: Any, path: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _first(value, args, hint, path)
    if origin is typing.Literal:
        if any(value is a or (type(value) is type(a) and value == a) for a in args):
            return value
    elif origin is tuple:
        if isinstance(value, (tuple, list)):
            return _each(value, args, hint, path)
    elif hint is None or hint is type(None):
        if value is None:
            return value
    elif hint is bool:
        if isinstance(value, bool):
            return value
    elif hint is int:
        if isinstance(value, numbers.Integral) and not isinstance(value, bool):
            return value
    elif hint is float:
        if isinstance(value, numbers.Real) and not isinstance(value, bool):
            return _as_float(value, path)
    elif hint is Any or not isinstance(hint, type) or isinstance(value, hint):  # a Callable too
        return value
    raise Unfit(path, shown(value), words(hint))


def _first(value: Any, hints: tuple, whole: Any, path: str) -> Any:
    """By the first of several hints; where none fits, the complaint of the one that came nearest."""
    nearest = None
    for hint in hints:
        try:
            return conform(value, hint, path)
        except Unfit as error:
            if hint is not type(None) and value is not None:
                nearest = error
    alone = [hint for hint in hints if hint is not type(None)]
    raise nearest if nearest and len(alone) == 1 else Unfit(path, shown(value), words(whole))


def _each(value: Any, args: tuple, hint: Any, path: str) -> tuple:
    kinds = [args[0]] * len(value) if args[-1:] == (...,) else list(args)
    if len(kinds) != len(value):
        raise Unfit(path, shown(value), words(hint))
    return tuple(conform(v, kind, f"{path}[{i}]") for i, (v, kind) in enumerate(zip(value, kinds)))


def _as_float(value: Any, path: str) -> Any:
    try:
        return float(value) if isinstance(value, int) else value
    except OverflowError:
        raise Unfit(path, shown(value), "a number") from None


def _limit(value: Any, limit: Any, path: str) -> None:
    if isinstance(limit, type):
        if not isinstance(value, limit):
            raise Unfit(path, shown(value), words(limit))
    elif value is None or limit == RIDES:
        return
    elif isinstance(limit, Within):
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, tuple):
                _limit(number, limit, path)
            elif not limit.least <= number <= limit.most:  # NaN too
                raise Unfit(path, shown(value), f"{'numbers' if isinstance(value, tuple) else 'a number'} "
                                                f"from {limit.least:g} to {limit.most:g}")
    elif isinstance(limit, Length) and not limit.least <= len(value) <= limit.most:
        raise Unfit(path, f"of {len(value)} values", f"{limit.least} to {limit.most} values")


def _bounded(value: Any, limits: typing.Sequence[Any], path: str) -> Any:
    """What holds of values without a limit of their own: finite numbers, tuples of few."""
    if isinstance(value, tuple):
        if len(value) > MOST_VALUES and not any(isinstance(limit, Length) for limit in limits):
            raise Unfit(path, f"of {len(value)} values", f"{MOST_VALUES} values at most")
    elif isinstance(value, numbers.Integral):
        if abs(int(value)) > LARGEST:
            raise Unfit(path, shown(value), "a smaller number")
    elif isinstance(value, numbers.Real) and not math.isfinite(value):
        raise Unfit(path, shown(value), "a finite number")
    return value


def shown(value: Any) -> str:
    """`value` as a message names it, short."""
    if dataclasses.is_dataclass(value):
        return f"a {type(value).__name__}"
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        text = "a number of very many digits"
    return text if len(text) <= 60 else f"{text[:57]}..."


def words(hint: Any) -> str:
    """What a field takes, for people."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        least = [f" from {a.least:g} to {a.most:g}" for a in args[1:] if isinstance(a, Within)]
        kinds = [a for a in args[1:] if isinstance(a, type)]
        return words(kinds[0] if kinds else args[0]) + "".join(least)
    if origin is typing.Literal:
        return "one of " + ", ".join(map(str, args))
    if origin in (typing.Union, types.UnionType):
        return " or ".join("none" if a is type(None) else words(a) for a in args)
    if origin is tuple:
        return f"{'' if args[-1:] == (...,) else f'{len(args)} '}values with commas between"
    plain = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    return plain.get(hint) or (f"a {hint.__name__}" if isinstance(hint, type) else str(hint))
