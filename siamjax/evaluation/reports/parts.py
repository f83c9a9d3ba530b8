"""What a page is made of; `templates` knows how each part looks."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from markupsafe import Markup
from PIL import Image

from siamjax.evaluation.reports import plots, templates
from siamjax.evaluation.reports.table import Rich


class Part(Protocol):
    """A part of a page: its class attribute `macro` names the macro of `parts.html.j2` that shows it."""

    @property
    def macro(self) -> str: ...


@dataclasses.dataclass(frozen=True)
class Text:
    """A paragraph.

    Attributes:
      text: words.
      quiet: an explanation, in another colour.
    """

    macro = "text"

    text: str
    quiet: bool = True


@dataclasses.dataclass(frozen=True)
class Code:
    """Text as it is, in its lines."""

    macro = "code"

    text: str


@dataclasses.dataclass(frozen=True)
class Entry:
    """A line of a legend: the colour of tracker `index`, a name and a figure."""

    index: int
    name: str
    value: str = ""

    @property
    def swatch(self) -> Markup:
        """A piece of the curve that is meant."""
        return plots.swatch(self.index)


@dataclasses.dataclass(frozen=True)
class Figure:
    """A plot with its legend.

    Attributes:
      title: of the plot.
      said: what else there is to know.
      drawing: SVG of `plots`.
      legend: of its curves.
    """

    title: str
    said: str
    drawing: Markup
    legend: Sequence[Entry]


@dataclasses.dataclass(frozen=True)
class Figures:
    """Plots side by side."""

    macro = "figures"

    figures: Sequence[Figure]


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture with its caption.

    Attributes:
      name: what it shows.
      what: is to be seen there.
      alt: the same for those who cannot see it.
      source: `data:` address; empty for a picture that cannot be shown.
    """

    name: str
    what: str
    alt: str
    source: str


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Pictures side by side."""

    macro = "gallery"

    pictures: Sequence[Picture]


@dataclasses.dataclass(frozen=True)
class Sheet:
    """One large picture: its `data:` address, and words for those who cannot see it."""

    macro = "sheet"

    source: str
    alt: str


@dataclasses.dataclass(frozen=True)
class Folded:
    """Parts that can be folded away under a heading."""

    macro = "folded"

    heading: str
    parts: Sequence[Part]
    is_open: bool = False

    def shown(self) -> list[Markup]:
        """Its parts, as markup."""
        return [templates.part(one) for one in self.parts]


@dataclasses.dataclass(frozen=True)
class Section:
    """Parts under a heading."""

    heading: str
    parts: Sequence[Part]


@dataclasses.dataclass(frozen=True)
class Page:
    """One page that needs nothing else, legible on light and on dark, without a script.

    Attributes:
      title: of the page.
      rule: by which its figures are made.
      facts: by name.
      sections: one below the other.
      foot: paragraphs at the end.
    """

    title: str
    rule: str
    facts: Mapping[str, object]
    sections: Sequence[Section]
    foot: Sequence[str]

    def to_html(self) -> str:
        """The page, as text."""
        return templates.page(self)


def named(index: int, name: str) -> Rich:
    """A tracker's name after a piece of its curve."""
    return Rich(name, Markup("{}{}").format(plots.swatch(index), name))


def below(text: str, indent: str = "  ") -> Rich:
    """The head of a row that belongs to the one above."""
    return Rich(f"{indent}{text}", Markup('<span class="quiet">{}</span>').format(text))


def made_by(records: Mapping[str, object]) -> list[Part]:
    """How things were made: a record by name, each folded."""
    return [Folded(name, [Code(json.dumps(record, indent=2))]) for name, record in records.items()]


def jpeg(pixels: np.ndarray) -> str:
    """The `data:` address of a picture `[h, w, 3]` uint8."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def png(content: bytes) -> str:
    """The `data:` address of a PNG."""
    return "data:image/png;base64," + base64.b64encode(content).decode()
