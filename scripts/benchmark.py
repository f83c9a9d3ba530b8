"""Time of one tracking step on this machine's CPU, stage by stage, beside PyTorch with the same weights.

    python scripts/benchmark.py [--models siamfc_alexnet]... [--threads 1 2] [--repeat 40]
                                [--torch-baseline ../shared/tools/torch_baseline.py] [--torch-python PYTHON]

Every number is a median of single calls. Each side is a process of its own, held to the same number of
threads; one call of each is made in turn, so that a busy machine slows all of them alike: trust the ratios of
one run before its milliseconds. Without the baseline, or without PyTorch, only our own times are printed.
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

FRAME = 480, 640
BOX = (270.0, 200.0, 100.0, 80.0)  # xywh, frame pixels; the baseline's target
STAGES = ("decode", "crop", "network", "choice", "step")
COMPARED = {"PyTorch network": "network", "PyTorch step": "step", "PyTorch bf16 step": "step"}
REST = 0.02  # s between calls: threads of the other side that still spin after theirs must come to rest
BASELINE = Path(__file__).resolve().parents[2] / "shared" / "tools" / "torch_baseline.py"


def main() -> None:
    arguments = parse()
    if arguments.worker:
        return worker(arguments.models[0], Path(arguments.worker))
    rows = [measure(arguments, model, threads) for model in arguments.models for threads in arguments.threads]
    print(describe_machine())
    print(table(rows))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--repeat", type=int, default=40)
    parser.add_argument("--torch-baseline", type=Path, default=BASELINE if BASELINE.is_file() else None)
    parser.add_argument("--torch-python", default=sys.executable, help="a Python that has PyTorch")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


# ---------------------------------------------------------------- driver

def measure(arguments: argparse.Namespace, model: str, threads: int) -> dict:
    """Milliseconds by name of `model` with that many threads: our stages, and PyTorch's calls."""
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.safetensors"
        write_weights(model, weights)
        ours = Peer([sys.executable, __file__, "--worker", str(weights), "--models", model], threads)
        calls: dict[str, Callable[[], float]] = {stage: lambda s=stage: ours.call(s) for stage in STAGES}
        peers = [ours]
        for name, options in torch_calls(arguments, model).items():
            command = [arguments.torch_python, str(arguments.torch_baseline), *options, "--lockstep",
                       "--threads", str(threads), "--weights", str(weights)]
            peers.append(Peer(command, threads))
            calls[name] = peers[-1].call
        try:
            times: dict[str, list[float]] = {name: [] for name in calls}
            for _ in range(arguments.repeat):
                for name, call in calls.items():
                    times[name].append(call())
                    time.sleep(REST)
        finally:
            for peer in peers:
                peer.close()
    return {"model": model, "threads": threads, **{n: statistics.median(t) for n, t in times.items()}}


def torch_calls(arguments: argparse.Namespace, model: str) -> dict[str, list[str]]:
    """Arguments of the baseline by the name of the column they fill."""
    if arguments.torch_baseline is None:
        return {}
    check = [arguments.torch_python, "-c", "import torch, safetensors"]
    if subprocess.run(check, capture_output=True, check=False).returncode:
        print("no PyTorch here: only our own times", file=sys.stderr)
        return {}
    search, step = (["--model", MODELS[model].baseline, "--what", what] for what in ("search", "step"))
    return dict(zip(COMPARED, (search, step, [*step, "--bf16"])))


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


def table(rows: list[dict]) -> str:
    """Markdown: our stages, then each of PyTorch's calls with ours as a multiple of it."""
    others = {name: stage for name, stage in COMPARED.items() if name in rows[0]}
    heads = ["model", "threads", *STAGES, *(head for name in others for head in (name, "ratio"))]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in rows:
        cells = [row[stage] for stage in STAGES]
        cells += [cell for name, stage in others.items() for cell in (row[name], row[stage] / row[name])]
        lines.append(f"| {row['model']} | {row['threads']} | " + " | ".join(f"{c:.2f}" for c in cells) + " |")
    return "\n".join(lines)


# ---------------------------------------------------------------- our side

def worker(model: str, weights: Path) -> None:
    """Answers each line read, the name of a stage, with the milliseconds of one call of it."""
    import siamjax

    siamjax.tune_cpu()
    calls = stages(model, weights)
    for call in calls.values():
        for _ in range(3):
            call()
    print("ready", flush=True)
    for line in sys.stdin:
        call, start = calls[line.strip()], time.perf_counter()
        call()
        print(f"{(time.perf_counter() - start) * 1e3:.4f}", flush=True)


def write_weights(model: str, path: Path) -> None:
    """Random weights under the published names, which both sides read."""
    import numpy as np
    from flax import traverse_util
    from safetensors import numpy as safetensors_numpy

    from siamjax.weights import zoo

    entry = zoo.ZOO[model]
    wanted = traverse_util.flatten_dict(zoo.wanted_variables(entry.tracker), sep="/")
    rng = np.random.default_rng(0)

    def random(shape):
        if len(shape) != 4:
            return rng.uniform(0.8, 1.2, shape)
        return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[:3]))).transpose(3, 2, 0, 1)

    tensors = {theirs: np.ascontiguousarray(random(wanted[ours].shape), np.float32)
               for theirs, ours in entry.names or ()}
    safetensors_numpy.save_file(tensors, path)


def stages(model: str, weights: Path) -> dict[str, Callable[[], object]]:
    """What is timed: the whole step as users run it, and each of its stages compiled by itself."""
    import jax
    import numpy as np
    from PIL import Image
    from safetensors import numpy as safetensors_numpy

    from siamjax.data.images import read_image
    from siamjax.trackers.base import as_frame
    from siamjax.weights import convert, zoo
    from siamjax.weights.prepare import prepare

    entry = zoo.ZOO[model]
    tensors = safetensors_numpy.load_file(weights)
    assert entry.names is not None
    plain = convert.convert(tensors, entry.names, zoo.wanted_variables(entry.tracker), where=str(weights))
    net, variables = prepare(entry.tracker.net, plain)
    tracker, params = dataclasses.replace(entry.tracker, net=net), jax.device_put(variables)

    photo = Path(weights).with_suffix(".jpg")
    noise = np.random.default_rng(0).uniform(0, 255, (FRAME[0] // 8, FRAME[1] // 8, 3)).astype(np.uint8)
    Image.fromarray(noise).resize((FRAME[1], FRAME[0]), Image.Resampling.BICUBIC).save(photo, quality=90)
    pixels = read_image(photo)
    state = jax.jit(type(tracker).init, static_argnums=0)(tracker, params, pixels, BOX)
    step = jax.jit(type(tracker).step, static_argnums=0)
    crop, network, choice = MODELS[model].parts(tracker)
    crop, network, choice = (jax.jit(function) for function in (crop, network, choice))
    crops = crop(state, as_frame(pixels))
    outputs = network(params, state, crops)
    return {
        "decode": lambda: read_image(photo),
        "crop": lambda: jax.block_until_ready(crop(state, as_frame(pixels))),
        "network": lambda: jax.block_until_ready(network(params, state, crops)),
        "choice": lambda: jax.device_get(choice(state, outputs)),
        "step": lambda: jax.device_get(step(tracker, params, state, pixels)[1]),
    }


def siamfc_parts(tracker):
    """Crop, network and choice (up-sampling and localisation) of a SiamFC tracker."""
    import jax
    import jax.numpy as jnp

    from siamjax.ops import crops, resize
    from siamjax.trackers.siamfc import locate

    config, net = tracker.config, tracker.net

    def crop(state, frame):
        sides = state.x_side * jnp.array(tracker.factors, jnp.float32)
        return jax.vmap(lambda side: crops.crop(frame, state.centre, side, config.search_size, state.mean,
                                                rule="siamfc", resampling=config.resampling))(sides)

    def network(params, state, images):
        x = net.apply(params, images, method="embed")
        return net.apply(params, state.z[None], x, method="correlate")

    def choice(state, raw):
        return locate(config, state, resize.cubic(raw, raw.shape[-1] * config.upsampling))

    return crop, network, choice


@dataclasses.dataclass(frozen=True)
class Model:
    """A row of the table.

    Attributes:
      baseline: name of the same system in the PyTorch baseline.
      parts: `tracker -> (crop(state, frame), network(params, state, crops), choice(state, outputs))`.
    """

    baseline: str
    parts: Callable


MODELS = {"siamfc_alexnet": Model("siamfc", siamfc_parts)}

if __name__ == "__main__":
    main()
