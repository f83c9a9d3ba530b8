"""SiamRPN++ on MobileNetV2. PySOT published this tracker and **not** how it was trained.

    siamjax convert mobilenetv2.pt --backbone mobilenetv2 --output backbone.safetensors
    siamjax train experiments/siamrpnpp_mobilev2.py --data DIR --output runs/siamrpnpp_mobilev2

The recipe is that of ResNet-50 on 8 GPUs with the layers that the head reads in the place of that one's. The
backbone is of width 1.0 and for RGB, as ImageNet weights are to be had; PySOT's is of width 1.4 and for BGR.
"""

import dataclasses
from pathlib import Path

from siamjax.training import load_experiment
from siamjax.weights import ZOO

parent = load_experiment(Path(__file__).with_name("siamrpnpp_r50_8gpu.py"))
published = ZOO["siamrpn_mobilev2"].tracker

config = dataclasses.replace(
    parent, name="siamrpnpp_mobilev2",
    net=published.net.clone(backbone=published.net.backbone.clone(width=1.0, normalise=True)),
    tracker=dataclasses.replace(published.config, channel_order="rgb"),
    optim=dataclasses.replace(parent.optim, thaw=tuple((f"backbone/layer{i}", 10) for i in range(3, 8))))
