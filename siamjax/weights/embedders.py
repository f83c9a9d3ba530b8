"""Embedding nets from their weight files: a file alone rebuilds net and settings, as a tracker's does.

A tracker's file is one too: its trunk, pooled.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from importlib import resources
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from siamjax.errors import WeightsError
from siamjax.nets.alexnet import AlexNet
from siamjax.nets.contrastive import Siamese
from siamjax.nets.embedder import Embedder, EmbedderConfig
from siamjax.nets.pooled import PooledHead
from siamjax.ops.views import View
from siamjax.settings import describe
from siamjax.trackers.base import Tracker
from siamjax.types import Params
from siamjax.weights import files, spec, traces, zoo
from siamjax.weights.prepare import prepare as prepare_net

DEFAULT = "siamrpn_small"
STAGES = 4  # of an AlexNet: the fifth convolution, made for correlation, tells objects apart less well
# Of the trunk of `siamrpn_small`, which these names share: scripts/default_embedder.py measured the means, and
#   siamjax verify --data DIR --output OUT
# the distance at which errors are equal, on pairs of frames of the validation split's videos.
MEASURED = ("siamrpn_small", "siammask_small")
MEANS = "trunk_means.safetensors"
THRESHOLD = 0.79


@dataclasses.dataclass(frozen=True)
class LoadedEmbedder:
    """An embedding net with its parameters.

    Attributes:
      embedder: net and settings.
      params: the whole variables dict, plain or prepared for this platform.
      card: where the weights come from and what they score, text.
      name: zoo name, the file's stem, or that of the folder of its training.
      fingerprint: of what the embeddings of an image depend on: parameters, net, and how crops are cut.
    """

    embedder: Embedder
    params: Params
    card: str
    name: str
    fingerprint: str = ""


def load(source: str | Path = DEFAULT, *, prepare: bool = False, embedder: Embedder | None = None) -> LoadedEmbedder:
    """An embedding net with its weights.

    Args:
      source: a `.safetensors` file, or the folder of a training; or a tracker by zoo name, file or folder, whose trunk
        is then taken, up to the fourth convolution of an AlexNet, and pooled.
      prepare: bring the parameters into this platform's fastest form, for use alone.
      embedder: net and settings, for weights of a net of your own; by default those of the file.
    Raises:
      SourceError: no such name, file or folder.
      WeightsError: a file of another kind, or whose parameters do not fit its own settings.
    """
    name = zoo.locate(source)[1]
    embedder, variables, metadata = _read(source, embedder)
    fingerprint = _fingerprint(embedder, variables)
    if prepare:
        embedder, variables = _prepared(embedder, variables)
    return LoadedEmbedder(embedder, jax.tree.map(jnp.asarray, variables), metadata["card"], name, fingerprint)


def save_calibrated(path: str | Path, source: str | Path, threshold: float, *, said: str) -> None:
    """Writes the embedding net of `source` with a threshold, whole or not at all; `path` may be its own file.

    Args:
      path: file to write, `.safetensors`.
      source: as `load` takes it.
      threshold: for `EmbedderConfig.threshold`.
      said: where the threshold is from, for the card.
    Raises:
      OutputError: the file cannot be written.
    """
    embedder, variables, metadata = _read(source, None)
    embedder = dataclasses.replace(embedder, config=dataclasses.replace(embedder.config, threshold=threshold))
    card = metadata["card"].partition("; threshold ")[0] + f"; threshold {threshold:.4g} {said}"
    files.save(path, variables, zoo.metadata_for(embedder, card=card, licence=metadata["licence"],
                                                 source_sha256=metadata["source_sha256"]))


def wanted_variables(embedder: Embedder, *, where: str = "settings") -> Params:
    """Shapes of the variables dict of an embedding net; raises WeightsError as `zoo.wanted_variables`."""
    with traces.of_settings(where):
        shapes = traces.bounded(embedder.net.init, jax.random.key(0), embedder.config.first.inputs(),
                                embedder.config.second.inputs(), where=where)
    return {kind: shapes[kind] for kind in ("params", "batch_stats") if kind in shapes}


def trunk_of(tracker: Tracker, *, centred: bool, where: str) -> Embedder:
    """The embedding net that a tracker's trunk makes; see `PooledHead` for `centred`.

    Raises:
      WeightsError: its net has no backbone.
    """
    backbone = getattr(tracker.net, "backbone", None)
    if backbone is None:
        raise WeightsError(f"a tracker whose {type(tracker.net).__name__} has no backbone", where,
                           "give the file of an embedding net, or of a tracker of this package")
    if isinstance(backbone, AlexNet):
        backbone = backbone.clone(stages=backbone.stages[:STAGES], used_stages=None)
    view = View(size=tracker.config.exemplar_size)
    config = EmbedderConfig(view, view, distance="cosine", threshold=THRESHOLD if centred else None,
                            exemplar_size=view.size, channel_order=tracker.config.channel_order)
    return config.build(Siamese(backbone, PooledHead(centred=centred)))


def _read(source: str | Path, embedder: Embedder | None) -> tuple[Embedder, Params, dict[str, str]]:
    """Net, plain variables and metadata of a weight file."""
    path = zoo.locate(source)[0]
    header = files.read_header(path)
    metadata = header.metadata
    found = spec.loads(metadata["config"], where=str(path)) if embedder is None else embedder
    centred = str(source) in MEASURED
    if isinstance(found, Embedder):
        embedder = found
    elif hasattr(found, "net") and hasattr(found, "init"):
        embedder = trunk_of(found, centred=centred, where=str(path))
    else:
        raise WeightsError(f"settings are of a {type(found).__name__}, not of an embedding net or a tracker", str(path),
                           "give a file that a training wrote, e.g. of experiments/verify_objects.py")
    wanted = wanted_variables(embedder, where=str(path))

    def own(variables: Params) -> Params:
        return variables if embedder is found else _trunk_variables(wanted, variables, centred=centred)

    zoo.check_shapes(own(header.variables), wanted, where=str(path))
    return embedder, own(files.load(path)[0]), metadata


def _trunk_variables(wanted: Params, variables: Params, *, centred: bool) -> Params:
    """Those of a tracker that its trunk has, `wanted`, and the means."""
    if centred:
        head = files.load(str(resources.files("siamjax") / "assets" / MEANS))[0]["params"]["head"]
        variables = variables | {"params": variables["params"] | {"head": head}}
    flat = traverse_util.flatten_dict(variables)
    return traverse_util.unflatten_dict({path: flat[path] for path in traverse_util.flatten_dict(wanted)
                                         if path in flat})


def _fingerprint(embedder: Embedder, variables: Params) -> str:
    config = dataclasses.replace(embedder.config, threshold=None)
    digest = hashlib.sha256(json.dumps([describe(embedder.net), describe(config)], sort_keys=True).encode())
    for path, value in sorted(traverse_util.flatten_dict(variables, sep="/").items()):
        digest.update(path.encode() + np.ascontiguousarray(value, np.float32).tobytes())
    return digest.hexdigest()[:32]


def _prepared(embedder: Embedder, variables: Params) -> tuple[Embedder, Params]:
    """In the form of `weights.prepare`, where every input is of images; BatchNorm of the heads stays as it is."""
    views = (embedder.config.first, embedder.config.second)
    if any(view.modality == "words" for view in views):  # `prepare` calls the net with images
        return embedder, variables
    net, folded = prepare_net(embedder.net, variables, shapes=tuple(view.inputs().shape for view in views))
    layers = {path[:-1] for path in traverse_util.flatten_dict(folded["params"])}
    kept = {path: value for path, value in traverse_util.flatten_dict(variables.get("batch_stats", {})).items()
            if path[:-1] in layers}
    return dataclasses.replace(embedder, net=net), folded | {"batch_stats": traverse_util.unflatten_dict(kept)}
