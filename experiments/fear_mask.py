"""Masks on the trunk of `fear_xs`, in crops round its boxes, from a few hundred objects that have one.

    siamjax train experiments/fear_mask.py --data DIR --output runs/fear_mask

Everything but `segment` stays as it is. A crop shows its box with three tenths of a side on each side, squeezed to 128
px; boxes found are not exact, so those of the searches are moved and stretched.

J on the seven masked validation videos: 0.793 (the tracked box filled 0.510, an ellipse in it 0.565), mean of frames
and then of videos, without first and last frames. After 100 of the 400 steps it was 0.753. A step takes a second on two
cores, once the features are there (2.1 GB).
"""

from siamjax.data import AugmentConfig, DataConfig, Jitter, wide
from siamjax.nets import CropSegment, MaskedRPN
from siamjax.trackers import MaskedConfig
from siamjax.training import Cached, CropLevels, CropMaskObjective, Experiment, OptimConfig
from siamjax.weights import ZOO

fear = ZOO["fear_xs"].tracker
segment = CropSegment()
augment = AugmentConfig(
    exemplar_size=128, search_size=128,
    exemplar=Jitter(shift=3, stretch=0.06, per_axis=True, colour=1, contrast=0.2, brightness=20),
    search=Jitter(shift=10, stretch=0.25, per_axis=True, colour=1, contrast=0.2, brightness=20, blur=0.1),
    grey=0.1, flip=0.5)

config = Experiment(
    name="fear_mask", seed=11, batch_size=32, epochs=8, steps_per_epoch=50,
    net=MaskedRPN(fear.net.backbone, fear.net.head, segment=segment), objective=CropMaskObjective(),
    tracker=MaskedConfig(fear.config),
    data=wide(DataConfig(patch_size=augment.reach, masks=True, squeezed=True, exemplar_size=128,
                         context=segment.margin, max_gap=20, image_share=0.5, paste=0.25, distractors=0.3,
                         synthetic_share=0.05)),
    augment=augment, cached=Cached(CropLevels(), pairs=8000),
    optim=OptimConfig(rule="adamw", peak_lr=3e-3, final_lr=6e-5, fall="cosine", warmup_steps=50, weight_decay=1e-3,
                      clip_norm=1.0, frozen=("backbone", "head")),
    init_from="fear_xs", ema=0.99, checkpoint_every=50, log_every=10)
