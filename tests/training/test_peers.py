"""A host that is killed: the other ends within seconds, with one line."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

HOST = """
import sys, time
from pathlib import Path
import jax
jax.config.update("jax_cpu_collectives_implementation", "gloo")
address, number, busy, folder = sys.argv[1:]
jax.distributed.initialize(address, 2, int(number))
import numpy as np
from jax.experimental import multihost_utils
from siamjax.training import peers
with peers.watched(Path(folder)):
    for step in range(1000):
        if step < 3 or busy == "busy":
            multihost_utils.process_allgather(np.ones(3))
        time.sleep(0.3)
        print(step, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("busy", ["busy", "idle"])
@pytest.mark.parametrize("killed", [0, 1])
def test_the_other_host_ends_within_seconds_with_one_line(tmp_path, killed, busy):
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        address = f"localhost:{probe.getsockname()[1]}"
    hosts = [subprocess.Popen([sys.executable, "-c", HOST, address, str(number), busy, str(tmp_path)], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "XLA_FLAGS": ""})
             for number in range(2)]
    for host in hosts:
        for line in host.stdout:  # type: ignore[union-attr]
            if line == "6\n":
                break
    hosts[killed].send_signal(signal.SIGKILL)
    hosts[killed].communicate()
    started = time.monotonic()
    _, said = hosts[1 - killed].communicate(timeout=120)
    said = [line for line in said.splitlines() if "[Gloo]" not in line]
    assert hosts[1 - killed].returncode == 2, said
    assert len(said) == 1, said
    assert said[0].startswith("error: ")
    assert said[0].endswith("start all of them again with the same command; it goes on from the start")
    assert time.monotonic() - started < 20
