"""Commands killed at random moments and run again: the results of an undisturbed run, and nothing left over."""

from __future__ import annotations

import json
import random
import re
import signal
import time

import jax
import numpy as np
import pytest
from PIL import Image

from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.contrastive import EmbeddingHead, Siamese
from siamjax.nets.embedder import EmbedderConfig
from siamjax.nets.siamfc import SiamFC
from siamjax.ops.views import View
from siamjax.trackers.siamfc import SiamFCConfig, SiamFCTracker
from siamjax.weights import files, zoo

KILLS = 10  # of each command, every other one a SIGTERM
FRAMES = 60
COMMANDS = {
    "track": ["track", "{w}/set/a", "--model", "{w}/tracker.safetensors", "--output", "{out}"],
    "evaluate": ["evaluate", "--data", "{w}/set", "--model", "{w}/tracker.safetensors", "--output", "{out}"],
    "tune": ["tune", "--data", "{w}/set", "--model", "{w}/tracker.safetensors", "--output", "{out}", "--lanes", "1",
             "--grid", "window_influence=0.1,0.2,0.3,0.4,0.5"],
    "embed": ["embed", "{w}/photos", "--model", "{w}/embedder.safetensors", "--output", "{out}/photos.npz"],
    "verify": ["verify", "--data", "{w}/photos", "--model", "{w}/embedder.safetensors", "--output", "{out}",
               "--calibrated", "{out}/new.safetensors", "--pairs", "400"]}
# Seconds that were measured, moments and addresses of pages: all that may differ between two runs.
TIMES = re.compile(rb'("(frames_per_second|seconds|date|time|created|finished)": )[^,\n}]*')


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(0)
    for name in "abc":
        (w / "set" / name / "img").mkdir(parents=True)
        for number in range(FRAMES):
            pixels = rng.integers(0, 256, (96, 128, 3), np.uint8)
            Image.fromarray(pixels).save(w / f"set/{name}/img/{number:04d}.png")
        (w / "set" / name / "groundtruth.txt").write_text("40,30,32,32\n" * FRAMES)
    (w / "set/validation.txt").write_text("a\nb\n")
    for number in range(400):
        (w / f"photos/{number % 20}").mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (48, 48, 3), np.uint8)
        Image.fromarray(pixels).save(w / f"photos/{number % 20}/{number}.png")
    backbone = AlexNet((Stage(4, 11, 8, norm=False, relu=False),), lowering="lax")
    tracker = SiamFCTracker(SiamFC(backbone), SiamFCConfig(num_scales=1))
    params = tracker.net.init(jax.random.key(0), np.zeros((1, 127, 127, 3), np.float32),
                              np.zeros((1, 255, 255, 3), np.float32))
    zoo.save(w / "tracker.safetensors", tracker, params, card="tiny", licence="none")
    view = View(size=31)
    embedder = EmbedderConfig(view, view, exemplar_size=31).build(Siamese(backbone, EmbeddingHead(4)))
    inputs = [np.zeros(view.inputs().shape, view.inputs().dtype)] * 2
    files.save(w / "embedder.safetensors", embedder.net.init(jax.random.key(0), *inputs),
               zoo.metadata_for(embedder, card="tiny", licence="none"))
    return w


@pytest.fixture
def finish(run_forked, world, tmp_path):
    """Runs a command into `tmp_path / name`, killed after some seconds; gives its exit status and what it printed."""
    def run(command, name, after=None, number=signal.SIGKILL):
        arguments = [part.format(w=world, out=tmp_path / name) for part in COMMANDS[command]]
        status, out, err = run_forked(arguments, environment={"XDG_CACHE_HOME": str(world / "cache")}, after=after,
                                      number=number)
        return status, out + err

    return run


def results(folder) -> dict[str, bytes]:
    """Every file below `folder`, hidden ones too; without times and without its own name."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.endswith("_time.txt"):
            content = path.read_bytes().replace(folder.name.encode(), b"OUT")
            if path.suffix == ".html":
                content = b"a page with times in it" if content.rstrip().endswith(b"</html>") else content
            found[str(path.relative_to(folder))] = _npz(path) if path.suffix == ".npz" else TIMES.sub(rb"\1", content)
    return found


def _npz(path) -> bytes:
    with np.load(path) as arrays:
        return b"".join(name.encode() + arrays[name].tobytes() for name in sorted(arrays))


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_killed_at_random_moments_and_run_again_equals_undisturbed(command, finish, tmp_path):
    for name in ("first", "whole"):  # the first one compiles
        begin = time.monotonic()
        status, said = finish(command, name)
        assert status == 0, said
        took = time.monotonic() - begin
    wanted = results(tmp_path / "whole")
    assert wanted
    assert hidden(tmp_path / "whole") == []
    seed = random.randrange(1000)
    chance, statuses, torn = random.Random(seed), [], 0
    for kill in range(KILLS):
        number = signal.SIGTERM if kill % 2 else signal.SIGKILL
        status, said = finish(command, "killed", chance.uniform(0, 1) * took, number)
        statuses.append(status)
        torn += bool(hidden(tmp_path / "killed"))
        assert status in (0, 130 if kill % 2 else -signal.SIGKILL), said
        assert "Traceback" not in said
        for path in (tmp_path / "killed").rglob("*.json"):  # whole, or not there
            json.loads(path.read_text())
    status, said = finish(command, "killed")
    assert status == 0, said
    found = results(tmp_path / "killed")
    print(f"{command}, seed {seed}: {took:.1f} s undisturbed; exit statuses {statuses}; {torn} times with parts left")
    assert hidden(tmp_path / "killed") == []
    assert sorted(found) == sorted(wanted)
    assert {name for name in wanted if found[name] != wanted[name]} == set()


def hidden(folder) -> list[str]:
    return [path.name for path in folder.rglob(".*")]
