"""Embeddings of images: made in batches of one shape, of single crops or of whole folders in one call."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from collections.abc import Sequence as Listing
from pathlib import Path

import jax
import numpy as np
from tqdm import tqdm

from siamjax import stopping
from siamjax.data.images import read_image
from siamjax.data.photos import find_images, object_crop
from siamjax.errors import ConfigError, OutputError, SourceError
from siamjax.evaluation.files import embeddings as files_of_embeddings
from siamjax.evaluation.files.embeddings import Embeddings
from siamjax.nets.contrastive import Side
from siamjax.ops.views import edge_sketch
from siamjax.outputs import folder_for
from siamjax.weights import embedders
from siamjax.weights.embedders import LoadedEmbedder

BATCH = 32


@dataclasses.dataclass(frozen=True, eq=False)
class Embedded:
    """What became of images.

    Attributes:
      embeddings: as the file holds them.
      left_out: what is wrong with those that could not be read, one sentence each.
    """

    embeddings: Embeddings
    left_out: tuple[str, ...]


def embed(source: str | Path, output: str | Path, *, model: str = embedders.DEFAULT, side: Side = "first",
          skip_unreadable: bool = False) -> Embedded:
    """Makes an embedding of every image: numbers that are alike where the object is the same.

    An image is taken for its object from rim to rim, and its rim, repeated outwards, for the margin.

    Args:
      source: folder of images (and of folders of them), glob pattern, or one image.
      output: file to write, .npz, see `Embeddings`.
      model: embedding net: a weight file, the folder of a training; or a tracker, whose pooled trunk is one.
      side: of a net whose two sides take different inputs.
      skip_unreadable: leave images that do not decode out, and say which, instead of stopping at the first.
    Raises:
      SourceError: no image, or one that cannot be read.
      ConfigError: the side takes words.
      WeightsError: a model that cannot be loaded.
      OutputError: another ending than .npz, or the file cannot be written.
    """
    output = Path(output)
    if output.suffix != ".npz":
        raise OutputError(f"'{output.name}' is not the name of an npz", "--output", "let it end in .npz")
    files = find_images(str(source))
    loaded = embedders.load(model, prepare=True)
    if loaded.embedder.view(side).modality == "words":
        raise ConfigError(f"the {side} side of '{model}' takes words", "--side", "give the side that takes images")
    left_out: list[str] = []
    with folder_for(output.parent), tqdm(total=len(files), unit="image", desc=f"embedding with {loaded.name}",
                                         disable=None, file=sys.stderr) as bar:
        vectors, kept = embed_files(
            loaded, files, side, seen=bar.update,
            unreadable=(lambda error: left_out.append(f"{error.where}: {error.what}")) if skip_unreadable else _refuse)
        found = Embeddings(vectors, np.array([file.as_posix() for file in kept]), loaded.embedder.config.distance,
                           str(model), side, loaded.fingerprint)
        files_of_embeddings.write(output, found)
    return Embedded(found, tuple(left_out))


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


def _refuse(error: SourceError) -> None:
    do = "replace or remove it, or leave such images out with --skip-unreadable"
    raise SourceError(error.what, error.where, do) from error
