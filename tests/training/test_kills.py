"""Thirty kills at random moments, some while the disk is full: nothing is lost, and nothing is left behind."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import chex
import pytest

from siamjax.weights import files

KILLS = 30
SETTINGS = ("--set", "epochs=6", "--set", "checkpoint_every=8", "--set", "log_every=4")  # 48 steps
SPEED = ("steps_per_second", "pairs_per_second", "waiting")


@pytest.fixture
def start(experiment_file, data, compiled_once):
    def popen(folder):
        command = [sys.executable, "-c", "from siamjax.cli.main import main; main()", "train", str(experiment_file),
                   "--data", str(data), "--output", str(folder), *SETTINGS]
        return subprocess.Popen(command, env={**os.environ, "XLA_FLAGS": "", "XDG_CACHE_HOME": str(compiled_once)},
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    return popen


def result(folder):
    """Weights and metrics, after a look for leftovers."""
    names = {path.name for path in folder.iterdir()}
    assert names == {"checkpoints", "experiment.json", "metrics.jsonl", "weights.safetensors"}
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"40", "48"}
    assert not [path for path in folder.rglob("*") if "tmp" in path.name or "partial" in path.name]
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return files.load(folder / "weights.safetensors")[0], [
        {name: value for name, value in row.items() if name not in SPEED} for row in rows]


def begun(process, folder, choose):
    """Waits for a moment: any, from the first line of Python on, or one while the training takes its steps."""
    if choose.random() < 0.3:
        time.sleep(choose.uniform(0, 10))
        return
    started = time.time()
    metrics = folder / "metrics.jsonl"
    while process.poll() is None and not (metrics.exists() and metrics.stat().st_mtime > started):
        time.sleep(0.01)
    time.sleep(choose.uniform(0, 4))


def fill(disk, choose):
    """Leaves so much of the disk that a training may begin, and perhaps not end."""
    free = shutil.disk_usage(disk).free - choose.randrange(0, 200 << 10)
    (disk / "filler").write_bytes(bytes(max(free, 0)))


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_killed_thirty_times_it_loses_nothing_and_leaves_nothing_behind(start, tmp_path, small_disk):
    undisturbed = start(tmp_path / "undisturbed")
    assert undisturbed.wait() == 0, undisturbed.stderr.read()
    weights, metrics = result(tmp_path / "undisturbed")
    choose, kills, full, done = random.Random(time.time_ns()), 0, 0, 0
    while kills < KILLS or done == 0:
        folder = (tmp_path if done % 2 else small_disk) / f"out{done}"
        while True:
            crowded = folder.parent == small_disk and kills < KILLS and choose.random() < 0.5
            if crowded:
                fill(small_disk, choose)
            process = start(folder)
            if kills < KILLS:
                begun(process, folder, choose)
                process.send_signal(signal.SIGKILL)
            _, said = process.communicate()
            (small_disk / "filler").unlink(missing_ok=True)
            kills += process.returncode == -signal.SIGKILL
            if process.returncode == 0:
                break
            if process.returncode != -signal.SIGKILL:
                assert crowded, said
                assert process.returncode == 2, said
                assert "Traceback" not in said
                assert [line for line in said.splitlines() if "error" in line] == said.splitlines()[-1:]
                full += 1
        done += 1
        got = result(folder)
        chex.assert_trees_all_equal(got[0], weights)
        assert got[1] == metrics
        print(f"{kills} kills and {full} full disks in {done} trainings", flush=True)
        shutil.rmtree(folder)
