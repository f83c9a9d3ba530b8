"""Names in docstrings and comments that say where something is stand for something that is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = "ops|nets|trackers|weights|data|training|evaluation|cli"
NAMED = re.compile(rf"`((?:siamjax\.)?(?:{LAYERS})\.(?!safetensors)[A-Za-z_][\w.]*)`")
FILE = re.compile(r"\b((?:siamjax|docs|tests|scripts)/[\w./-]+\.(?:py|md|json))")


def is_there(name: str) -> bool:
    """Whether a dotted name is a module of the package, or something at the top of one."""
    place, parts = ROOT / "siamjax", name.removeprefix("siamjax.").split(".")
    while parts and (place / parts[0]).is_dir():
        place /= parts.pop(0)
    if not parts:
        return True
    file = place / f"{parts[0]}.py"
    inside = parts[1:] if file.is_file() else parts
    if not inside:
        return True
    text = (file if file.is_file() else place / "__init__.py").read_text()
    tops = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            tops.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            tops.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            tops |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return inside[0] in tops


@pytest.mark.parametrize("layer", [*LAYERS.split("|"), ""])
def test_what_a_text_names_is_there(layer):
    folder = ROOT / "siamjax" / layer
    missing = []
    for path in folder.rglob("*.py") if layer else folder.glob("*.py"):
        text = path.read_text()
        missing += [(path.name, name) for name in NAMED.findall(text) if not is_there(name)]
        missing += [(path.name, name) for name in FILE.findall(text) if not (ROOT / name).exists()]
    assert missing == []


def test_the_check_sees_what_is_missing():
    assert all(map(is_there, ["ops.crops", "ops.crops.window", "nets.AlexNet"]))
    assert not any(map(is_there, ["ops.nothing", "ops.crops.nothing"]))
