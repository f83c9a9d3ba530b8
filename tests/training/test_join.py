"""Several processes by the command line, as a user starts them in two terminals."""

import os
import socket
import subprocess
import sys

import chex
import pytest

from siamjax.errors import ConfigError
from siamjax.training import hosts, loop
from siamjax.training.experiment import load_experiment
from siamjax.weights import files


@pytest.mark.parametrize(("arguments", "message"), [
    ({}, "no cluster is found.*--coordinator HOST:PORT"),
    ({"coordinator": "here:1"}, "--processes are missing.*give all three"),
    ({"process": 0, "processes": 2}, "are missing"),
    ({"coordinator": "here:1", "process": 2, "processes": 2}, "process 2 of 2.*use 0 to 1"),
    ({"coordinator": "here", "process": 0, "processes": 2}, "'here' has no port"),
])
def test_what_does_not_fit_together_is_refused(arguments, message, monkeypatch):
    for name in hosts.CLUSTERS:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match=message):
        hosts.join(**arguments)


@pytest.mark.slow
def test_two_terminals_give_the_weights_of_one(experiment_file, data, tracks, tmp_path):
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        address = f"localhost:{probe.getsockname()[1]}"
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "siamjax.cli.main", "train", str(experiment_file), "--data", str(data),
               "--steps", "8", "--output", str(tmp_path / "two"), "--coordinator", address, "--processes", "2"]
    processes = [subprocess.Popen([*command, "--process", str(number)], env=environment, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) for number in range(2)]
    for number, process in enumerate(processes):
        wrote, said = process.communicate(timeout=500)
        assert process.returncode == 0, said[-3000:]
        assert ("wrote" in wrote) == (number == 0)
    loop.train(load_experiment(experiment_file), tracks, tmp_path / "one", data="squares", stop_at=8)
    two, one = (files.load(tmp_path / name / "weights.safetensors")[0] for name in ("two", "one"))
    chex.assert_trees_all_close(two, one, rtol=1e-4, atol=1e-4)  # test_hosts has the tighter bound, in one environment
