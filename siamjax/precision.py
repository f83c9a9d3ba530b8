"""How exactly a net computes: one argument, read by layers and correlation only."""

from __future__ import annotations

import dataclasses
from typing import Literal

import jax.numpy as jnp
from jax import lax

from siamjax import fields


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
