"""Two processes that share a training, as two hosts would."""

import os
import socket
import subprocess
import sys

import chex
import pytest

from siamjax.training import loop
from siamjax.training.experiment import load_experiment
from siamjax.weights import files

HOST = """
import sys
from pathlib import Path
import jax
jax.config.update("jax_cpu_collectives_implementation", "gloo")
address, number, experiment, data, folder = sys.argv[1:]
jax.distributed.initialize(address, 2, int(number))
from siamjax.data.readers import open_data
from siamjax.training import loop
from siamjax.training.experiment import load_experiment
for stop_at in (7, 12):  # the second goes on from the first's checkpoint
    loop.train(load_experiment(experiment), open_data(data), Path(folder), data="squares", stop_at=stop_at)
assert jax.device_count() == 4
"""


@pytest.mark.slow
def test_two_processes_and_one_give_the_same_weights(experiment_file, data, tracks, tmp_path):
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        address = f"localhost:{probe.getsockname()[1]}"
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    hosts = [subprocess.Popen([sys.executable, "-c", HOST, address, str(number), str(experiment_file),
                               str(data), str(tmp_path / "two")],
                              env=environment, stderr=subprocess.PIPE, text=True)
             for number in range(2)]
    for host in hosts:
        said = host.communicate(timeout=300)[1]
        assert host.returncode == 0, said[-3000:]
    loop.train(load_experiment(experiment_file), tracks, tmp_path / "one", data="squares", stop_at=12)
    two, one = (files.load(tmp_path / name / "weights.safetensors")[0] for name in ("two", "one"))
    chex.assert_trees_all_close(two, one, rtol=1e-5, atol=1e-5)
