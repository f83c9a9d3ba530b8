"""What a command meets around it: streams, a cache folder, devices, and limits of the system."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import warnings
from pathlib import Path

from siamjax.errors import ConfigError, SiamjaxError

# What the system says when it gives no more, and what a user may do about it.
LIMITS = {errno.EMFILE: "raise `ulimit -n`", errno.ENFILE: "close other programs", errno.ENOMEM: "close other programs",
          errno.EAGAIN: "raise `ulimit -u` or close other programs", errno.ENOSPC: "make space on the disk",
          errno.EDQUOT: "make space on the disk", errno.EACCES: "choose a place you may use",
          errno.EPERM: "choose a place you may use", errno.EROFS: "choose a place you may use"}
OUT_OF_MEMORY = ("RESOURCE_EXHAUSTED", "out of memory", "Out of memory", "bad_alloc")


def mend_streams() -> None:
    """Opens standard streams that are closed, on nothing, and lets the others write any name of a file.

    Otherwise the next file that is opened would be stdout, and a name that is no text would end the program.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def use_compilation_cache() -> None:
    """Keeps compiled programs between runs, in the user's cache folder where there is one that can be written."""
    import jax

    warnings.filterwarnings("ignore", ".*persistent compilation cache")  # without it all works, only later
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    with contextlib.suppress(OSError, RuntimeError, KeyError):  # users without an account have no home
        base = given if given.is_absolute() else Path.home() / ".cache"
        folder = base / "siamjax" / "xla"
        folder.mkdir(parents=True, exist_ok=True)
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def check_platforms() -> None:
    """Checks that this computer has what JAX_PLATFORMS asks for.

    Raises:
      ConfigError: it has not; says what there is.
    """
    import jax

    asked = os.environ.get("JAX_PLATFORMS")
    if not asked:
        return
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # the latter for a platform without its plugin
        jax.config.update("jax_platforms", None)
        with contextlib.suppress(RuntimeError, AssertionError):
            found = ", ".join(sorted({device.platform for device in jax.devices()}))
            raise ConfigError(f"JAX finds no {asked} here", "JAX_PLATFORMS",
                              f"unset it or set it to what there is: {found}") from error
        raise ConfigError(f"JAX finds no {asked} here", "JAX_PLATFORMS", "unset it") from error


def is_short_of_memory(error: Exception) -> bool:
    """Whether JAX says that memory ran out."""
    return any(sign in str(error) for sign in OUT_OF_MEMORY)


def explained(error: Exception) -> str:
    """What, where and what to do, on one line, also of errors that are the system's and not the package's."""
    if isinstance(error, SiamjaxError):
        said = error
    elif isinstance(error, OSError):
        do = LIMITS.get(error.errno or 0, "check the path and the system's limits")
        said = SiamjaxError(error.strerror or str(error), str(error.filename or "this computer"), do)
    else:
        said = SiamjaxError("memory ran out", "this computer",
                            "close other programs, or give smaller or fewer inputs at a time")
    return " ".join(str(said).split())
