"""Odd places to run in: no home, no account, closed streams, no space, odd names. It works, or says one line."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from siamjax.cli import surroundings

posix = pytest.mark.skipif(os.name != "posix", reason="of POSIX systems")
LATIN = os.fsdecode(b"caf\xe9")

NO_ACCOUNT = ("os.environ.pop('XDG_CACHE_HOME'); os.environ.pop('HOME', None)\n"
              "import pwd\ndef nobody(*a): raise KeyError('uid not found')\npwd.getpwuid = nobody\n")
WORKS = {  # several at a time: each is a whole run
    "no home, closed stdin, no folder for temporary files, strict umask, no terminal": (
        "os.environ.pop('XDG_CACHE_HOME'); os.environ.pop('HOME', None); "
        "os.close(0); sys.stdin = None; os.umask(0o077); "
        "os.environ.update(TMPDIR='/nonexistent', COLUMNS='0', LINES='-1', TERM='')"),
    "a user without an account, closed stderr": NO_ACCOUNT + "os.close(2); sys.stderr = None",
    "a relative cache, closed stdout": (
        "os.environ.update(XDG_CACHE_HOME='cache', HOME='/dev/null'); os.close(1); sys.stdout = None"),
    "a cache that cannot be written, all streams closed": (
        "os.environ['XDG_CACHE_HOME'] = '/proc'; os.closerange(0, 3); sys.stdin = sys.stdout = sys.stderr = None"),
    "a stdout of ASCII, columns that are words, hung up": (
        "sys.stdout.reconfigure(encoding='ascii', errors='strict'); os.environ.update(COLUMNS='many'); "
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); signal.raise_signal(signal.SIGHUP)"),
}
ONE_LINE = {
    "a GPU that is not there": ("os.environ['JAX_PLATFORMS'] = 'cuda'; "
                                "import jax; jax.config.update('jax_platforms', 'cuda')", "there is: cpu"),
    "a TPU after a GPU": ("os.environ['JAX_PLATFORMS'] = 'cuda,tpu'; "
                          "import jax; jax.config.update('jax_platforms', 'cuda,tpu')", "there is: cpu"),
    "an unknown platform": ("os.environ['JAX_PLATFORMS'] = 'quantum'; "
                            "import jax; jax.config.update('jax_platforms', 'quantum')", "there is: cpu"),
    "a stdout that is full": ("os.dup2(os.open('/dev/full', os.O_WRONLY), 1)", "No space left"),
    "few open files": ("import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (5, 5))", "Too many open files"),
    "no memory": ("import siamjax.cli.track as c\ndef short(*a, **k): raise MemoryError\nc.load_tracker = short",
                  "memory ran out"),
    "no memory of JAX": ("import siamjax.cli.track as c\ndef short(*a, **k): raise RuntimeError("
                         "'RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes')\nc.load_tracker = short",
                         "memory ran out"),
}
QUICK = ("a cache that cannot be written, all streams closed",)
WHOLE_RUNS = ("a stdout that is full",)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of pictures whose name is no text."""
    root = tmp_path_factory.mktemp("place")
    (root / LATIN / "img").mkdir(parents=True)
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (96, 128, 3), np.uint8)
        Image.fromarray(pixels).save(root / LATIN / f"img/{number}.png")
    (root / LATIN / "groundtruth.txt").write_text("40,30,32,32\n" * 3)
    return root


@pytest.fixture
def tracked(run_forked, place, model, tmp_path):
    """Runs `siamjax track` in odd surroundings."""
    def run(before, output):
        return run_forked(["track", place / LATIN, "--model", model, "--no-video", "--output", output],
                          environment={"XDG_CACHE_HOME": str(tmp_path)}, before=before)

    return run


@posix
@pytest.mark.parametrize("name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow)
                                  for name in WORKS])
def test_it_works(name, tracked, tmp_path):
    output = tmp_path / LATIN
    status, out, err = tracked(f"import os, sys\nos.chdir({str(tmp_path)!r})\n{WORKS[name]}", output)
    assert (status, err) == (0, "")
    assert sorted(path.name for path in output.iterdir()) == ["source.txt", "tracks.csv"]
    table = (output / "tracks.csv").read_text()  # nothing that was printed is in it
    assert len(table.splitlines()) == 4
    assert table.startswith("frame,target,")
    assert not (tmp_path / "cache").exists()
    if "closed stdout" not in name and "all streams" not in name:
        assert "wrote " in out
        assert "caf\\udce9" in out


@posix
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow if name in WHOLE_RUNS else [])
                                  for name in ONE_LINE])
def test_it_says_one_line(name, tracked, tmp_path):
    before, says = ONE_LINE[name]
    status, _, err = tracked(f"import os, sys\n{before}", tmp_path / "out")
    assert status == 2, err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert says in err
    assert not (tmp_path / "out").exists() or says == "No space left"  # the table is whole by then


def test_errors_of_the_system_have_three_parts():
    for error in (OSError(24, "Too many open files"), PermissionError(13, "Permission denied", "/x"), OSError("odd"),
                  MemoryError(), RuntimeError("Out of memory\nmore")):
        assert surroundings.explained(error).count("\n") == 0
        assert "(" in surroundings.explained(error)
        assert "): " in surroundings.explained(error)


@posix
@pytest.mark.slow
def test_evaluate_reads_and_writes_folders_whose_names_are_no_text(run_forked, place, model, tmp_path):
    data = tmp_path / f"data {LATIN}"
    shutil.copytree(place / LATIN, data / "one")
    output = tmp_path / f"out {LATIN}"
    locked = "import os\nos.environ.update(LANG='C', LC_ALL='C', MPLCONFIGDIR='/proc')"  # no folder for matplotlib
    status, out, err = run_forked(["evaluate", "--data", data, "--model", model, "--output", output],
                                  environment={"XDG_CACHE_HOME": str(tmp_path)}, before=locked)
    assert (status, "Traceback" in err) == (0, False), err
    assert "report: " in out
    page = (output / "report.html").read_text(encoding="utf-8")
    assert page.rstrip().endswith("</html>")


@posix
def test_a_sequence_whose_name_is_no_text_is_refused_before_anything_is_written(run_forked, place, model, tmp_path):
    status, _, err = run_forked(["evaluate", "--data", place, "--model", model, "--output", tmp_path / "out"])
    assert (status, err.count("\n")) == (2, 1), err
    assert err.startswith("error: ")
    assert "caf\\udce9" in err
    assert not (tmp_path / "out").exists()
