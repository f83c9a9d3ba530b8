"""SiamMask on the trunk and the boxes of `siamrpn_small`: masks from a few hundred objects that have one.

    siamjax train experiments/siammask_small.py --data DIR --output runs/small_masks

Everything but `segment` stays as it is. Searches of 159 px have 25 cells; the one in the middle sees all that the
boxes' towers look at. The mask of that one is trained, on what the frozen parts make of its window: 8,000 pairs,
computed once, 0.4 MB each.

J on the seven masked validation videos: 0.598 (the tracked box filled 0.422, an ellipse in it 0.462), mean of frames
and then of videos, without first and last frames. Nine minutes of training on a busy machine of two cores, after
sixteen for the features: figures of a trainer that drew each batch from one file of 500 pairs, where `siamjax train`
goes through all of them in turn.
"""

from siamjax.data import AugmentConfig, DataConfig, Jitter, wide
from siamjax.nets import AlexNet, GuidedMask, PixelwiseRPN, Segment, SimilarityRPN
from siamjax.trackers import SiamMaskConfig
from siamjax.training import Cached, Experiment, MaskWindows, OptimConfig, WindowObjective

augment = AugmentConfig(
    search_size=159,
    exemplar=Jitter(shift=4, stretch=0.08, per_axis=True, colour=1, contrast=0.2, brightness=20),
    search=Jitter(shift=12, stretch=0.3, per_axis=True, colour=1, contrast=0.2, brightness=20, blur=0.1),
    grey=0.1, flip=0.5)

config = Experiment(
    name="siammask_small", seed=11, batch_size=32, epochs=6, steps_per_epoch=100,
    net=GuidedMask(AlexNet(used_stages=(1, 2, 5)), SimilarityRPN(PixelwiseRPN()), Segment()),
    objective=WindowObjective(),
    tracker=SiamMaskConfig(search_size=287, penalty_k=0.1, window_influence=0.25, lr=0.25, temperature=2.159,
                           lost_threshold=0.1, self_correction=True, half_pixel=True, crop_rule="pysot",
                           mask_border=0.0, mask_threshold=0.45, channel_order="rgb"),
    data=wide(DataConfig(patch_size=augment.reach, masks=True, max_gap=20, image_share=0.6, paste=0.3,
                         distractors=0.3, synthetic_share=0.1)),
    augment=augment,
    optim=OptimConfig(rule="adamw", peak_lr=3e-3, final_lr=6e-5, fall="cosine", warmup_steps=50, weight_decay=1e-3,
                      clip_norm=1.0, frozen=("backbone", "head")),
    init_from="siamrpn_small", cached=Cached(MaskWindows(), pairs=8000), ema=0.998, checkpoint_every=250,
    log_every=25)
