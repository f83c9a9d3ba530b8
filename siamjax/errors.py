"""Errors that a user can cause: each says what, where, and what to do."""

import re

ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")  # of a terminal
LONGEST = 1200  # characters of what is wrong: names from a damaged file have no bound


class SiamjaxError(Exception):
    """Base of all errors the library raises on purpose.

    Args:
      what: what is wrong, with the offending values; what other libraries or a file say in it is made one line.
      where: the file, field or argument it was found in.
      do: what the user should do about it.
    """

    def __init__(self, what: str, where: str, do: str):
        what = one_line(what)
        super().__init__(f"{what} ({one_line(str(where), 5000)}): {do}")
        self.what, self.where, self.do = what, where, do

    def __reduce__(self):
        # Exception pickles its args (the joined message), which would not fit three arguments.
        return type(self), (self.what, self.where, self.do)


class ConfigError(SiamjaxError, ValueError):
    """A setting that is out of range or does not fit another."""


class BoxError(SiamjaxError, ValueError):
    """A box that is not finite, not positive, or outside its frame."""


class SourceError(SiamjaxError, OSError):
    """A video, folder or image that cannot be read."""


class DataError(SiamjaxError, ValueError):
    """A data set or annotation file that does not hold what it should."""


class WeightsError(SiamjaxError, ValueError):
    """A weight or checkpoint file of the wrong kind, model or shape."""


class OutputError(SiamjaxError, OSError):
    """An output folder that cannot be written."""


class TrainingError(SiamjaxError, RuntimeError):
    """A training that cannot go on."""


def one_line(text: str, longest: int = LONGEST) -> str:
    """Text of any origin as one line of at most `longest` characters, without a terminal's escapes."""
    text = " ".join(ESCAPES.sub("", text[:4 * longest]).split())
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return text if len(text) <= longest else text[:longest - 3] + "..."
