"""NanoTrackV1 by its published recipe, for GOT-10k.

    siamjax train experiments/nanotrack_v1.py --data DIR --output runs/nanotrack_v1

The published training starts from a MobileNetV3-Small that knows images; here the trunk starts as that of the published
NanoTrackV3. It stays as it is, its BatchNorms too, for ten epochs, and trains at a tenth of the rate from then on.

Departures, here and in the files that start from this one: statistics of BatchNorm and the denominators of the loss are
those of the whole batch, the published ones those of each device; a step whose loss exceeds 10,000 is not skipped.
"""

from siamjax.data import DataConfig, pysot
from siamjax.training import Experiment, OptimConfig, PointObjective
from siamjax.weights import ZOO

augment = pysot(search_size=255, blur=0.2)  # the shifts, stretches and colours of its settings file
published = ZOO["nanotrack_v1"].tracker

config = Experiment(
    name="nanotrack_v1", batch_size=32, epochs=50, steps_per_epoch=100_000 // 32,
    net=published.net, objective=PointObjective(), tracker=published.config,
    data=DataConfig(patch_size=augment.reach, max_gap=100, negative=0.2, min_side=1, min_area=1, max_side=1e5,
                    min_fraction=0.0, max_fraction=1.0, max_aspect=1e5),
    augment=augment,
    optim=OptimConfig(
        peak_lr=5e-3, final_lr=5e-4, reach_final=True, warmup_lr=1e-3, warmup_epochs=5, momentum=0.9,
        weight_decay=1e-4, clip_norm=10.0, frozen=("backbone",), thaw=(("backbone", 10),),
        factors=(("backbone", 0.1),)),
    init_from="nanotrack_v3", init_parts=(("backbone", "backbone"),))
