"""SiamMask sharp: a refinement to 127 x 127 on top of a trained base, whose trunk and boxes stay.

    siamjax train experiments/siammask_sharp.py --data DIR --output runs/siammask_sharp \\
        --set init_from=runs/siammask_base/weights.safetensors

Searches are of 143 px, with nine positions, all of which are refined. Give it data with masks: a pair without one
teaches nothing here. The refinement and the mask branch's correlation train; the layers of the coarse mask stay as they
are, for nothing runs them.

Departures: those of `siammask_base.py`; gradients are clipped by the norm of what trains (SiamMask also counts those of
the adjust layer, which it never clears); momentum lasts, where SiamMask forgets it at each epoch.
"""

import dataclasses
from pathlib import Path

from siamjax.training import OptimConfig, load_experiment
from siamjax.weights import ZOO

parent = load_experiment(Path(__file__).with_name("siammask_base.py"))
published = ZOO["siammask_sharp"].tracker
augment = dataclasses.replace(parent.augment, search_size=143,
                              search=dataclasses.replace(parent.augment.search, shift=8.0))

config = dataclasses.replace(
    parent, name="siammask_sharp", steps_per_epoch=200_000 // 64, net=published.net, tracker=published.config,
    objective=dataclasses.replace(parent.objective, rpn_weight=0.0), augment=augment,
    data=dataclasses.replace(parent.data, patch_size=augment.reach, max_gap=20, negative=0.0),
    optim=OptimConfig(
        peak_lr=1e-2, final_lr=2.5e-3, reach_final=True, momentum=0.9, weight_decay=1e-4, clip_norm=10.0,
        frozen=("backbone", "neck", "head", "mask/mix", "mask/out")),
    init_from="siammask_base.safetensors")
