"""Joining the other processes of a training, before JAX looks for devices."""

from __future__ import annotations

import os

import jax

from siamjax.errors import ConfigError

# What schedulers leave in the environment of each process of a job of several; JAX reads them by itself.
CLUSTERS = ("SLURM_JOB_ID", "OMPI_MCA_orte_hnp_uri", "OMPI_COMM_WORLD_SIZE", "TPU_WORKER_HOSTNAMES",
            "CLOUD_TPU_TASK_ID", "KUBERNETES_SERVICE_HOST")


def join(coordinator: str | None = None, process: int | None = None, processes: int | None = None) -> None:
    """Makes this process one of a training that several share; to be called before anything is computed.

    Without arguments JAX takes them from the cluster: SLURM, Open MPI, Kubernetes or TPU pods.

    Args:
      coordinator: `HOST:PORT` of process 0, the same for all.
      process: number of this one, from 0.
      processes: how many there are.
    Raises:
      ConfigError: arguments that do not fit together; no cluster where none are given; or the others are not met.
    """
    given = (coordinator, process, processes)
    if any(value is None for value in given) and any(value is not None for value in given):
        raise ConfigError("some of --coordinator, --process and --processes are missing", "siamjax train",
                          "give all three, or --hosts alone on a cluster")
    if processes is not None and process is not None and not 0 <= process < processes:
        raise ConfigError(f"process {process} of {processes}", "--process", f"use 0 to {processes - 1}")
    if coordinator is not None and not coordinator.rpartition(":")[2].isdigit():
        raise ConfigError(f"'{coordinator}' has no port", "--coordinator", "write HOST:PORT of process 0")
    if coordinator is None and not any(name in os.environ for name in CLUSTERS):
        raise ConfigError("no cluster is found", "--hosts", "start it by SLURM, Open MPI, Kubernetes or on a TPU pod, "
                          "or give --coordinator HOST:PORT --process NUMBER --processes COUNT")
    if os.environ.get("JAX_PLATFORMS", "") == "cpu":  # where the default has no collective operations
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        jax.distributed.initialize(coordinator, processes, process)
    except (RuntimeError, ValueError) as error:
        what = f"the processes of the training do not meet: {' '.join(str(error).split())[:160]}"
        raise ConfigError(what, coordinator or "the cluster", "check address and port, and that all are started"
                          ) from error
