"""Embeddings of image files: made in batches of one shape, and kept in an npz that says what made them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from collections.abc import Sequence as Listing
from pathlib import Path

import jax
import numpy as np

from siamjax import stopping
from siamjax.data.images import read_image
from siamjax.data.photos import object_crop
from siamjax.errors import ConfigError, DataError, SourceError, WeightsError
from siamjax.evaluation.files.archives import read_arrays
from siamjax.nets.contrastive import Side
from siamjax.ops.views import edge_sketch
from siamjax.outputs import whole_file
from siamjax.weights.embedders import LoadedEmbedder

BATCH = 32
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


def crop_for(loaded: LoadedEmbedder, side: Side, image: np.ndarray, box: np.ndarray | None = None) -> np.ndarray:
    """`[S, S, 3]` uint8 of the object that a side is to see; `box` `[4]` `xywh`, None for the whole image.

    Raises:
      ConfigError: the side takes words.
    """
    config, view = loaded.embedder.config, loaded.embedder.view(side)
    if view.modality == "words":
        raise ConfigError(f"the {side} side of {loaded.name} takes words, not images", "side", "give the other side")
    return object_crop(image, box, size=view.size, exemplar_size=config.exemplar_size, context=config.context)


def make_embed(loaded: LoadedEmbedder, side: Side, *,
               batch: int = BATCH) -> Callable[[Listing[np.ndarray]], np.ndarray]:
    """A function from up to `batch` crops of `crop_for`, or as many tokens, to embeddings `[n, D]` float32.

    One program serves all calls: a batch that is not full is filled up with its first input.
    """
    sketched = loaded.embedder.view(side).modality == "sketch"

    @jax.jit
    def run(params, inputs):
        return loaded.embedder.embed(params, edge_sketch(inputs) if sketched else inputs, side)

    def embed(inputs: Listing[np.ndarray]) -> np.ndarray:
        full = np.stack([*inputs, *[inputs[0]] * (batch - len(inputs))])
        return np.asarray(run(loaded.params, full))[:len(inputs)]

    return embed


def embed_files(loaded: LoadedEmbedder, files: Listing[Path], side: Side, *,
                unreadable: Callable[[SourceError], object] | None = None,
                seen: Callable[[], object] = lambda: None) -> tuple[np.ndarray, list[Path]]:
    """Embeds whole images, each its object.

    Args:
      loaded: the net.
      files: images.
      side: as which.
      unreadable: is told of a file that does not decode, which is then left out; None to raise.
      seen: called once a file.
    Returns:
      `[N, D]` float32, and the `N` files they are of, in the order given.
    Raises:
      SourceError: a file does not decode; or, where that is told instead, none does.
    """
    embed, kept, rows, crops = make_embed(loaded, side), [], [], []
    for file in files:
        stopping.check()
        try:
            crops.append(crop_for(loaded, side, read_image(file)))
            kept.append(file)
        except SourceError as error:
            if unreadable is None:
                raise
            unreadable(error)
        if len(crops) == BATCH:
            rows.append(embed(crops))
            crops = []
        seen()
    if crops:
        rows.append(embed(crops))
    if not rows:
        raise SourceError(f"none of {len(files)} images can be read", str(files[0].parent), "give images that decode")
    return np.concatenate(rows), kept
