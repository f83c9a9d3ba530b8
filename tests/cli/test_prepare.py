"""`siamjax prepare`: killed and run again it makes the same bytes; a mistake is one line and exit status 2."""

from __future__ import annotations

import random
import signal
import time

import numpy as np
import pytest
from PIL import Image

from siamjax.cli.main import run

FRAMES = 60


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    root = tmp_path_factory.mktemp("videos") / "set"
    rng = np.random.default_rng(0)
    for name in "ab":
        (root / name / "img").mkdir(parents=True)
        for number in range(FRAMES):
            Image.fromarray(rng.integers(0, 256, (96, 128, 3), np.uint8)).save(root / f"{name}/img/{number:04d}.jpg")
        (root / name / "groundtruth.txt").write_text("40,30,32,32\n" * FRAMES)
    (root / "validation.txt").write_text("b\n")
    return root


def content(folder) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_random_moments_and_run_again_equals_undisturbed(kills, run_forked, videos, tmp_path):
    def finish(name, **how):
        options = ["--form", "crops", "--records", 5, "--threads", 2, "--output", tmp_path / name]
        status, out, err = run_forked(["prepare", videos, *options], **how)
        assert "Traceback" not in err, err
        return status, out + err

    took = 0.0
    for name in ("first", "whole"):  # the first one waits for the package to be loaded
        begin = time.monotonic()
        status, said = finish(name)
        took = time.monotonic() - begin
        assert status == 0, said
    seed = random.randrange(1000)
    print(f"seed {seed}")
    chance, torn = random.Random(seed), 0
    for kill in range(kills):
        number = signal.SIGTERM if kill % 4 == 3 else signal.SIGKILL
        status, said = finish("killed", after=chance.uniform(0.1, 1) * took, number=number)
        assert status in (0, 130 if number == signal.SIGTERM else -number), said
        torn += any(path.name.endswith(".partial") for path in (tmp_path / "killed").rglob(".*"))
    assert finish("killed")[0] == 0
    assert content(tmp_path / "killed") == content(tmp_path / "whole")
    print(f"{torn} times with parts left; {took:.1f} s undisturbed")


def test_asked_to_stop_it_keeps_the_shards_that_are_whole(run_forked, videos, tmp_path):
    slow = ("import time; from siamjax.data.prepared import records; make = records.Recorder.example\n"
            "records.Recorder.example = lambda self, shown: (time.sleep(0.05), make(self, shown))[1]")
    options = ["--records", 5, "--threads", 1, "--output", tmp_path / "out"]
    status, out, err = run_forked(["prepare", videos, *options], before=slow, after=1.5, number=signal.SIGTERM)
    assert (status, out) == (130, "")
    assert err.splitlines()[-1] == "stopped; what was done is kept"
    there = [path.name for path in (tmp_path / "out/set/images/1.0.0").iterdir()]
    assert there
    assert not [name for name in there if name.endswith(".partial")]
    assert run(["prepare", str(videos), *map(str, options)]) == 0


def test_what_it_prints(videos, tmp_path, capsys):
    output = str(tmp_path / "out")
    assert run(["prepare", str(videos), "--output", output, "--records", "50", "--shard", "1/2"]) == 0
    assert capsys.readouterr().out == f"100 records\nthe other shares of {output} are still to be written\n"
    assert run(["prepare", str(videos), "--output", output, "--records", "50"]) == 0
    assert capsys.readouterr().out.startswith("120 records, 20 of them now\n")
    assert run(["prepare", "--verify", "--output", output]) == 0
    assert capsys.readouterr().out == "all 6 files are as they were written: 120 records, 2 tracks\n"


@pytest.mark.slow
def test_a_training_takes_two_steps_from_it(videos, tmp_path):
    for form in ("images", "crops"):
        output, settings = str(tmp_path / form), ["--set", "data.max_fraction=0.9", "--set", "batch_size=4", "--set",
                                                    "data.negative=0"]
        assert run(["prepare", str(videos), "--form", form, "--output", output]) == 0
        assert run(["train", "experiments/siamfc_tiny.py", "--data", output, "--output", str(tmp_path / "run" / form),
                    "--steps", "2", *settings]) == 0


MISTAKES = {
    "no data": (["--output", "{t}/out"], "no data is given (siamjax prepare): "),
    "no such folder": (["{t}/nothing", "--output", "{t}/out"], "there is no such folder"),
    "an empty folder": (["{t}/empty", "--output", "{t}/out"], "the folder is empty"),
    "a share that is none": (["{v}", "--output", "{t}/out", "--shard", "two"], "'two' is not a share (--shard): "),
    "a share beyond the last": (["{v}", "--output", "{t}/out", "--shard", "3/2"], "share 3 of 2 (--shard): "),
    "a share of nothing": (["{v}", "--output", "{t}/out", "--shard", "1/0"], "share 1 of 0 (--shard): "),
    "no thread": (["{v}", "--output", "{t}/out", "--threads", "0"], "0 threads (--threads): "),
    "a narrow crop": (["{v}", "--output", "{t}/out", "--form", "crops", "--side", "10"], "side is 10 (--side): "),
    "a quality of JPEG": (["{v}", "--output", "{t}/out", "--quality", "101"], "quality is 101 (--quality): "),
    "a name": (["{v}", "--output", "{t}/out", "--name", "../x"], "'../x' cannot be the name of a data set (--name): "),
    "an output with other files": (["{v}", "--output", "{v}"], "holds other files, such as a ("),
    "an output that is a file": (["{v}", "--output", "{v}/validation.txt"], "cannot be written"),
    "nothing to verify": (["--verify", "--output", "{t}/nothing"], "nothing is prepared there ("),
    "a data set verified": (["--verify", "--output", "{v}"], "nothing is prepared there ("),
    "evaluate": (["evaluate", "--data", "{p}", "--output", "{t}/out"], "trackers are run over the original frames ("),
    "tune": (["tune", "--data", "{p}", "--output", "{t}/out", "--grid", "scale_lr=1"], "over the original frames ("),
    "prepared twice": (["{p}", "--output", "{t}/out"], "the data is prepared already ("),
}


@pytest.fixture(scope="module")
def prepared(videos, tmp_path_factory):
    output = tmp_path_factory.mktemp("prepared")
    assert run(["prepare", str(videos), "--output", str(output)]) == 0
    return output


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(mistake, videos, prepared, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    arguments, said = MISTAKES[mistake]
    command = [part.format(v=videos, t=tmp_path, p=prepared) for part in arguments]
    before = content(videos)
    capsys.readouterr()
    assert run(command if command[0] in ("evaluate", "tune") else ["prepare", *command]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert shown.err.startswith("error: ")
    assert said in shown.err
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
    assert content(videos) == before
