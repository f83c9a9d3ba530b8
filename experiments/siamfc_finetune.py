"""SiamFC trained further from published weights, whose BatchNorm is folded into the convolutions.

    siamjax convert siamfc_alexnet_2016.pth --model siamfc_alexnet --output start.safetensors
    siamjax train experiments/siamfc_finetune.py --data DIR --output runs/siamfc \\
        --set init_from=start.safetensors

BatchNorm stays in eval mode (its statistics are the identity, not those of the features). The published file
lacks the bias that made a logit of the response: the net learns one, fast. conv1 and conv2, the dearest to
train, stay as they are.

2,000 steps took 44 minutes of two busy cores (12 to 23 pairs a second with the machine to itself). Success AUC on the
validation videos: start 0.498, trained 0.499, half and half 0.509, a quarter trained 0.510 (the default weights, see
scripts/default_weights.py). Three times the rate with wider filters of objects gave less: 0.494, and 0.504 mixed.
"""

from siamjax.data import AugmentConfig, DataConfig, Jitter
from siamjax.nets import AlexNet, SiamFC
from siamjax.trackers import SiamFCConfig
from siamjax.training import Experiment, LogisticObjective, OptimConfig

augment = AugmentConfig(
    search_size=239,
    exemplar=Jitter(shift=4, stretch=0.05, contrast=0.2, brightness=20),
    search=Jitter(shift=24, stretch=0.1, contrast=0.2, brightness=20),
    grey=0.1, flip=0.5)

config = Experiment(
    name="siamfc_finetune", batch_size=8, epochs=20, steps_per_epoch=100,
    net=SiamFC(AlexNet(), logit_bias=True),
    objective=LogisticObjective(positive_radius=16, centre="box"), tracker=SiamFCConfig(),
    data=DataConfig(patch_size=augment.reach, max_gap=100, negative=0.2, image_share=0.3), augment=augment,
    optim=OptimConfig(peak_lr=1e-4, final_lr=1e-6, weight_decay=5e-4, clip_norm=10.0, warmup_steps=100,
                      frozen=("backbone/conv1", "backbone/conv2"), factors=(("bias", 100.0),)),
    norm_mode="eval", ema=0.998, checkpoint_every=200, log_every=20)
