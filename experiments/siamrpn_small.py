r"""SiamRPN on the trunk of a SiamFC: a small tracker from a small set of pictures.

    siamjax train experiments/siamrpn_small.py --data DIR --output runs/small
    siamjax train experiments/siamrpn_small.py --data DIR --output runs/small --set cached=none   # no cache

The trunk stays as it is (it was trained on far more videos than are at hand); the head sees how alike the pixels of
exemplar and search are, learns boxes and, with the trunk's own response beside it, the class. The trunk's features of
21,000 pairs are computed once, 0.27 MB each. `trunk.safetensors` is a converted `siamfc_alexnet`; that of the package
was trained further by experiments/siamfc_finetune.py.

Success AUC on the validation videos with scripts/default_weights.py (siamfc: 0.510): 0.541, and 0.569 with the
tracker's `self_correction`: figures of a trainer that drew each batch from one file of 1,000 pairs, where `siamjax
train` goes through all of them in turn. A depthwise head of 128 channels on the same pairs: 0.523, class loss on
validation pairs 0.218 against 0.132 here, and it overfitted; overlap of the best box on those pairs 0.62 against 0.68.
"""

from siamjax.data import AugmentConfig, DataConfig, Jitter, wide
from siamjax.nets import AlexNet, PixelwiseRPN, SiamRPN, SimilarityRPN
from siamjax.trackers import SiamRPNConfig
from siamjax.training import AssignConfig, BackboneFeatures, Cached, Experiment, OptimConfig, RPNObjective

augment = AugmentConfig(
    search_size=255,
    exemplar=Jitter(shift=4, stretch=0.08, per_axis=True, colour=1, contrast=0.2, brightness=20),
    search=Jitter(shift=64, stretch=0.4, per_axis=True, colour=1, contrast=0.2, brightness=20, blur=0.2),
    grey=0.2, flip=0.5)

config = Experiment(
    name="siamrpn_small", seed=7, batch_size=32, epochs=26, steps_per_epoch=100,
    net=SiamRPN(AlexNet(), SimilarityRPN(PixelwiseRPN())),
    objective=RPNObjective(loc_weight=2.0, assign=AssignConfig(positive_iou=0.5, box_iou=0.3)),
    tracker=SiamRPNConfig(search_size=287, penalty_k=0.1, window_influence=0.25, lr=0.25, temperature=2.159,
                          self_correction=True, half_pixel=True, channel_order="rgb"),
    data=wide(DataConfig(patch_size=511, max_gap=100, image_share=0.4, negative=0.2, hard_negative=0.6, paste=0.3,
                         distractors=0.3, synthetic_share=0.1)),
    augment=augment,
    optim=OptimConfig(rule="adamw", peak_lr=2e-3, final_lr=4e-5, fall="cosine", warmup_steps=50, weight_decay=1e-4,
                      clip_norm=10.0, frozen=("backbone",)),
    init_from="trunk.safetensors", init_parts=(("backbone", "backbone"),),
    cached=Cached(BackboneFeatures(), pairs=21_000), ema=0.998, checkpoint_every=250, log_every=25)
