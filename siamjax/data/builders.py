"""Builders of tensorflow-datasets, one a data set of the field. TensorFlow is not needed.

    import tensorflow_datasets as tfds
    import siamjax.data.builders

    builder = tfds.builder("got10k/images", data_dir=DIR, file_format="array_record")
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=PUBLISHED))
    frames = builder.as_data_source(split="train")

Each data set has two configurations: `images`, a record a frame, and `tracks`, a record a track. They are written in
one process; `siamjax prepare` writes the same records with many threads, jobs that share the work, and restarts, and
what it wrote is read with or without this module.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from siamjax.data.prepared import places
from siamjax.data.prepared.examples import Value
from siamjax.data.prepared.index import track_examples
from siamjax.data.prepared.plan import Plan, make_plan
from siamjax.data.prepared.records import Recorder
from siamjax.data.prepared.settings import Preparation
from siamjax.data.readers import Choice, open_split

WHOLE = Preparation()
KINDS: dict[str, dict[str, Any]] = {WHOLE.form: places.FRAME_FEATURES, places.TRACKS: places.TRACK_FEATURES}


class TracksBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Tracks of a data set as its publisher ships it, unpacked into `manual_dir`.

    Attributes:
      layout: in which it is read; None to find it by the content.
    """

    layout: ClassVar[str | None] = None
    VERSION = tfds.core.Version(places.VERSION)
    MANUAL_DOWNLOAD_INSTRUCTIONS = "Unpack the publisher's archives into one folder, and give it as manual_dir."
    BUILDER_CONFIGS: ClassVar = [tfds.core.BuilderConfig(name=name) for name in KINDS]

    @property
    def _kind(self) -> str:
        return str(getattr(self.builder_config, "name", WHOLE.form))

    def _info(self) -> tfds.core.DatasetInfo:
        features = {name: _feature(kind) for name, kind in KINDS[self._kind].items()}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features),
                                     disable_shuffling=True)

    def _split_generators(self, dl_manager):
        root = Path(dl_manager.manual_dir)
        plan = make_plan(*open_split(root, Choice(self.layout)), WHOLE, str(root))
        return {split: self._generate_examples(plan, split) for split in plan.parts}

    def _generate_examples(self, plan: Plan, split: str):
        part, features = plan.parts[split], KINDS[self._kind]
        if self._kind == places.TRACKS:
            examples = track_examples(plan, part, set())
        else:
            recorder = Recorder(plan.tracks, plan.settings)
            examples = (recorder.example(shown) for shown in part.items(0, part.size))
        for number, example in enumerate(examples):
            yield number, {name: _value(kind, example[name]) for name, kind in features.items()}


def _feature(kind: str | list[str]) -> Any:
    if isinstance(kind, list):
        return tfds.features.Sequence(_feature(kind[0]))
    if kind == "boxes":
        return tfds.features.Tensor(shape=(None, 4), dtype=np.float32)
    if kind == "image":
        return tfds.features.Image(shape=(None, None, 3))
    return tfds.features.Text() if kind == "text" else np.dtype(kind)


def _value(kind: str | list[str], value: Value) -> Any:
    """A value of our records as tensorflow-datasets takes it."""
    if isinstance(kind, list):
        return list(value) if isinstance(value, list) else np.asarray(value).astype(kind[0])
    return np.asarray(value, np.float32).reshape(-1, 4) if kind == "boxes" else value[0]


class Got10k(TracksBuilder):
    """GOT-10k (Huang et al. 2019)."""

    layout = "got10k"


class Lasot(TracksBuilder):
    """LaSOT (Fan et al. 2019)."""

    layout = "lasot"


class Trackingnet(TracksBuilder):
    """TrackingNet (Müller et al. 2018)."""

    layout = "trackingnet"


class Otb(TracksBuilder):
    """OTB 2013, 50 and 100 (Wu et al. 2015)."""

    layout = "otb"


class Uav(TracksBuilder):
    """UAV123 and UAV20L (Mueller et al. 2016)."""

    layout = "uav"


class Nfs(TracksBuilder):
    """Need for Speed (Kiani Galoogahi et al. 2017)."""

    layout = "nfs"


class Templecolor(TracksBuilder):
    """TempleColor-128 (Liang et al. 2015)."""

    layout = "templecolor"


class Tnl2k(TracksBuilder):
    """TNL2K (Wang et al. 2021)."""

    layout = "tnl2k"


class Vot(TracksBuilder):
    """VOT challenges (Kristan et al. 2013 and later)."""

    layout = "vot"


class Vid(TracksBuilder):
    """ImageNet VID (Russakovsky et al. 2015)."""

    layout = "vid"


class Det(TracksBuilder):
    """ImageNet DET (Russakovsky et al. 2015)."""

    layout = "det"


class CocoTracks(TracksBuilder):
    """COCO (Lin et al. 2014): every object a track of one frame."""

    layout = "coco"


class MotTracks(TracksBuilder):
    """MOT 16, 17 and 20 (Milan et al. 2016)."""

    layout = "mot"


class DavisTracks(TracksBuilder):
    """DAVIS 2016 and 2017 (Perazzi et al. 2016, Pont-Tuset et al. 2017)."""

    layout = "davis"


class Youtubevos(TracksBuilder):
    """YouTube-VOS 2018 and 2019 (Xu et al. 2018)."""

    layout = "youtubevos"


class FolderTracks(TracksBuilder):
    """Data of one's own."""

    layout = "folder"
