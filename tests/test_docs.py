"""The guides' code runs, and the README's commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from siamjax.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
GUIDES = sorted((ROOT / "docs").glob("*.md"))


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("guide", [g for g in GUIDES if blocks(g, "python")], ids=lambda g: g.stem)
def test_python_of_a_guide_runs_from_top_to_bottom(guide, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(blocks(guide, "python")), guide.name, "exec"), {})


@pytest.mark.parametrize("page", [ROOT / "README.md", *GUIDES], ids=lambda p: p.stem)
def test_commands_that_a_page_shows_exist(page):
    shown = re.findall(r"^siamjax (\w+)", "\n".join(blocks(page, "bash")), re.MULTILINE)
    assert set(shown) <= set(COMMANDS)


@pytest.mark.parametrize("page", [ROOT / "README.md", *GUIDES], ids=lambda p: p.stem)
def test_links_of_a_page_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name}: {target}"
