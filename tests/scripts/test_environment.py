"""`scripts/environment.sh`: whatever state `.venv` was left in, the next run mends it or says in one line what is
missing, and leaves nothing half made. With a Python of paper, so that each case takes a moment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "environment.sh"

# Answers what the script asks: its version (`version`), an environment (as the file `venv` says: whole, without a pip,
# or none), an installation (as the file `install` says), and writes down what was asked.
PAPER = """#!/bin/sh
state={state}
printf '%s\\n' "$*" >> "$state/asked"
case "$*" in
  "-c import sys"*) exit 0 ;;
  "-c import ensurepip"*) grep -q whole "$state/venv" ;;
  -V) cat "$state/version" ;;
  "-m venv .venv")
    mkdir -p .venv/bin && cp "$0" .venv/bin/python
    if grep -q whole "$state/venv"; then
      printf '#!/bin/sh\\nprintf "%%s\\\\n" "pip 1 from %s/.venv/lib/site-packages/pip"\\n' "$(pwd -P)" > .venv/bin/pip
      chmod +x .venv/bin/pip
    else
      echo "The virtual environment was not created successfully"; exit 1
    fi ;;
  "-m pip install"*) cat "$state/install" | grep -q works || {{ echo "ERROR: no route to host" >&2; exit 1; }} ;;
  "-m ensurepip"*) exit 1 ;;
esac
"""


@pytest.fixture(params=["clone", "a clone with 'blanks' & signs"])
def clone(request, tmp_path):
    root = tmp_path / request.param
    (root / "scripts").mkdir(parents=True)
    shutil.copy(SCRIPT, root / "scripts")
    (root / "pyproject.toml").write_text("[project]\n")
    return root


@pytest.fixture
def python(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    program = tmp_path / "python3"
    program.write_text(PAPER.format(state=state))
    program.chmod(0o755)
    for name, text in {"version": "Python 3.11.7", "venv": "whole", "install": "works", "asked": ""}.items():
        (state / name).write_text(text + "\n")
    return program


def run(clone, python, extras="dev", **env):
    """Runs it, and gives what was printed, what was asked of Python, and the exit status."""
    asked = python.parent / "state" / "asked"
    asked.write_text("")
    env = {"PATH": f"{python.parent}:/usr/bin:/bin", **env}
    done = subprocess.run(["sh", "-euc", f". scripts/environment.sh; environment {extras}"], cwd=clone, text=True,
                          capture_output=True, env=env)
    return done, asked.read_text()


def made(asked):
    return "-m venv" in asked


def installed(asked):
    return "-m pip install" in asked


def test_a_whole_environment_is_made_once(clone, python):
    done, asked = run(clone, python)
    assert done.returncode == 0, done.stderr
    assert made(asked)
    assert "-m pip install --quiet --editable .[dev]" in asked
    done, asked = run(clone, python)
    assert (done.returncode, done.stdout, made(asked), installed(asked)) == (0, "", False, False)
    done, asked = run(clone, python, extras="")  # what has the extra serves those who want none
    assert not installed(asked)


def half_made(clone):
    (clone / ".venv" / "bin" / "pip").unlink()


def python_gone(clone):
    for name in ("python", "pip"):
        (clone / ".venv" / "bin" / name).unlink()
    (clone / ".venv" / "bin" / "python").symlink_to("/nowhere/python3")


def pip_broken(clone):
    (clone / ".venv" / "bin" / "pip").write_text("#!/bin/sh\nexit 1\n")


def moved(clone):
    (clone / ".venv" / "bin" / "pip").write_text("#!/bin/sh\necho 'pip 1 from /elsewhere/.venv/lib/pip'\n")


def a_file(clone):
    shutil.rmtree(clone / ".venv")
    (clone / ".venv").write_text("")


@pytest.mark.parametrize("harm", [half_made, python_gone, pip_broken, moved, a_file])
def test_a_broken_environment_is_made_anew(clone, python, harm):
    run(clone, python)
    harm(clone)
    done, asked = run(clone, python)
    assert (done.returncode, made(asked), installed(asked)) == (0, True, True), done.stderr
    done, asked = run(clone, python)
    assert (done.returncode, made(asked), installed(asked)) == (0, False, False)


def test_without_the_venv_module_it_says_so_in_one_line_and_leaves_nothing(clone, python):
    state = python.parent / "state"
    (state / "venv").write_text("none\n")
    done, _ = run(clone, python)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "apt install python3-venv" in done.stderr
    assert not (clone / ".venv").exists()
    (state / "venv").write_text("whole\n")  # it was installed
    assert run(clone, python)[0].returncode == 0


@pytest.mark.parametrize("version", ["Python 3.12.1", "Python 3.13.0"])
def test_another_python_is_installed_into_again(clone, python, version):
    run(clone, python)
    (python.parent / "state" / "version").write_text(version + "\n")
    assert installed(run(clone, python)[1])


def test_a_python_that_is_asked_for_by_name_replaces_another(clone, python):
    run(clone, python)
    other = python.parent / "python3.13"
    other.write_text(python.read_text().replace('cat "$state/version"', "echo Python 3.13.0"))
    other.chmod(0o755)
    done, asked = run(clone, python, PYTHON=str(other))
    assert (done.returncode, made(asked)) == (0, True)
    assert not made(run(clone, python, PYTHON=str(other))[1])


@pytest.mark.parametrize("before", ["nothing", "an older project"])
def test_an_installation_that_fails_is_repeated(clone, python, before):
    if before != "nothing":
        run(clone, python)
    (clone / "pyproject.toml").write_text("[project]\nname = 'changed'\n")
    (python.parent / "state" / "install").write_text("fails\n")
    done, _ = run(clone, python)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: siamjax could not be installed")
    (clone / "pyproject.toml").write_text("[project]\n")  # back again, over what is half installed
    (python.parent / "state" / "install").write_text("works\n")
    done, asked = run(clone, python)
    assert (done.returncode, installed(asked)) == (0, True)


def test_an_old_or_missing_python_is_one_line(clone, python):
    python.write_text("#!/bin/sh\nexit 1\n")
    done, _ = run(clone, python)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "3.11" in done.stderr


@pytest.mark.parametrize("clone", ["with blanks"], indirect=True)
def test_a_real_python_mends_what_a_real_one_left(clone):
    """As Debian leaves it: `.venv/bin/python` runs, and there is no pip. The installation fails: nothing to install."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", ".venv"], cwd=clone, check=True)
    done = subprocess.run(["sh", "-euc", ". scripts/environment.sh; environment"], cwd=clone, text=True,
                          capture_output=True, env={**os.environ, "PYTHON": sys.executable, "PIP_NO_INDEX": "1"})
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: siamjax could not be installed")
    pip = subprocess.run([clone / ".venv" / "bin" / "pip", "--version"], text=True, capture_output=True)
    assert f"{clone.resolve()}/.venv/" in pip.stdout
