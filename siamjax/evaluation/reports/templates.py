"""Pages and their parts from the templates in `assets/pages`: every value is escaped unless it is `Markup`."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


@functools.cache
def _environment() -> Environment:
    found = Environment(loader=PackageLoader("siamjax", "assets/pages"), autoescape=True, undefined=StrictUndefined,
                        trim_blocks=True, lstrip_blocks=True)
    found.globals["style"] = Markup((resources.files("siamjax") / "assets" / "report.css").read_text(encoding="utf-8"))
    return found


def part(found: Any) -> Markup:
    """One part of a page, by the macro of `parts.html.j2` that its attribute `macro` names."""
    return getattr(_environment().get_template("parts.html.j2").module, found.macro)(found)


def page(found: Any) -> str:
    """A whole page, whose parts are rendered by `part`."""
    return _environment().get_template("page.html.j2").render(page=found, part=part)
