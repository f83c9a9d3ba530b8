"""Errors that a user can cause: each says what, where, and what to do."""


class SiamjaxError(Exception):
    """Base of all errors the library raises on purpose.

    Args:
      what: what is wrong, with the offending values.
      where: the file, field or argument it was found in.
      do: what the user should do about it.
    """

    def __init__(self, what: str, where: str, do: str):
        super().__init__(f"{what} ({where}): {do}")
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
