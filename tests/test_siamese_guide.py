"""The commands of docs/siamese.md do what the page says, on photos of drawn objects."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from siamjax.cli.main import run
from siamjax.data.synthetic import SyntheticConfig, make_tracks
from siamjax.weights import embedders

ROOT = Path(__file__).resolve().parents[1]
SHORTER = {"train": ["--steps", "1"], "verify": ["--pairs", "200"]}


def commands() -> list[list[str]]:
    """The words of each command of the guide, in its order."""
    blocks = re.findall(r"^```bash\n(.*?)^```", (ROOT / "docs/siamese.md").read_text(), re.MULTILINE | re.DOTALL)
    lines = (line for line in "".join(blocks).splitlines() if line.startswith("siamjax "))
    return [shlex.split(line, comments=True)[1:] for line in lines]


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """What the guide takes for granted: photos of six objects, a few images beside them, and the experiments."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    names = ("mug", "key", "pen", "cup", "hat", "ball")
    tracks = make_tracks(SyntheticConfig(videos=6, frames=3, objects=1), seed=5)
    for name, track in zip(names, tracks):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(3):
            x, y, w, h = np.maximum(track.boxes[number], 0).astype(int)
            cut = Image.fromarray(track.read(number)[y:y + h, x:x + w])
            cut.save(tmp_path / "photos" / name / f"{number + 1}.jpg")
    (tmp_path / "photos" / "validation.txt").write_text("pen\ncup\nhat\n")
    Image.open("photos/mug/2.jpg").save("a.jpg")
    Image.open("photos/mug/3.jpg").save("b.jpg")
    for name in ("street.jpg", "later.jpg", "star.png"):
        Image.fromarray(tracks[0].read(0)).save(name)


@pytest.mark.slow
def test_the_guide_from_photos_to_a_matcher(photos, capsys):
    said = []
    for words in commands():
        assert run([*words, *SHORTER.get(words[0], [])]) == 0, capsys.readouterr().err
        said.append((words, capsys.readouterr().out))
    pairs = [out for words, out in said if words[0] == "match" and not words[2].endswith(".npz")]
    assert all(re.search(r"^distance   \d\.\d{4} \((cosine|euclidean)\)$", out, re.MULTILINE) for out in pairs)
    assert sum("threshold" in out for out in pairs) >= len(pairs) - 1  # words have none
    found = [out for words, out in said if words[0] == "match" and words[2].endswith(".npz")]
    assert all("/mug/" in out.splitlines()[1] for out in found)  # the nearest to one of its photos is that photo
    assert embedders.load("runs/photos").embedder.config.threshold is not None
    assert embedders.load("mine.safetensors").fingerprint == embedders.load().fingerprint
    assert {path.name for path in Path("report").iterdir()} == {"report.html", "report.json", "embeddings.png"}
