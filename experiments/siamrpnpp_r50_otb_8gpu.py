"""SiamRPN++ on ResNet-50 for OTB: PySOT's siamrpn_r50_l234_dwxcorr_otb_8gpu.

    siamjax train experiments/siamrpnpp_r50_otb_8gpu.py --data DIR --output runs/siamrpnpp_r50_otb

Levels are averaged without weights, a fifth of the pairs is grey, layer1 trains too, and the rate ends five times as
high.
"""

import dataclasses
from pathlib import Path

from siamjax.data import pysot
from siamjax.training import load_experiment
from siamjax.weights import ZOO

parent = load_experiment(Path(__file__).with_name("siamrpnpp_r50_8gpu.py"))
published = ZOO["siamrpn_r50_otb"].tracker

config = dataclasses.replace(
    parent, name="siamrpnpp_r50_otb_8gpu", batch_size=8 * 16, steps_per_epoch=600_000 // (8 * 16),
    net=published.net, tracker=published.config, augment=pysot(search_size=255, blur=0.2, grey=0.2),
    optim=dataclasses.replace(parent.optim, final_lr=2.5e-3, thaw=(("backbone/layer1", 10), *parent.optim.thaw)))
