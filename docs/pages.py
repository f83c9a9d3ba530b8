"""Pages of the site that no file in `docs/` holds: the README, and the reference from the docstrings of the faces."""

from __future__ import annotations

import ast
import logging
import pkgutil
import re
from pathlib import Path

from mkdocs.structure.files import File
from pygments.formatters import HtmlFormatter

LOG = logging.getLogger("mkdocs.hooks.pages")
ROOT = Path(__file__).resolve().parents[1]
WHOLE = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changes.md"}
FIRST = ("track.md", "train.md", "own_data.md", "prepare.md", "evaluate.md", "convert.md", "backbones.md", "siamese.md")
FACES = ("siamjax", "siamjax.nets", "siamjax.trackers", "siamjax.data", "siamjax.training", "siamjax.evaluation",
         "siamjax.weights")
STYLE = """
div.highlight { border: none; padding: 0 }
.wy-nav-content { max-width: 1000px }
.rst-content table td, .rst-content table th { white-space: normal !important }
"""
REMOTE = re.compile(r"<(?:link|script|img|iframe)\b[^>]*\b(?:src|href)=[\"']?(?:https?:)?//[^>]*>")
BASE = ("siamjax.errors", "siamjax.types", "siamjax.precision")


def on_config(config):
    """The order of the pages; a new one in `docs/` stands behind those that are named here."""
    guides = [page.name for page in sorted((ROOT / "docs").glob("*.md"))]
    guides = [*FIRST, *(page for page in guides if page not in FIRST)]
    config.nav = ["index.md", *guides, "contributing.md", "changes.md",
                  {"Reference": [page_of(name) for name in (*FACES, *BASE)]},
                  {"Operators": [page_of(name) for name in modules("siamjax.ops")]}]
    return config


def on_files(files, config):
    """Adds the generated pages, and the colours of the code."""
    texts = {page: (ROOT / name).read_text() for name, page in WHOLE.items()}
    texts |= {page_of(face): face_page(face) for face in FACES}
    texts |= {page_of(name): f"# {name}\n\n{reference(name, heading=False)}"
              for name in (*BASE, *modules("siamjax.ops"))}
    texts["style.css"] = HtmlFormatter().get_style_defs(".highlight") + STYLE
    for path, text in texts.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown, page, **_):
    """Links between the pages of the site in place of those between the files of the repository."""
    for name, target in WHOLE.items():
        markdown = re.sub(rf"\]\((?:\.\./)?{re.escape(name)}", f"]({target}", markdown)
    return markdown.replace("](docs/", "](") if page.file.src_uri in WHOLE.values() else markdown


def on_post_page(output, page, **_):
    """A page that is opened loads nothing from the net."""
    for tag in REMOTE.findall(output):
        LOG.warning("%s loads from the net: %s", page.file.src_uri, tag)
    return output


def page_of(module: str) -> str:
    return f"reference/{module}.md"


def face_page(face: str) -> str:
    docstring, names = read(face)
    if not names:
        LOG.warning("%s exports nothing", face)
    summary = docstring.partition("\n\n")[0]
    return "\n\n".join([f"# {face}", summary, *(reference(f"{face}.{name}") for name in names)])


def reference(name: str, heading: bool = True) -> str:
    shown = str(heading).lower()
    return f"::: {name}\n    options: {{show_root_heading: {shown}, show_root_toc_entry: {shown}}}\n"


def read(module: str) -> tuple[str, list[str]]:
    """Docstring and `__all__` of a module, without importing it."""
    path = ROOT.joinpath(*module.split("."))
    tree = ast.parse((path / "__init__.py").read_text())
    exported = [ast.literal_eval(node.value) for node in tree.body
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"]
    names = [name for group in exported for name in group if not name.startswith("_")]
    return ast.get_docstring(tree) or "", names


def modules(package: str) -> list[str]:
    folder = ROOT.joinpath(*package.split("."))
    return [f"{package}.{module.name}" for module in pkgutil.iter_modules([str(folder)])]
