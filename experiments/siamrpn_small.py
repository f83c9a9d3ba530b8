r"""SiamRPN on the trunk of a SiamFC: a small tracker from a small set of pictures.

    python scripts/train_on_features.py experiments/siamrpn_small.py --data DIR --output runs/small --pairs 21000 \
        --steps 2600
    siamjax train experiments/siamrpn_small.py --data DIR --output runs/small      # slower, without a cache

The trunk stays as it is (it was trained on far more videos than are at hand); the head sees how alike the pixels of
exemplar and search are, learns boxes and, with the trunk's own response beside it, the class. `trunk.safetensors` is a
converted `siamfc_alexnet`; that of the package was trained further by experiments/siamfc_finetune.py.

Success AUC on the validation videos with scripts/default_weights.py (siamfc: 0.510): 0.541, and 0.569 with the
tracker's `self_correction`. A depthwise head of 128 channels on the same pairs: 0.523, class loss on validation pairs
0.218 against 0.132 here, and it overfitted; overlap of the best box on those pairs 0.62 against 0.68.
"""

from siamjax.data.augment import AugmentConfig, Jitter
from siamjax.data.config import DataConfig, wide
from siamjax.nets.alexnet import AlexNet
from siamjax.nets.siamrpn import SiamRPN
from siamjax.nets.similarity_heads import PixelwiseRPN, SimilarityRPN
from siamjax.ops.anchor_targets import AssignConfig
from siamjax.trackers.siamrpn import SiamRPNConfig
from siamjax.training.experiment import Experiment
from siamjax.training.optim import OptimConfig
from siamjax.training.rpn_objective import RPNObjective

augment = AugmentConfig(
    search_size=255,
    exemplar=Jitter(shift=4, stretch=0.08, per_axis=True, colour=1, contrast=0.2, brightness=20),
    search=Jitter(shift=64, stretch=0.4, per_axis=True, colour=1, contrast=0.2, brightness=20, blur=0.2),
    grey=0.2, flip=0.5)

config = Experiment(
    name="siamrpn_small", seed=7, batch_size=16, epochs=20, steps_per_epoch=250,
    net=SiamRPN(AlexNet(), SimilarityRPN(PixelwiseRPN())),
    objective=RPNObjective(loc_weight=2.0, assign=AssignConfig(positive_iou=0.5, box_iou=0.3)),
    tracker=SiamRPNConfig(search_size=287, penalty_k=0.16, window_influence=0.4, lr=0.3, half_pixel=True,
                          channel_order="rgb"),
    data=wide(DataConfig(patch_size=511, max_gap=100, image_share=0.4, negative=0.2, hard_negative=0.6, paste=0.3,
                         distractors=0.3, synthetic_share=0.1)),
    augment=augment,
    optim=OptimConfig(peak_lr=1e-2, final_lr=5e-4, weight_decay=1e-4, clip_norm=10.0, warmup_steps=250,
                      frozen=("backbone",)),
    init_from="trunk.safetensors", ema=0.998, checkpoint_every=250, log_every=25)
