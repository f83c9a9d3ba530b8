"""SiamRPN++ on ResNet-50, the batch of 16 GPUs of 24 pairs: PySOT's siamrpn_r50_l234_dwxcorr_16gpu.

    siamjax train experiments/siamrpnpp_r50_16gpu.py --data DIR --output runs/siamrpnpp_r50_16gpu
"""

import dataclasses
from pathlib import Path

from siamjax.training import load_experiment

parent = load_experiment(Path(__file__).with_name("siamrpnpp_r50_8gpu.py"))

config = dataclasses.replace(parent, name="siamrpnpp_r50_16gpu", batch_size=16 * 24,
                             steps_per_epoch=600_000 // (16 * 24))
