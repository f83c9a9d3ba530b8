"""Embedding nets from their weight files: a file alone rebuilds net and settings, as a tracker's does."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from siamjax.errors import WeightsError
from siamjax.nets.embedder import Embedder
from siamjax.types import Params
from siamjax.weights import files, spec, zoo


@dataclasses.dataclass(frozen=True)
class LoadedEmbedder:
    """An embedding net with its parameters.

    Attributes:
      embedder: net and settings.
      params: the whole variables dict.
      card: where the weights come from and what they score, text.
      name: the file's stem, or that of the folder of its training.
    """

    embedder: Embedder
    params: Params
    card: str
    name: str


def load(source: str | Path, *, embedder: Embedder | None = None) -> LoadedEmbedder:
    """An embedding net with its weights.

    Args:
      source: a `.safetensors` file, or the folder of a training.
      embedder: net and settings, for weights of a net of your own; by default those of the file.
    Raises:
      SourceError: no such file or folder.
      WeightsError: a file of another kind, such as a tracker's, or whose parameters do not fit its own settings.
    """
    path, name = zoo.locate(source)
    variables, metadata = files.load(path)
    embedder = spec.loads(metadata["config"], where=str(path)) if embedder is None else embedder
    if not isinstance(embedder, Embedder):
        raise WeightsError(f"settings are of a {type(embedder).__name__}, not of an embedding net", str(path),
                           "give a file that a training with an embedder wrote, e.g. of experiments/verify_objects.py")
    zoo.check_shapes(variables, wanted_variables(embedder), where=str(path))
    return LoadedEmbedder(embedder, jax.tree.map(jnp.asarray, variables), metadata["card"], name)


def wanted_variables(embedder: Embedder) -> Any:
    """Shapes of the variables dict of an embedding net."""
    shapes = jax.eval_shape(embedder.net.init, jax.random.key(0), embedder.config.first.inputs(),
                            embedder.config.second.inputs())
    return {kind: shapes[kind] for kind in ("params", "batch_stats") if kind in shapes}
