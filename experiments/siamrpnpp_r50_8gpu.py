"""SiamRPN++ on ResNet-50: PySOT's siamrpn_r50_l234_dwxcorr_8gpu.

    siamjax convert resnet50.model --backbone resnet50 --output backbone.safetensors
    siamjax train experiments/siamrpnpp_r50_8gpu.py --data DIR --output runs/siamrpnpp_r50

The batch is that of 8 GPUs of 28 pairs, over all devices. `resnet50.model` is PySOT's own file, for BGR. From
torchvision's ResNet-50: `--set net.backbone.normalise=true --set tracker.channel_order=rgb`.

Departures: see `siamrpn_alex.py`.
"""

import dataclasses
from pathlib import Path

from siamjax.training import OptimConfig, load_experiment
from siamjax.weights import ZOO

parent = load_experiment(Path(__file__).with_name("siamrpn_alex.py"))
published = ZOO["siamrpn_r50"].tracker

config = dataclasses.replace(
    parent, name="siamrpnpp_r50_8gpu", batch_size=8 * 28, epochs=20, steps_per_epoch=600_000 // (8 * 28),
    net=published.net, tracker=published.config, data=dataclasses.replace(parent.data, negative=0.2),
    optim=OptimConfig(
        peak_lr=5e-3, final_lr=5e-4, reach_final=True, warmup_lr=1e-3, warmup_epochs=5, base_lr=5e-3,
        momentum=0.9, weight_decay=1e-4, clip_norm=10.0, factors=(("backbone", 0.1),), frozen=("backbone",),
        thaw=(("backbone/layer2", 10), ("backbone/layer3", 10), ("backbone/layer4", 10))))
