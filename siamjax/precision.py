"""How exactly a net computes: one argument, read by layers and correlation only (P6)."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
from jax import lax

from siamjax.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Precision:
    """Dtype of activations and precision of products; boxes, losses and statistics stay float32.

    Attributes:
      compute: name of the dtype of activations and kernels inside the net.
      matmul: name of the `jax.lax.Precision` of convolutions and products.
    """

    compute: str = "float32"
    matmul: str = "HIGHEST"

    def __post_init__(self):
        if self.compute not in ("float32", "bfloat16") or self.matmul not in ("DEFAULT", "HIGH", "HIGHEST"):
            raise ConfigError(
                f"precision {self.compute}/{self.matmul} is unknown",
                where="Precision",
                do="use float32 or bfloat16, and DEFAULT, HIGH or HIGHEST",
            )

    @property
    def dtype(self):
        return jnp.dtype(self.compute)

    @property
    def lax(self) -> lax.Precision:
        return lax.Precision[self.matmul]


PARITY = Precision()  # for every comparison with a reference
FAST = Precision("bfloat16", "DEFAULT")
