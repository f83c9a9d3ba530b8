"""What a package index and an installation get: a README that stands alone, true dependencies, no warnings of ours."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
HATCH = PROJECT["tool"]["hatch"]
LINK = re.compile(r"\]\(([^)\s]+)\)")
OPTIONAL = {"torch"}  # imported by `convert` when a file needs it, and said so when it is missing


def description():
    """The README as the index shows it."""
    text = (ROOT / "README.md").read_text()
    for rule in HATCH["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        text = re.sub(rule["pattern"], rule["replacement"], text)
    return text


def test_description_has_no_link_that_an_index_cannot_follow():
    assert [target for target in LINK.findall(description()) if not target.startswith("https://")] == []
    assert "![" not in description()
    assert "training (`docs/train.md`)" in description()  # the words stay, and where to look


def test_files_that_the_readme_names_are_in_the_source_distribution():
    inside = HATCH["build"]["targets"]["sdist"]["only-include"]
    names = [target.split("#")[0] for target in LINK.findall((ROOT / "README.md").read_text()) if ":" not in target]
    assert names
    assert [name for name in names if name.split("/")[0] not in inside] == []
    assert "README.md" in inside  # the build reads it


def test_every_package_that_is_imported_is_declared():
    providers = importlib.metadata.packages_distributions()
    declared = {re.match(r"[\w-]+", line)[0].lower().replace("_", "-") for line in PROJECT["project"]["dependencies"]}
    undeclared = {}
    for path in (ROOT / "siamjax").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else \
                [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for top in {name.split(".")[0] for name in names if name}:
                if top in sys.stdlib_module_names or top == "siamjax" or top in OPTIONAL:
                    continue
                if declared.isdisjoint(name.lower().replace("_", "-") for name in providers.get(top, [top])):
                    undeclared[top] = str(path.relative_to(ROOT))
    assert undeclared == {}


@pytest.mark.parametrize("module", ["siamjax", "siamjax.data.video", "siamjax.training.loop"])
@pytest.mark.parametrize("kind", [DeprecationWarning, PendingDeprecationWarning, FutureWarning])
def test_a_deprecation_that_our_code_causes_is_an_error(kind, module):
    with pytest.raises(kind):
        warnings.warn_explicit("is going", kind, "file.py", 1, module=module)


def test_every_dependency_has_a_lowest_version():
    """`siamjax doctor` compares them with what is installed; docs/compatibility.md says how to install exactly them."""
    assert [line for line in PROJECT["project"]["dependencies"] if ">=" not in line] == []
