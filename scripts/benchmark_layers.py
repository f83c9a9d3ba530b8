"""Operations and rate of every kind of convolution that a search image passes: where a network's time goes.

    NPROC=1 python scripts/benchmark_layers.py [--model siamrpn_r50] [--repeat 9]

A layer is compiled by itself, in the form in which tracking runs it, and beside it `lax`'s own convolution; times are
the smallest of `--repeat` calls. Prints one Markdown table; layers of one shape share a row, the longest come first.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from benchmark_worker import load, write_weights
from flax import linen as nn

import siamjax
from siamjax.nets import ConvNorm
from siamjax.ops import conv
from siamjax.weights import zoo


@dataclasses.dataclass(frozen=True)
class Kind:
    """What makes two layers take the same time."""

    shape: tuple[int, ...]
    features: int
    size: int
    geometry: conv.Geometry

    @property
    def kernel_shape(self) -> tuple[int, ...]:
        return (self.size, self.size, self.shape[3] // self.geometry.groups, self.features)

    def plain(self, x: jax.Array, kernel: jax.Array) -> jax.Array:
        return conv.conv2d(x, kernel, lowering="lax", **dataclasses.asdict(self.geometry))

    def operations(self) -> float:
        """GFLOP of the plain convolution, two a multiply-add."""
        x, kernel = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in (self.shape, self.kernel_shape))
        return 2e-9 * jax.eval_shape(self.plain, x, kernel).size * kernel.size / self.features

    def __str__(self):
        extras = [f"{name} {value}" for name in ("stride", "dilation", "groups")
                  if (value := getattr(self.geometry, name)) > 1]
        count, side, _, channels = self.shape
        times = f"{count} x " if count > 1 else ""
        return ", ".join([f"{self.size}x{self.size}, {channels} to {self.features}, {times}{side} px", *extras])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="siamrpn_r50", choices=[name for name, e in zoo.ZOO.items() if e.names])
    parser.add_argument("--repeat", type=int, default=9)
    arguments = parser.parse_args()
    siamjax.tune_cpu()
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.safetensors"
        write_weights(arguments.model, weights)
        tracker, variables = load(arguments.model, weights)
    print("| layer | there are | GFLOP each | ms each | GFLOP/s | `lax` ms | first of them |")
    print("|---" * 7 + "|")
    rows = []
    for kind, layers in search_layers(tracker, variables).items():
        path, layer = layers[0]
        own = variables["params"]
        for name in path:
            own = own[name]
        x, kernel = jnp.ones(kind.shape), jnp.ones(kind.kernel_shape)
        ours = fastest(jax.jit(lambda own, x, layer=layer: layer.apply({"params": own}, x)), (own, x), arguments.repeat)
        plain = fastest(jax.jit(kind.plain), (x, kernel), arguments.repeat)
        rows.append((len(layers), kind.operations(), ours, plain, str(kind), "/".join(path)))
    for count, work, ours, plain, kind, path in sorted(rows, key=lambda row: -row[0] * row[2]):
        print(f"| {kind} | {count} | {work:.3f} | {ours:.2f} | {work / ours * 1e3:.0f} | {plain:.2f} | {path} |")
    work, ours, plain = (sum(row[0] * row[column] for row in rows) for column in (1, 2, 3))
    count = sum(row[0] for row in rows)
    print(f"| all | {count} | {work:.2f} | {ours:.2f} | {work / ours * 1e3:.0f} | {plain:.2f} | |")


def search_layers(tracker: Any, variables: Any) -> dict[Kind, list[tuple[tuple[str, ...], ConvNorm]]]:
    """Path and module of every `ConvNorm` that the search image passes in a step, by kind."""
    net, config = tracker.net, tracker.config
    found: dict[Kind, list] = {}

    def record(call, args, kwargs, context):
        layer = context.module
        if isinstance(layer, ConvNorm) and context.method_name == "__call__":
            geometry = conv.Geometry(layer.stride, layer.padding, layer.dilation, layer.groups)
            kind = Kind(args[0].shape, layer.features, layer.kernel_size, geometry)
            found.setdefault(kind, []).append((layer.path, layer.clone(parent=None, name=None)))
        return call(*args, **kwargs)

    def shapes(method, *arguments):
        return jax.eval_shape(lambda *arguments: net.apply(variables, *arguments, method=method), *arguments)

    def images(count, size):
        return jax.ShapeDtypeStruct((count, size, size, 3), jnp.float32)

    if hasattr(net, "embed"):
        method, inputs = "embed", (images(config.num_scales, config.search_size),)
    else:
        kernels = shapes("embed_exemplar", images(1, config.exemplar_size))
        method, inputs = "detect", (kernels, images(1, config.search_size))
    with nn.intercept_methods(record):
        shapes(method, *inputs)
    return found


def fastest(function: Any, arguments: tuple, repeat: int) -> float:
    """Milliseconds of the fastest of `repeat` calls."""
    times = []
    for _ in range(repeat + 1):  # the first one compiles
        start = time.perf_counter()
        jax.block_until_ready(function(*arguments))
        times.append((time.perf_counter() - start) * 1e3)
    return min(times[1:])


if __name__ == "__main__":
    main()
