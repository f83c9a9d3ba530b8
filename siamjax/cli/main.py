"""`siamjax COMMAND`: parses, calls, and turns errors into one line and an exit status (DESIGN 5)."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import jax
import tyro
from PIL import Image

from siamjax.cli.convert import convert
from siamjax.cli.doctor import doctor
from siamjax.cli.embed import embed
from siamjax.cli.evaluate import evaluate
from siamjax.cli.match import match
from siamjax.cli.models import models
from siamjax.cli.track import track
from siamjax.cli.train import train
from siamjax.cli.tune import tune
from siamjax.cli.verify import verify
from siamjax.cpu import tune_cpu
from siamjax.errors import SiamjaxError

COMMANDS = {"track": track, "train": train, "evaluate": evaluate, "tune": tune, "convert": convert,
            "embed": embed, "match": match, "verify": verify, "models": models, "doctor": doctor}


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line; returns its exit status: 0, 2 for an error, 130 for Ctrl-C."""
    tune_cpu()
    use_compilation_cache()
    warnings.showwarning = _one_line
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is lower, and an error
    try:
        tyro.extras.subcommand_cli_from_dict(COMMANDS, args=arguments, prog="siamjax",
                                             description=sys.modules["siamjax"].__doc__)
    except SiamjaxError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; what was done is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output went away, e.g. `| head`
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SystemExit as stop:  # tyro: 0 after --help, 2 for a command line it cannot read
        return stop.code if isinstance(stop.code, int) else 2
    return 0


def use_compilation_cache() -> None:
    """Keeps compiled programs between runs, in the user's cache folder where it can be written."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    with contextlib.suppress(OSError):
        folder = base / "siamjax" / "xla"
        folder.mkdir(parents=True, exist_ok=True)
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def _one_line(message, category, filename, lineno, file=None, line=None) -> None:
    """Warnings as people read them, without the place in the code."""
    print(f"warning: {message}", file=sys.stderr)


def main() -> None:
    sys.exit(run())


if __name__ == "__main__":
    main()
