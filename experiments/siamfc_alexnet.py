"""SiamFC with AlexNet as siamfc-pytorch trains it, from random weights.

    siamjax train experiments/siamfc_alexnet.py --data GOT10K_TRAIN --output runs/siamfc_alexnet

Departures from that recipe are those of `AugmentConfig` (one bilinear resampling) and of `PairTable.draw`.
"""

from siamjax.data import AugmentConfig, DataConfig
from siamjax.nets import AlexNet, SiamFC
from siamjax.trackers import SiamFCConfig
from siamjax.training import Experiment, LogisticObjective, OptimConfig

augment = AugmentConfig()

config = Experiment(
    name="siamfc_alexnet", batch_size=8, epochs=50, steps_per_epoch=1166,
    net=SiamFC(AlexNet()), objective=LogisticObjective(positive_radius=16), tracker=SiamFCConfig(),
    data=DataConfig(patch_size=augment.reach, max_gap=100, image_share=0.0), augment=augment,
    optim=OptimConfig(peak_lr=1e-2, final_lr=1e-5, momentum=0.9, weight_decay=5e-4))
