"""Imports point one way."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import siamjax
from siamjax import faces

ROOT = Path(siamjax.__file__).parent
# `outputs` writes files whole or not at all: evaluation, training, weights and the command line all do.
# `stopping` is asked by every long loop whether it may go on.
BASE = {"types", "errors", "precision", "rngs", "outputs", "settings", "stopping", "fields",
        "user_code", "faces"}
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


def deep_imports(path: Path, layer: str) -> set[str]:
    """Modules inside of a layer that a file imports, its face left aside."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else \
            [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        found |= {name for name in names if name.startswith(f"siamjax.{layer}.")}
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "cli").glob("*.py")), ids=lambda path: path.stem)
def test_commands_know_the_face_of_the_evaluation_only(path):
    assert deep_imports(path, "evaluation") == set()


# What a folder of the evaluation may know of the others; its own modules besides, and those of `evaluation/` none.
WITHIN = {"metrics": set(), "drawing": set(), "files": {"drawing", "metrics"},
          "reports": {"drawing", "files", "metrics"},
          "protocols": {"drawing", "files", "metrics", "reports", "held_out"}}


@pytest.mark.parametrize("folder", WITHIN)
def test_folders_of_the_evaluation_look_down(folder):
    files = list((ROOT / "evaluation" / folder).glob("*.py"))
    assert files
    for path in files:
        seen = {name.split(".")[2] for name in deep_imports(path, "evaluation")}
        assert seen <= WITHIN[folder] | {folder}, path.name


def test_no_command_and_no_verb_asks_which_protocol_it_is():
    for path in (ROOT / "cli/evaluate.py", ROOT / "evaluation/evaluating.py", ROOT / "evaluation/runner.py"):
        text = path.read_text()
        assert "OnePass" not in text
        assert "VideoObjects" not in text
        assert "if rules" not in text


FACED = ("nets", "trackers", "weights", "data", "training", "evaluation")
FACES = {"siamjax", *(f"siamjax.{package}" for package in FACED)}
SCRIPTS = sorted((ROOT.parent / "scripts").glob("*.py"))
GUIDES = sorted((ROOT.parent / "docs").glob("*.md"))


def imported_modules(code: str) -> set[str]:
    """Modules of the package that names are imported from; `from siamjax.ops import boxes` names a module itself."""
    nodes = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Import | ast.ImportFrom)]
    return {module for node in nodes
            for module in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
            if module.split(".")[0] == "siamjax"}


def behind_faces(code: str) -> set[str]:
    """Modules of a package with a face, and of the command line, that names are imported from."""
    return {module for module in imported_modules(code) - FACES
            if ".".join(module.split(".")[:2]) in FACES | {"siamjax.cli"}}


@pytest.mark.parametrize("path", sorted((ROOT.parent / "experiments").glob("*.py")), ids=lambda path: path.stem)
def test_experiments_import_from_faces_only(path):
    assert imported_modules(path.read_text()) <= FACES


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_guides_import_from_faces_where_there_is_one(path):
    blocks = re.findall(r"^```python\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)
    assert behind_faces("\n".join(blocks)) == set()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_import_from_faces_where_there_is_one(path):
    """Whole modules too: `from siamjax.trackers import loop`."""
    assert behind_faces(path.read_text()) == set()


def test_the_check_sees_what_lies_behind_a_face():
    assert behind_faces("from siamjax.trackers import loop\nfrom siamjax.ops import boxes\nimport siamjax") == set()
    assert behind_faces("def f():\n    from siamjax.data.images import read_image") == {"siamjax.data.images"}
    assert behind_faces("import siamjax.cli.main") == {"siamjax.cli.main"}


@pytest.mark.parametrize("package", sorted(FACES))
def test_faces_hold_what_they_list_and_modules_beside(package):
    face = importlib.import_module(package)
    assert set(face.__all__) == set(faces.homes(package))
    for name in face.__all__:
        assert getattr(face, name) is not None
    assert set(face.__all__) <= set(dir(face))
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        face.nothing  # noqa: B018
    with pytest.raises(ImportError):
        exec(f"from {package} import nothing")


def test_a_face_loads_nothing_before_it_is_used():
    code = (f"import sys, {', '.join(sorted(FACES))};"
            "print(sorted({'jax', 'flax', 'optax', 'numpy', 'grain'} & set(sys.modules)))")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("package", ["siamjax", *(f"siamjax.{name}" for name in (
    "nets", "trackers", "data", "training", "evaluation", "weights"))])
def test_no_name_of_a_face_hides_a_module(package):
    face = importlib.import_module(package)
    assert face.__file__ is not None
    assert not set(face.__all__) & {path.stem for path in Path(face.__file__).parent.glob("*.py")}
