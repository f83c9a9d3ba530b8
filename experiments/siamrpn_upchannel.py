"""SiamRPN with the head of its paper (Li et al. 2018), on AlexNet.

    siamjax train experiments/siamrpn_upchannel.py --data DIR --output runs/siamrpn_upchannel

PySOT has this head and no recipe for it; this is the one of its depthwise head.
"""

import dataclasses
from pathlib import Path

from siamjax.training import load_experiment
from siamjax.weights import ZOO

parent = load_experiment(Path(__file__).with_name("siamrpn_alex.py"))

config = dataclasses.replace(parent, name="siamrpn_upchannel", net=ZOO["siamrpn_upchannel"].tracker.net)
