"""`siamjax COMMAND`: parses, calls, and turns errors into one line and an exit status."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence

from siamjax import stopping
from siamjax.cli import surroundings
from siamjax.errors import SiamjaxError

COMMANDS = ("track", "train", "evaluate", "tune", "convert", "embed", "match", "verify", "inspect", "prepare",
            "export", "models", "doctor")
STOPPED = "stopped; what was done is kept"
JOINING = {"--hosts", "--coordinator"}  # of `train`: JAX must not look for devices before the processes have met


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line; returns its exit status: 0, 2 for an error, 130 where it was asked to stop."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        with stopping.requests():
            commands = load_commands(arguments)
            warnings.showwarning = _one_line
            if not JOINING & {argument.partition("=")[0] for argument in arguments}:
                surroundings.check_platforms()
            surroundings.use_compilation_cache()
            status = _call(commands, arguments)
            sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        _say(STOPPED)
        return stopping.STATUS
    except BrokenPipeError:  # the reader of our output went away, e.g. `| head`
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (SiamjaxError, OSError, MemoryError) as error:
        _say(f"error: {surroundings.explained(error)}")
        return 2
    except RuntimeError as error:
        if not surroundings.is_short_of_memory(error):
            raise
        _say(f"error: {surroundings.explained(error)}")
        return 2


def load_commands(arguments: Sequence[str]) -> dict[str, Callable]:
    """The function of the command that is called, or of all; loading them takes seconds, in which a stop is a stop."""
    called = [name for name in arguments[:1] if name in COMMANDS]
    return {name: getattr(importlib.import_module(f"siamjax.cli.{name}"), name) for name in called or COMMANDS}


def _call(commands: dict[str, Callable], arguments: Sequence[str]) -> int:
    import tyro
    from PIL import Image

    from siamjax.cpu import tune_cpu

    tune_cpu()
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is lower, and an error
    try:
        if len(commands) == 1:
            [(name, command)] = commands.items()
            tyro.cli(command, args=arguments[1:], prog=f"siamjax {name}")
        else:
            tyro.extras.subcommand_cli_from_dict(commands, args=arguments, prog="siamjax",
                                                 description=sys.modules["siamjax"].__doc__)
    except SystemExit as stop:  # tyro: 0 after --help, 2 for a command line it cannot read
        return stop.code if isinstance(stop.code, int) else 2
    return 0


def _one_line(message, category, filename, lineno, file=None, line=None) -> None:
    """Warnings as people read them, without the place in the code."""
    _say(f"warning: {message}")


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # nobody may be left to read it
        print(line, file=sys.stderr, flush=True)


def main() -> None:
    signals = [number for number in stopping.SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    _handle(signals, _leave)
    surroundings.mend_streams()
    load_commands(sys.argv[1:])
    _handle(signals, _go_on)  # until and after `run`, which has its own: what it says at its end is not cut off
    status = run()
    if status:
        # Whatever was on its way when the work ended still runs on XLA's threads, and those must not see Python end:
        # it could be a segmentation fault.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(status)
    _handle(signals, signal.SIG_DFL)


def _handle(signals: Sequence[int], how) -> None:
    for number in signals:
        signal.signal(number, how)


def _go_on(number, frame) -> None:
    """Lets the few lines end that are left; not SIG_IGN, which would pass for the wish of who started the program."""


def _leave(number, frame) -> None:
    """Ends the program while it loads, when nothing is made yet: no traceback out of the imports."""
    _say("stopped; nothing was done")
    os._exit(stopping.STATUS)


if __name__ == "__main__":
    main()
