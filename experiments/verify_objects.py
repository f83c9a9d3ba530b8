"""Is it the same object? One tower for both crops, on the trunk of the package's SiamFC.

    siamjax train experiments/verify_objects.py --data DIR --output runs/verify
    siamjax train experiments/verify_objects.py --output runs/verify                 # moving shapes

A pair is two frames of a video, or an image twice, each augmented by itself; the other pairs of a batch are the
negatives. The trunk, up to its fourth convolution, stays as it is and the embedding, 128 numbers, is learned.

200 steps took 2 to 4 minutes of two busy cores. ROC area on 1,024 pairs of the validation split with
scripts/verification.py, seeds 1, 2, 3: two frames of a video 0.956, 0.957, 0.956; two augmentations of an image
0.9999, 0.9997, 0.9998. On the videos the trunk's pooled features, standardised, have as much untrained (0.957, on 768
pairs). With its fifth convolution pooled instead: 0.938 untrained, 0.947 trained.
"""

from siamjax.data import AugmentConfig, DataConfig, Jitter, wide
from siamjax.nets import V1, AlexNet, EmbedderConfig, EmbeddingHead, Norm, Siamese
from siamjax.training import Experiment, OptimConfig, TripletObjective

jitter = Jitter(shift=6, stretch=0.1, contrast=0.2, brightness=20)
augment = AugmentConfig(exemplar_size=127, search_size=127, exemplar=jitter, search=jitter, flip=0.5)

config = Experiment(
    name="verify_objects", seed=1, batch_size=32, epochs=5, steps_per_epoch=40,
    net=Siamese(AlexNet(V1[:4]), EmbeddingHead(128, norm=Norm())), objective=TripletObjective(margin=0.3),
    embedder=EmbedderConfig(),
    data=wide(DataConfig(patch_size=augment.reach, max_gap=100, image_share=0.3)), augment=augment,
    optim=OptimConfig(peak_lr=0.1, final_lr=0.01, weight_decay=1e-4, clip_norm=1.0, frozen=("backbone",)),
    init_from="siamrpn_small", init_parts=(("backbone", "backbone"),), checkpoint_every=100, log_every=10)
