"""The data and augmentation of `siamfc_finetune` from random weights, to know what the published ones give.

    siamjax train experiments/siamfc_scratch.py --data DIR --output runs/scratch
"""

import dataclasses
from pathlib import Path

from siamjax.training import OptimConfig, load_experiment

parent = load_experiment(Path(__file__).with_name("siamfc_finetune.py"))

config = dataclasses.replace(
    parent, name="siamfc_scratch", norm_mode="train", init_from=None,
    optim=OptimConfig(peak_lr=1e-2, final_lr=1e-4, factors=(("bias", 10.0),)))
