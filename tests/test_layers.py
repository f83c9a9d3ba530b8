"""Imports point one way."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import siamjax

ROOT = Path(siamjax.__file__).parent
# `outputs` writes files whole or not at all: evaluation, training, weights and the command line all do.
# `stopping` is asked by every long loop whether it may go on.
BASE = {"types", "errors", "precision", "rngs", "outputs", "settings", "stopping", "fields",
        "user_code"}
TOOLS = {"ops", "nets", "trackers", "weights", "data"}
MAY_IMPORT = {"ops": set(), "nets": {"ops"}, "trackers": {"ops", "nets"}, "weights": {"ops", "nets", "trackers"},
              "data": {"ops"}, "training": TOOLS, "evaluation": TOOLS}


def siamjax_imports(path: Path) -> set[str]:
    """First-level names of the package that a file imports, at any depth of its code."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            modules = [node.module] if node.module != "siamjax" else [f"siamjax.{a.name}" for a in node.names]
        else:
            continue
        found |= {m.split(".")[1] if "." in m else "siamjax" for m in modules if m and m.split(".")[0] == "siamjax"}
    return found


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_layer_imports_only_what_it_may(layer):
    files = list((ROOT / layer).rglob("*.py"))
    assert files
    for path in files:
        bad = siamjax_imports(path) - MAY_IMPORT[layer] - BASE - {layer}
        assert not bad, f"{path.relative_to(ROOT)}: '{layer}' may not import {sorted(bad)}"


@pytest.mark.parametrize("name", sorted(BASE))
def test_base_imports_only_base(name):
    assert siamjax_imports(ROOT / f"{name}.py") <= BASE


def test_ops_know_no_flax_modules_and_trackers_no_files():
    for path in (ROOT / "ops").rglob("*.py"):
        assert "flax" not in path.read_text(), f"{path.name}: operators have no parameters"


def test_the_check_sees_an_import_inside_a_function(tmp_path):
    path = tmp_path / "x.py"
    path.write_text("def f():\n    from siamjax.training import step\n")
    assert siamjax_imports(path) == {"training"}
