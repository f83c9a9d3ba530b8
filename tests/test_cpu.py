"""`tune_cpu` says whether it applied, may be called twice, and keeps freed memory in the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from siamjax import cpu

MEASURE = """
import resource, sys
import numpy as np
from siamjax.cpu import tune_cpu
if sys.argv[1] == "tuned":
    assert tune_cpu() and tune_cpu()
def touch():
    np.ones(64 << 17)  # 64 MiB, freed at once
for _ in range(3):
    touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    command = [sys.executable, "-c", MEASURE, how]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_freed_memory_is_not_faulted_in_again():
    if not (sys.platform == "linux" and cpu.platform.libc_ver()[0] == "glibc"):
        pytest.skip("glibc on Linux only")
    assert faults("tuned") < faults("plain") / 10


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(cpu.sys, "platform", "darwin")
    assert cpu.tune_cpu() is False
