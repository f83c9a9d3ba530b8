"""Objects of a user's own, such as an experiment or a protocol, from a Python file or an installed module."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from siamjax.errors import ConfigError, SiamjaxError

T = TypeVar("T")
OF_FILE = re.compile(r"([a-z]+_[^.]+)_[0-9a-f]{8}")  # names of `_of_file`


def load_object(given: str | Path, kind: type[T], default: str, *, what: str) -> T:
    """The object that `FILE.py`, `FILE.py:NAME` or `package.module:NAME` stands for; the code there is run.

    Args:
      given: what the user wrote.
      kind: class that it must be of.
      default: NAME where none is given.
      what: it is, in words, such as "experiment".
    Raises:
      ConfigError: the code is missing or does not run, or the object is missing or of another kind.
    """
    place, name = _split(str(given), default)
    path = Path(place)
    if path.suffix == ".py" or path.exists():
        module = _of_file(path, what)
    elif ":" in str(given) and all(part.isidentifier() for part in place.split(".")):
        module = _of_package(place, what)
    else:
        raise ConfigError(f"there is no such {what} file", where=place,
                          do=f"give the path of a Python file with `{name} = {kind.__name__}(...)`")
    found = getattr(module, name, None)
    if not isinstance(found, kind):
        form = f"def {name}(...)" if kind is Callable else f"{name} = {kind.__name__}(...)"
        raise ConfigError(f"the file has no `{form}`", where=place,
                          do=f"name the {what} `{name}`, or say which with {place}:NAME")
    return found


@contextlib.contextmanager
def called(what: str) -> Iterator[None]:
    """Makes one error, with the place in it, of whatever a user's code raises while it is called.

    Raises:
      ConfigError: of anything but the package's own errors, which stay as they are.
    """
    try:
        yield
    except SiamjaxError:
        raise
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        raise ConfigError(f"{type(error).__name__}: {error}", where=f"{frame.filename}, line {frame.lineno}",
                          do=f"correct the {what}") from error


def plain_module(name: str) -> str:
    """Name of a module without what tells files of one name apart: the same wherever the file lies."""
    found = OF_FILE.fullmatch(name)
    return found[1] if found else name


def _split(given: str, default: str) -> tuple[str, str]:
    place, colon, name = given.rpartition(":")
    return (place, name) if colon and name.isidentifier() and not Path(given).exists() else (given, default)


def _of_file(path: Path, what: str) -> ModuleType:
    if not path.is_file():
        raise ConfigError(f"there is no such {what} file", where=str(path), do="give the path of a Python file")
    # Of two files of one name each has a module of its own.
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    spec = importlib.util.spec_from_file_location(f"{what}_{path.stem}_{digest}", path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"the {what} is no Python file", where=str(path), do="give a file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where the annotations of its classes are looked up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        sys.modules.pop(spec.name)
        if isinstance(error, SiamjaxError):
            raise
        # Whatever a user's file may raise becomes one line with the place in it.
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = getattr(error, "lineno", None) or (frames[-1].lineno if frames else "?")
        raise ConfigError(f"{type(error).__name__}: {error}", where=f"{path}, line {line}",
                          do=f"correct the {what} file") from error
    return module


def _of_package(name: str, what: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except SiamjaxError:
        raise
    except Exception as error:
        raise ConfigError(f"{type(error).__name__}: {error}", where=name,
                          do=f"give an installed module, or the path of the {what} file") from error
