"""The versions that siamjax declares it needs, against those that are installed."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement

from siamjax.errors import ConfigError


def requirements() -> Iterator[tuple[str, Requirement]]:
    """`(name, requirement)` of Python and of every package that siamjax needs here, extras left out."""
    try:
        about = metadata.metadata("siamjax")
    except metadata.PackageNotFoundError:  # run from its source
        yield "siamjax", Requirement("siamjax")
        return
    yield "python", Requirement(f"python{about['Requires-Python'] or ''}")
    for line in metadata.requires("siamjax") or ():
        wanted = Requirement(line)
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
            yield wanted.name, wanted


def check_version(wanted: Requirement) -> str:
    """The version that is installed of what is wanted.

    Raises:
      ConfigError: it is not installed, or not in that version.
    """
    mend = f"pip install --upgrade '{wanted.name}{wanted.specifier}'"
    try:
        found = platform.python_version() if wanted.name == "python" else metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        raise ConfigError("it is not installed", f"siamjax needs {wanted.name}{wanted.specifier}", mend) from None
    if not wanted.specifier.contains(found, prereleases=True):
        raise ConfigError(f"{found} is installed", f"siamjax needs {wanted.name}{wanted.specifier}",
                          mend if wanted.name != "python" else "install a newer Python")
    return found
