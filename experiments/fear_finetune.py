"""FEAR-XS trained further from the published weights, all of them, on little data.

    siamjax train experiments/fear_finetune.py --data DIR --output runs/fear

Its BatchNorms are folded into the convolutions, so there is none to train. The stem and the blocks up to stride 8, the
dearest to train, stay as they are.
"""

import dataclasses
from pathlib import Path

from siamjax.data import wide
from siamjax.training import OptimConfig, load_experiment
from siamjax.weights import ZOO

parent = load_experiment(Path(__file__).with_name("fear_xs.py"))

config = dataclasses.replace(
    parent, name="fear_finetune", net=ZOO["fear_xs"].tracker.net, init_parts=None, batch_size=16, epochs=20,
    steps_per_epoch=100, data=dataclasses.replace(wide(parent.data), max_gap=100, negative=0.1, image_share=0.3),
    augment=dataclasses.replace(parent.augment, flip=0.5),
    optim=OptimConfig(rule="adam", peak_lr=1e-5, final_lr=1e-6, reach_final=True, weight_decay=0.0, warmup_steps=100,
                      frozen=("backbone/stem", *(f"backbone/block{number}" for number in range(8)))),
    norm_mode="eval", ema=0.998, checkpoint_every=200, log_every=20)
