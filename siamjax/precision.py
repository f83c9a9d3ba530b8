"""How exactly a net computes: one setting of a training and of `siamjax.load`, read by layers and correlation."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from siamjax import fields
from siamjax.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Precision:
    """Dtype of activations and precision of products; boxes, losses and statistics stay float32.

    Attributes:
      compute: name of the dtype of activations and kernels inside the net.
      matmul: name of the `jax.lax.Precision` of convolutions and products.
    """

    compute: Literal["float32", "bfloat16"] = "float32"
    matmul: Literal["DEFAULT", "HIGH", "HIGHEST"] = "HIGHEST"

    def __post_init__(self):
        fields.check(self)

    @property
    def dtype(self):
        return jnp.dtype(self.compute)

    @property
    def lax(self) -> lax.Precision:
        return lax.Precision[self.matmul]


PARITY = Precision()  # for every comparison with a reference
FAST = Precision("bfloat16", "DEFAULT")

Name = Literal["float32", "bfloat16"]  # as files and command lines have it
NAMED: dict[str, Precision] = {"float32": PARITY, "bfloat16": FAST}


def at_precision(net: nn.Module, name: Name) -> nn.Module:
    """`net` with this precision in all its parts; the parameters, and all geometry, stay float32.

    Args:
      net: whose parts are fields, as those of the package are; a part without the setting `precision` stays as it is.
      name: "float32", or "bfloat16": quicker on accelerators, see docs/precision.md for what it costs.
    Raises:
      ConfigError: another name.
    """
    if name not in NAMED:
        raise ConfigError(f"precision is {name!r}", "precision", f"use one of: {', '.join(NAMED)}")
    values = {field: getattr(net, field) for field in fields.names(net)}
    changes: dict[str, Any] = {field: at_precision(value, name) for field, value in values.items()
                               if isinstance(value, nn.Module)}
    if isinstance(values.get("precision"), Precision):
        changes["precision"] = NAMED[name]
    return net.clone(**changes)
