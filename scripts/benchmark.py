"""Time of one tracking step on this machine's CPU, stage by stage, beside PyTorch with the same weights.

    python scripts/benchmark.py [--what step] [--models siamfc_alexnet siamrpn_alex]... [--threads 1 2] [--repeat 40]
                                [--torch-baseline ../shared/tools/torch_baseline.py] [--torch-python PYTHON]

    --what step       one frame of tracking: decode, crop, network, choice, and the whole step
    --what train      one step of training at batch 8: forward, loss, backward, SGD with momentum
    --what targets    a frame of `track_many`, a target, for several numbers of targets

Every number is a median of single calls. Each side is a process of its own, held to the same number of
threads; they take turns, so that a busy machine slows all of them alike: trust the ratios of one run before its
milliseconds. Without the baseline, or without PyTorch, only our own times are printed.
Prints one Markdown table.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import importlib.util
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmark_worker import FRAME, TARGET_FRAMES, TARGETS, write_weights

BASELINES = {"siamfc_alexnet": "siamfc", "siamrpn_alex": "alex", "siamrpn_mobilev2": "mobilev2",
             "siamrpn_r50": "r50", "siammask_r50": "siammask"}  # names there
REST = 0.02  # s between calls: threads of the other side that still spin after theirs must come to rest
WORKER = Path(__file__).with_name("benchmark_worker.py")
BASELINE = Path(__file__).resolve().parents[2] / "shared" / "tools" / "torch_baseline.py"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is timed.

    Attributes:
      models: by default.
      ours: calls of our worker, a column each.
      compared: a column for each call of the baseline: the call of ours it is compared with, and its options.
      per_call: what each time is divided by, to be of one frame and one target.
      burst: calls made in each turn, of which the last is timed: tracking goes frame after frame, and threads that
        have rested for some calls of the other side are slow to start, ours more than PyTorch's.
    """

    models: tuple[str, ...]
    ours: tuple[str, ...]
    compared: dict[str, tuple[str, tuple[str, ...]]]
    per_call: Callable[[str], int] = lambda name: 1
    burst: int = 1


PLANS = {
    "step": Plan(tuple(BASELINES), ("decode", "crop", "network", "choice", "step"), {
        "PyTorch network": ("network", ("--what", "search")),
        "PyTorch step": ("step", ("--what", "step")),
        "PyTorch bf16 step": ("step", ("--what", "step", "--bf16"))}, burst=4),
    "train": Plan(("siamfc_alexnet", "siamrpn_alex", "siamrpn_mobilev2"), ("step",), {
        "PyTorch": ("step", ("--what", "train"))}),
    "targets": Plan(("siamfc_alexnet", "siamrpn_alex", "siammask_small"), tuple(map(str, TARGETS)), {},
                    lambda name: int(name) * TARGET_FRAMES),
}


def main() -> None:
    arguments = parse()
    plan = PLANS[arguments.what]
    rows = [measure(arguments, plan, model, threads)
            for model in arguments.models or plan.models for threads in arguments.threads]
    print(describe_machine())
    print(table(plan, rows))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--what", default="step", choices=list(PLANS))
    known = dict.fromkeys(model for plan in PLANS.values() for model in plan.models)
    parser.add_argument("--models", nargs="+", choices=list(known))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--repeat", type=int, default=40)
    parser.add_argument("--torch-baseline", type=Path, default=BASELINE if BASELINE.is_file() else None)
    parser.add_argument("--torch-python", default=sys.executable, help="a Python that has PyTorch")
    return parser.parse_args()


def measure(arguments: argparse.Namespace, plan: Plan, model: str, threads: int) -> dict:
    """Milliseconds by name of `model` with that many threads: our calls, and PyTorch's."""
    with tempfile.TemporaryDirectory() as folder:
        weights = str(Path(folder) / "weights.safetensors")
        write_weights(model, Path(weights))
        ours = Peer([sys.executable, str(WORKER), arguments.what, model, weights], threads)
        calls: dict[str, Callable[[], float]] = {
            name: lambda name=name: ours.call(name) / plan.per_call(name) for name in plan.ours}
        peers = [ours]
        try:
            for name, (_, options) in (plan.compared if has_torch(arguments) else {}).items():
                command = [arguments.torch_python, str(arguments.torch_baseline), "--model", BASELINES[model], *options,
                           "--lockstep", "--threads", str(threads), "--weights", weights, "--warmup", "2"]
                peers.append(Peer(command, threads))
                calls[name] = peers[-1].call
            times: dict[str, list[float]] = {name: [] for name in calls}
            for _ in range(arguments.repeat):
                for name, call in calls.items():
                    times[name].append([call() for _ in range(plan.burst)][-1])
                    time.sleep(REST)
        finally:
            for peer in peers:
                peer.close()
    return {"model": model, "threads": threads, **{n: statistics.median(t) for n, t in times.items()}}


def has_torch(arguments: argparse.Namespace) -> bool:
    if arguments.torch_baseline is None:
        return False
    check = [arguments.torch_python, "-c", "import torch, safetensors"]
    if subprocess.run(check, capture_output=True, check=False).returncode:
        print("no PyTorch here: only our own times", file=sys.stderr)
        return False
    return True


class Peer:
    """A process that makes one call for each line it reads and answers with its milliseconds."""

    def __init__(self, command: list[str], threads: int):
        # jax sizes its thread pool by NPROC, which is read when it starts; the baseline by --threads.
        environment = os.environ | {"NPROC": str(threads), "JAX_PLATFORMS": "cpu"}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=environment)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("ready"):
                return
        raise SystemExit(f"did not start: {' '.join(command)}")

    def call(self, name: str = "") -> float:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(name, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def describe_machine() -> str:
    versions = {name: importlib.metadata.version(name) for name in ("jax", "flax", "torch")
                if importlib.util.find_spec(name)}
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), cpu)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (f"{cpu}, {os.cpu_count()} cores, Python {platform.python_version()}, "
            f"{', '.join(f'{name} {version}' for name, version in versions.items())}; "
            f"frame {FRAME[0]}x{FRAME[1]}, float32, medians in ms; load while measuring {load}.\n")


def table(plan: Plan, rows: list[dict]) -> str:
    """Markdown: our calls, then each of PyTorch's with ours as a multiple of it."""
    others = {name: ours for name, (ours, _) in plan.compared.items() if name in rows[0]}
    heads = ["model", "threads", *plan.ours, *(head for name in others for head in (name, "ratio"))]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in rows:
        cells = [row[name] for name in plan.ours]
        cells += [cell for name, ours in others.items() for cell in (row[name], row[ours] / row[name])]
        lines.append(f"| {row['model']} | {row['threads']} | " + " | ".join(f"{c:.2f}" for c in cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
