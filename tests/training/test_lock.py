import errno
import json
import os
import signal
import subprocess
import sys

import pytest

from siamjax.errors import OutputError
from siamjax.training import lock
from siamjax.training.lock import only_training

HOLD = """
import sys, time
from pathlib import Path
from siamjax.training.lock import only_training
with only_training(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_training_is_told_who_holds_the_folder(tmp_path, holder):
    who = rf"another training .*: process {holder.pid} on .*, since 20"
    with pytest.raises(OutputError, match=who) as caught, only_training(tmp_path):
        pass
    assert "\n" not in str(caught.value)
    assert (tmp_path / lock.NAME).exists()


def test_a_killed_holder_leaves_the_folder_free(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / lock.NAME).exists()
    with only_training(tmp_path):
        assert json.loads((tmp_path / lock.NAME).read_text())["process"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_two_of_one_process_exclude_each_other_and_follow_on_each_other(tmp_path):
    twice = f"process {os.getpid()}"
    with only_training(tmp_path), pytest.raises(OutputError, match=twice), only_training(tmp_path):
        pass
    with only_training(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_stops_a_training_frees_the_folder(tmp_path):
    with pytest.raises(KeyboardInterrupt), only_training(tmp_path):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[1, 2]", b'{"process": "x"}', b"[" * 100_000])
def test_any_content_left_in_the_file_is_no_obstacle(tmp_path, content):
    (tmp_path / lock.NAME).write_bytes(content)
    with only_training(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def no_locks(monkeypatch):
    """A file system without locks, as some that are mounted over a network."""
    def refuse(*_):
        raise OSError(errno.ENOLCK, "no locks available")

    if lock.fcntl is not None:
        monkeypatch.setattr(lock.fcntl, "flock", refuse)


def test_without_kernel_locks_the_file_itself_holds(tmp_path, no_locks, holder):
    with pytest.raises(OutputError, match=f"process {holder.pid} .*delete {lock.NAME}"), only_training(tmp_path):
        pass
    holder.kill()
    holder.wait()
    with only_training(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_locks")
def test_without_kernel_locks_another_host_is_believed(tmp_path):
    (tmp_path / lock.NAME).write_text(json.dumps({"process": 1, "host": "elsewhere", "since": "2026-01-01"}))
    with pytest.raises(OutputError, match="process 1 on elsewhere, since 2026-01-01"), only_training(tmp_path):
        pass


def test_a_folder_in_the_place_of_the_lock_is_one_error(tmp_path):
    (tmp_path / lock.NAME).mkdir()
    with pytest.raises(OutputError, match="the lock of the training cannot be written"), only_training(tmp_path):
        pass
