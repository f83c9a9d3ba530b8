"""SiamMask base on ResNet-50: masks of 63 x 63 at each position, learned with classes and boxes.

    siamjax convert resnet.model --backbone resnet50 --output backbone.safetensors
    siamjax train experiments/siammask_base.py --data DIR --output runs/siammask_base

The mask counts where a positive anchor was drawn and its object has an outline or a mask file; all other pairs train
classes and boxes alone. As published, all 625 positions get a mask and 16 at most are compared: 10 MB a pair, 635 MB
for the batch, and as much again for the gradient; devices share it. From torchvision's ResNet-50:
`--set net.backbone.normalise=true --set tracker.channel_order=rgb`. `siammask_sharp.py` goes on from the result.

Departures: SiamMask mixes four sets by fixed numbers of pairs (two of them with masks), here images and videos share as
`DataConfig` says; a pair of two objects takes its negatives round the other object, and no pair more than 48, as in
PySOT; motion blur is PySOT's; what a crop wants beyond its picture has the picture's mean colour, not black;
statistics of BatchNorm and the denominators of the loss are those of the whole batch, not of each GPU; layer2 and
layer3 learn their BatchNorm as soon as they train, which SiamMask does after a restart only.
"""

from siamjax.data import DataConfig, pysot
from siamjax.training import Experiment, MaskObjective, OptimConfig, RPNObjective
from siamjax.weights import ZOO

augment = pysot(search_size=255, blur=0.18, grey=0.25)
published = ZOO["siammask_base"].tracker  # the net, and the settings to track with

config = Experiment(
    name="siammask_base", batch_size=64, epochs=20, steps_per_epoch=600_000 // 64,
    net=published.net, objective=MaskObjective(RPNObjective(cls_weight=1.0, loc_weight=1.2), mask_weight=36.0),
    tracker=published.config,
    data=DataConfig(patch_size=augment.reach, max_gap=100, negative=0.2, masks=True, min_side=1, min_area=1,
                    max_side=1e5, min_fraction=0.0, max_fraction=1.0, max_aspect=1e5),
    augment=augment,
    optim=OptimConfig(
        peak_lr=5e-3, final_lr=2.5e-3, reach_final=True, warmup_lr=1e-3, warmup_epochs=5, momentum=0.9,
        weight_decay=1e-4, clip_norm=10.0, factors=(("backbone", 0.1),), frozen=("backbone",),
        thaw=(("backbone/layer2", 10), ("backbone/layer3", 10))),
    init_from="backbone.safetensors")
