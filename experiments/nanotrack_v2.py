"""NanoTrackV2: the recipe of NanoTrackV1, for GOT-10k.

    siamjax train experiments/nanotrack_v2.py --data DIR --output runs/nanotrack_v2
"""

import dataclasses
from pathlib import Path

from siamjax.training import load_experiment
from siamjax.weights import ZOO

parent, published = load_experiment(Path(__file__).with_name("nanotrack_v1.py")), ZOO["nanotrack_v2"].tracker

config = dataclasses.replace(parent, name="nanotrack_v2", net=published.net, tracker=published.config)
