"""Lines of docstrings that describe several arguments or attributes at once, as `x, y: [K] ...`, for griffe to read."""

from __future__ import annotations

import re

import griffe

SEVERAL = re.compile(r"^( +)(\w+(?:, \w+)+)(?=: )", re.MULTILINE)


class SeveralNames(griffe.Extension):
    """Joins such names by spaces that do not break: griffe takes what stands behind an ordinary one for a type."""

    def on_object(self, *, obj: griffe.Object, **_) -> None:
        if obj.docstring:
            obj.docstring.value = SEVERAL.sub(lambda found: found[1] + found[2].replace(" ", "\u00a0"),
                                              obj.docstring.value)
