"""SiamMask base with a narrow AlexNet, which two CPU cores train in minutes on the data the package draws itself.

    siamjax train experiments/siammask_tiny.py --output runs/tiny_mask                # moving shapes
    siamjax train experiments/siammask_tiny.py --output runs/tiny_mask --data DIR     # one's own data, with masks
"""

import dataclasses
from pathlib import Path

from siamjax.nets import DepthwiseBranch, SiamMask
from siamjax.trackers import SiamMaskConfig
from siamjax.training import MaskObjective, load_experiment

parent = load_experiment(Path(__file__).with_name("siamrpn_tiny.py"))

config = dataclasses.replace(
    parent, name="siammask_tiny",
    net=SiamMask(parent.net.backbone, None, parent.net.head, DepthwiseBranch(32, 63 * 63)),
    objective=MaskObjective(),
    tracker=SiamMaskConfig(penalty_k=0.16, window_influence=0.4, lr=0.3, mask_size=63, channel_order="rgb"),
    data=dataclasses.replace(parent.data, masks=True))
