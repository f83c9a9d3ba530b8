"""Ways of evaluating: what is followed, how, and what of it is scored; one file each."""

from __future__ import annotations

from siamjax.errors import ConfigError
from siamjax.evaluation.protocols.base import Protocol
from siamjax.evaluation.protocols.one_pass import OnePass
from siamjax.evaluation.protocols.video_objects import VideoObjects
from siamjax.user_code import load_object

PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in (OnePass(), VideoObjects())}


def find(given: str | Protocol) -> Protocol:
    """The protocol of a name; or that which `FILE.py`, `FILE.py:NAME` or `package.module:NAME` calls `protocol`.

    Raises:
      ConfigError: there is none; lists what there is.
    """
    if isinstance(given, Protocol):
        return _named(given)
    if given in PROTOCOLS:
        return PROTOCOLS[given]
    if given.partition(":")[0].endswith(".py") or ":" in given:
        return _named(load_object(given, Protocol, "protocol", what="protocol"))
    raise ConfigError(f"unknown protocol '{given}'", "--protocol",
                      f"choose one of: {', '.join(PROTOCOLS)}; or give a Python file with `protocol = ...`")


def _named(protocol: Protocol) -> Protocol:
    for name in ("name", "rule"):
        if not isinstance(getattr(protocol, name, None), str):
            raise ConfigError(f"{type(protocol).__name__} has no {name}", "--protocol",
                              f"give the class a text `{name}`: records and reports show it")
    return protocol
