"""Time of one tracking step on this machine's CPU, stage by stage, beside PyTorch or another peer.

    python scripts/benchmark.py [--what step] [--models siamfc_alexnet siamrpn_alex]... [--threads 1 2] [--repeat 40]
                                [--torch-baseline SCRIPT] [--torch-python PYTHON]
                                [--peers FOLDER] [--peer-python PYTHON]

    --what step       one frame of tracking: decode, crop, network, choice, and the whole step
    --what light      the same of the light trackers, beside the published ONNX files in ONNX Runtime and OpenCV;
                      processor time, and the last column the ratio of wall time
    --what train      one step of training at batch 8: forward, loss, backward, SGD with momentum
    --what targets    a frame of `track_many`, a target, for several numbers of targets

Every number is a median of single calls. Each side is a process of its own, held to the same number of
threads; they take turns, so that a busy machine slows all of them alike: trust the ratios of one run before its
milliseconds. Where a peer or what it needs is missing, this is said and our own times are printed alone.
Prints one Markdown table.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
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

import numpy as np
from benchmark_worker import FRAME, TARGET_FRAMES, TARGETS, picture, write_weights

BASELINES = {"siamfc_alexnet": "siamfc", "siamrpn_alex": "alex", "siamrpn_mobilev2": "mobilev2",
             "siamrpn_r50": "r50", "siammask_r50": "siammask"}  # names there
ONNX = {"fear_xs": "ONNX Runtime", "nanotrack_v2": "OpenCV", "nanotrack_v3": "ONNX Runtime"}  # runs the peer
REST = 0.02  # s between calls: threads of the other side that still spin after theirs must come to rest
Times = tuple[float, float]  # milliseconds of wall and, where the other side tells it, of processor time
WORKER = Path(__file__).with_name("benchmark_worker.py")
PEER = Path(__file__).with_name("benchmark_peers.py")


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
      processor: times are of the processor, which holds on a busy machine where milliseconds are few, and a last
        column compares the wall's.
    """

    models: tuple[str, ...]
    ours: tuple[str, ...]
    compared: dict[str, tuple[str, tuple[str, ...]]]
    per_call: Callable[[str], int] = lambda name: 1
    burst: int = 1
    processor: bool = False


PLANS = {
    "step": Plan(tuple(BASELINES), ("decode", "crop", "network", "choice", "step"), {
        "PyTorch network": ("network", ("--what", "search")),
        "PyTorch step": ("step", ("--what", "step")),
        "PyTorch bf16 step": ("step", ("--what", "step", "--bf16"))}, burst=4),
    "light": Plan(tuple(ONNX), ("decode", "crop", "network", "choice", "step"), {"peer": ("step", ())}, burst=4,
                  processor=True),
    "train": Plan(("siamfc_alexnet", "siamrpn_alex", "siamrpn_mobilev2"), ("step",), {
        "PyTorch": ("step", ("--what", "train"))}),
    "targets": Plan(("siamfc_alexnet", "siamrpn_alex", "siammask_small", *ONNX), tuple(map(str, TARGETS)), {},
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
    parser.add_argument("--torch-baseline", type=Path, help="a script that times the same nets in PyTorch")
    parser.add_argument("--torch-python", default=sys.executable, help="a Python that has PyTorch")
    parser.add_argument("--peers", type=Path, help="folder of ONNX files")
    parser.add_argument("--peer-python", default=sys.executable, help="a Python that has ONNX Runtime and OpenCV")
    return parser.parse_args()


def measure(arguments: argparse.Namespace, plan: Plan, model: str, threads: int) -> dict:
    """Milliseconds by name of `model` with that many threads: our calls, and the others'."""
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.safetensors"
        write_weights(model, weights)
        ours = Peer([sys.executable, str(WORKER), arguments.what, model, str(weights)], threads)
        calls: dict[str, Callable[[], Times]] = {name: functools.partial(ours.call, name) for name in plan.ours}
        peers = [ours]
        try:
            for name, command in others(arguments, plan, model, threads, weights).items():
                peers.append(Peer(command, threads))
                calls[name] = peers[-1].call
            times: dict[str, list[Times]] = {name: [] for name in calls}
            for _ in range(arguments.repeat):
                for name, call in calls.items():
                    times[name].append([call() for _ in range(plan.burst)][-1])
                    time.sleep(REST)
        finally:
            for peer in peers:
                peer.close()
    medians = {name: [statistics.median(each) for each in zip(*taken)] for name, taken in times.items()}
    return {"model": model, "threads": threads,
            **{name: taken[plan.processor] / (plan.per_call(name) if name in plan.ours else 1)
               for name, taken in medians.items()},
            "wall": {name: taken[0] for name, taken in medians.items()}}


def others(arguments: argparse.Namespace, plan: Plan, model: str, threads: int, weights: Path) -> dict[str, list[str]]:
    """Commands of the other sides by the names of their columns; none, and why is said, where one is missing."""
    if model in ONNX:
        missing = missing_peer(arguments, model)
        frame = weights.with_suffix(".npy")
        np.save(frame, np.asarray(picture()))
        commands = {name: [arguments.peer_python, str(PEER), model, str(arguments.peers), str(frame), str(threads)]
                    for name in plan.compared}
    else:
        missing = missing_torch(arguments)
        commands = {
            name: [arguments.torch_python, str(arguments.torch_baseline), "--model", BASELINES[model], *options,
                   "--lockstep", "--threads", str(threads), "--weights", str(weights), "--warmup", "2"]
            for name, (_, options) in plan.compared.items()}
    if missing and commands:
        print(f"{model}: {missing}, only our own times", file=sys.stderr)
    return {} if missing else commands


def missing_torch(arguments: argparse.Namespace) -> str:
    """What the PyTorch side lacks, empty for nothing."""
    if arguments.torch_baseline is None:
        return "no --torch-baseline"
    return "" if imports(arguments.torch_python, "torch, safetensors") else f"no PyTorch in {arguments.torch_python}"


def missing_peer(arguments: argparse.Namespace, model: str) -> str:
    """What the peer of a light tracker lacks, empty for nothing."""
    if arguments.peers is None:
        return "no --peers"
    modules = "cv2" if ONNX[model] == "OpenCV" else "cv2, onnxruntime"
    return "" if imports(arguments.peer_python, modules) else f"no {modules} in {arguments.peer_python}"


def imports(python: str, modules: str) -> bool:
    return not subprocess.run([python, "-c", f"import {modules}"], capture_output=True, check=False).returncode


class Peer:
    """A process that makes one call for each line it reads and answers with its milliseconds, of wall first."""

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

    def call(self, name: str = "") -> Times:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(name, file=self.process.stdin, flush=True)
        times = tuple(map(float, self.process.stdout.readline().split()))
        return times[0], times[-1]

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
    """Markdown: our calls, then each of the others with ours as a multiple of it."""
    others = {name: ours for name, (ours, _) in plan.compared.items() if any(name in row for row in rows)}
    ratios = ("ratio", "wall") if plan.processor else ("ratio",)
    heads = ["model", "threads", *plan.ours, *(head for name in others for head in (name, *ratios))]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in rows:
        cells = [f"{row[name]:.2f}" for name in plan.ours]
        for name, ours in others.items():
            there = name in row
            cells += [f"{row[name]:.2f}", f"{row[ours] / row[name]:.2f}"] if there else ["", ""]
            if plan.processor:
                cells.append(f"{row['wall'][ours] / row['wall'][name]:.2f}" if there else "")
        lines.append(f"| {row['model']} | {row['threads']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
