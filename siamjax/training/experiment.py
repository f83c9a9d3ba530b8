"""An experiment: one frozen dataclass that holds all settings of a training."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal, Protocol

from flax import linen as nn

from siamjax.data.augment import AugmentConfig
from siamjax.data.pipeline import DataConfig
from siamjax.data.synthetic import SyntheticConfig
from siamjax.errors import ConfigError
from siamjax.nets.embedder import EmbedderConfig
from siamjax.precision import NAMED, Name, at_precision
from siamjax.trackers.base import Tracker
from siamjax.training.embedding_objective import EmbeddingObjective
from siamjax.training.features import Cached
from siamjax.training.freezing import starts
from siamjax.training.objectives import Objective
from siamjax.training.optim import OptimConfig
from siamjax.user_code import load_object


class TrackerConfig(Protocol):
    """Settings of a tracker: a frozen dataclass that knows which tracker they are of."""

    @property
    def channel_order(self) -> str:
        """Of the images that the net gets, in training as in tracking: "rgb" or "bgr"."""
        ...

    def build(self, net: nn.Module) -> Tracker:
        """That tracker with `net`."""
        ...


@dataclasses.dataclass(frozen=True)
class Experiment:
    """All that decides what a training gives; two equal experiments on equal data give equal weights.

    Attributes:
      name: of the experiment; goes into the card of the weights.
      net: linen module called with exemplars and searches.
      objective: what ties the outputs of the net to targets and a loss.
      tracker: settings of the tracker that the weights are for, written into the weight file; the net is trained in
        its order of channels.
      embedder: in place of `tracker`, settings of the embedding net that the weights are for; each side of the net
        is trained on the view of the crops that it takes.
      data, augment, optim: see there.
      synthetic: the videos that the package draws where no data is given; None for those of `SyntheticConfig`.
      seed: of everything random.
      batch_size: pairs in the global batch, over all devices and processes.
      epochs, steps_per_epoch: length of the training; the learning rate changes once an epoch.
      ema: decay of the moving average of the parameters that becomes the weights; 0 for none.
      norm_mode: whether BatchNorm uses and learns the statistics of the batch ("train") or keeps those it has
        ("eval": for weights whose BatchNorm is folded into the convolutions).
      init_from: weight file to start from, or a zoo name with weights in the package; parameters that it lacks keep
        their initial values.
      init_parts: `(path in the file, path in the net)` of the parts to take, e.g. `("backbone", "first/backbone")`;
        None for the whole file as it is.
      cached: the features of frozen parts, computed once and kept on the disk, that the rest of the net trains on;
        None for crops that go through the whole net at each step.
      precision: in which the net computes, "float32" or "bfloat16"; parameters, optimiser, statistics of BatchNorm,
        losses and geometry are float32 in any case. The weights are for either.
      checkpoint_every, log_every: steps between.
      keep: checkpoints kept.
      max_bad_steps: bad steps (NaN or Inf) in a row at which the training stops.
    """

    name: str
    net: nn.Module
    objective: Objective
    tracker: TrackerConfig | None = None
    embedder: EmbedderConfig | None = None
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    augment: AugmentConfig = dataclasses.field(default_factory=AugmentConfig)
    optim: OptimConfig = dataclasses.field(default_factory=OptimConfig)
    synthetic: SyntheticConfig | None = None
    seed: int = 0
    batch_size: int = 8
    epochs: int = 50
    steps_per_epoch: int = 1000
    ema: float = 0.0
    norm_mode: Literal["train", "eval"] = "train"
    init_from: str | None = None
    init_parts: tuple[tuple[str, str], ...] | None = None
    cached: Cached | None = None
    precision: Name = "float32"
    checkpoint_every: int = 1000
    log_every: int = 50
    keep: int = 2
    max_bad_steps: int = 20

    def __post_init__(self):
        for name in ("batch_size", "epochs", "steps_per_epoch", "checkpoint_every", "log_every", "keep",
                     "max_bad_steps"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}", where=f"Experiment.{name}",
                                  do="use 1 or more")
        if not 0 <= self.ema < 1:
            raise ConfigError(f"ema is {self.ema}", where="Experiment.ema",
                              do="use 0 (none) or a decay below 1")
        if self.norm_mode not in ("train", "eval"):
            raise ConfigError(f"norm_mode is {self.norm_mode!r}", where="Experiment.norm_mode",
                              do="use 'train' or 'eval'")
        if self.precision not in NAMED:
            raise ConfigError(f"precision is {self.precision!r}", where="Experiment.precision",
                              do=f"use one of: {', '.join(NAMED)}")
        if (self.tracker is None) == (self.embedder is None):
            raise ConfigError("the weights are to be for a tracker or an embedding net, one of them",
                              where="Experiment", do="give tracker or embedder")
        squeezed = getattr(self.use, "squeezed", False)  # settings without the word cut squares
        if squeezed != self.data.squeezed:
            raise ConfigError(f"crops are {'squeezed' if squeezed else 'squares'} in use, and are not in the training",
                              where="data.squeezed", do=f"set it to {str(squeezed).lower()}")
        if isinstance(self.objective, EmbeddingObjective):
            self.objective.check(batch_size=self.batch_size, negative=self.data.negative)
        if self.embedder and self.data.synthetic_share and "words" in (self.embedder.first.modality,
                                                                       self.embedder.second.modality):
            raise ConfigError("words and objects drawn beside those of the data", where="data.synthetic_share",
                              do="set it to 0: descriptions are those of the data's own tracks")
        if self.cached is not None:
            self._check_cached(self.cached)

    def _check_cached(self, cached: Cached) -> None:
        if self.embedder is not None:
            raise ConfigError("features are computed once for trackers only", where="Experiment.cached",
                              do="leave cached out")
        for part in cached.features.frozen:
            if not hasattr(self.net, part):
                raise ConfigError(f"the net has no part '{part}' to compute once", where="Experiment.cached",
                                  do="name features of its parts, or leave cached out")
            if not starts(part, self.optim.frozen) or any(starts(path, (part,)) for path, _ in self.optim.thaw):
                raise ConfigError(f"'{part}' is computed once, but trains", where="Experiment.cached",
                                  do="name it in optim.frozen, and nothing of it in optim.thaw")

    @property
    def steps(self) -> int:
        return self.epochs * self.steps_per_epoch

    @property
    def training_net(self) -> nn.Module:
        """The net as it trains, in the precision asked for."""
        return at_precision(self.net, self.precision)

    @property
    def use(self) -> TrackerConfig | EmbedderConfig:
        """Settings of what the weights are for."""
        if self.embedder is not None:  # whose crops are to be cut as those of the training are
            return dataclasses.replace(self.embedder, context=self.data.context, exemplar_size=self.data.exemplar_size)
        assert self.tracker is not None
        return self.tracker

    def build_tracker(self) -> Tracker:
        """The tracker that the trained weights are for.

        Raises:
          ConfigError: they are for an embedding net.
        """
        if self.tracker is None:
            raise ConfigError("the experiment is of an embedding net, not of a tracker", where=self.name,
                              do="give an experiment with `tracker`")
        return self.tracker.build(self.net)


# Settings that change neither the data nor the mathematics: a resumed run may have others.
FREE = ("checkpoint_every", "log_every", "keep", "max_bad_steps", "data.threads", "data.workers", "data.cache_mb")


def load_experiment(given: str | Path) -> Experiment:
    """The experiment of `FILE.py`, where it is called `config`, of `FILE.py:NAME` or of `package.module:NAME`.

    Raises:
      ConfigError: the code is missing or does not run, or holds no such `Experiment`.
    """
    return load_object(given, Experiment, "config", what="experiment")
