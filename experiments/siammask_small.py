"""SiamMask on the trunk and the boxes of `siamrpn_small`: masks from a few hundred objects that have one.

    python scripts/train_masks.py experiments/siammask_small.py --data DIR --output runs/small_masks --pairs 8000 \
        --steps 600 --lr 3e-3
    siamjax train experiments/siammask_small.py --data DIR --output runs/small_masks      # slower, without a cache

Everything but `segment` stays as it is. Searches of 159 px have 25 cells; the one in the middle sees all that the
boxes' towers look at, and the script trains that one.

J on the seven masked validation videos: 0.598 (the tracked box filled 0.422, an ellipse in it 0.462), mean of frames
and then of videos, without first and last frames. Nine minutes of training on a busy machine of two cores, after
sixteen of embedding.
"""

from siamjax.data.augment import AugmentConfig, Jitter
from siamjax.data.config import DataConfig, wide
from siamjax.nets.alexnet import AlexNet
from siamjax.nets.guided_mask import GuidedMask, Segment
from siamjax.nets.similarity_heads import PixelwiseRPN, SimilarityRPN
from siamjax.trackers.siammask import SiamMaskConfig
from siamjax.training.experiment import Experiment
from siamjax.training.mask_objective import MaskObjective
from siamjax.training.optim import OptimConfig

augment = AugmentConfig(
    search_size=159,
    exemplar=Jitter(shift=4, stretch=0.08, per_axis=True, colour=1, contrast=0.2, brightness=20),
    search=Jitter(shift=12, stretch=0.3, per_axis=True, colour=1, contrast=0.2, brightness=20, blur=0.1),
    grey=0.1, flip=0.5)

config = Experiment(
    name="siammask_small", seed=11, batch_size=32, epochs=8, steps_per_epoch=125,
    net=GuidedMask(AlexNet(used_stages=(1, 2, 5)), SimilarityRPN(PixelwiseRPN()), Segment()),
    objective=MaskObjective(rpn_weight=0.0),
    tracker=SiamMaskConfig(search_size=287, penalty_k=0.1, window_influence=0.25, lr=0.25, temperature=2.159,
                           lost_threshold=0.1, self_correction=True, half_pixel=True, crop_rule="pysot",
                           mask_border=0.0, mask_threshold=0.45, channel_order="rgb"),
    data=wide(DataConfig(patch_size=augment.reach, masks=True, max_gap=20, image_share=0.6, paste=0.3,
                         distractors=0.3, synthetic_share=0.1)),
    augment=augment,
    optim=OptimConfig(peak_lr=1e-2, final_lr=5e-4, weight_decay=1e-4, clip_norm=10.0, warmup_steps=100,
                      frozen=("backbone", "head")),
    init_from="siamrpn_small", ema=0.998, checkpoint_every=250, log_every=25)
