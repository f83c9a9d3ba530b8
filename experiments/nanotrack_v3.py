"""NanoTrackV3: the recipe of NanoTrackV1 with twice the batch and four times the pairs.

    siamjax train experiments/nanotrack_v3.py --data DIR --output runs/nanotrack_v3

For GOT-10k, ImageNet VID and DET, YouTube-BB, COCO and LaSOT, 100,000 pairs a set; images and videos share here as
`DataConfig` says.
"""

import dataclasses
from pathlib import Path

from siamjax.training import load_experiment
from siamjax.weights import ZOO

parent, published = load_experiment(Path(__file__).with_name("nanotrack_v1.py")), ZOO["nanotrack_v3"].tracker

config = dataclasses.replace(
    parent, name="nanotrack_v3", batch_size=64, steps_per_epoch=400_000 // 64, net=published.net,
    tracker=published.config, data=dataclasses.replace(parent.data, image_share=1 / 3))
