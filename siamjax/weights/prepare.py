"""Parameters in the form in which tracking runs them.

Every BatchNorm is folded into the convolution before it, in float64; for a CPU the kernels of Winograd
convolutions are transformed as well. Layers that tracking never runs are dropped. The prepared net gives the
plain net's outputs up to rounding; it cannot be trained.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict

from siamjax.errors import ConfigError
from siamjax.nets.layers import ConvNorm
from siamjax.ops import conv, winograd
from siamjax.types import Params, Tree

Net = TypeVar("Net", bound=nn.Module)
SHAPES = ((1, 127, 127, 3), (1, 255, 255, 3))  # exemplar and search; any that the net accepts will do


def has_form(net: nn.Module) -> bool:
    """Whether there is anything in `net` to prepare; nets of one's own may have other layers altogether."""
    return _marked(net) != net


def prepare(net: Net, variables: Params, *, shapes: tuple[tuple[int, ...], ...] = SHAPES,
            platform: str | None = None) -> tuple[Net, Params]:
    """Folds and transforms the parameters of every `ConvNorm` that `net` calls, and drops those it does not.

    Args:
      net: a module whose parts that hold a `ConvNorm` have a field `prepared`.
      variables: its `{"params", "batch_stats"}`.
      shapes: of the float32 arguments of `net.__call__`, exemplar and search; the call is only traced.
      platform: "cpu" transforms kernels too; by default the platform that JAX runs on.
    Returns:
      The net with `prepared` set, and `{"params"}` of float32 numpy arrays.
    Raises:
      ConfigError: if `net` has no field `prepared` in it.
    """
    prepared = _marked(net)
    if not has_form(net):
        raise ConfigError(f"{type(net).__name__} has no part with a field 'prepared' that is unset",
                          where="weights.prepare", do="give the modules that make a ConvNorm this field")
    platform = platform or jax.default_backend()
    flat: dict[Any, Any] = flatten_dict(jax.tree.map(np.asarray, variables["params"]))
    statistics = flatten_dict(jax.tree.map(np.asarray, variables.get("batch_stats", {})))
    called = _conv_norms(functools.partial(net.apply, variables), shapes)
    built = _conv_norms(functools.partial(net.init, jax.random.key(0)), shapes)
    for path in built.keys() - called.keys():  # SiamMask's coarse mask under a refinement
        flat = {key: value for key, value in flat.items() if key[:len(path)] != path}
    for path, layer in called.items():
        plain = {key: flat.pop(key) for key in list(flat) if key[:len(path)] == path}
        own = {key[len(path):]: value for key, value in plain.items()}
        own |= {key[len(path):]: value for key, value in statistics.items() if key[:len(path)] == path}
        kernel, bias = _fold(layer, own)
        flat[*path, "bias"] = bias.astype(np.float32)
        flat |= {(*path, name): value for name, value in _kernel_form(layer, kernel, platform).items()}
    return prepared, {"params": unflatten_dict(flat)}


def _conv_norms(call_net: Callable[..., Tree], shapes) -> dict[tuple[str, ...], ConvNorm]:
    """Every `ConvNorm` that a net's `apply` or `init` reaches, by its path in the parameters."""
    found = {}

    def record(call, args, kwargs, context):
        if isinstance(context.module, ConvNorm) and context.method_name == "__call__":
            found[context.module.path] = context.module
        return call(*args, **kwargs)

    with nn.intercept_methods(record):
        jax.eval_shape(call_net, *(jax.ShapeDtypeStruct(shape, np.float32) for shape in shapes))
    return found


def _fold(layer: ConvNorm, own: dict) -> tuple[np.ndarray, np.ndarray]:
    """Float64 kernel and bias of the convolution with the BatchNorm that follows it, if any."""
    values = {"/".join(key): value.astype(np.float64) for key, value in own.items()}
    kernel, bias = values["kernel"], values.get("bias", np.zeros(layer.features))
    if layer.norm is None:
        return kernel, bias
    factor = values["norm/scale"] / np.sqrt(values["norm/var"] + layer.norm.epsilon)
    return kernel * factor, (bias - values["norm/mean"]) * factor + values["norm/bias"]


def _kernel_form(layer: ConvNorm, kernel: np.ndarray, platform: str) -> dict:
    size, _, channels, _ = kernel.shape
    if (platform != "cpu" or layer.lowering == "lax" or layer.precision.compute != "float32"
            or not conv.takes_winograd(size, channels, layer.stride)):
        return {"kernel": kernel.astype(np.float32)}
    groups = np.split(kernel, layer.groups, axis=3)
    return {"transformed": tuple(winograd.transform_kernel(group).astype(np.float32) for group in groups)}


def _marked(net: Net) -> Net:
    """A copy of `net` in which `prepared` is set wherever there is such a field."""
    fields = {f.name: getattr(net, f.name) for f in dataclasses.fields(net) if f.name != "parent"}  # type: ignore
    changes: dict[str, Any] = {k: _marked(v) for k, v in fields.items() if isinstance(v, nn.Module)}
    if "prepared" in fields:
        changes["prepared"] = True
    return net.clone(**changes)
