"""SiamRPN with a depthwise head on AlexNet: PySOT's siamrpn_alex_dwxcorr_16gpu.

    siamjax convert alexnet-bn.pth --backbone alexnet --output backbone.safetensors
    siamjax train experiments/siamrpn_alex.py --data DIR --output runs/siamrpn_alex

The batch is that of 16 GPUs of 128 pairs, over all devices. PySOT halves the rates it prints (`OptimConfig.base_lr`);
None gives the printed ones. For a backbone of this project's own, `--set tracker.channel_order=rgb`.

Departures, here and in the files that start from this one: PySOT mixes four sets by fixed numbers of pairs, here
images and videos share as `DataConfig` says; statistics of BatchNorm and the denominators of the loss are those of
the whole batch, PySOT's those of each GPU; PySOT also skips a step whose loss exceeds 10,000.
"""

from siamjax.data import DataConfig, pysot
from siamjax.training import Experiment, OptimConfig, RPNObjective
from siamjax.weights import ZOO

augment = pysot(search_size=255, blur=0.2)
published = ZOO["siamrpn_alex"].tracker  # the net, and the settings to track with

config = Experiment(
    name="siamrpn_alex", batch_size=16 * 128, epochs=50, steps_per_epoch=600_000 // (16 * 128),
    net=published.net, objective=RPNObjective(cls_weight=1.0, loc_weight=1.2), tracker=published.config,
    data=DataConfig(patch_size=augment.reach, max_gap=100, negative=0.05, min_side=1, min_area=1, max_side=1e5,
                    min_fraction=0.0, max_fraction=1.0, max_aspect=1e5),
    augment=augment,
    optim=OptimConfig(
        peak_lr=1e-2, final_lr=5e-4, reach_final=True, warmup_lr=5e-3, warmup_epochs=5, base_lr=5e-3,
        momentum=0.9, weight_decay=1e-4, clip_norm=10.0,
        frozen=("backbone",), thaw=(("backbone/conv4", 10), ("backbone/conv5", 10))),
    init_from="backbone.safetensors")
