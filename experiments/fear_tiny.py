"""FEAR with a narrow trunk, which two CPU cores train in minutes on the data the package draws itself.

    siamjax train experiments/fear_tiny.py --output runs/tiny_fear                # moving shapes
    siamjax train experiments/fear_tiny.py --output runs/tiny_fear --data DIR     # one's own data

On the moving shapes, 1,000 steps took 12 minutes of one core. From the first 50 steps to the last 50 the loss fell from
1.35 to 0.42, and the overlap of the likeliest box with the target rose from 0.08 to 0.68.
"""

from siamjax.data import AugmentConfig, DataConfig, Jitter
from siamjax.nets import Block, InvertedTrunk, PixelwiseHead, SiamRPN
from siamjax.training import Experiment, InsideRule, OptimConfig, PointObjective
from siamjax.weights import ZOO

# FBNet-C at a third of its width and depth: the same strides and sizes, so the tracker's settings are the same too.
blocks = (Block(8, 3, 2, 3), Block(12, 5, 2, 3), Block(24, 5, 2, 3), Block(24, 5, 1, 3), Block(32, 5, 1, 3))
augment = AugmentConfig(exemplar_size=128, search_size=256, exemplar=Jitter(shift=0, stretch=0),
                        search=Jitter(shift=48, stretch=0.25, per_axis=True))

config = Experiment(
    name="fear_tiny", batch_size=8, epochs=10, steps_per_epoch=100,
    net=SiamRPN(InvertedTrunk(blocks, stem=8, projection=48, normalise=True), PixelwiseHead(hidden=48, depth=1)),
    objective=PointObjective(assign=InsideRule(), box_loss="iou"), tracker=ZOO["fear_xs"].tracker.config,
    data=DataConfig(patch_size=augment.reach, squeezed=True, exemplar_size=128, context=0.2, search_scale=0.56,
                    negative=0.1),
    augment=augment,
    optim=OptimConfig(rule="adam", peak_lr=2e-3, final_lr=1e-4, reach_final=True, weight_decay=0.0, clip_norm=10.0),
    checkpoint_every=250, log_every=50)
