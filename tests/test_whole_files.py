"""Files whole or not at all; what killed runs leave is removed, what running ones write is not."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys

import pytest

from siamjax import outputs, stopping
from siamjax.errors import OutputError, SourceError


@pytest.fixture
def dead():
    """Number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write(path, text, raised, **how):
    with outputs.whole_file(path, **how) as file:
        file.write(text)
        raise raised


def test_leftovers_of_dead_processes_go_and_others_stay(tmp_path, dead):
    kept = [f".tracks.csv.{os.getpid()}.partial", ".tracks.csv.1.partial", ".mine.partial", "notes.txt",
            f"tracks.csv.{dead}.partial", f".locked.csv.{dead}.partial"]
    for name in [*kept, f".tracks.csv.{dead}.partial", f".a.b.mp4.{dead}.partial", f".x.{10**30}.partial"]:
        (tmp_path / name).write_text("x")
    (tmp_path / f".folder.{dead}.partial").mkdir()
    with open(tmp_path / f".locked.csv.{dead}.partial") as elsewhere:  # a process that this host does not know
        fcntl.flock(elsewhere, fcntl.LOCK_EX)
        outputs.check_folder(tmp_path)
    assert names(tmp_path) == sorted([*kept, f".folder.{dead}.partial"])


def test_a_killed_writer_that_nobody_waited_for_is_dead(tmp_path):
    program = ("import sys, time\nfrom siamjax.outputs import whole_file\n"
               "with whole_file(sys.argv[1]) as file:\n    print('open', flush=True)\n    time.sleep(60)")
    writer = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "x.csv")], stdout=subprocess.PIPE)
    assert writer.stdout.readline() == b"open\n"
    outputs.check_folder(tmp_path)
    assert names(tmp_path) == [f".x.csv.{writer.pid}.partial"]  # it runs
    writer.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, writer.pid, os.WEXITED | os.WNOWAIT)  # a zombie from now on
    outputs.check_folder(tmp_path)
    assert names(tmp_path) == []
    writer.wait()
    writer.stdout.close()


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, OSError, SourceError, ValueError])
def test_a_block_that_raises_leaves_whole_lines_or_nothing(tmp_path, kind, keep):
    raised = kind("what", "where", "do") if kind is SourceError else kind("why")
    with pytest.raises(OutputError if kind is OSError else kind) as error:
        write(tmp_path / "t.csv", "head\n1,2\n3,4", raised, keep_lines=keep)
    assert (kind is OSError) == (error.value is not raised)
    kept = keep and kind in (KeyboardInterrupt, OSError)
    assert names(tmp_path) == ["t.csv"] * kept
    if kept:
        assert (tmp_path / "t.csv").read_text() == "head\n1,2\n"


def test_a_table_without_rows_is_not_kept(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "t.csv", "head\n", KeyboardInterrupt(), keep_lines=True)
    assert names(tmp_path) == []


def test_a_stop_as_a_file_ends_waits_until_it_is_there(tmp_path, monkeypatch):
    replace = outputs.Path.replace

    def slow(path, target):
        signal.raise_signal(signal.SIGTERM)
        stopping_was_due.append(True)
        return replace(path, target)

    stopping_was_due = []
    monkeypatch.setattr(outputs.Path, "replace", slow)
    with stopping.requests():
        outputs.write_text(tmp_path / "t.txt", "whole")
        with pytest.raises(KeyboardInterrupt):
            stopping.check()
    assert stopping_was_due
    assert names(tmp_path) == ["t.txt"]


@pytest.mark.parametrize("name", ["a/b/t.txt", "file/t.txt"])
def test_folders_that_are_none_are_one_line(tmp_path, name):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be written"):
        outputs.write_text(tmp_path / name, "x")
    assert names(tmp_path) == ["file"]


def test_text_of_names_that_are_no_text(tmp_path):
    outputs.write_text(tmp_path / "t.html", os.fsdecode(b"caf\xe9"))
    assert (tmp_path / "t.html").read_text() == "caf\\udce9"
