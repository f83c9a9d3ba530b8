"""Embeddings of images in an npz that says what made them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from siamjax.errors import DataError, WeightsError
from siamjax.evaluation.files.archives import read_arrays
from siamjax.outputs import whole_file
from siamjax.weights.embedders import LoadedEmbedder

FIELDS = ("embeddings", "files", "distance", "model", "side", "fingerprint")


@dataclasses.dataclass(frozen=True, eq=False)
class Embeddings:
    """What an npz of `siamjax embed` holds, under these names.

    Attributes:
      embeddings: `[N, D]` float32.
      files: `[N]` text, the path of each image.
      distance: by which they are compared.
      model: that made them, in the words of the command line.
      side: that they are of, "first" or "second".
      fingerprint: of the model, see `LoadedEmbedder`.
    """

    embeddings: np.ndarray
    files: np.ndarray
    distance: str
    model: str
    side: str
    fingerprint: str

    def check_model(self, loaded: LoadedEmbedder, where: str) -> None:
        """Raises WeightsError unless `loaded` made them."""
        if self.fingerprint != loaded.fingerprint:
            raise WeightsError(f"these embeddings, of {self.embeddings.shape[1]} numbers, are of the model "
                               f"'{self.model}' and not of '{loaded.name}' as it is now", where,
                               f"give --model {self.model}, or embed the images anew")


def write(path: Path, found: Embeddings) -> None:
    """Writes an npz, whole or not at all.

    Raises:
      OutputError: it cannot be written.
    """
    with whole_file(path, "wb") as file:
        np.savez(file, **{name: getattr(found, name) for name in FIELDS})


def read(path: Path) -> Embeddings:
    """Reads what `write` wrote; nothing of the file is executed.

    Raises:
      SourceError: there is no such file.
      DataError: it is no such npz, or what it holds does not fit together.
    """
    do = "give a file that `siamjax embed` wrote"
    held = read_arrays(path, FIELDS, what="embeddings", do=do)
    vectors, files = held["embeddings"], held["files"]
    words = all(held[name].dtype.kind == "U" and held[name].ndim == 0 for name in FIELDS[2:])
    if not (words and files.dtype.kind == "U" and files.ndim == 1 and vectors.ndim == 2 and len(vectors) == len(files)
            and vectors.size and vectors.dtype.kind == "f"):
        raise DataError("its embeddings and names do not fit together", str(path), do)
    with np.errstate(over="ignore"):  # what leaves float32 is not finite, and said below
        vectors = vectors.astype(np.float32)
    if not np.isfinite(vectors).all():
        raise DataError("its embeddings hold numbers that are not finite, such as NaN", str(path), do)
    return Embeddings(vectors, files, *(str(held[name]) for name in FIELDS[2:]))
