"""SiamRPN with a narrow AlexNet, which two CPU cores train in minutes on the data the package draws itself.

    siamjax train experiments/siamrpn_tiny.py --output runs/tiny_rpn                # moving shapes
    siamjax train experiments/siamrpn_tiny.py --output runs/tiny_rpn --data DIR     # one's own data
"""

from siamjax.data import AugmentConfig, DataConfig, Jitter
from siamjax.nets import AlexNet, DepthwiseRPN, Norm, SiamRPN, Stage
from siamjax.trackers import SiamRPNConfig
from siamjax.training import Experiment, OptimConfig, RPNObjective

# PySOT's AlexNet at an eighth of its width: the same strides and sizes, so the tracker's settings are the same too.
stages = (Stage(12, 11, 2, pool_stride=2), Stage(32, 5, pool_stride=2), Stage(48, 3), Stage(48, 3),
          Stage(32, 3, relu=False))
augment = AugmentConfig(search_size=255, exemplar=Jitter(shift=4, stretch=0.05),
                        search=Jitter(shift=48, stretch=0.18, per_axis=True))

config = Experiment(
    name="siamrpn_tiny", batch_size=8, epochs=10, steps_per_epoch=100,
    net=SiamRPN(AlexNet(stages, Norm()), DepthwiseRPN(hidden=32)), objective=RPNObjective(),
    tracker=SiamRPNConfig(penalty_k=0.16, window_influence=0.4, lr=0.3, channel_order="rgb"),
    data=DataConfig(patch_size=augment.reach, negative=0.1), augment=augment,
    optim=OptimConfig(peak_lr=1e-2, final_lr=5e-4, reach_final=True, warmup_lr=2e-3, warmup_epochs=1,
                      weight_decay=1e-4, clip_norm=10.0),
    checkpoint_every=250, log_every=50)
