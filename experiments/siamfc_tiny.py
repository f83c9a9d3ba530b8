"""SiamFC with a narrow AlexNet, which two CPU cores train in minutes on the data the package draws itself.

    siamjax train experiments/siamfc_tiny.py --output runs/tiny                # moving shapes
    siamjax train experiments/siamfc_tiny.py --output runs/tiny --data DIR     # one's own data
"""

from siamjax.data import AugmentConfig, DataConfig, Jitter
from siamjax.nets import AlexNet, SiamFC, Stage
from siamjax.trackers import SiamFCConfig
from siamjax.training import Experiment, LogisticObjective, OptimConfig

# V1 at an eighth of its width: the same strides and sizes, so the tracker's settings are the same too.
stages = (Stage(12, 11, 2, pool_stride=2), Stage(32, 5, groups=2, pool_stride=2), Stage(48, 3),
          Stage(48, 3, groups=2), Stage(32, 3, groups=2, norm=False, relu=False))
augment = AugmentConfig(exemplar=Jitter(shift=4, stretch=0.05), search=Jitter(shift=16, stretch=0.1))

config = Experiment(
    name="siamfc_tiny", batch_size=8, epochs=10, steps_per_epoch=100,
    net=SiamFC(AlexNet(stages), response_scale=1e-2, logit_bias=True),
    objective=LogisticObjective(positive_radius=16, centre="box"), tracker=SiamFCConfig(),
    data=DataConfig(patch_size=augment.reach, negative=0.1), augment=augment,
    optim=OptimConfig(peak_lr=1e-2, final_lr=1e-4, factors=(("bias", 10.0),)),
    checkpoint_every=250, log_every=50)
