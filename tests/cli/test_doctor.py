"""`siamjax doctor`: each part of the machine that does not work is one line that says what to do, and exit status 2."""

from __future__ import annotations

import importlib
import shutil
import tempfile
from importlib import metadata

import av
import jax
import pytest
from packaging.requirements import Requirement

from siamjax.cli import versions
from siamjax.cli.main import run
from siamjax.training import feed
from siamjax.weights import zoo

FLOORS = {"python": ">=3.11", "av": ">=14.1", "flax": ">=0.12.7", "grain": ">=0.2.15", "jax": ">=0.10",
          "numpy": ">=2.0"}


@pytest.fixture
def doctor(monkeypatch):
    module = importlib.import_module("siamjax.cli.doctor")
    monkeypatch.setattr(module, "requirements", lambda: [])
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)  # else every command asks for its devices first
    return module


@pytest.fixture
def only(doctor, monkeypatch):
    """`only("video")`: that check and no other."""
    return lambda name: monkeypatch.setattr(doctor, "CHECKS", {name: doctor.CHECKS[name]})


def report(capsys):
    """Exit status, the lines of checks that hold, and those that do not."""
    status = run(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    return status, *([line for line in lines if line.startswith(word)] for word in ("ok ", "bad "))


@pytest.mark.slow  # and .ci/run calls it on the wheel
def test_a_machine_on_which_all_works(doctor, model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(zoo, "DEFAULT", model)  # a small one
    status, good, bad = report(capsys)
    assert (status, bad) == (0, [])
    assert [line.split()[1].rstrip(":") for line in good] == [
        "devices", "disk", "codecs", "video", "tracking", "training"]
    assert "a step" in good[-1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "found"), [
    ("av", "14.0.0"), ("flax", "0.12.6"), ("grain", "0.2.14"), ("jax", "0.9.2"), ("numpy", "1.26.4"),
    ("python", "3.10.13"), ("av", None)])
def test_a_version_below_the_declared_one(doctor, monkeypatch, capsys, name, found):
    def version(asked):
        if asked != name:
            return "99.0"
        if found is None:
            raise metadata.PackageNotFoundError(asked)
        return found

    monkeypatch.setattr(doctor, "CHECKS", {})
    monkeypatch.setattr(doctor, "requirements", lambda: [(key, Requirement(key + FLOORS[key])) for key in FLOORS])
    monkeypatch.setattr(versions.metadata, "version", version)
    monkeypatch.setattr(versions.platform, "python_version", lambda: version("python"))
    status, good, bad = report(capsys)
    assert (status, len(bad), len(good)) == (2, 1, len(FLOORS) - 1)
    assert bad[0].startswith(f"bad  {name}: {found or 'it is not installed'}")
    assert f"{name}{FLOORS[name]}" in bad[0]
    assert "pip install --upgrade" in bad[0] or name == "python"


@pytest.mark.parametrize("version", ["0.12.0.1", "14.1.0rc1", "2.13.0+cpu", "14.1"])
def test_releases_of_every_form_compare(monkeypatch, version):
    monkeypatch.setattr(versions.metadata, "version", lambda _: version)
    assert versions.check_version(Requirement("anything>=0.10")) == version


def test_versions_are_those_that_the_installed_package_declares(monkeypatch):
    lines = ["one>=1.0", "two>=2; platform_system == 'Nowhere'", "three>=3; extra == 'dev'", "four"]
    monkeypatch.setattr(versions.metadata, "requires", lambda _: lines)
    monkeypatch.setattr(versions.metadata, "metadata", lambda _: {"Requires-Python": ">=3.11"})
    assert [str(wanted) for _, wanted in versions.requirements()] == ["python>=3.11", "one>=1.0", "four"]


def test_run_from_its_source_versions_are_unknown(monkeypatch, doctor, capsys):
    def none(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(versions.metadata, "metadata", none)
    monkeypatch.setattr(versions.metadata, "version", none)
    monkeypatch.setattr(doctor, "requirements", versions.requirements)
    monkeypatch.setattr(doctor, "CHECKS", {})
    assert report(capsys)[::2] == (2, ["bad  siamjax: it is not installed (siamjax needs siamjax): "
                                       "pip install --upgrade 'siamjax'"])


def raises(error):
    def call(*_, **__):
        raise error
    return call


BROKEN = {
    "no such device": ("devices", lambda doctor: (jax, "devices", raises(RuntimeError("no GPU\nand more")))),
    "a device that computes wrongly": ("devices", lambda doctor: (doctor.jnp, "arange", lambda _: jax.numpy.ones(4))),
    "no room": ("disk", lambda doctor: (shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 0))),
    "no encoder": ("codecs", lambda doctor: (av, "Codec", raises(ValueError("libx264")))),
    "a PyAV that lacks an attribute": ("video", lambda doctor: (
        doctor, "open_source", raises(AttributeError("'VideoFrame' object has no attribute 'rotation'")))),
    "a clip that does not decode": ("video", lambda doctor: (doctor, "open_source", raises(OSError("invalid data")))),
    "no weights": ("tracking", lambda doctor: (zoo, "DEFAULT", "nothing_of_that_name")),
    "a Flax that lacks an argument": ("training", lambda doctor: (
        doctor.loop.replicas, "replicate", raises(TypeError("replicate() got an unexpected keyword 'axis_name'")))),
    "a Grain that lacks a method": ("training", lambda doctor: (
        feed, "batches", raises(AttributeError("'ThreadPrefetchDatasetIterator' has no attribute 'close'")))),
    "an error without words": ("training", lambda doctor: (doctor.loop, "train", raises(AssertionError()))),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_does_not_work_is_one_line(doctor, only, monkeypatch, capsys, kind):
    name, harm = BROKEN[kind]
    only(name)
    with monkeypatch.context() as patch:
        patch.setattr(*harm(doctor))
        status, good, bad = report(capsys)
    assert (status, len(good), len(bad)) == (2, 0, 1)
    assert bad[0].startswith(f"bad  {name}: ")
    assert len(bad[0].split(": ")) >= 3  # the part, what is wrong, what to do


def test_the_other_checks_go_on(doctor, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "CHECKS", {"first": raises(KeyError("x")), "second": lambda: "fine"})
    assert report(capsys)[1] == ["ok   second: fine"]
